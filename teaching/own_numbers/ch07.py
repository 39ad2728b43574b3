"""Two pixels: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from math import exp
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    return {"unary": [[round(random.uniform(0, 2), 1) for _ in range(2)] for _ in range(2)],
            "weight": round(random.uniform(0.5, 2.5), 1)}  # fmt: skip


def answer(unary: list[list[float]], weight: float, sign: int = 1, own: bool = False) -> dict[str, float]:
    start = [[exp(-u) / sum(exp(-v) for v in pixel) for u in pixel] for pixel in unary]
    found = []
    for at in range(2):
        other = start[at if own else 1 - at]
        energy = [unary[at][label] + sign * weight * (1 - other[label]) for label in range(2)]
        found.append(exp(-energy[0]) / sum(exp(-one) for one in energy))
    return {"first_pixel": found[0], "second_pixel": found[1]}


TEXT = """Two pixels, two labels. The unary energies are {unary[0]} for the first pixel and {unary[1]} for the second
(label 0, label 1). A Potts term costs {weight} where their labels differ. Start from the softmax of the negative
energies and take one mean-field step for both pixels at once. Give the probability of label 0 at each, with three
digits after the point."""

QUESTION = Question(
    "ch07",
    draw,
    TEXT.format,
    answer,
    {
        "pairwise-sign": (
            "A label that the neighbour does not have costs energy; it does not save any.",
            partial(answer, sign=-1),
        ),
        "itself-asked": ("The message comes from the *other* pixel.", partial(answer, own=True)),
        "no-step": ("That is the start, before the step.", partial(answer, sign=0)),
    },
)
