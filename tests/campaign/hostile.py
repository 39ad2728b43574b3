"""Results that are never right: what is of another kind, lies about itself, breaks when it is looked at, never ends."""

from __future__ import annotations

import decimal
import os
import sys
from collections import UserList, namedtuple
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import nn


def stops(*args: Any, **options: Any) -> Any:
    raise RuntimeError("do not look at me")


class Eq:
    """Breaks when it is compared, shown, counted or asked for anything."""

    __eq__ = __ne__ = __bool__ = __len__ = __iter__ = __repr__ = __str__ = __float__ = __index__ = __array__ = stops  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]
    __getattr__ = stops


def claims(kind: type) -> Any:
    """Says that it is of another class."""
    return type("Claim", (), {"__class__": property(lambda self: kind)})()


def having(base: type = object, **members: Any) -> Any:
    return type("Thing", (base,), members)()


def endless(*args: Any) -> Any:
    while True:
        pass


def deaf(*args: Any) -> Any:
    """An endless loop that catches everything."""
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def itself() -> list[Any]:
    found: list[Any] = [1.0]
    found.append(found)
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


async def later() -> int:
    return 1


def waiting() -> Any:
    made = later()
    made.close()
    return made


class Liar(torch.Tensor):
    """A tensor that breaks whatever is done to it."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError("do not look at me")


class Everything(torch.Tensor):
    """A tensor that equals all others."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return True


def of_class(cls: Any) -> Any:
    return torch.zeros(3).as_subclass(cls)


RESULTS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "a string": lambda: "0.5",
    "bytes": lambda: b"\0\xff",
    "a long string": lambda: "x" * 10**7,
    "a dictionary": lambda: {"result": 1},
    "a set": lambda: {1, 2},
    "an object": object,
    "a class": lambda: int,
    "a module": lambda: sys,
    "a function": lambda: stops,
    "a layer": lambda: nn.Conv2d(1, 1, 1),
    "a network without weights": lambda: nn.Sequential(),
    "a generator": lambda: (n for n in range(3)),
    "an iterator": lambda: map(int, "123"),
    "a coroutine": waiting,
    "a mock": MagicMock,
    "a complex number": lambda: 1 + 2j,
    "a decimal": lambda: decimal.Decimal("0.5"),
    "a fraction too large": lambda: Fraction(10**400),
    "a number too large": lambda: 10**400,
    "a number of 70 bits": lambda: 2**70,
    "numbers of 70 bits": lambda: [2**70, -(2**70)],
    "a range without end": lambda: range(10**18),
    "a range too long": lambda: range(10**40),
    "a list too long": lambda: [0] * 3_000_000,
    "a list of itself": itself,
    "a list too deep": deep,
    "a ragged list": lambda: [[1, 2], [3]],
    "None in a list": lambda: [1.0, None, 2.0],
    "an empty list": list,
    "an empty tuple": tuple,
    "a named tuple": lambda: namedtuple("Pair", "a b")(1, "x"),
    "a user's list": lambda: UserList([1, 2]),
    "a tuple of many": lambda: tuple(range(50)),
    "a tensor without data": lambda: torch.zeros(2, 3, device="meta"),
    "a sparse tensor": lambda: torch.zeros(2, 3).to_sparse(),
    "a nested tensor": lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
    "a quantized tensor": lambda: torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
    "a tensor of 8 bits": lambda: torch.zeros(3).to(torch.float8_e4m3fn),
    "a tensor of one dimension more": lambda: torch.zeros((1,) * 20),
    "a view without end": lambda: torch.zeros(1).expand(10**9),
    "an empty tensor": lambda: torch.zeros(0, 4),
    "complex numbers": lambda: torch.zeros(2, dtype=torch.complex128),
    "one complex number": lambda: np.complex64(1j),
    "words in an array": lambda: np.array(["a", "b"]),
    "objects in an array": lambda: np.array([None, {}], dtype=object),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "records": lambda: np.zeros(2, dtype=[("a", int), ("b", float)]),
    "a masked array": lambda: np.ma.masked_all(3),
    "a view of an array without end": lambda: np.broadcast_to(np.float32(0), (10**5, 10**5)),
    "not a number": lambda: float("nan"),
    "infinity": lambda: np.float16("inf"),
    "what breaks": Eq,
    "what breaks, in a list": lambda: [1.0, Eq()],
    "what says it is a tensor": lambda: claims(torch.Tensor),
    "what says it is an array": lambda: claims(np.ndarray),
    "what says it is a list": lambda: claims(list),
    "what says it is a number": lambda: claims(float),
    "what has no class": lambda: having(__class__=property(stops)),
    "an array that never comes": lambda: having(__array__=endless),
    "an array that breaks": lambda: having(np.float64, __array__=stops, __float__=stops),
    "a list that never ends": lambda: having(list, __iter__=lambda self: iter(int, 1)),
    "a list of no length": lambda: having(list, __len__=lambda self: -1),
    "a tuple that breaks": lambda: having(tuple, __iter__=stops, __len__=stops),
    "a number that breaks": lambda: having(int, __repr__=stops, __eq__=stops, __float__=stops, __hash__=None),
    "a tensor that breaks": lambda: of_class(Liar),
    "a tensor that equals all": lambda: of_class(Everything),
    "what breaks when it goes": lambda: having(__del__=stops),
    "what ends Python when it goes": lambda: having(__del__=lambda self: os._exit(0)),
    "what never goes": lambda: having(__del__=endless),
    "much printed": lambda: print("x" * 10**6, "\ud800\x1b[2J", flush=True),
    "nothing, after closing all files": lambda: os.closerange(0, 256),
    "nothing, after nonsense in all files": lambda: [_write(n) for n in range(3, 64)],
    "nothing, from another folder": lambda: os.chdir("/"),
    "nothing, without builtins": lambda: __builtins__.clear() if isinstance(__builtins__, dict) else None,
    "nothing, without modules": lambda: sys.modules.clear(),
    "nothing, in another precision": lambda: torch.set_default_dtype(torch.float64),
    "nothing, with another seed": lambda: torch.manual_seed(3) and None,
}


def _write(number: int) -> None:
    try:
        os.write(number, b"\xff" * 64)
    except OSError:
        pass
