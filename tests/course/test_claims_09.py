"""Each claim of chapter 09 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import numpy as np
import pytest

from tests.course.claims import put, recorded, refuted, run


def test_count_and_closed_form_agree() -> None:
    words = "centre > 0.9 and mean < 1.1"
    run("09", words)
    refuted("09", words, on_the_map=lambda old: lambda n, rate: np.minimum(old(n, rate), 2))
    refuted("09", words, shares=lambda old: lambda n, rate: old(n + 1, rate))


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("rates 12 18 24, pooling", "rates 12 18 24"),
        ("rates 12 18 24, pooling", "rates 2 4 6"),
        ("rates 12 18 24", "rates 2 4 6"),
    ],
)
def test_pooling_repairs_a_part(target: str, source: str) -> None:
    words = "a part, and not the whole"
    run("09", words)
    refuted("09", words, results=recorded(image_pooling=put(target, source)))


def test_counts() -> None:
    words = "39_048_533"
    run("09", words)
    refuted("09", words, parameters=lambda old: lambda *names, **options: old(*names, **{**options, "stem": "deep"}))


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("plain 16", "plain 32"),
        ("plain 8", "plain 16"),
        ("tested at 8, rates follow", "tested at 8, rates stay"),
        ("plain 16, tested at 8", "half-pixel 16, tested at 8"),
    ],
)
def test_stride_rates_and_places(target: str, source: str) -> None:
    words = "cells that move cost more"
    run("09", words)
    refuted("09", words, results=recorded(output_stride=put(target, source)))


def test_small_crops_cost_a_lot() -> None:
    words = "small crops cost a lot"
    run("09", words)
    refuted("09", words, results=recorded(batch_norm=put("whole pictures, 16", "quarters, 64")))
