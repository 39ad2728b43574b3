"""Which input positions an output position reads, along one axis, for every operator that moves things about.

A *tap rule* maps an array of output positions (n,) to the input positions they read (n, k). Positions are plain
integers and may lie outside the map, where padding is; MISSING marks a tap that an output position does not have.
Two-dimensional operators read the product of what their two axes read, so one axis at a time is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

MISSING = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Taps:
    """A tap rule for one axis.

    Args:
        read: output positions (n,) → input positions (n, k).
        scale: input positions per output position: 2 for a stride of 2, ½ for a transposed convolution of stride 2.
        clamp: whether a tap beyond the border reads the border itself (interpolation) or nothing (zero padding).
    """

    read: Callable[[np.ndarray], np.ndarray]
    scale: Fraction
    clamp: bool = False


def window(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Taps:
    """Convolution and pooling: output o reads o·stride − padding + t·dilation for t = 0 … kernel − 1."""
    offsets = np.arange(kernel) * dilation - padding
    return Taps(lambda o: o[:, None] * stride + offsets, Fraction(stride))


def stamp(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Taps:
    """Transposed convolution and unpooling: input i stamps outputs i·stride − padding + t·dilation."""
    offsets = padding - np.arange(kernel) * dilation

    def read(o: np.ndarray) -> np.ndarray:
        numerator = o[:, None] + offsets
        return np.where(numerator % stride == 0, numerator // stride, MISSING)

    return Taps(read, Fraction(1, stride))


def shift(start: int, step: int = 1) -> Taps:
    """Slicing [start::step], and zero padding as shift(−padding): output o reads start + o·step."""
    return Taps(lambda o: (start + o * step)[:, None], Fraction(step))


def adaptive(inputs: int, outputs: int) -> Taps:
    """Adaptive pooling: output o reads ⌊o·inputs/outputs⌋ … ⌈(o+1)·inputs/outputs⌉ − 1."""
    widest = -(-inputs // outputs) + 1

    def read(o: np.ndarray) -> np.ndarray:
        first, beyond = o * inputs // outputs, -(-(o + 1) * inputs // outputs)
        taps = first[:, None] + np.arange(widest)
        return np.where(taps < beyond[:, None], taps, MISSING)

    return Taps(read, Fraction(inputs, outputs))


def resize(inputs: int, outputs: int, mode: str, align_corners: bool = False, factor: float | None = None) -> Taps:
    """Interpolation: output o reads the 1 (nearest), 2 (linear) or 4 (cubic) samples around its place in the input.

    Args:
        inputs, outputs: lengths of the axis before and after.
        mode: "nearest", "nearest-exact", "linear" or "cubic".
        align_corners: whether the first and last samples of both grids coincide.
        factor: the scale factor, where the caller gave one instead of a size.
    """
    scale = Fraction(inputs, outputs) if not factor else Fraction(1 / factor).limit_denominator(1 << 16)
    if align_corners:
        scale = Fraction(inputs - 1, outputs - 1) if outputs > 1 else Fraction(0)
    half = Fraction(0) if align_corners or mode == "nearest" else Fraction(1, 2)
    shifted = half * scale - (half if mode in ("linear", "cubic") else 0)  # place of output 0 in the input
    c = scale.denominator * shifted.denominator
    a, b = int(scale * c), int(shifted * c)  # output o lies at (a·o + b) / c in the input

    def read(o: np.ndarray) -> np.ndarray:
        place, rest = np.divmod(a * o + b, c)
        if mode.startswith("nearest"):
            return place[:, None]
        between = (rest > 0)[:, None]  # exactly on a sample: that sample alone has weight
        offsets = np.arange(2) if mode == "linear" else np.arange(-1, 3)
        return np.where(between, place[:, None] + offsets, place[:, None])

    return Taps(read, scale, clamp=True)
