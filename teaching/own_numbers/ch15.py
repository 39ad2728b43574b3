"""What HRNet's exchange costs: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    sizes = (32 * random.randint(8, 20) + random.randint(1, 31) for _ in range(2))
    return {**dict(zip(("height", "width"), sizes, strict=True)), "channels": random.choice((18, 24, 32, 40, 48))}


def answer(height: int, width: int, channels: int, **wrong: bool) -> dict[str, float]:
    def cells(stride: int) -> int:
        return (
            height // stride * (width // stride) if wrong.get("rounded") else -(-height // stride) * -(-width // stride)
        )

    sizes = [channels, channels, channels, 8 * channels]
    steps = [9 * a * b * cells(stride) for (a, b), stride in zip(pairwise(sizes), (8, 16, 32), strict=True)]
    down = steps[-1] if wrong.get("last_only") else sum(steps)
    up = 8 * channels * channels * cells(4 if wrong.get("enlarged") else 32)
    return {"cells": cells(32), "down": down, "up": up}


TEXT = """HRNet looks at a picture of {height}×{width} pixels. Its branches have strides 4, 8, 16 and 32, all rounded
up, and {channels} channels at stride 4, twice as many at each coarser one. How many cells has the coarsest branch
(`cells`)? How many multiply-adds does the way from the finest to the coarsest branch take (`down`): three 3×3
convolutions of stride 2, of which only the last one changes the number of channels? And the way back (`up`): a 1×1
convolution, after which cells are repeated?"""

QUESTION = Question(
    "ch15",
    draw,
    TEXT.format,
    answer,
    {
        "rounded-down": ("A row that begins within the picture is there: round up.", partial(answer, rounded=True)),
        "last-step-only": ("Each of the three convolutions works, on its own size.", partial(answer, last_only=True)),
        "enlarged-first": ("The 1×1 comes first, on the few cells that there are.", partial(answer, enlarged=True)),
    },
)
