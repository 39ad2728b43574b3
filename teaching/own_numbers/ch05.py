"""What has to be kept: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    return {"channels": random.choice((48, 64, 96, 128)), "height": 16 * random.randint(10, 24),
            "width": 16 * random.randint(25, 40)}  # fmt: skip


def answer(channels: int, height: int, width: int, kept: int = 1, bits: int = 8) -> dict[str, float]:
    values = channels * height * width
    return {"map_bytes": 4 * values // kept, "index_bytes": 2 * (values // 4) // bits}


TEXT = """A map of {channels} channels and {height}×{width} cells in float32 goes into a 2×2 max pooling. How many
bytes does U-Net keep of it, and how many does SegNet, which packs each pooling index into two bits?"""

QUESTION = Question(
    "ch05",
    draw,
    TEXT.format,
    answer,
    {
        "kept-after-pooling": ("U-Net keeps the map *before* the pooling.", partial(answer, kept=4)),
        "bits-not-bytes": ("Eight bits are a byte.", partial(answer, bits=1)),
    },
)
