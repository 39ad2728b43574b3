"""What a file is, in words: for the message where a file of another kind was expected. It needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HISTORY, RECIPE, NOTEBOOK = "holds the history of a training run", "holds a recipe", "holds a notebook"
PICTURE, TEXT = "holds a picture", "holds text"
WEIGHTS, CHECKPOINT = "holds the weights of a network", "holds the checkpoint of a training run"
FOREIGN = "holds tensors but no segkit header"
_UNKNOWN = "is a file of an unknown kind"
_JSON = (  # keys that mark what segkit writes as JSON, and what that is
    ({"cells", "nbformat"}, NOTEBOOK),
    ({"config", "recipe", "history"}, HISTORY),
    ({"weights", "void", "iou"}, "holds figures of `segkit eval`"),
    ({"model", "classes", "pictures"}, "holds figures of `segkit predict`"),
    ({"crf", "table"}, "holds what `segkit crf search` found"),
    ({"experiment", "arms", "runs"}, "holds results of `segkit bench` or an experiment"),
    ({"steps", "batch_size", "lr", "optimizer"}, RECIPE),
)
_PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_LARGEST = 64 << 20  # bytes of text that are read to see what it is


def what_is(path: str | Path) -> str:
    """What is at a path, to go on "PATH …": "holds a recipe", "is a folder"; for a reader that could not use it.

    Returns:
        "is a file of an unknown kind" where nothing better can be said, "is not there" where there is nothing.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return "is a folder"
        if not path.is_file():
            return "is a device or a pipe" if path.exists() else "is not there"
        with path.open("rb") as file:
            start = file.read(16)
            if not start:
                return "is empty"
            if (found := _by_its_start(path, start)) or path.stat().st_size > _LARGEST:
                return found or _UNKNOWN
            return _text(start + file.read())
    except (OSError, ValueError, RecursionError):
        return _UNKNOWN


def another(path: str | Path, *expected: str) -> str:
    """What is at a path, as `what_is` says it; "" where that is expected, or not known."""
    found = what_is(path)
    return "" if found in (*expected, _UNKNOWN) else found


def _by_its_start(path: Path, start: bytes) -> str:
    if start.startswith(_PICTURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return PICTURE
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is text in UTF-16"
    if start.startswith(b"PK\x03\x04"):
        return "is a zip archive, perhaps of torch.save"
    return _tensors(path, int.from_bytes(start[:8], "little")) if start[8:9] == b"{" else ""


def _tensors(path: Path, length: int) -> str:
    """What a safetensors file holds: its first 8 bytes are the length of the JSON that follows."""
    if length > min(path.stat().st_size, _LARGEST):
        return ""
    with path.open("rb") as file:
        facts = json.loads(file.read(8 + length)[8:]).get("__metadata__", {})
    header = json.loads(facts.get("segkit", "null"))
    if not isinstance(header, dict):
        return FOREIGN
    return CHECKPOINT if header.get("kind") == "checkpoint" else WEIGHTS


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _UNKNOWN
    if "\0" in text:
        return _UNKNOWN
    try:
        return _json(json.loads(text))
    except ValueError:
        return "holds a table of `segkit predict`" if text.startswith("picture,") else TEXT


def _json(value: Any) -> str:
    if isinstance(value, dict):
        known = next((words for keys, words in _JSON if keys <= value.keys()), "")
        keys = ", ".join(str(key)[:30] for key in list(value)[:4]) + (", …" if len(value) > 4 else "")
        return known or (f"holds JSON with the keys {keys}" if value else "holds JSON without any keys")
    if isinstance(value, list):
        scores = value and all(isinstance(row, list) and len(row) == 2 for row in value)
        return "holds the scores of a training run" if scores else "holds JSON, a list"
    return "holds JSON, a single value"
