"""Which weights a command means (a file, a run's folder, or the newest run), and how many pictures."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.data import Subset

from segkit.cli.validation import BEST
from segkit.data import SeenThrough
from segkit.files import read_header as read_checkpoint_header
from segkit.names import OWN


def find_weights(run: str | None) -> Path:
    """The weights file of a run.

    Args:
        run: a .safetensors file, the folder of a run, or None for the newest run under runs/.

    Raises:
        FileNotFoundError: there is none, or the run is not finished.
    """
    if run is None:
        finished = sorted(Path("runs").glob("*/weights.safetensors"), key=lambda p: p.stat().st_mtime)
        if not finished:
            raise FileNotFoundError(
                "there is no finished run under runs/; name a weights file, or run `segkit train` first"
            )
        return finished[-1]
    path = Path(run)
    if path.is_dir():
        path = path / "weights.safetensors"
        if not path.exists() and (path.parent / "checkpoint.safetensors").exists():
            best = path.with_name(BEST)
            kept = f", or take the best weights so far: {best}" if best.exists() else ""
            again = f"repeat its `segkit train` with --resume{kept}{started_with(path.parent)}"
            raise FileNotFoundError(f"the run in {run} is not finished; {again}")
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}; `segkit train` makes them")
    return path


def started_with(folder: Path) -> str:
    """The command that started the run in a folder, for the end of a message; nothing where that is not known."""
    try:
        command = read_checkpoint_header(folder / "checkpoint.safetensors").get("command")
    except (OSError, ValueError):
        command = None
    return f"; it was started with: {command}" if command else ""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """A folder that no other command writes to meanwhile; the lock ends with the process, however that ends.

    Raises:
        ValueError: another command is at work there. (Windows has no such lock.)
    """
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ValueError(
            f"another `segkit train` is at work in {folder}; choose another --out, or wait for it"
        ) from None
    except OSError:
        pass  # a disk without locks
    try:
        yield
    finally:
        os.close(handle)


def data_of(given: str | None, header: Mapping[str, Any], weights: Path) -> str:
    """The data set that is meant: the one given, else the one that the weights were trained on.

    Raises:
        ValueError: neither is known, or the folder of one's own that it was trained on is gone.
    """
    name = given or header.get("data")
    if not isinstance(name, str):
        raise ValueError(f"{weights} does not say which data it was trained on; name a data set with --data")
    if not given and name.startswith(OWN) and not Path(name.removeprefix(OWN)).is_dir():
        raise ValueError(f"{weights} was trained on {name}, which is not there; name the data with --data {OWN}PATH")
    return _shortly(name)


def wherever(data: str) -> str:
    """A data set's name that means the same in every working folder: "folder:mine" → "folder:/home/me/mine"."""
    return f"{OWN}{Path(data.removeprefix(OWN)).expanduser().resolve()}" if data.startswith(OWN) else data


def _shortly(data: str) -> str:
    """The same folder, without what it shares with the working folder."""
    path = Path(data.removeprefix(OWN))
    inside = data.startswith(OWN) and path.is_absolute() and path != Path.cwd() and path.is_relative_to(Path.cwd())
    return f"{OWN}{path.relative_to(Path.cwd())}" if inside else data


def run_name(data: str) -> str:
    """A data set's name for the folder of a run: "folder:my/pictures" → "pictures"."""
    return Path(data.removeprefix(OWN)).resolve().name if data.startswith(OWN) else data


def first(dataset: Any, limit: int | None) -> Any:
    """The data set, or its first `limit` pictures."""
    if limit is None:
        return dataset
    if limit < 1:
        raise ValueError(f"--limit {limit} leaves nothing; give at least 1")
    return SeenThrough(Subset(dataset, range(min(limit, len(dataset)))))


def same_classes(weights: Path, header: Mapping[str, Any], name: str, dataset: Any) -> None:
    """Whether a data set has the classes that the weights know.

    Raises:
        ValueError: it has others, or another number of them.
    """
    trained_on = tuple(header.get("classes") or ())
    if trained_on and trained_on != tuple(dataset.classes):
        raise ValueError(
            f"{weights} knows the classes {', '.join(trained_on)}; {name} has {', '.join(dataset.classes)}. "
            "Evaluate it on the data set it was trained on"
        )


def name_and_value(what: str, text: str, example: str = "ema=0.99") -> tuple[str, Any]:
    """`padding=same` or `levels=3`: a name and its value as Python would read it, else as a word."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ValueError(f"{what} got {text!r}; it takes NAME=VALUE, such as {example}")
    try:
        return name, ast.literal_eval(value)
    except (SyntaxError, ValueError):
        return name, value


def model_option(what: str, text: str, known: Mapping[str, Any], example: str) -> tuple[str, Any]:
    """The same for a model's option: 39 stays a word where the option's default is one, as in `base=39`."""
    name, value = name_and_value(what, text, example)
    number = isinstance(value, int | float) and isinstance(known.get(name), str)
    return name, text.partition("=")[2] if number else value
