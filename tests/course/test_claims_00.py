"""Chapter 00's claim holds, and its asserts fail when what they depend on is taken away."""

from __future__ import annotations

import torch

from tests.course.claims import refuted, run

POLES, POLE = "the class must be in nearly every scene", 2


def test_poles_are_nearly_everywhere_and_own_hardly_any_pixels() -> None:
    names = run("00", POLES)
    assert names["occurs"] > 0.8 and names["owned"] < 0.03


def test_not_in_streets_without_poles() -> None:
    """Every pole becomes the road in four scenes of five."""

    def mostly_removed(old: torch.Tensor) -> torch.Tensor:
        few = torch.arange(len(old))[:, None, None] % 5 > 0
        return torch.where(few & (old == POLE), 3, old)

    refuted("00", POLES, labels=mostly_removed)


def test_not_in_streets_full_of_poles() -> None:
    refuted("00", POLES, labels=lambda old: torch.where(torch.arange(old.shape[-1]) % 8 == 0, POLE, old))
