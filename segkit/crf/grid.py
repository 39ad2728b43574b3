"""The settings that a search for a CRF's parameters tries: a grid, and a finer one around its best point."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segkit.checks import finite
from segkit.crf.dense import DenseCRF

GRID: dict[str, tuple[float, ...]] = {
    "bilateral_sxy": (5, 10, 20, 40, 80), "bilateral_srgb": (5, 10, 20, 40), "bilateral_compat": (2, 4, 8),
    "gaussian_compat": (1, 3),
}  # fmt: skip
SEARCHED = ("gaussian_sxy", "gaussian_compat", "bilateral_sxy", "bilateral_srgb", "bilateral_compat")
Setting = dict[str, float]
DEFAULTS = {name: inspect.signature(DenseCRF).parameters[name].default for name in SEARCHED}


def checked_grid(grid: Any, fixed: Mapping[str, Any]) -> dict[str, list[float]]:
    """The values of each parameter, as numbers that DenseCRF takes.

    Args:
        grid: name → values.
        fixed: further arguments of DenseCRF, which are the same in all settings.

    Raises:
        TypeError, ValueError: the grid is empty, or a name or value cannot be searched, or is fixed as well.
    """
    if not isinstance(grid, Mapping):
        raise TypeError(f"search got a grid of type {type(grid).__name__}; it is a dict, name → values")
    if not grid:
        raise ValueError(f"search got an empty grid; give values for at least one of {', '.join(SEARCHED)}")
    axes: dict[str, list[float]] = {}
    for name, values in grid.items():
        if name not in SEARCHED:
            raise ValueError(f"search got {name!r} in the grid; it takes {', '.join(SEARCHED)}")
        if name in fixed:
            raise ValueError(f"search got {name} in the grid and as {name}={fixed[name]!r}; give one of the two")
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise TypeError(f"search got {name}={values!r} in the grid; give a list of numbers")
        numbers = (finite(value, name, "search", 0) for value in values)
        axes[name] = list(dict.fromkeys(int(n) if n.is_integer() else n for n in numbers))
        if not axes[name]:
            raise ValueError(f"search got no values for {name}; give at least one number")
    for setting in combinations(axes):
        DenseCRF(**fixed, **setting)  # type: ignore[arg-type]  # says what it cannot take
    return axes


def combinations(axes: Mapping[str, Sequence[float]]) -> list[Setting]:
    """Every combination of the values, the last parameter changing fastest."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def finer(values: Sequence[float], best: float) -> list[float]:
    """The best value between two new ones, each halfway to its neighbour in ratio, to three digits.

    At the border of the values the step goes as far outwards as its neighbour lies inwards: 2, 4, 8 with 8 the best
    gives 5.66, 8, 11.3. A single value stays alone.

    Args:
        values: those tried, from small to large, all 0 or above.
        best: one of them.
    """
    if len(values) < 2:
        return list(values)
    place = values.index(best)
    below = values[place - 1] if place else best * best / values[1]
    above = values[place + 1] if place + 1 < len(values) else best * best / (values[-2] or best / 2)
    return sorted({best, *(float(f"{_halfway(best, other):.3g}") for other in (below, above))})


def _halfway(a: float, b: float) -> float:
    return math.sqrt(a * b) if a and b else (a + b) / 2
