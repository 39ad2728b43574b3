"""Mechanical mistakes: an argument ignored or exchanged, one step done otherwise, dimensions in another order."""

from __future__ import annotations

from functools import partial
from typing import Any

from segkit.grading.exercise import Function, Ways, does, given, gives


def changed(place: int, *changes: Function) -> Ways:
    """Another argument at one place: change(the argument)."""
    return given(*(partial(_with, place, change) for change in changes))


def _with(place: int, change: Function, *args: Any) -> tuple[Any, ...]:
    return *args[:place], change(args[place]), *args[place + 1 :]


def ignored(place: int, value: Any) -> Ways:
    """An argument that makes no difference: it is always `value`."""
    return changed(place, lambda _: value)


def exchanged(first: int, second: int) -> Ways:
    """Two arguments, each in the other's place."""
    return given(partial(_exchanged, first, second))


def _exchanged(first: int, second: int, *args: Any) -> tuple[Any, ...]:
    order = {first: second, second: first}
    return tuple(args[order.get(place, place)] for place in range(len(args)))


def one_end(place: int) -> Ways:
    """Only the first element of an argument, or only the last."""
    return changed(place, lambda values: values[:1], lambda values: values[-1:])


def one_for_both(place: int) -> Ways:
    """Of two numbers, one for rows and one for columns, the first serves both, or the second."""
    return changed(place, lambda pair: pair[:1] * 2, lambda pair: pair[1:] * 2)


def replaced(core: Function, step: str, *others: Function) -> Ways:
    """One step of a computation done otherwise; `core` takes its steps by name."""
    return does(*(partial(core, **{step: other}) for other in others))


def for_all(place: int) -> Ways:
    """The first array of a stack for all of them, or the stack from its end."""
    return changed(place, lambda stack: stack[:1].expand_as(stack), lambda stack: stack.flip(0))


def kernels_turned(place: int) -> Ways:
    """Kernels turned by 180°, or their rows and columns exchanged."""
    return changed(place, lambda kernels: kernels.flip(-2, -1), lambda kernels: kernels.mT)


# A result …×C×H×W that is flat, has its channels last, or its rows and columns exchanged.
LEFT_FLAT = gives(lambda r, *a: r.flatten(-2), lambda r, *a: r.movedim(-3, -1), lambda r, *a: r.mT)
