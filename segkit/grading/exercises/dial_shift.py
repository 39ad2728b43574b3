"""Chapter 11: by how much a network's answers move when its output stride is dialled at test time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from segkit.grading.exercise import Case, Exercise, Function, catalogue, gives
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.mechanical import changed, exchanged, ignored, replaced

TASK = """One side of a picture, `size` pixels. At output stride s an encoder makes ⌈size/s⌉ cells; cell i looks at the
surroundings of pixel s·i. Linear interpolation enlarges the cells to size pixels, and shows cell i at one place:
with align_corners at i·(size − 1)/(cells − 1), else at (i + ½)·size/cells − ½. (Both hold for places between two
cells as well.) While it trains at the stride `trained`, a network learns to answer for the place at which it is
shown. Tested at another stride, the same answer is shown elsewhere. Return, for each cell of the map at the
stride `tested`, whose pixel is c = tested·i: the place where it is shown there minus the place where the same c
is shown at the stride `trained`. There are at least two cells at each stride; a list of numbers, in pixels."""


def cells(size: int, stride: int) -> int:
    return -(-size // stride)


def shown(place: float, size: int, stride: int, align: bool, count: Function = cells) -> float:
    """Where pixel `place` is shown."""
    n, i = count(size, stride), place / stride
    return i * (size - 1) / (n - 1) if align else (i + 0.5) * size / n - 0.5


def _pixels(size: int, trained: int, tested: int) -> list[int]:
    """Those that the cells look at."""
    return list(range(0, size, tested))


def shift(
    size: int, trained: int, tested: int, align_corners: bool, *, show: Callable[..., float] = shown,
    places: Function = _pixels,
    compare: Function = lambda there, here, c, trained, tested: there - here,
) -> list[float]:  # fmt: skip
    """Reference of `dial_shift`, with its steps replaced.

    Args:
        size, trained, tested, align_corners: as the task has them.
        show: show(pixel, size, stride, align_corners).
        places: places(size, trained, tested), the pixels asked for.
        compare: compare(shown when tested, shown when trained, pixel, trained, tested).
    """
    found = []
    for c in places(size, trained, tested):
        there, here = (show(c, size, stride, align_corners) for stride in (tested, trained))
        found.append(compare(there, here, c, trained, tested))
    return found


def _cases() -> list[Case]:
    return grouped(
        ("half-pixel centres", (33, 16, 8, False), (17, 8, 4, False), (49, 16, 8, False)),
        ("corners", (33, 16, 8, True), (40, 16, 8, True), (34, 16, 8, True)),
        ("coarser", (33, 8, 16, False), (65, 16, 32, False), (40, 8, 16, True)),
        ("sizes that do not divide", (40, 16, 8, False), (27, 8, 4, False), (45, 8, 16, True), (31, 16, 8, True)),
        ("sizes that divide", (32, 16, 8, False), (64, 16, 8, True), (32, 8, 16, True)),
        ("other strides", (36, 12, 6, False), (50, 4, 16, True), (29, 2, 8, False), (20, 16, 1, True)),
        ("the same stride", (33, 16, 16, False), (40, 8, 8, True)),
        ("a street picture", (97, 16, 8, False), (129, 16, 32, False), (96, 16, 8, True), (128, 16, 32, True)),
    )


def _facts(size: int, trained: int, tested: int, align_corners: bool) -> dict[str, bool]:
    return {
        "align_corners is True": align_corners,
        "tested is coarser than trained": tested > trained,
        "tested is finer than trained": tested < trained,
        "the strides are the same": tested == trained,
        "the last cell is not on the last pixel": bool((size - 1) % tested or (size - 1) % trained),
        "the size divides by both strides": size % tested == 0 and size % trained == 0,
    }


_shown, _places, _compared = (partial(replaced, shift, step) for step in ("show", "places", "compare"))


def _half_pixel_shown(where: Function) -> Function:
    """Other places without align_corners: where(i, size, cells)."""

    def show(c: float, size: int, stride: int, align: bool) -> float:
        return shown(c, size, stride, True) if align else where(c / stride, size, cells(size, stride))

    return show


def _corner_shown(where: Function) -> Function:
    """Other places with align_corners: where(i, size, cells)."""

    def show(c: float, size: int, stride: int, align: bool) -> float:
        return where(c / stride, size, cells(size, stride)) if align else shown(c, size, stride, False)

    return show


def _counted(count: Function) -> Function:
    return partial(shown, count=count)


def _whole_cell(c: float, size: int, stride: int, align: bool) -> float:
    """At the nearest cell below, where a place lies between two."""
    return shown(c // stride * stride, size, stride, align)


MESSAGES = """
align-corners-ignored: align_corners makes no difference in your function.
align-corners-inverted: align_corners is taken the wrong way round.
strides-exchanged: Your numbers have the wrong sign, or the two strides have changed places: shown at `tested` minus
    shown at `trained`, for the cells of `tested`.
sign-lost: The sign is lost. Answers move to the left or to the right.
trained-ignored: You give by how much a cell is off its pixel at the stride `tested`. The network has learned to live
    with being off at the stride `trained`: compare the two.
cells-rounded-down: You count ⌊size/s⌋ cells. A padded encoder makes ⌈size/s⌉.
cells-not-rounded: You count size/s cells. There is a whole number of them, ⌈size/s⌉.
half-pixel-missing: Without align_corners cells and pixels have their centres half a step in: (i + ½)·size/cells − ½.
corners-not-reached: With align_corners the last cell stands on the last pixel: divide size − 1 by cells − 1.
scale-is-the-stride: You enlarge by the stride itself. It is by size/cells, or (size − 1)/(cells − 1), which are the
    stride only where it fits.
trained-cells-only: At the stride `trained` you take the nearest cell. The formula holds between two cells as well:
    i may be a fraction.
cells-of-trained: You give a number for each cell of `trained`. It is the cells of `tested` that are asked for.
pixels-not-cells: You give a number for every pixel of the picture. It is the cells of `tested` that are asked for.
in-cells: Your numbers are in cells. Pixels are asked for.
places-not-shifts: You give places. How far one lies from the other is asked for.
averaged: You give one number. Each cell has its own.
cell-left-out: The first or the last cell is missing.
"""

WAYS = {
    "align-corners-ignored": ignored(3, True) + ignored(3, False),
    "align-corners-inverted": changed(3, lambda align: not align),
    "strides-exchanged": gives(lambda r, *a: [-value for value in r]) + exchanged(1, 2),
    "sign-lost": _compared(lambda there, here, *rest: abs(there - here)),
    "trained-ignored": _compared(lambda there, here, c, *rest: there - c),
    "cells-rounded-down": _shown(_counted(lambda n, s: n // s)),
    "cells-not-rounded": _shown(_counted(lambda n, s: n / s)),
    "half-pixel-missing": _shown(_half_pixel_shown(lambda i, size, n: i * size / n)),
    "corners-not-reached": _shown(
        _corner_shown(lambda i, size, n: i * size / n),
        _corner_shown(lambda i, size, n: i * (size - 1) / n),
        _corner_shown(lambda i, size, n: i * size / (n - 1)),
    ),
    "scale-is-the-stride": _shown(lambda c, size, stride, align: c if align else c + stride / 2 - 0.5),
    "trained-cells-only": _shown(_whole_cell),
    "cells-of-trained": _places(lambda n, a, b: [a * i for i in range(cells(n, a))]),
    "pixels-not-cells": _places(lambda n, a, b: list(range(n))),
    "in-cells": _compared(
        lambda there, here, c, a, b: (there - here) / b, lambda there, here, c, a, b: (there - here) / a
    ),
    "places-not-shifts": _compared(lambda there, here, *rest: there, lambda there, here, *rest: here),
    "averaged": gives(lambda r, *a: sum(r) / len(r)),
    "cell-left-out": gives(lambda r, *a: r[:-1], lambda r, *a: r[1:]),
}

EXERCISE = Exercise(
    "dial_shift(size, trained, tested, align_corners)",
    TASK,
    shift,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="11.3",
    marks=6,
)
