"""Files that are complete or absent: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

SUM = "sha256"  # of header and tensors: one flipped bit is seen


def write_bytes(data: bytes, path: str | Path) -> Path:
    """Write a file so that a crash, a full disk or a reader at the wrong moment never sees half of it.

    Raises:
        ValueError: a folder or a device has that name, or its folder is a file.
    """
    path = writable(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What the system refuses meanwhile is said of this path: not of none (a full disk), nor of a temporary name."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def writable(path: str | Path) -> Path:
    """The path, if a file may stand there: a folder or a device (`/dev/null`) is not replaced by one.

    Raises:
        ValueError: what stands there, or above it, is something else.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is a device or a pipe, and would be replaced by a file; name another file")
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        raise ValueError(f"{path} cannot be written: {above} is a file; name another folder")
    return path


def check_room(path: str | Path, needed: int, what: str) -> None:
    """Refuse to begin what a disk has no room for.

    Args:
        path: a file or folder that is or will be there; if it is a file, its own bytes will be free again.
        needed: bytes that will be written there.
        what: that needs them, for the message.

    Raises:
        OSError: less is free.
    """
    path = Path(path)
    there = path.stat().st_size if path.is_file() else 0
    above = next(place for place in (path, *path.absolute().parents) if place.exists())
    disk = shutil.disk_usage(above)
    if disk.total and disk.free < needed - there:  # total: some disks of a network do not say
        raise OSError(
            f"{what} will need {_megabytes(needed - there)}, and the disk has {_megabytes(disk.free)} free; make room, "
            "or choose a folder on another disk"
        )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.3g} MB" if count < 1e9 else f"{count / 1e9:.3g} GB"


def write_json(value: Any, path: str | Path) -> Path:
    """Write JSON, indented, in UTF-8.

    Raises:
        ValueError: it holds NaN or an infinity, which JSON lacks; names the place. Nothing is written then.
    """
    no_nan(value, path)
    return write_bytes((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), path)


def no_nan(value: Any, path: str | Path, place: str = "") -> None:
    """Refuse NaN and infinities in what is to become JSON, by their place in it, such as runs.3.scores.mean_iou."""
    if isinstance(value, Mapping):
        parts: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(
                f"{path} is not written: {place or 'the value'} is {value}; where there is none, give None"
            )
        return
    for key, part in parts:
        no_nan(part, path, f"{place}.{key}" if place else str(key))


def write_safetensors(tensors: dict[str, Tensor], path: str | Path, header: dict[str, Any]) -> Path:
    """Write tensors with a JSON header, which stands in the file's metadata under "segkit", and the sum of both.

    Raises:
        ValueError: the header holds NaN or an infinity, as `write_json`.
    """
    no_nan(header, path)
    own = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}  # no shared memory
    told = json.dumps(header, ensure_ascii=False)
    return write_bytes(to_bytes(own, metadata={"segkit": told, SUM: _sum(own, told)}), path)


def read_header(path: str | Path) -> dict[str, Any]:
    """The JSON header of a file that `write_safetensors` wrote.

    Raises:
        FileNotFoundError: no such file. ValueError: cut short, damaged, or without such a header.
    """
    return _read(path, tensors=False)[0]


def read_safetensors(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file that `write_safetensors` wrote, after a look at their sum.

    Raises:
        FileNotFoundError, ValueError: as `read_header`; also where a bit is not what was written.
    """
    return _read(path, tensors=True)


def _read(path: str | Path, tensors: bool) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            found = {key: file.get_tensor(key) for key in file.keys()} if tensors else {}
        told = facts.get("segkit", "null")
        header = json.loads(told)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is not a complete safetensors file ({error}); make or download it again") from None
    if not isinstance(header, dict):
        raise ValueError(f"{path} holds tensors but no segkit header; it was not written by segkit")
    if tensors and facts.get(SUM, "") not in ("", _sum(found, told)):
        raise ValueError(f"{path} is damaged: its SHA-256 is not the one in its header; make or download it again")
    return header, found


def _sum(tensors: dict[str, Tensor], header: str) -> str:
    """SHA-256 of the header, and of every tensor with its name, type and shape, in the order of the names."""
    total = hashlib.sha256(header.encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        total.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return total.hexdigest()
