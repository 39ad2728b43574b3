"""Which implementation the layers use: `segkit.ops`, written from scratch, or `segkit.native`, torch's own kernels."""

from __future__ import annotations

import importlib
from types import ModuleType, TracebackType

_MODULES = {"scratch": "segkit.ops", "native": "segkit.native"}
_current = "native"


class use_engine:
    """Choose the engine of every layer and model, from now on or for the length of a `with` block.

    Args:
        name: "scratch" for `segkit.ops`, "native" for torch's kernels (the default at import).

    Raises:
        ValueError: there is no engine of that name.
    """

    def __init__(self, name: str) -> None:
        global _current
        if name not in _MODULES:
            raise ValueError(f"use_engine got {name!r}; the engines are {' and '.join(map(repr, _MODULES))}")
        self._before, _current = _current, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        global _current
        _current = self._before


def engine() -> ModuleType:
    """The module whose `conv2d`, `max_pool2d`, … the layers call now: `segkit.ops` or `segkit.native`."""
    return importlib.import_module(_MODULES[_current])
