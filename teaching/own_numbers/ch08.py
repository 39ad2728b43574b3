"""Bins and a schedule: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from math import ceil, floor
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    bins = random.choice((4, 5, 6, 7))
    cells = random.choice([a for a in range(17, 40) if a % bins])
    channels, step = random.choice((96, 160, 192)), random.randint(20, 80) * 100
    return {"cells": cells, "bins": bins, "which": random.randint(1, bins - 2), "channels": channels, "step": step,
            "steps": 20_000}  # fmt: skip


def answer(
    cells: int, bins: int, which: int, channels: int, step: int, steps: int, outside: bool = False, **wrong: bool
) -> dict[str, float]:
    end = (which + 1) * cells / bins
    rate = 1 - (step / steps) ** 0.9 if outside else (1 - step / steps) ** 0.9
    first = which * (cells // bins) if wrong.get("paper") else which * cells // bins
    last = first + ceil(cells / bins) if wrong.get("paper") else floor(end) if wrong.get("early") else ceil(end)
    return {"begins": first, "ends_before": last, "vector": channels * (bins**2 + 4 + 1), "rate": rate}


TEXT = """An axis of {cells} cells is cut into {bins} bins by SPP's bounds. At which cell does bin {which} begin, and
before which does it end (bins and cells counted from 0)? How long is the vector of {channels} channels with grids of
{bins}×{bins}, 2×2 and 1×1? And which share of the base rate does the poly schedule have at step {step:,} of {steps:,},
with power 0.9?"""

QUESTION = Question(
    "ch08",
    draw,
    TEXT.format,
    answer,
    {
        "size-and-stride": (
            "Those are windows of a fixed size and stride; bounds are worked out for each bin.",
            partial(answer, paper=True),
        ),
        "bins-end-early": (
            "A bin that ends inside a cell takes that cell: the end is rounded up.",
            partial(answer, early=True),
        ),
        "power-misplaced": ("The power is of what remains, 1 − t/T.", partial(answer, outside=True)),
    },
)
