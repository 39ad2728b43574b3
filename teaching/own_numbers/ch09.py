"""Weights on the map: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    return {"height": random.randint(12, 24), "width": random.randint(25, 40), "rate": random.randint(2, 5)}


def answer(height: int, width: int, rate: int, near: int = 0, added: bool = False) -> dict[str, float]:
    means = [3 - 2 * min(rate - near, n) / n for n in (height, width)]
    full = [max(n - 2 * (rate - near), 0) / n for n in (height, width)]
    mean = means[0] + means[1] if added else means[0] * means[1]
    return {"mean_weights": mean, "share_with_all": 100 * full[0] * full[1]}


TEXT = """A 3×3 kernel with rate {rate} runs over a map of {height}×{width} cells, padded to keep its size. How many
of its nine weights lie on the map, on average over all cells? And which share of the cells, in %, keep all nine?"""

QUESTION = Question(
    "ch09",
    draw,
    TEXT.format,
    answer,
    {
        "axes-added": ("The two axes multiply: three rows times three columns.", partial(answer, added=True)),
        "border-off-by-one": (
            "At distance `rate` from the border the outer weight is still on the map; nearer it is not.",
            partial(answer, near=1),
        ),
    },
    seeds=3,
)
