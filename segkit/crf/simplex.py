"""Which simplex of the permutohedral lattice a point lies in, and where in it."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor


def elevate(features: Tensor) -> Tensor:
    """Points of d dimensions in the plane x₀ + … + x_d = 0 of d + 1, so scaled that the lattice blurs with σ = 1.

    Feature i is scaled by s_i = √(2/3)·(d+1)/√((i+1)(i+2)); then x_j = Σ_{i≥j} s_i f_i − j·s_{j−1} f_{j−1}, summed from
    the last feature down. The order of the sums is that of the reference implementation: in float32 it decides in which
    of two neighbouring simplices a point on their border lies.

    Shape: d×N → (d+1)×N.
    Source: Adams, Baek & Davis 2010, section 3.1 and figure 5.
    """
    d, N = features.shape
    spread = torch.tensor(math.sqrt(2 / 3) * (d + 1), dtype=features.dtype).item()
    total = features.new_zeros(N)
    elevated = features.new_empty(d + 1, N)
    for j in range(d, 0, -1):
        scaled = features[j - 1] * torch.tensor(spread / math.sqrt(j * (j + 1)), dtype=features.dtype)
        torch.sub(total, scaled * j, out=elevated[j])
        total += scaled
    elevated[0] = total
    return elevated


def enclosing_simplex(elevated: Tensor) -> tuple[Tensor, Tensor]:
    """The simplex around each point, as its vertex of colour 0 and a permutation.

    Rounding every coordinate to a multiple of d + 1 gives the vertex (d+1)·v, once the coordinates whose remainder is
    furthest off have been moved by one step so that Σ v = 0. The rank of a coordinate is its place when the remainders
    are sorted, largest first; vertex r of the simplex is (d+1)·v + r, less d + 1 where the rank exceeds d − r.

    Shape: (d+1)×N → v, whole numbers in the type of elevated, and rank, int8 (int16 from 60 dimensions up); both
        (d+1)×N.
    Source: Adams, Baek & Davis 2010, section 3.2.
    """
    n = len(elevated)  # d + 1
    inverse = torch.tensor(1 / n, dtype=elevated.dtype)
    v = (elevated * inverse).round_()
    remainder = (v * -n).add_(elevated)
    small = torch.int8 if n < 60 else torch.int16
    rank = torch.arange(n, device=elevated.device).to(small)[:, None].repeat(1, elevated.shape[1])
    for i in range(n):  # start from the order as given, and exchange what stands wrong
        for j in range(i + 1, n):
            behind = (remainder[i] < remainder[j]).to(small)
            rank[i] += behind
            rank[j] -= behind
    rank += v.sum(0).to(small)  # 0 where the rounded point lies in the plane
    step = (rank < 0).to(small) - (rank >= n).to(small)
    return v.add_(step), rank.add_(step, alpha=n)


def barycentric(elevated: Tensor, v: Tensor) -> Tensor:
    """The weights of a simplex's d + 1 vertices at each point, 1 in sum, and at least 0 but for rounding.

    With t the remainders (x − (d+1)·v)/(d+1) from small to large, they are b_r = t_r − t_{r−1} and b_0 = 1 + t_0 − t_d.

    Shape: (d+1)×N twice → (d+1)×N.
    Source: Adams, Baek & Davis 2010, proposition 4.2.
    """
    n = len(elevated)
    t = list((v * -n).add_(elevated).mul_(torch.tensor(1 / n, dtype=elevated.dtype)))
    spare = torch.empty_like(t[0])
    for turn in range(n):  # odd-even transposition: sorts n rows in n turns, all points at once
        for i in range(turn % 2, n - 1, 2):
            torch.minimum(t[i], t[i + 1], out=spare)
            torch.maximum(t[i], t[i + 1], out=t[i + 1])
            t[i], spare = spare, t[i]
    return torch.stack([t[0] + (1 - t[-1]), *(b - a for a, b in itertools.pairwise(t))])
