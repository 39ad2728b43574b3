"""`spatial_pyramid_pool` as it should be, and as it is often got wrong."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives, stops

Span = tuple[int, int]


def cells(low: int, high: int, stride: int) -> Span:
    """The cells of a region along an axis: the first, and the one after the last."""
    first, last = low // stride + 1, -(-high // stride) - 1
    return min(first, last), last + 1


def maxima(part: Tensor, b: int) -> Tensor:
    return F.adaptive_max_pool2d(part, b)


def joined(levels: list[Tensor]) -> Tensor:
    return torch.cat([level.flatten() for level in levels])


def pyramid(
    features: Tensor, regions: Tensor, stride: int, bins: list[int], *,
    corner: Function = cells, pool: Function = maxima, join: Function = joined,
) -> Tensor:  # fmt: skip
    """Reference of `spatial_pyramid_pool`, with its steps replaced.

    Args:
        features, regions, stride, bins: as the task has them.
        corner: corner(low, high, stride), the cells of a region along an axis.
        pool: pool(part, b), C×b×b from the cells of a region.
        join: join(levels), one vector from the levels.
    """
    rows = []
    for x0, y0, x1, y1 in regions.tolist():
        (top, bottom), (left, right) = corner(y0, y1, stride), corner(x0, x1, stride)
        part = features[:, top:bottom, left:right]
        rows.append(join([pool(part, b) for b in bins]))
    return torch.stack(rows)


@each
def _corner(corner: Function) -> Ways:
    """Other cells of a region."""
    return does(partial(pyramid, corner=corner))


@each
def _pool(pool: Function) -> Ways:
    return does(partial(pyramid, pool=pool))


@each
def _join(join: Function) -> Ways:
    return does(partial(pyramid, join=join))


@each
def _regions(change: Function) -> Ways:
    """Regions read otherwise: change(their columns)."""
    return given(lambda f, regions, s, bins: (f, torch.stack(change(*regions.T), 1), s, bins))


@each
def _bins(start: Function, end: Function | None = None) -> Ways:
    """Other borders of bins: start(k, n, b) and end(k, n, b)."""
    return _pool(partial(_windows, start=start, end=end or _end))


def _start(k: int, n: int, b: int) -> int:
    return k * n // b


def _end(k: int, n: int, b: int) -> int:
    return -(-(k + 1) * n // b)


def _windows(part: Tensor, b: int, start: Function = _start, end: Function = _end) -> Tensor:
    def spans(n: int) -> list[slice]:
        return [slice(start(k, n, b), end(k, n, b)) for k in range(b)]

    rows = [torch.stack([part[:, r, c].amax((1, 2)) for c in spans(part.shape[2])], 1) for r in spans(part.shape[1])]
    return torch.stack(rows, 1)  # C, b, b


def _paper(part: Tensor, b: int) -> Tensor:
    """The first formula of the paper: windows of ⌈n/b⌉ cells, ⌊n/b⌋ apart, as many as fit."""
    window, step = [-(-n // b) for n in part.shape[1:]], [n // b for n in part.shape[1:]]
    return F.max_pool2d(part, window, step)


def _equal(part: Tensor, b: int, up: bool) -> Tensor:
    """Windows of one size without overlap: n // b cells, or ⌈n/b⌉ of which the last are cut off."""
    size = [-(-n // b) if up else n // b for n in part.shape[1:]]
    spans = [[slice(k * s, (k + 1) * s) for k in range(b)] for s in size]
    return torch.stack([torch.stack([part[:, r, c].amax((1, 2)) for c in spans[1]], 1) for r in spans[0]], 1)


def _or_zero(part: Tensor, b: int, value: float = 0.0) -> Tensor:
    """Something else where a bin, cut without overlap, has no cell."""
    if min(part.shape[1:]) >= b:
        return maxima(part, b)
    rows, columns = ([slice(k * n // b, (k + 1) * n // b) for k in range(b)] for n in part.shape[1:])
    found = [
        [part[:, r, c].amax((1, 2)) if part[:, r, c].numel() else part.new_full((len(part),), value) for c in columns]
        for r in rows
    ]
    return torch.stack([torch.stack(row, 1) for row in found], 1)


def _padded(part: Tensor, b: int) -> Tensor:
    """A small region padded with zeros at its end."""
    return maxima(F.pad(part, (0, max(b - part.shape[2], 0), 0, max(b - part.shape[1], 0))), b)


def _inside(low: int, high: int, stride: int) -> Span:
    """Without the rule for an axis that has no cell inside."""
    return low // stride + 1, -(-high // stride)


def _empty(part: Tensor, b: int, value: float) -> Tensor:
    return maxima(part, b) if part.numel() else part.new_full((len(part), b, b), value)


def _all_or(last: Function) -> Function:
    """The right cells, and another one where there are none: last(low, high, stride)."""

    def corner(low: int, high: int, stride: int) -> Span:
        first, end = _inside(low, high, stride)
        one = last(low, high, stride)
        return (first, end) if first < end else (one, one + 1)

    return corner


WAYS = {
    "first-cell-too-early": _corner(
        lambda low, high, s: (low // s, cells(low, high, s)[1]),
        lambda low, high, s: (-(-low // s), max(-(-low // s) + 1, -(-high // s))),
        lambda low, high, s: (min(-(-low // s), cells(low, high, s)[0]), cells(low, high, s)[1]),
    ),
    "first-cell-too-late": _corner(
        lambda low, high, s: (min(-(-low // s) + 1, -(-high // s) - 1), -(-high // s)),
        lambda low, high, s: (min(low // s + 2, -(-high // s) - 1), -(-high // s)),
    ),
    "last-cell-too-late": _corner(
        lambda low, high, s: (cells(low, high, s)[0], -(-high // s) + 1),
        lambda low, high, s: (low // s + 1, -(-high // s) + 1),
        lambda low, high, s: (cells(low, high, s)[0], high // s + 1),
        lambda low, high, s: (min(low // s + 1, high // s), high // s + 1),
    ),
    "last-cell-left-out": _corner(
        lambda low, high, s: (low // s + 1, -(-high // s) - 1),
        lambda low, high, s: (cells(low, high, s)[0], max(cells(low, high, s)[0] + 1, -(-high // s) - 1)),
    ),
    "last-rounded-down": _corner(
        lambda low, high, s: (low // s + 1, high // s),
        lambda low, high, s: (min(low // s + 1, high // s - 1), high // s),
        lambda low, high, s: (low // s + 1, high // s) if high // s > low // s + 1 else (low // s, low // s + 1),
    ),
    "corners-rounded": _corner(
        lambda low, high, s: (low // s, high // s),
        lambda low, high, s: (low // s, max(high // s, low // s + 1)),
        lambda low, high, s: (low // s, high // s + 1),
        lambda low, high, s: (low // s, -(-high // s) + 1),
        lambda low, high, s: (round(low / s), round(high / s)),
        lambda low, high, s: (round(low / s), round(high / s) + 1),
        lambda low, high, s: (math.floor(low / s + 0.5), math.floor(high / s + 0.5)),
    ),
    "empty-region-other-cell": _corner(
        _all_or(lambda low, high, s: low // s + 1),
        _all_or(lambda low, high, s: 0),
    ),
    "empty-region-breaks": stops(partial(pyramid, corner=_inside)),
    "empty-region-zero": does(
        partial(pyramid, corner=_inside, pool=partial(_empty, value=0.0)),
        partial(pyramid, corner=_inside, pool=partial(_empty, value=-math.inf)),
    ),
    "whole-map": _corner(lambda low, high, s: (0, None)),
    "stride-ignored": _corner(
        lambda low, high, s: (low, high), lambda low, high, s: (low + 1, high)
    ),
    "rows-columns-mixed": _regions(lambda x0, y0, x1, y1: [y0, x0, y1, x1], lambda x0, y0, x1, y1: [x0, x1, y0, y1])
    + given(lambda f, *rest: (f.mT, *rest)),
    "width-for-corner": _regions(lambda x0, y0, w, h: [x0, y0, x0 + w, y0 + h]),
    "bins-end-early": _bins(_start, end=lambda k, n, b: (k + 1) * n // b)
    + _pool(partial(_windows, end=lambda k, n, b: max((k + 1) * n // b, k * n // b + 1)), partial(_equal, up=False)),
    "bins-start-late": _bins(lambda k, n, b: -(-k * n // b), lambda k, n, b: min(-(-k * n // b), n - 1)),
    "bins-rounded": _bins(
        lambda k, n, b: round(k * n / b), end=lambda k, n, b: max(round((k + 1) * n / b), round(k * n / b) + 1)
    )
    + _bins(lambda k, n, b: round(k * n / b), end=lambda k, n, b: round((k + 1) * n / b)),
    "equal-windows": _pool(
        _paper,
        partial(_equal, up=True),
        partial(_windows, end=lambda k, n, b: k * n // b + -(-n // b)),
        partial(_windows, start=lambda k, n, b: k * (n // b), end=lambda k, n, b: k * (n // b) + -(-n // b)),
    ),
    "small-region-breaks": stops(
        partial(pyramid, pool=lambda part, b: _paper(part, b) if min(part.shape[1:]) < b else maxima(part, b))
    ),
    "small-region-enlarged": _pool(
        _or_zero, partial(_or_zero, value=-math.inf), _padded,
        lambda part, b: maxima(part, b) if min(part.shape[1:]) >= b else F.interpolate(
            part[None], [max(b, n) for n in part.shape[1:]], mode="bilinear")[0][:, :b, :b],
    ),
    "zeros-in-maximum": gives(lambda r, *a: r.clamp(min=0)),
    "average-taken": _pool(
        F.adaptive_avg_pool2d,
        lambda part, b: F.adaptive_avg_pool2d(part, b) * (part.shape[1] * part.shape[2] / b**2),
        lambda part, b: -maxima(-part, b),
    ),
    "levels-reversed": _join(lambda levels: joined(levels[::-1]))
    + given(lambda f, r, s, bins: (f, r, s, sorted(bins)), lambda f, r, s, bins: (f, r, s, sorted(bins, reverse=True))),
    "levels-within-channels": _join(lambda levels: torch.cat([level.flatten(1) for level in levels], 1).flatten())
    + _join(lambda levels: torch.cat([level.flatten(1) for level in levels], 1)),
    "channels-last": _join(lambda levels: joined([level.movedim(0, -1) for level in levels])),
    "bins-transposed": _join(lambda levels: joined([level.mT for level in levels])),
    "one-level-only": given(lambda f, r, s, bins: (f, r, s, bins[:1]), lambda f, r, s, bins: (f, r, s, bins[-1:])),
    "levels-added": gives(lambda r, f, regions, s, bins: r.reshape(len(r), len(f), -1).amax(2)),
    "first-region-only": gives(lambda r, *a: r[:1], lambda r, *a: r[:1].expand_as(r), lambda r, *a: r[-1:],
                               lambda r, *a: r[0], lambda r, *a: r.flatten()),
    "first-channel-only": given(lambda f, *rest: (f[:1], *rest), lambda f, *rest: (f.amax(0)[None], *rest)),
}  # fmt: skip
