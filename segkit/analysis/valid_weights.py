"""How many weights of an atrous kernel still fall on the map: at a large rate a 3×3 kernel is left with its centre.

rate 6 on 65 cells: 3×3 taps on most cells          rate 64 on 65 cells: the centre alone, a 1×1 convolution
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from segkit.checks import pair, whole
from segkit.typed import typed


@dataclass(frozen=True)
class ValidWeights:
    """The weights of one kernel that meet the map and not the zeros around it, cell by cell.

    Args:
        size: (height, width) of the map, in cells.
        rates: (vertical, horizontal) dilation rate, in cells.
        kernels: (height, width) of the kernel, odd.

    Shape:
        map: height×width, int64.
    """

    size: tuple[int, int]
    rates: tuple[int, int]
    kernels: tuple[int, int]

    @cached_property
    def map(self) -> Tensor:
        """For each cell of the map, how many weights of the kernel that is centred on it lie on the map."""
        rows, columns = (_along(*axis) for axis in zip(self.size, self.rates, self.kernels, strict=True))
        return rows[:, None] * columns  # h, w

    @property
    def mean(self) -> float:
        """Mean of the map."""
        return int(self.map.sum()) / self.map.numel()

    def share(self, count: int) -> float:
        """The share of the cells at which exactly `count` weights are valid: v3's Figure 4 draws 1 and 9."""
        return int((self.map == count).sum()) / self.map.numel()

    @property
    def all_valid(self) -> float:
        """The share of the cells at which the whole kernel lies on the map."""
        return self.share(self.kernels[0] * self.kernels[1])

    @property
    def centre_only(self) -> float:
        """The share of the cells at which a kernel of more than one weight is left with its centre."""
        return self.share(1)


@dataclass(frozen=True)
class ClosedForm:
    """The same three figures without counting, for a square 3×3 kernel: `three_by_three`."""

    mean: float
    all_valid: float
    centre_only: float


@typed
def valid_weights(
    size: int | Sequence[int], rate: int | Sequence[int], kernel: int | Sequence[int] = 3
) -> ValidWeights:
    """Count the weights of an atrous kernel that fall on the map, with `same` padding.

    Args:
        size: cells of the map: one number for a square, or (height, width).
        rate: cells from one tap to the next, one number or (vertical, horizontal).
        kernel: side of the kernel, odd, one number or (height, width).

    Raises:
        ValueError: a size, rate or kernel below 1, or an even kernel, which has no centre.

    Source:
        Chen et al., "Rethinking atrous convolution…" (arXiv 1706.05587), section 3.3 and Figure 4.
    """
    kernels = pair(kernel, "kernel", "valid_weights", 1)
    if not all(k % 2 for k in kernels):
        raise ValueError(
            f"valid_weights got kernel={kernel!r}; an even kernel has no centre: give odd sides, such as 3"
        )
    return ValidWeights(pair(size, "size", "valid_weights", 1), pair(rate, "rate", "valid_weights", 1), kernels)


@typed
def three_by_three(size: int | Sequence[int], rate: int) -> ClosedForm:
    """The three figures for a 3×3 kernel at one rate, in closed form.

    On a side of n cells a tap r to one side is lost at r cells, so an axis keeps 3 − 2r/n taps on average. Each axis
    keeps all three at n − 2r cells, and its middle one alone at 2r − n; the two axes multiply. On a square map:

      mean (3 − 2r/n)² while r ≤ n     all nine (1 − 2r/n)² while 2r ≤ n     centre only (2r/n − 1)² from n/2 to n

    Beyond these bounds nothing more can be lost: the mean stays at 1, the share of all nine at 0, the centre's at 1.

    Args:
        size: cells of the map: n for a square, or (height, width).
        rate: r, in cells.
    """
    sides, r = pair(size, "size", "three_by_three", 1), whole(rate, "rate", "three_by_three", 1)
    mean = all_valid = centre_only = 1.0
    for n in sides:
        lost = min(r / n, 1.0)
        mean *= 3 - 2 * lost
        all_valid *= max(1 - 2 * lost, 0.0)
        centre_only *= max(2 * lost - 1, 0.0)
    return ClosedForm(mean, all_valid, centre_only)


def _along(n: int, rate: int, kernel: int) -> Tensor:
    """Along one axis: how many of the taps at −m·rate … m·rate lie on it, for each of its n cells."""
    m = kernel // 2
    tap = torch.arange(n)[:, None] + rate * torch.arange(-m, m + 1)  # n, kernel
    return ((tap >= 0) & (tap < n)).sum(1)  # n
