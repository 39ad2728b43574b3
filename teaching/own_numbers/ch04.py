"""A classifier made convolutional: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    return {"channels": random.choice((128, 192, 256, 320)), "side": random.randint(4, 8),
            "outputs": random.choice((512, 768, 1000, 1024)), "height": 32 * random.randint(9, 14),
            "width": 32 * random.randint(15, 20)}  # fmt: skip


def answer(
    channels: int, side: int, outputs: int, height: int, width: int, bias: bool = True, lost: int = 1, area: int = 2
) -> dict[str, float]:
    rows, columns = height // 32 - side + lost, width // 32 - side + lost
    return {"parameters": channels * side**area * outputs + bias * outputs, "rows": rows, "columns": columns}


TEXT = """A classifier's encoder goes down by 32 and ends in {channels} channels. Its first fully connected layer
reads a map of {side}×{side} cells and has {outputs} outputs. Made convolutional, how many parameters does it have,
biases included? And how many rows and columns of answers does it give (no padding) on a picture of {height}×{width}
pixels?"""

QUESTION = Question(
    "ch04",
    draw,
    TEXT.format,
    answer,
    {
        "bias-forgotten": ("Each output has a bias.", partial(answer, bias=False)),
        "last-place-lost": ("A window of k cells has n − k + 1 places on n cells.", partial(answer, lost=0)),
        "one-axis-only": ("The layer reads side × side cells.", partial(answer, area=1)),
    },
    seeds=3,
)
