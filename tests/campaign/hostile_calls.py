"""Errors that an answer may raise, and what may stand in the place of a function: breaks, never ends, is none."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import MagicMock

from torch import nn

from tests.campaign.hostile import Eq, deaf, endless, having, stops


class Mute(Exception):
    """An error that breaks when it is told."""

    __str__ = __repr__ = stops  # type: ignore[assignment]


class Silent(NotImplementedError):
    """Stands for code yet to be written, and breaks when it is told."""

    __str__ = stops  # type: ignore[assignment]


class Last(BaseException):
    """No Exception."""


def recursive() -> BaseException:
    error = ValueError("one of itself")
    error.__cause__ = error
    return error


ERRORS: dict[str, Callable[[], BaseException]] = {
    "an error": lambda: ValueError("no"),
    "an error without words": ValueError,
    "an error of many words": lambda: ValueError("word " * 10**6),
    "an error of many lines": lambda: ValueError("line\n" * 10**5),
    "an error of odd words": lambda: KeyError("\ud800\0\x1b[2J\u202e"),
    "an error that breaks": Mute,
    "a stub that breaks": Silent,
    "an error caused by itself": recursive,
    "a group of errors": lambda: ExceptionGroup("many", [ValueError(1), TypeError(2)]),
    "what is no Exception": Last,
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit("x"),
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration(3),
    "MemoryError": MemoryError,
    "NotImplementedError with words": lambda: NotImplementedError("this is for later"),
}


def again(*args: Any) -> Any:
    return again(*args)


def crash(*args: Any) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


def children(*args: Any) -> Any:
    for _ in range(3):
        if os.fork() == 0:
            time.sleep(1000)


def printing(*args: Any) -> Any:
    while True:
        print("x" * 10**6)


async def in_time(*args: Any) -> Any:
    await asyncio.sleep(0)


def yielding(*args: Any) -> Any:
    yield 1


FUNCTIONS: dict[str, Any] = {
    "no function": 3,
    "a string": "conv2d",
    "a class": dict,
    "a class without room": having,
    "a layer": nn.Conv2d(1, 1, 1),
    "a mock": MagicMock(),
    "a builtin": print,
    "what has no signature": min,
    "a partial": partial(stops, 1, 2, 3),
    "what breaks when asked": having(__call__=stops, __getattr__=stops),
    "what breaks when looked at": having(__call__=stops, __getattribute__=stops),
    "what has odd code": having(__call__=lambda self, *args: None, __code__=3, __globals__=5, __func__=7),
    "what has no name": having(__call__=lambda self, *args: "x", __name__=property(stops)),
    "what has an odd signature": having(__call__=lambda self, *args: "x", __signature__="(x)"),
    "what breaks and cannot be called": Eq(),
    "a function of odd defaults": lambda x=Eq(), *, y=Eq(): 3,  # noqa: B008
    "an endless loop": endless,
    "an endless loop that catches all": deaf,
    "an endless loop in C": lambda *args: sum(iter(int, 1)),
    "an endless wait": lambda *args: time.sleep(1000),
    "an endless call": again,
    "an endless page": printing,
    "a crash": crash,
    "an exit": lambda *args: os._exit(0),
    "a start of processes": children,
    "a function for later": in_time,
    "a function that yields": yielding,
}
