"""Chapter 03: bilinear interpolation."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given
from segkit.grading.exercises.case_tensors import grouped, normal, quarters
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE

TASK = """Bilinear resizing of x (N×C×H×W) to size = (height, width), as
torch.nn.functional.interpolate(mode='bilinear') does it, without antialiasing. align_corners=False:
output row i looks at the input row (i + ½)·H/height − ½, kept within 0 … H − 1. align_corners=True:
at i·(H − 1)/(height − 1), and at 0 where height is 1. Columns likewise. In between, the four
neighbours are mixed by their nearness."""


def bilinear(x: Tensor, size: tuple[int, int], align: bool) -> Tensor:
    """Reference of `interpolate_bilinear`."""
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align)


def _bilinear_cases() -> list[Case]:
    x, two = quarters(1, 1, 1, 3, 4), quarters(2, 1, 1, 2, 2)
    return grouped(
        ("plain", (two, (4, 4), False), (x, (6, 8), False), (x, (6, 12), False)),
        ("align_corners", (quarters(3, 1, 1, 2, 2), (3, 3), True), (x, (6, 8), True), (x, (7, 5), True)),
        ("odd factors", (x, (7, 9), False), (quarters(4, 1, 1, 5, 7), (13, 11), False)),
        ("smaller output", (quarters(5, 1, 1, 7, 8), (3, 5), False), (quarters(6, 1, 1, 7, 6), (4, 3), True)),
        ("same size", (x, (3, 4), False), (x, (3, 4), True)),
        ("one pixel", (quarters(7, 1, 1, 1, 1), (3, 4), False), (x, (1, 1), True)),
        ("one pixel", (quarters(8, 1, 1, 1, 4), (3, 7), True)),
        ("batch and channels", (quarters(9, 2, 3, 3, 4), (5, 9), False), (quarters(10, 3, 2, 4, 3), (7, 6), True)),
        ("float64", (normal(11, 2, 2, 3, 4, dtype=torch.float64), (8, 5), False)),
        ("memory layout", (quarters(12, 2, 2, 4, 5), (7, 8), False)),
    )


def _bilinear_facts(x: Tensor, size: tuple[int, int], align: bool) -> dict[str, bool]:
    return {
        "align_corners is True": align,
        "align_corners is False": not align,
        "the output is smaller than the input": size[0] < x.shape[2] or size[1] < x.shape[3],
        "the height and width grow by different factors": size[0] * x.shape[3] != size[1] * x.shape[2],
        "the factor is not a whole number": size[0] % x.shape[2] > 0 or size[1] % x.shape[3] > 0,
        "a size is 1": 1 in size or 1 in x.shape[2:],
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one channel": x.shape[1] > 1,
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def _source(n: int, m: int, align: bool, count: int | None = None) -> Tensor:
    """Where each of the m outputs (or of `count` ones, by the same factor) looks among n inputs, before clamping."""
    at = torch.arange(m if count is None else count, dtype=torch.float64)
    return at * ((n - 1) / (m - 1) if m > 1 else 0.0) if align else (at + 0.5) * n / m - 0.5


def _matrix(at: Tensor, n: int, border: str = "clamp", swap: bool = False) -> Tensor:
    """m×n: the weights of linear interpolation at the places `at`."""
    at = at.clamp(0, n - 1) if border == "clamp" else at
    low = at.floor().clamp(0, max(n - 2, 0)) if border == "extend" else at.floor()
    share = at - low
    share = 1 - share if swap else share
    columns = torch.arange(n)
    if n == 1 and border == "extend":
        return torch.ones(len(at), 1)
    left = (columns == low[:, None]) * (1 - share)[:, None]
    return (
        left
        + (columns == (low + 1)[:, None]) * share[:, None]
        + (columns == n - 1) * (low >= n - 1)[:, None] * share[:, None] * (border == "clamp")
    )


def _by(x: Tensor, size: tuple[int, int], source: Function, **options: Any) -> Tensor:
    """Interpolate with another rule for where to look."""
    rows, columns = (_matrix(source(n, m), n, **options).to(x.dtype) for n, m in zip(x.shape[2:], size, strict=True))
    return torch.einsum("ah,nchw,bw->ncab", rows, x, columns)


@each
def _looking(source: Function, **options: Any) -> Ways:
    """Interpolation with another rule: source(n, m, align_corners)."""
    return does(lambda x, z, a: _by(x, z, lambda n, m: source(n, m, a), **options))


@each
def _unaligned(source: Function) -> Ways:
    """Another rule where align_corners is False: source(n, m)."""
    return does(lambda x, z, a: bilinear(x, z, a) if a else _by(x, z, source))


@each
def _factor_of(axis: int) -> Ways:
    """The factor of one axis for both."""
    return does(lambda x, z, a: _by(x, z, lambda n, m: _source(x.shape[axis], z[axis - 2], a, count=m)))


def _one_axis(x: Tensor, size: tuple[int, int], align: bool, rows: bool, floor: bool = False) -> Tensor:
    first = bilinear(x, (size[0], x.shape[3]) if rows else (x.shape[2], size[1]), align)
    if floor:
        return _by(first, size, lambda n, m: torch.arange(m) if n == m else _source(n, m, align).floor())
    return F.interpolate(first, size=tuple(size), mode="nearest")


MESSAGES = """
align-corners-inverted: The two meanings of align_corners are exchanged. With True the centres of the corner pixels stay
    in the corners.
align-corners-ignored: `align_corners` makes no difference in your function.
half-pixel-missing: With align_corners=False pixels are little squares whose centres lie at i + ½. You scale the row
    numbers instead of the centres.
border-not-clamped: At the border the place to look at lies outside the picture. Keep it within 0 … H − 1; yours goes on
    the line beyond the last two pixels, or takes 0 there.
weights-exchanged: The nearer pixel gets the smaller weight. The share of a neighbour falls with its distance.
nearest: This is the nearest pixel, not a mixture of four.
one-axis-only: Along one axis you mix neighbours, along the other you copy the nearest. Do the same for rows and
    columns.
size-swapped: Height and width of `size` are exchanged: it is (height, width).
scale-inverted: The factor is upside down: to find where an output looks, multiply by input size / output size.
one-factor-for-both: One factor serves both axes. Height and width have their own.
one-row-divides-by-zero: With align_corners=True and an output of one row, height − 1 is 0, and you divide by it.
antialiased: Your result is smoothed where it shrinks. Plain bilinear resizing looks at four pixels only.
bicubic: This is bicubic: sixteen neighbours. Bilinear mixes four.
first-picture-only: Only the first picture of the batch is resized.
first-channel-only: Only the first channel is resized.
"""

WAYS = {
    "align-corners-inverted": given(lambda x, z, a: (x, z, not a)),
    "align-corners-ignored": given(lambda x, z, a: (x, z, True), lambda x, z, a: (x, z, False)),
    "half-pixel-missing": _unaligned(
        lambda n, m: torch.arange(m, dtype=torch.float64) * n / m,
        lambda n, m: (torch.arange(m, dtype=torch.float64) + 0.5) * n / m,
    )
    + _looking(lambda n, m, a: torch.arange(m, dtype=torch.float64) * n / m),
    "border-not-clamped": _looking(_source, border="extend") + _looking(_source, border="zero"),
    "weights-exchanged": _looking(_source, swap=True)
    + _looking(lambda n, m, a: _source(n, m, a).clamp(0, n - 1), border="extend", swap=True),
    "nearest": does(
        lambda x, z, a: F.interpolate(x, size=tuple(z), mode="nearest"),
        lambda x, z, a: F.interpolate(x, size=tuple(z), mode="nearest-exact"),
    )
    + _looking(lambda n, m, a: _source(n, m, a).floor(), lambda n, m, a: _source(n, m, a).round()),
    "one-axis-only": does(
        lambda x, z, a: _one_axis(x, z, a, True),
        lambda x, z, a: _one_axis(x, z, a, False),
        lambda x, z, a: _one_axis(x, z, a, True, True),
        lambda x, z, a: _one_axis(x, z, a, False, True),
    ),
    "size-swapped": given(lambda x, z, a: (x, (z[1], z[0]), a)),
    "scale-inverted": _looking(
        lambda n, m, a: torch.arange(m) * ((m - 1) / max(n - 1, 1)) if a else (torch.arange(m) + 0.5) * m / n - 0.5
    )
    + _unaligned(lambda n, m: (torch.arange(m) + 0.5) * m / n - 0.5),
    "one-factor-for-both": _factor_of(2, 3),
    "one-row-divides-by-zero": does(lambda x, z, a: bilinear(x, z, a) * (float("nan") if a and 1 in z else 1.0)),
    "antialiased": does(
        lambda x, z, a: F.interpolate(x, size=tuple(z), mode="bilinear", align_corners=a, antialias=True)
    ),
    "bicubic": does(lambda x, z, a: F.interpolate(x, size=tuple(z), mode="bicubic", align_corners=a)),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": FIRST_CHANNEL,
}

EXERCISE = Exercise(
    "interpolate_bilinear(x, size, align_corners)",
    TASK,
    bilinear,
    _bilinear_cases,
    catalogue(MESSAGES, WAYS),
    facts=_bilinear_facts,
)
