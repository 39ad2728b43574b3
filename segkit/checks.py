"""Checks of arguments: whole numbers, pairs, sizes, finite values, one of several names.

Each check returns what it has checked, as the type that the caller works with. Every message says who was called, what
it got, what it takes and how to fix it. This is the lowest module of segkit: it imports no other.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any


class WrongKind(TypeError, ValueError):
    """An argument of the wrong kind: wrong in type, and so in value."""


class NotWhole(WrongKind):
    """Not a whole number where one is needed."""


def whole(value: Any, name: str, who: str, least: float, most: int | None = None) -> int:
    """A whole number of Python, numpy or torch, as int; never a bool, a string or a fraction.

    Args:
        value: what was given.
        name, who: the names of the argument and of the caller, for messages.
        least, most: the bounds, both included; −inf and None for none.

    Raises:
        NotWhole: it is not a whole number (a TypeError and a ValueError). ValueError: it is out of bounds.
    """
    bounds = f" from {least} {'up' if most is None else f'to {most}'}" if math.isfinite(least) else ""
    wanted = f"{name} is a whole number{bounds}"
    try:
        if isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool"):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise NotWhole(f"{who} got {name}={value!r} ({type(value).__name__}); {wanted}") from None
    if number < least or (most is not None and number > most):
        raise ValueError(f"{who} got {name}={number}; {wanted}")
    return number


def pair(value: Any, name: str, who: str, least: int) -> tuple[int, int]:
    """(height, width) from one whole number for both or a sequence of one or two."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        value = (value,)
    if len(value) not in (1, 2):
        raise ValueError(f"{who} got {name}={value!r}, {len(value)} numbers; give one, or two as (height, width)")
    numbers = [whole(number, name, who, least) for number in value]
    return numbers[0], numbers[-1]


def size(value: Any, name: str, who: str, least: int, most: int, example: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a picture, in pixels; both are needed."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{who} got {name}={value!r}; it takes (height, width), for instance {example}")
    height = whole(value[0], f"{name}[0] (height)", who, least, most)
    return height, whole(value[1], f"{name}[1] (width)", who, least, most)


def finite(value: Any, name: str, who: str, low: float = -math.inf, high: float = math.inf, wanted: str = "") -> float:
    """A number, neither NaN nor infinite, within bounds that are both included; as float.

    Args:
        value, name, who: as for `whole`; numbers of numpy count as numbers, bools and strings do not.
        low, high: the bounds.
        wanted: what the message says is expected; by default the bounds.

    Raises:
        TypeError: it is not a number. ValueError: it is out of bounds, NaN or infinite.
    """
    bounds = f" from {low:g} to {high:g}" if math.isfinite(high) else f" from {low:g} up" if math.isfinite(low) else ""
    wanted = wanted or f"it is a finite number{bounds}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{who} got {name}={value!r}; {wanted}")
    number = float(value)
    if not math.isfinite(number) or not low <= number <= high:
        raise ValueError(f"{who} got {name}={value!r}; {wanted}")
    return number


def chosen(value: Any, name: str, who: str, options: Iterable[str]) -> str:
    """One of several names.

    Raises:
        ValueError: it is none of them; the message lists them.
    """
    known = tuple(options)
    if value not in known:
        raise ValueError(f"{who} got {name}={value!r}; it takes {', '.join(map(repr, known))}")
    return value
