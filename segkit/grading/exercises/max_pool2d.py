"""Chapter 02: max pooling with indices."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives
from segkit.grading.exercises.case_tensors import distinct, grouped, normal
from segkit.grading.values import ANY

TASK = """The largest number of each window, and where it stood: return (values, indices), both
N×C×H_out×W_out. x is N×C×H×W; kernel_size, stride and padding are whole numbers; H_out = ⌊(H +
2·padding − kernel_size) / stride⌋ + 1. Padding never wins, also where all numbers are negative. An
index counts positions within its own H×W plane, row by row: row · W + column, in x as it came,
without padding."""


def pool(x: Tensor, k: int, s: int, p: int) -> tuple[Tensor, Tensor]:
    """Reference of `max_pool2d`."""
    return F.max_pool2d(x, k, s, p, return_indices=True)


def _pool_cases() -> list[Case]:
    below = distinct(7, 1, 1, 6, 7, top=-0.25)
    return grouped(
        ("plain", (distinct(1, 1, 1, 2, 4), 2, 2, 0), (distinct(2, 1, 1, 4, 4), 2, 2, 0)),
        ("plain", (distinct(3, 1, 1, 6, 8), 2, 2, 0)),
        ("channels", (distinct(4, 1, 3, 4, 6), 2, 2, 0)),
        ("batch", (distinct(5, 2, 1, 4, 6), 2, 2, 0), (distinct(6, 3, 2, 6, 4), 2, 2, 0)),
        ("negative numbers", (below[..., :4, :6].contiguous(), 2, 2, 0)),
        ("odd sizes", (distinct(8, 1, 1, 5, 7), 2, 2, 0), (distinct(9, 1, 1, 8, 7), 3, 3, 0)),
        ("overlapping windows", (distinct(10, 1, 1, 5, 7), 3, 2, 0), (distinct(11, 1, 1, 4, 5), 3, 1, 0)),
        ("windows apart", (distinct(12, 1, 1, 7, 9), 2, 3, 0)),
        ("padding", (distinct(13, 1, 1, 5, 7), 3, 2, 1), (below, 3, 2, 1)),
        ("padding", (distinct(14, 2, 2, 6, 5, top=-0.25), 4, 2, 2)),
        ("float64", (normal(15, 2, 2, 5, 6, dtype=torch.float64), 3, 2, 1)),
        ("memory layout", (distinct(16, 2, 3, 6, 7), 2, 2, 0)),
    )


def _pool_facts(x: Tensor, k: int, s: int, p: int) -> dict[str, bool]:
    return {
        "padding is above 0": p > 0,
        "the windows overlap": s < k,
        "there are gaps between the windows": s > k,
        "stride and kernel_size differ": s != k,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one channel": x.shape[1] > 1,
        "all numbers are negative": bool((x < 0).all()),
        "the windows do not cover the picture evenly": any((n + 2 * p - k) % s > 0 for n in x.shape[2:]),
        "the picture is not square": x.shape[2] != x.shape[3],
    }


@each
def _indices(change: Function) -> Ways:
    """The right values, and other indices: change(indices, x, k, s, p)."""
    return gives(lambda r, *a: (r[0], change(r[1], *a)))


@each
def _parts(change: Function) -> Ways:
    """Values and indices changed alike."""
    return gives(lambda r, *a: (change(r[0]), change(r[1])))


def _per_window(i: Tensor, x: Tensor, k: int, s: int, p: int) -> Tensor:
    rows, columns = (torch.arange(n) * s - p for n in i.shape[2:])
    return (i // x.shape[3] - rows[:, None]) * k + i % x.shape[3] - columns


def _shifted(i: Tensor, x: Tensor, whole: bool, batch: bool) -> Tensor:
    n, c, h, w = x.shape
    plane = torch.arange(n)[:, None] * (c if whole else 1) * batch + torch.arange(c) * whole
    return i + plane[:, :, None, None] * h * w


def _zero_padded(x: Tensor, k: int, s: int, p: int) -> tuple[Tensor, Any]:
    values = F.max_pool2d(F.pad(x, (p, p, p, p)), k, s)
    return values, ANY if p else pool(x, k, s, p)[1]


def _padded_with(x: Tensor, k: int, s: int, p: int, fill: float) -> tuple[Tensor, Tensor]:
    """Pooling after padding by hand, which allows any padding; indices in the plane without padding."""
    values, at = F.max_pool2d(F.pad(x, (p, p, p, p), value=fill), k, s, return_indices=True)
    wide = x.shape[3] + 2 * p
    return values, (at // wide - p) * x.shape[3] + at % wide - p


MESSAGES = """
zero-padding: The padding is 0, and 0 wins against negative numbers. Pad with something that can never be the largest.
index-per-window: Your index counts within the window. It should say where in the whole H×W plane the number stood; a
    later layer knows nothing of the windows.
index-over-tensor: Your index goes on counting from one channel or picture to the next. Each H×W plane counts from 0.
index-in-padded-plane: Your index counts in the padded picture. Take the padding off row and column before you flatten
    them.
index-column-major: Your index runs down the columns. Row by row it is row · W + column.
index-times-height: row · H + column: one row holds W numbers, so the row is multiplied by W.
index-of-output: Your index says where in the output the number stands. It should say where in the input it came from.
index-from-one: Your indices start at 1. The first position is 0.
results-exchanged: Values and indices are in the wrong order: values first.
stride-ignored: `stride` makes no difference: your windows always lie side by side, or always move by 1.
kernel-ignored: `kernel_size` makes no difference: your windows are always 2×2, or as large as the stride.
padding-ignored: `padding` makes no difference in your function.
output-rounded-up: Windows that stick out over the edge are kept. The size is rounded down, so they are left out.
last-window-lost: The last row and column of windows are missing: the + 1 of the size.
averaged: This is the average of each window. The largest is asked for.
smallest: This is the smallest number of each window. The largest is asked for.
largest-magnitude: The number farthest from 0 wins in your function. −3 is smaller than 1.
first-picture-only: Only the first picture of the batch is worked on.
first-channel-only: Only the first channel is worked on. Every channel is pooled by itself.
channels-pooled: The largest is taken over the channels too. Every channel is pooled by itself.
"""

WAYS = {
    "zero-padding": does(_zero_padded),
    "index-per-window": _indices(_per_window),
    "index-over-tensor": _indices(
        lambda i, x, *a: _shifted(i, x, True, True),
        lambda i, x, *a: _shifted(i, x, True, False),
        lambda i, x, *a: _shifted(i, x, False, True),
    ),
    "index-in-padded-plane": _indices(
        lambda i, x, k, s, p: (i // x.shape[3] + p) * (x.shape[3] + 2 * p) + i % x.shape[3] + p
    ),
    "index-column-major": _indices(lambda i, x, *a: (i % x.shape[3]) * x.shape[2] + i // x.shape[3]),
    "index-times-height": _indices(lambda i, x, *a: (i // x.shape[3]) * x.shape[2] + i % x.shape[3]),
    "index-of-output": _indices(lambda i, *a: torch.arange(i[0, 0].numel()).reshape(i.shape[2:]).expand_as(i)),
    "index-from-one": _indices(lambda i, *a: i + 1),
    "results-exchanged": gives(lambda r, *a: (r[1], r[0])),
    "stride-ignored": given(
        lambda x, k, s, p: (x, k, k, p), lambda x, k, s, p: (x, k, 1, p), lambda x, k, s, p: (x, k, 2, p)
    ),
    "kernel-ignored": does(lambda x, k, s, p: _padded_with(x, 2, s, p, float("-inf")))
    + given(lambda x, k, s, p: (x, s, s, min(p, s // 2))),
    "padding-ignored": given(lambda x, k, s, p: (x, k, s, 0)),
    "output-rounded-up": does(lambda x, k, s, p: F.max_pool2d(x, k, s, p, ceil_mode=True, return_indices=True)),
    "last-window-lost": _parts(lambda t: t[..., :-1, :-1]),
    "averaged": does(
        lambda x, k, s, p: (F.avg_pool2d(x, k, s, p), ANY),
        lambda x, k, s, p: (F.avg_pool2d(x, k, s, p, count_include_pad=False), ANY),
    ),
    "smallest": does(
        lambda x, k, s, p: (-F.max_pool2d(-x, k, s, p), pool(-x, k, s, p)[1]),
        lambda x, k, s, p: (-F.max_pool2d(-x, k, s, p), ANY),
        lambda x, k, s, p: (-_padded_with(-x, k, s, p, float("inf"))[0], ANY),
        lambda x, k, s, p: (-_padded_with(-x, k, s, p, 0.0)[0], ANY),
    ),
    "largest-magnitude": does(
        lambda x, k, s, p: (lambda i: (x.flatten(2).gather(2, i.flatten(2)).view_as(i), i))(pool(x.abs(), k, s, p)[1]),
        lambda x, k, s, p: pool(x.abs(), k, s, p),
    ),
    "first-picture-only": _parts(
        lambda t: t[:1], lambda t: t[:1].expand_as(t), lambda t: torch.cat([t[:1], torch.zeros_like(t[1:])])
    ),
    "first-channel-only": _parts(lambda t: t[:, :1], lambda t: t[:, :1].expand_as(t)),
    "channels-pooled": gives(
        lambda r, *a: (r[0].amax(1, keepdim=True), ANY), lambda r, *a: (r[0].amax(1, keepdim=True).expand_as(r[0]), ANY)
    ),
}

EXERCISE = Exercise(
    "max_pool2d(x, kernel_size, stride, padding)",
    TASK,
    pool,
    _pool_cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "index"),
    facts=_pool_facts,
)
