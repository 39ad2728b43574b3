"""What a dilated pyramid holds, reads and multiplies: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    branches = random.choice((3, 4, 6))
    return {"branches": branches, "channels": branches * random.randint(8, 20), "height": random.randint(40, 64),
            "width": random.randint(70, 128)}  # fmt: skip


def answer(branches: int, channels: int, height: int, width: int, **wrong: bool) -> dict[str, float]:
    inner = channels // branches
    read = channels if wrong.get("all_channels") else inner
    weights = (0 if wrong.get("no_reduction") else channels * inner) + branches * 9 * read * inner
    cells = branches * 9 if wrong.get("middle_again") else 1 + branches * 8
    return {"weights": weights, "multiply_adds": weights * height * width, "cells": cells}


TEXT = """An ESP block of stride 1 has {branches} branches, of rates 1, 2, 4 and so on, each twice the one before. It
works on a map of {height}×{width} cells and {channels} channels and gives as many, an equal part from each branch; no
convolution has a bias. How many weights do all its convolutions have together (`weights`)? How many multiply-adds do
they take, at the border as everywhere (`multiply_adds`)? How many cells of its input does one cell of its output read
(`cells`)?"""

QUESTION = Question(
    "ch14",
    draw,
    TEXT.format,
    answer,
    {
        "no-reduction": ("The 1×1 that reduces has weights, too.", partial(answer, no_reduction=True)),
        "all-channels": ("The branches read the few channels that are left.", partial(answer, all_channels=True)),
        "middle-again": ("All branches read the same cell in the middle.", partial(answer, middle_again=True)),
    },
)
