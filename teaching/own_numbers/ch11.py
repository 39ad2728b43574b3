"""The decoder's maps: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from math import ceil, floor
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    size, stride = 4 * random.randint(60, 150) + random.randint(1, 3), random.choice((8, 16))
    return {"size": size, "stride": stride, "high": random.choice((192, 256, 320)),
            "low": random.choice((32, 48, 64)), "width": random.choice((128, 256))}  # fmt: skip


def answer(size: int, stride: int, high: int, low: int, width: int, **wrong: bool) -> dict[str, float]:
    many = floor if wrong.get("down") else ceil
    fine, inputs = many(size / 4), high if wrong.get("low_forgotten") else high + low
    return {"low_cells": fine, "high_cells": many(size / stride), "multiply_adds": fine**2 * 9 * inputs * width}


TEXT = """DeepLab v3+ on a picture of {size}×{size} pixels, output stride {stride}; all convolutions are padded, so
sizes round up. How many cells on one axis has the low-level map (stride 4), and the encoder's? The encoder gives {high}
channels, enlarged to the low-level map's size, which has been narrowed to {low}. How many multiply-adds has the 3×3
convolution that follows, whole, with {width} outputs?"""

QUESTION = Question(
    "ch11",
    draw,
    TEXT.format,
    answer,
    {
        "rounded-down": ("A padded stride rounds up.", partial(answer, down=True)),
        "low-forgotten": ("Both maps go in, one beside the other.", partial(answer, low_forgotten=True)),
    },
    seeds=3,
)
