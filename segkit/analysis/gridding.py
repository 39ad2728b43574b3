"""Which inputs a unit behind a stack of atrous convolutions reads, and how often; what HDC's rule says about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segkit.checks import whole
from segkit.typed import typed

Numbers = int | Sequence[int]  # one for all layers, or one for each
EXACT = 2**63  # counts from here on are kept as Python's integers


@dataclass(frozen=True)
class Contributions:
    """What one unit behind a stack of layers reads, along one axis and in the plane.

    Args:
        rates, kernels, strides: one number for each layer, the layer at the input first.
    """

    rates: tuple[int, ...]
    kernels: tuple[int, ...]
    strides: tuple[int, ...]

    @cached_property
    def steps(self) -> tuple[int, ...]:
        """For each layer, inputs of the stack from one tap to the next: its rate times the strides before it."""
        jumps = np.cumprod((1, *self.strides[:-1])).tolist() if self.strides else []
        return tuple(r * jump for r, jump in zip(self.rates, jumps, strict=True))

    @cached_property
    def line(self) -> np.ndarray:
        """Along one axis: over how many paths each input of the field reaches the unit. Shape: field."""
        counts = np.ones(1, dtype=object)
        for kernel, step in zip(self.kernels, self.steps, strict=True):
            taps = np.zeros((kernel - 1) * step + 1, dtype=object)
            taps[::step] = 1
            counts = np.convolve(counts, taps)
        return _packed(counts)

    @cached_property
    def plane(self) -> np.ndarray:
        """In the plane, where both axes take their own path and the counts multiply. Shape: field × field."""
        return _packed(np.outer(self.line.astype(object), self.line.astype(object)))

    @property
    def field(self) -> int:
        """Side of the receptive field, in inputs."""
        return len(self.line)

    @property
    def touched(self) -> int:
        """Inputs along one axis that contribute; in the plane it is the square of this."""
        return int((self.line > 0).sum())

    @property
    def holes(self) -> int:
        """Inputs along one axis that lie inside the field and never contribute."""
        return self.field - self.touched

    @property
    def widest_gap(self) -> int:
        """Largest distance between neighbouring inputs that contribute: 1 if there is no hole, 0 for a single input."""
        return int(np.diff(np.flatnonzero(self.line > 0)).max(initial=0))

    @property
    def share(self) -> float:
        """Share of the field's inputs, in the plane, that contribute."""
        return (self.touched / self.field) ** 2

    @property
    def grids(self) -> int:
        """Along one axis, how many sets of inputs never meet in any unit: the common factor of the steps."""
        return math.gcd(*self._moving_steps) or 1

    @property
    def _moving_steps(self) -> tuple[int, ...]:
        return tuple(s for s, k in zip(self.steps, self.kernels, strict=True) if k > 1)


@dataclass(frozen=True)
class Verdict:
    """What HDC's rule says about a stack, and what counting says.

    Args:
        follows_rule: M_2 ≤ K and no common factor, in the group that the stack repeats.
        m2: M_2 of that group; the rate itself where the group has one layer.
        kernel: K, of the group's first layer.
        common_factor: of the group's rates.
        group: the rates that repeat; all of them where nothing does.
        holes: inputs along one axis, counted for the whole stack, that never contribute.
        reasons: sentences, one for each thing to know.
    """

    follows_rule: bool
    m2: int
    kernel: int
    common_factor: int
    group: tuple[int, ...]
    holes: int
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.reasons)


@typed
def contributions(
    rates: Sequence[int], kernel: int | Sequence[int] = 3, stride: int | Sequence[int] = 1
) -> Contributions:
    """Count how the inputs of a stack of convolutions reach one of its units, away from the border.

    Args:
        rates: dilation of each layer, the layer at the input first.
        kernel: length of the kernels' sides, one number for all layers or one for each; even ones are allowed.
        stride: strides, likewise.

    Returns:
        a `Contributions`: `.line` and `.plane` (counts), `.field`, `.holes`, `.share`, `.grids`. The counts are the
        input gradient of a stack of all-ones convolutions.

    Raises:
        TypeError: something that is not a whole number.
        ValueError: no layers, a number below 1, or lists of different lengths.

    Source:
        Wang et al., "Understanding convolution for semantic segmentation", arXiv 1702.08502, section 3.2 and Figure 2.
    """
    if isinstance(rates, (int, str)):
        raise TypeError(
            f"contributions got rates={rates!r}; it takes a list with one rate for each layer, such as [1, 2, 5]"
        )
    rates = _whole("rates", rates)
    if not rates:
        raise ValueError("contributions got no rates; give one for each layer, such as [1, 2, 5]")
    kernels, strides = _each("kernel", kernel, len(rates)), _each("stride", stride, len(rates))
    return Contributions(rates, kernels, strides)


@typed
def max_distances(rates: Sequence[int]) -> tuple[int, ...]:
    """HDC's M_2 … M_n: from the last layer down, M_i = max(M_{i+1} − 2r_i, M_{i+1} − 2(M_{i+1} − r_i), r_i), M_n = r_n.

    Args:
        rates: dilation of each layer, the layer at the input first.

    Returns:
        (M_2, …, M_n); (r_1,) for a single layer.

    Source:
        arXiv 1702.08502, equation 2.
    """
    rates = _whole("rates", rates)
    if not rates:
        raise ValueError("max_distances got no rates; give one for each layer, such as [1, 2, 5]")
    found = [rates[-1]]
    for r in rates[-2:0:-1]:
        after = found[0]
        found.insert(0, max(after - 2 * r, after - 2 * (after - r), r))
    return tuple(found)


@typed
def hdc_verdict(rates: Sequence[int], kernel: Numbers = 3, stride: Numbers = 1) -> Verdict:
    """Whether a stack follows the rule of hybrid dilated convolution, why, and whether it has holes when counted.

    A rule is checked on the group that the stack repeats: [1, 2, 5, 1, 2, 5] on [1, 2, 5].

    Args:
        rates, kernel, stride: as for `contributions`; behind a stride the rule speaks of steps in inputs.

    Source:
        arXiv 1702.08502, section 3.2. Differs from the paper: it also counts, because the rule errs both ways. Where
        the first rate is 1 and the kernels have at least 3 taps a stack that follows it has no holes (searched for all
        rates up to 7 and up to four layers); [2, 3] follows it and has two holes, [1, 3, 1] does not and has none.
    """
    counted = contributions(rates, kernel, stride)
    moving = [(s, k) for s, k in zip(counted.steps, counted.kernels, strict=True) if k > 1]  # 1×1 kernels reach nowhere
    layers = _group(moving or [(1, 1)])
    group, first = tuple(s for s, _ in layers), layers[0][1]
    m2, factor = max_distances(group)[0], math.gcd(*group)
    limit = first if len(group) > 1 else 1  # a single layer is filled by no other
    follows = m2 <= limit and factor == 1
    words = ("≤", "fine") if m2 <= limit else (">", "too far apart to fill")
    alone = f"One layer of rate {m2}: {'its taps touch' if m2 == 1 else 'nothing fills the gaps between its taps'}."
    grids = f"share the factor {factor}: the inputs fall into {factor}×{factor} grids that never meet."
    reasons = [
        f"M_2 = {m2} {words[0]} K = {limit}: {words[1]}." if len(group) > 1 else alone,
        f"The rates {'have no common factor: fine.' if factor == 1 else grids}",
        _count(counted),
    ]
    if len(layers) < len(moving):
        reasons.insert(
            0, f"The group {list(group)} repeats {len(moving) // len(layers)} times, and the rule is per group."
        )
    if follows and counted.holes:
        reasons.append("The rule was made for a first rate of 1 and kernels of 3 or more; here it is not enough.")
    if not follows and not counted.holes:
        reasons.append("The rule is cautious: here the layers fill each other's gaps without it.")
    return Verdict(follows, m2, first, factor, group, counted.holes, tuple(reasons))


def _count(counted: Contributions) -> str:
    if not counted.holes:
        return f"Counted: all {counted.field} inputs of a row contribute."
    word = "hole" if counted.holes == 1 else "holes"
    return f"Counted: {counted.holes} {word} among the {counted.field} inputs of a row."


def _group(layers: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The shortest beginning that makes the whole list when it is repeated; all of it where all layers are alike."""
    n = len(layers)
    if len(set(layers)) == 1:
        return layers
    return next(layers[:p] for p in range(1, n + 1) if n % p == 0 and layers[:p] * (n // p) == layers)


def _packed(counts: np.ndarray) -> np.ndarray:
    """As int64 where all counts fit."""
    return counts.astype(np.int64) if counts.max() < EXACT else counts


def _each(name: str, value: int | Sequence[int], layers: int) -> tuple[int, ...]:
    values = _whole(name, [value] * layers if isinstance(value, (int, np.integer)) else value)
    if len(values) != layers:
        raise ValueError(
            f"{name} has {len(values)} numbers for {layers} rates; give one for all layers or one for each"
        )
    return values


def _whole(name: str, values: Sequence[int]) -> tuple[int, ...]:
    return tuple(whole(value, f"{name}[{i}]", "a stack of layers", 1) for i, value in enumerate(values))
