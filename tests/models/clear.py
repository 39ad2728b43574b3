"""Pictures about which a network that ranks places decides the same, however its sums are rounded."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from segkit.models import pointrend

ROUNDING = 1e-5  # how far a score may be off, of the largest one: what test_compiled allows
RANKS = 4 * ROUNDING  # two scores make an uncertainty, and two uncertainties a rank


def clear_cut(model: nn.Module, x: Tensor) -> bool:
    """Whether in every step the last place that PointRend asks is more uncertain than the first that it does not ask.

    Borders make ties: below the last cell of a map, rows are equal.
    """
    doubts: list[Tensor] = []
    whole = pointrend.uncertainty

    def noted(scores: Tensor) -> Tensor:
        doubts.append(whole(scores))
        return doubts[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pointrend, "uncertainty", noted)
        largest = model(x).abs().max()
    ranked = [doubt.flatten(1).sort(1, descending=True).values for doubt in doubts]  # N, h·w
    asked: int = model.points  # type: ignore[assignment]
    return all(bool((row[:, asked - 1] - row[:, asked] > RANKS * largest).all()) for row in ranked)
