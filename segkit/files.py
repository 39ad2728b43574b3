"""Files that are complete or absent: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_bytes
from torch import Tensor


def write_bytes(data: bytes, path: str | Path) -> Path:
    """Write a file so that a crash, a full disk or a reader at the wrong moment never sees half of it."""
    path = Path(path)
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


def write_json(value: Any, path: str | Path) -> Path:
    """Write JSON, indented, in UTF-8."""
    return write_bytes((json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(), path)


def write_safetensors(tensors: dict[str, Tensor], path: str | Path, header: dict[str, Any]) -> Path:
    """Write tensors with a JSON header, which stands in the file's metadata under "segkit"."""
    own = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()}  # no shared memory
    return write_bytes(to_bytes(own, metadata={"segkit": json.dumps(header, ensure_ascii=False)}), path)
