"""The lattice points that a set of points touches: each found once, by sorting whole numbers that stand for them."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

from segkit.crf.rows import SparseRows


class Simplices(NamedTuple):
    """S distinct simplices of N points.

    of: N, int32, the simplex of each point. order: N, int32, the points sorted by simplex. first: S + 1, int32, where
    in that order each simplex begins.
    """

    of: Tensor
    order: Tensor
    first: Tensor


class Corners(NamedTuple):
    """M distinct lattice points of S simplices.

    of: S×(d+1), int32, the corners of each simplex by colour. order: S·(d+1), int32, the pairs (colour, simplex) as
    colour·S + simplex, sorted by corner. first: M + 1, int32, where in that order each corner begins. keys: M ascending
    numbers, int64, one a corner. offsets: d + 1, what the next corner along each axis differs by.
    """

    of: Tensor
    order: Tensor
    first: Tensor
    keys: Tensor
    offsets: Tensor

    @property
    def size(self) -> int:
        """M."""
        return len(self.keys)


def distinct_simplices(v: Tensor, rank: Tensor) -> tuple[Simplices, Tensor, Tensor]:
    """Points in the same simplex brought together, and v and rank of each simplex. Shape: (d+1)×N → (d+1)×S, twice."""
    N = v.shape[1]
    digits = [*v[:-1], *rank[:-1]]  # the last of each follows from the others
    bounds = [[int(b) for b in row.aminmax()] for row in digits]
    key = torch.zeros(N, dtype=torch.int64, device=v.device)
    for row, (low, _), stride in zip(digits, bounds, strides(bounds), strict=True):
        key.add_((row - low).long(), alpha=stride)
    ordered, order = key.sort()
    del key
    number, first = _groups(ordered)
    of = torch.empty_like(number).scatter_(0, order, number)
    chosen = order.index_select(0, first[:-1])
    v, rank = (torch.stack([row.index_select(0, chosen) for row in rows]) for rows in (v, rank))  # d+1, S
    return Simplices(of, order.int(), first), v, rank


def distinct_corners(v: Tensor, rank: Tensor) -> Corners:
    """The corners of S simplices, each numbered once.

    Corner x gets the number Σ x_i s_i. That is linear, so neighbours along an axis differ by the same number wherever
    they are; and corner r of a simplex follows from corner r − 1: all coordinates go up by one, and that one of them
    whose rank is d + 1 − r comes down by d + 1.

    Shape: (d+1)×S twice.
    """
    n, S = v.shape
    room = [[n * (int(row.min()) - 3), n * (int(row.max()) + 3)] for row in v[:-1]]  # with all neighbours
    s = torch.tensor([*strides(room), 0], device=v.device)  # d+1: the last coordinate follows from the others
    step = (s.sum() - n * s)[:, None].expand(n, S)  # to the next corner, by the coordinate that comes down
    key = torch.empty(n, S, dtype=torch.int64, device=v.device).scatter_(0, (n - rank).remainder_(n).long(), step)
    key[0] = 0  # stood for rank 0, which never comes down
    for row, stride in zip(v, s, strict=True):
        key[0] += row.long() * (n * stride)
    ordered, order = key.cumsum_(0).flatten().sort()
    del key
    order = order.int()
    number, first = _groups(ordered)
    keys = ordered.index_select(0, first[:-1])
    del ordered
    of = torch.empty_like(number).scatter_(0, order.long(), number).view(n, S).t().contiguous()  # S, d+1
    return Corners(of, order, first, keys, s.sum() - n * s)


def neighbours(corners: Corners) -> list[Tensor]:
    """Along each axis, of each lattice point: itself, the next and the one before; M where there is none.

    Shape: for each of d + 1 axes (M+1)×3, int32; the last row stands for no lattice point.
    """
    M, keys = corners.size, corners.keys
    here = torch.arange(M + 1, dtype=torch.int32, device=keys.device)
    axes = []
    for offset in corners.offsets:
        wanted = keys + offset
        place = torch.searchsorted(keys, wanted).clamp_(max=M - 1)
        place.masked_fill_(keys.index_select(0, place) != wanted, M)
        before = torch.full_like(here, M).scatter_(0, place, here[:M])
        before[M] = M
        axes.append(torch.stack((here, torch.cat((place.int(), here[-1:])), before), dim=1))  # M+1, 3
    return axes


def splat_rows(simplices: Simplices, corners: Corners, weights: Tensor) -> SparseRows:
    """For each corner, the points in the simplices around it, and their weights.

    The points of a simplex are a run in `simplices.order`, so a corner's row is a few runs. The places in that order
    are written as differences, 1 inside a run and a jump where one begins, and summed up.

    Shape: weights N×(d+1), barycentric → M+1 rows (the last is empty), N columns.
    """
    n, S = weights.shape[1], len(simplices.first) - 1
    colour = corners.order // S
    simplex = corners.order - colour * S
    length = simplices.first.diff().index_select(0, simplex)  # of each run
    end = length.cumsum(0, dtype=torch.int32)
    begin = (end - length).long()
    place = _runs(simplices.first.index_select(0, simplex), begin, length, 1, weights.numel())
    points = simplices.order.index_select(0, place)
    del simplex, place
    entries = (points * n).add_(_runs(colour, begin, torch.ones_like(length), 0, weights.numel()))
    starts = torch.cat((end.new_zeros(1), end)).index_select(0, corners.first)  # M+1
    starts = torch.cat((starts, starts[-1:]))
    return SparseRows(points, weights.flatten().index_select(0, entries), starts, len(weights))


def strides(bounds: list[list[int]], limit: int = 2**62) -> list[int]:
    """Numbers s such that Σ c_i s_i differs for different c within the bounds: mixed radix in 64 bits.

    With more digits than 64 bits hold, s is random and sums wrap around: two of M different c then get the same
    number with odds of about M²/2⁶⁴ (one in two hundred thousand for ten million).
    """
    sizes = [high - low + 1 for low, high in bounds]
    if math.prod(sizes) < limit:
        return [functools.reduce(int.__mul__, sizes[:i], 1) for i in range(len(sizes))]
    return torch.randint(-(2**62), 2**62, (len(sizes),), generator=torch.Generator().manual_seed(1)).tolist()


def _groups(ordered: Tensor) -> tuple[Tensor, Tensor]:
    """Of ascending keys: each one's group as a number, and where groups begin, the end as the last; both int32."""
    new = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=new[1:])
    first = torch.cat((new.nonzero()[:, 0].int(), new.new_full((1,), len(ordered), dtype=torch.int32)))
    return new.cumsum(0, dtype=torch.int32) - 1, first


def _runs(value: Tensor, begin: Tensor, length: Tensor, step: int, total: int) -> Tensor:
    """int32: from each place `begin` on, the value, growing by `step`, until the next begins; `length` steps."""
    jump = value.clone()
    jump[1:] -= value[:-1] + step * (length[:-1] - 1)
    return torch.full((total,), step, dtype=torch.int32, device=value.device).scatter_(0, begin, jump).cumsum_(0)
