"""Which implementation the layers use: `segkit.ops`, written from scratch, or `segkit.native`, torch's own kernels."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType, TracebackType
from typing import NamedTuple

import segkit  # its subpackages load on first use, so this file needs neither engine nor torch

ENGINES = ("scratch", "native")


def _nobody() -> None:
    """Stands for a weak reference to a `use_engine` that no longer exists."""


class _Level(NamedTuple):
    """A thread, or a block that is open in it, and the choices (name, maker) made there; the last one holds."""

    block: use_engine | None
    choices: tuple[tuple[str, Callable[[], use_engine | None]], ...]

    def without(self, maker: use_engine) -> _Level:
        return self._replace(choices=tuple(choice for choice in self.choices if choice[1]() is not maker))


class _Thread(threading.local):
    def __init__(self) -> None:
        self.level = _Level(None, (("native", _nobody),))


_thread = _Thread()
_blocks: ContextVar[tuple[_Level, ...]] = ContextVar("segkit.use_engine", default=())  # that are open, innermost last
_lock, _count, _any_block = threading.Lock(), 0, False  # over all threads


class use_engine:
    """Choose the engine of every layer and model, from now on or for the length of a `with` block.

    A statement holds in this thread from now on, or until the end of the `with` block that it stands in. A block holds
    in this thread and asyncio task, and its end restores what held before. One object may be entered many
    times, even within itself; making it then does not count as a statement. A new thread starts with "native".

    Args:
        name: "scratch" for `segkit.ops`, "native" for torch's kernels (the default at import).

    Raises:
        ValueError: there is no engine of that name.
    """

    def __init__(self, name: str) -> None:
        if name not in ENGINES:
            raise ValueError(f"use_engine got {name!r}; the engines are {' and '.join(map(repr, ENGINES))}")
        self.name = name
        blocks, choices = _blocks.get(), _level().choices
        final = max(place for place, (_, maker) in enumerate(choices) if maker() is None)  # cannot become a block
        level = _level()._replace(choices=(*choices[final:], (name, weakref.ref(self))))
        if blocks:
            _blocks.set((*blocks[:-1], level))
        else:
            _thread.level = level

    def __enter__(self) -> None:
        _thread.level = _thread.level.without(self)
        blocks = (level.without(self) for level in _blocks.get())
        _blocks.set((*blocks, _Level(self, ((self.name, _nobody),))))
        _count_blocks(1)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        blocks = _blocks.get()
        own = [place for place, level in enumerate(blocks) if level.block is self][-1:]
        for place in own:  # not always the last: a generator's block may end inside a later one
            _blocks.set((*blocks[:place], *blocks[place + 1 :]))
        _count_blocks(-1)


def engine() -> ModuleType:
    """The module whose `conv2d`, `max_pool2d`, … the layers call now: `segkit.ops` or `segkit.native`."""
    return segkit.ops if _level().choices[-1][0] == "scratch" else segkit.native


def _level() -> _Level:
    """The level that holds here. torch.compile traces a ContextVar only from 2.14 on: read only if a block is open."""
    blocks = _blocks.get() if _any_block else ()
    return blocks[-1] if blocks else _thread.level


def _count_blocks(step: int) -> None:
    global _count, _any_block
    with _lock:
        _count += step
        _any_block = _count > 0
