"""Chapter 13: a large kernel made of a column and a row, plus a row and a column."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, numbers
from segkit.grading.exercises.large_kernel_ways import WAYS, joined

TASK = """GCN's large kernel, k high and l wide, both odd. x is N×C×h×w. left is a pair (column, row): column, M×C×k,
reads along the columns of x, then row, O×M×l, along the rows of what comes out. right is a pair (row, column): row,
M×C×l, reads along the rows of x, then column, O×M×k, along the columns of what comes out. kernel[o, m, 0] is for the
uppermost or the leftmost cell. There are zeros around the map, as many as keep its size, and no biases, and nothing
stands between the two kernels of a pair.
Return the sum of the two, N×O×h×w, with the dtype of x. k and l may be larger than the map."""


def _call(
    seed: int, channels: tuple[int, int, int], size: tuple[int, int], k: int = 3, l: int = 3, *, n: int = 1,
    dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """C, M and O; k high and l wide."""
    C, M, O = channels
    column, row = numbers(seed + 1, M, C, k, dtype=dtype), numbers(seed + 2, O, M, l, dtype=dtype)
    row_first, column_second = numbers(seed + 3, M, C, l, dtype=dtype), numbers(seed + 4, O, M, k, dtype=dtype)
    return numbers(seed, n, C, *size, dtype=dtype), (column, row), (row_first, column_second)


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(1, (1, 1, 1), (3, 3)), call(6, (2, 2, 2), (4, 4)), call(11, (2, 2, 2), (4, 4), 5, 5)),
        ("height and width differ", call(16, (1, 1, 1), (3, 5)), call(21, (2, 2, 2), (5, 2))),
        ("channels", call(26, (2, 1, 1), (2, 2)), call(31, (1, 3, 2), (3, 3)), call(36, (3, 2, 4), (3, 4))),
        ("k is not l", call(41, (1, 1, 1), (3, 3), 3, 1), call(46, (1, 1, 1), (3, 3), 3, 5)),
        ("k is not l", call(51, (2, 2, 2), (4, 5), 5, 3), call(56, (1, 1, 1), (4, 4), 1, 3)),
        ("larger than the map", call(61, (1, 1, 1), (2, 2), 7, 7), call(66, (2, 1, 2), (3, 2), 9, 7)),
        ("batch", call(71, (1, 1, 1), (2, 2), n=2), call(76, (2, 3, 2), (3, 4), n=3)),
        ("float64", call(81, (3, 2, 4), (5, 4), 5, 5, n=2, dtype=torch.float64)),
        ("memory layout", call(86, (2, 3, 2), (4, 3), n=2)),
        ("everything together", call(91, (3, 4, 2), (6, 7), 7, 5, n=2)),
        of=lambda *args: args,
    )


def _facts(x: Tensor, left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor]) -> dict[str, bool]:
    k, l = left[0].shape[2], left[1].shape[2]
    sizes = {x.shape[1], *left[1].shape[:2]}
    return {
        "k is not l": k != l,
        "a kernel is longer than the map": k > x.shape[2] or l > x.shape[3],
        "C, M and O differ": len(sizes) > 1,
        "there is more than one channel": max(sizes) > 1,
        "the map is not square": x.shape[2] != x.shape[3],
        "there is more than one picture in the batch": len(x) > 1,
    }


MESSAGES = """
one-pair-only: Only one of the two pairs makes a difference. Add what the two give.
multiplied: You multiply what the two pairs give. Add them.
averaged: You take the mean of the two pairs. Add them.
larger-of-the-two: You take the larger of the two numbers. Add them.
one-behind-the-other: One of your pairs reads what the other one gives. Both should read x; add the two results.
side-by-side: You put the channels of the two pairs one after the other. Add them.
relu-between: You put a ReLU between the two kernels of a pair. Leave it out: together they are one large kernel.
relu-at-the-end: A ReLU follows your sum. Return the sum as it is.
turned: Your columns lie along the rows, and your rows along the columns. A column is k high and 1 wide.
right-turned: In `right` the row comes first and then the column; you take them the other way round, as in `left`.
paddings-exchanged: The zeros are exchanged: k // 2 belong above and below, l // 2 on the left and on the right.
one-padding-for-both: You pad as if k and l were equal. A column needs k // 2 zeros at both ends, a row l // 2.
not-padded: The map shrinks. Zeros around it keep its size.
border-not-zero: You repeat the border of the map. Put zeros around it.
kernel-flipped: The numbers of your kernels come in reverse order. kernel[o, m, 0] is for the uppermost or leftmost
    cell.
each-channel-alone: Your kernels read each channel alone. kernel[o, m] takes something from every channel m.
inputs-outputs-exchanged: In a kernel, the channels that are read and those that are made have changed places.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×O×h×w.
"""

EXERCISE = Exercise(
    "large_kernel(x, left, right)",
    TASK,
    joined,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="13.6",
    marks=2,
    finished=("LargeKernel",),
)
