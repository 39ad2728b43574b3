"""Chapter 09: how many weights of a dilated kernel meet the map at each of its cells."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, gives
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.mechanical import changed, exchanged, ignored, one_for_both, replaced

TASK = """size is (h, w), a map; kernel is (k_h, k_w), two odd numbers; rate is (r_h, r_w), the dilation along each
axis. The kernel is laid on every cell with its middle weight, and zeros are padded all around, so that
the result is as large as the map. A weight is valid at a cell if it lies on the map there, and not on
the padding. Return for each cell how many of the k_h·k_w weights are valid: h×w whole numbers."""

Pair = tuple[int, int]
Axis = np.ndarray


def along(n: int, k: int, r: int) -> Axis:
    """Valid weights along one axis: n numbers."""
    taps = np.arange(n)[:, None] + r * (np.arange(k) - k // 2)  # n, k
    return ((taps >= 0) & (taps < n)).sum(1)


def _map(size: Pair, kernel: Pair, rate: Pair, axis: Function = along, join: Function = np.outer) -> Any:
    return join(*(axis(*numbers) for numbers in zip(size, kernel, rate, strict=True)))


def count(size: Pair, kernel: Pair, rate: Pair) -> Any:
    """Reference of `valid_weights`."""
    return _map(size, kernel, rate)


def _cases() -> list[Case]:
    return grouped(
        ("3×3, one rate", ((3, 3), (3, 3), (1, 1)), ((5, 5), (3, 3), (2, 2)), ((7, 7), (3, 3), (3, 3))),
        ("maps that are not square", ((3, 5), (3, 3), (1, 1)), ((6, 4), (3, 3), (2, 2)), ((4, 9), (3, 3), (3, 3))),
        ("large rates", ((4, 4), (3, 3), (4, 4)), ((3, 3), (3, 3), (6, 6)), ((5, 4), (3, 3), (4, 4))),
        ("large rates", ((5, 5), (3, 3), (3, 3))),
        ("two rates", ((5, 7), (3, 3), (1, 3)), ((6, 6), (3, 3), (2, 1)), ((4, 4), (3, 3), (5, 1))),
        ("other kernels", ((7, 7), (5, 5), (1, 1)), ((9, 8), (5, 5), (2, 2)), ((3, 4), (7, 7), (1, 1))),
        ("other kernels", ((3, 4), (1, 1), (2, 2)), ((6, 5), (5, 5), (3, 3))),
        ("kernels that are not square", ((4, 5), (1, 3), (1, 1)), ((6, 7), (5, 3), (1, 2)), ((8, 5), (3, 7), (3, 1))),
        ("narrow maps", ((1, 6), (3, 3), (2, 2)), ((5, 1), (3, 3), (1, 1)), ((1, 1), (5, 3), (1, 6))),
    )


def _facts(size: Pair, kernel: Pair, rate: Pair) -> dict[str, bool]:
    reach = [r * (k // 2) for k, r in zip(kernel, rate, strict=True)]
    return {
        "the map is not square": size[0] != size[1],
        "the kernel is not square": kernel[0] != kernel[1],
        "the two rates differ": rate[0] != rate[1],
        "a rate is above 1": max(rate) > 1,
        "the kernel is larger than 3": max(kernel) > 3,
        "the kernel is not 3×3": kernel != (3, 3),
        "a rate is at least as large as a side of the map": any(r >= n for n, r in zip(size, rate, strict=True)),
        "no cell keeps all weights": any(n <= 2 * r for n, r in zip(size, reach, strict=True)),
    }


_axis, _joined = (partial(replaced, _map, step) for step in ("axis", "join"))


@each
def _result(change: Function) -> Ways:
    return gives(lambda r, size, kernel, rate: change(np.asarray(r), kernel))


def _within(low: int, high: int) -> Function:
    """Borders somewhere else: from `low` to n + `high`."""

    def axis(n: int, k: int, r: int) -> Axis:
        taps = np.arange(n)[:, None] + r * (np.arange(k) - k // 2)
        return ((taps >= low) & (taps < n + high)).sum(1)

    return axis


def _starting(start: Function) -> Function:
    """A kernel that is not laid on its middle: start(k) weights lie before the cell."""

    def axis(n: int, k: int, r: int) -> Axis:
        taps = np.arange(n)[:, None] + r * (np.arange(k) - start(k))
        return ((taps >= 0) & (taps < n)).sum(1)

    return axis


def _outermost(n: int, k: int, r: int) -> Axis:
    """Each half of the kernel counts as a whole, or not at all."""
    at, reach = np.arange(n), r * (k // 2)
    return 1 + (k // 2) * ((at - reach >= 0) * 1 + (at + reach < n))


def _either(size: Pair, kernel: Pair, rate: Pair) -> Any:
    """All weights but those that lie off the map along both axes."""
    return kernel[0] * kernel[1] - _map(size, kernel, rate, axis=lambda n, k, r: k - along(n, k, r))


MESSAGES = """
padding-counted: Every cell keeps all weights in your map: those on the padding count as well.
all-or-nothing: A cell has all of its weights in your map, or only the middle one, or none. Near a border some are lost
    and the others stay.
halves-lost-whole: Half a kernel counts as lost as soon as its outermost weight is. Each weight is valid or not by
    itself.
kernel-unbounded: You count how many steps of the rate fit between the cell and the border. There are no more than
    k // 2 weights on each side.
axes-added: The counts of the two axes are added. A weight lies on the map if both its row and its column do: multiply.
either-axis: A weight counts as valid where its row or its column is on the map. Both have to be.
nearest-border: One number per cell serves both axes. The rows decide how many rows of weights are valid, the columns
    how many columns.
one-axis-only: Only one axis is counted; the other loses weights too.
rate-ignored: The rate makes no difference: weights lie `rate` cells apart.
rate-off-by-one: The rate is the step from one weight to the next, not the number of cells between them.
one-rate-for-both: The same rate serves both axes. The first is that of the rows, the second that of the columns.
rates-exchanged: The two rates have changed places: the first is that of the rows.
kernel-fixed: You always lay out 3×3 weights. The size of the kernel is given.
kernel-axes: The two sizes of the kernel have changed places, or one of them serves both axes.
kernel-rate-swapped: Kernel and rate have changed places.
size-axes: Height and width of the map have changed places, or one of them serves both axes.
kernel-not-centred: The kernel is laid on a cell with its first or last weight. It is the middle one.
border-off-by-one: The map ends one cell too early or too late in your count: rows go from 0 to h − 1.
middle-not-counted: The middle weight is missing in your count. It is always valid.
lost-counted: You count the weights that are lost. Those that stay are asked for.
shares: Your numbers are shares of all weights. Give the counts.
averaged: You give one number for the whole map, a mean or a sum. Each cell has its own.
left-flat: Your numbers are in one row: h rows of w numbers.
turned: Rows and columns of the result are exchanged.
"""

WAYS = {
    "padding-counted": _axis(lambda n, k, r: np.full(n, k)),
    "all-or-nothing": _result(
        lambda m, kernel: np.where(m == np.prod(kernel), m, 1), lambda m, kernel: np.where(m == np.prod(kernel), m, 0)
    ),
    "halves-lost-whole": _axis(_outermost),
    "kernel-unbounded": _axis(lambda n, k, r: np.arange(n) // r + np.arange(n)[::-1] // r + 1),
    "axes-added": _joined(np.add.outer, lambda a, b: np.add.outer(a, b) - 1),
    "either-axis": gives(lambda r, size, kernel, rate: _either(size, kernel, rate)),
    "nearest-border": _joined(lambda a, b: np.minimum.outer(a, b) ** 2),
    "one-axis-only": does(
        lambda size, kernel, rate: np.outer(along(size[0], kernel[0], rate[0]), np.full(size[1], kernel[1])),
        lambda size, kernel, rate: np.outer(np.full(size[0], kernel[0]), along(size[1], kernel[1], rate[1])),
    )
    + _joined(lambda a, b: np.outer(a, np.ones_like(b)), lambda a, b: np.outer(np.ones_like(a), b)),
    "rate-ignored": ignored(2, (1, 1)),
    "rate-off-by-one": changed(2, lambda rate: (rate[0] + 1, rate[1] + 1), lambda rate: (rate[0] - 1, rate[1] - 1)),
    "one-rate-for-both": one_for_both(2),
    "rates-exchanged": changed(2, lambda rate: rate[::-1]),
    "kernel-fixed": ignored(1, (3, 3)),
    "kernel-axes": changed(1, lambda kernel: kernel[::-1]) + one_for_both(1),
    "kernel-rate-swapped": exchanged(1, 2),
    "size-axes": changed(0, lambda size: size[::-1]) + one_for_both(0),
    "kernel-not-centred": _axis(_starting(lambda k: 0), _starting(lambda k: k - 1)),
    "border-off-by-one": _axis(_within(1, 0), _within(0, -1), _within(1, -1), _within(0, 1)),
    "middle-not-counted": _result(lambda m, kernel: m - 1),
    "lost-counted": _result(lambda m, kernel: kernel[0] * kernel[1] - m),
    "shares": _result(lambda m, kernel: m / (kernel[0] * kernel[1]), lambda m, kernel: m / m.max()),
    "averaged": _result(lambda m, kernel: m.mean(), lambda m, kernel: m.sum()),
    "left-flat": _result(lambda m, kernel: m.reshape(-1)),
    "turned": _result(lambda m, kernel: m.T),
}

EXERCISE = Exercise(
    "valid_weights(size, kernel, rate)",
    TASK,
    count,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_facts,
    number="09.3",
    marks=4,
    finished=("valid_weights",),
)
