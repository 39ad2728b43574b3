"""`spatial_pyramid_pool` as it should be, and as it is often got wrong."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, gives, stops
from segkit.grading.exercises.mechanical import changed, one_end, replaced

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


_corner, _pool, _join = (partial(replaced, pyramid, step) for step in ("corner", "pool", "join"))


@each
def _regions(change: Function) -> Ways:
    """Regions read otherwise: change(their columns)."""
    return changed(1, lambda regions: torch.stack(change(*regions.T), 1))


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


def _padded(part: Tensor, b: int) -> Tensor:
    """A small region padded with zeros at its end."""
    return maxima(F.pad(part, (0, max(b - part.shape[2], 0), 0, max(b - part.shape[1], 0))), b)


def _inside(low: int, high: int, stride: int) -> Span:
    """Without the rule for an axis that has no cell inside."""
    return low // stride + 1, -(-high // stride)


def _empty(part: Tensor, b: int, value: float) -> Tensor:
    return maxima(part, b) if part.numel() else part.new_full((len(part), b, b), value)


def _or_next(low: int, high: int, stride: int) -> Span:
    """The next cell where there is none inside."""
    first, end = _inside(low, high, stride)
    return first, max(end, first + 1)


WAYS = {
    "first-cell-too-early": _corner(
        lambda low, high, s: (low // s, cells(low, high, s)[1]),
        lambda low, high, s: (min(-(-low // s), cells(low, high, s)[0]), cells(low, high, s)[1]),
    ),
    "first-cell-too-late": _corner(lambda low, high, s: (min(-(-low // s) + 1, -(-high // s) - 1), -(-high // s))),
    "last-cell-too-late": _corner(
        lambda low, high, s: (low // s + 1, -(-high // s) + 1),
        lambda low, high, s: (min(low // s + 1, high // s), high // s + 1),
    ),
    "last-cell-left-out": _corner(
        lambda low, high, s: (low // s + 1, -(-high // s) - 1),
        lambda low, high, s: (cells(low, high, s)[0], max(cells(low, high, s)[0] + 1, -(-high // s) - 1)),
    ),
    "last-rounded-down": _corner(
        lambda low, high, s: (low // s + 1, high // s) if high // s > low // s + 1 else (low // s, low // s + 1),
    ),
    "corners-rounded": _corner(
        lambda low, high, s: (low // s, max(high // s, low // s + 1)),
        lambda low, high, s: (low // s, high // s + 1),
        lambda low, high, s: (round(low / s), round(high / s)),
        lambda low, high, s: (round(low / s), round(high / s) + 1),
    ),
    "empty-region-other-cell": _corner(_or_next),
    "empty-region-breaks": stops(partial(pyramid, corner=_inside)),
    "empty-region-zero": does(
        partial(pyramid, corner=_inside, pool=partial(_empty, value=0.0)),
        partial(pyramid, corner=_inside, pool=partial(_empty, value=-math.inf)),
    ),
    "whole-map": _corner(lambda low, high, s: (0, None)),
    "stride-ignored": _corner(lambda low, high, s: (low, high)),
    "rows-columns-mixed": _regions(lambda x0, y0, x1, y1: [y0, x0, y1, x1], lambda x0, y0, x1, y1: [x0, x1, y0, y1]),
    "width-for-corner": _regions(lambda x0, y0, w, h: [x0, y0, x0 + w, y0 + h]),
    "bins-end-early": _bins(_start, end=lambda k, n, b: (k + 1) * n // b)
    + _bins(_start, end=lambda k, n, b: max((k + 1) * n // b, k * n // b + 1)),
    "bins-start-late": _bins(lambda k, n, b: min(-(-k * n // b), n - 1)),
    "bins-rounded": _bins(
        lambda k, n, b: round(k * n / b), end=lambda k, n, b: max(round((k + 1) * n / b), round(k * n / b) + 1)
    ),
    "equal-windows": _pool(_paper) + _bins(_start, end=lambda k, n, b: k * n // b + -(-n // b)),
    "small-region-breaks": stops(
        partial(pyramid, pool=lambda part, b: _paper(part, b) if min(part.shape[1:]) < b else maxima(part, b))
    ),
    "small-region-enlarged": _pool(_padded),
    "zeros-in-maximum": gives(lambda r, *a: r.clamp(min=0)),
    "average-taken": _pool(F.adaptive_avg_pool2d),
    "levels-reversed": _join(lambda levels: joined(levels[::-1])),
    "levels-within-channels": _join(
        lambda levels: torch.cat([level.flatten(1) for level in levels], 1).flatten(),
        lambda levels: torch.cat([level.flatten(1) for level in levels], 1),
    ),
    "channels-last": _join(lambda levels: joined([level.movedim(0, -1) for level in levels])),
    "bins-transposed": _join(lambda levels: joined([level.mT for level in levels])),
    "one-level-only": one_end(3),
    "first-region-only": gives(lambda r, *a: r[:1], lambda r, *a: r[-1:], lambda r, *a: r[0]),
    "first-channel-only": changed(0, lambda f: f[:1], lambda f: f.amax(0, keepdim=True)),
}
