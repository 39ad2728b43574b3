"""How one quantity grows with another: a straight line where both axes are logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segkit.checks import finite
from segkit.typed import typed


@dataclass(frozen=True)
class PowerLaw:
    """y = factor · x^exponent, as nearly as the values allow.

    Args:
        exponent: the slope in log-log: at 1, twice the x is twice the y; at 2, four times; at 0, x does not matter.
        factor: y at x = 1.
        error: standard error of the exponent; NaN for two values, which leave nothing over.
        off: of each value, y over what the law says: 3 lies three times above it.
    """

    exponent: float
    factor: float
    error: float
    off: tuple[float, ...]

    def at(self, x: float) -> float:
        """What the law says of x."""
        return self.factor * x**self.exponent


@typed
def power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw:
    """Least squares through the logarithms, so that three times too much counts like three times too little.

    Args:
        x: what y depends on, above 0; at least two different values.
        y: one for each, above 0.

    Raises:
        ValueError: another number of one than of the other, fewer than two different x, or a value that is not above 0.
    """
    if len(x) != len(y):
        raise ValueError(f"power_law got {len(x)} x and {len(y)} y; give one y for each x")
    a, b = (np.log([_above(value, name) for value in values]) for name, values in (("x", x), ("y", y)))
    if len({*a.tolist()}) < 2:
        raise ValueError(f"power_law got {len(a)} values at a single x; a slope needs at least two different x")
    centred = a - a.mean()
    exponent = float(centred @ b / (centred @ centred))
    start = float(b.mean() - exponent * a.mean())
    left = b - start - exponent * a
    spare = len(a) - 2
    error = math.sqrt(float(left @ left) / spare / float(centred @ centred)) if spare else math.nan
    return PowerLaw(exponent, math.exp(start), error, tuple(np.exp(left).tolist()))


def _above(value: float, name: str) -> float:
    number = finite(value, name, "power_law")
    if number <= 0:
        raise ValueError(f"power_law got {name}={number:g}; a logarithm needs numbers above 0, so leave this one out")
    return number
