"""A transposed convolution: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from math import ceil
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    stride = random.choice((2, 3, 4))
    return {"n": random.randint(20, 60), "kernel": random.randint(stride + 1, 3 * stride), "stride": stride,
            "padding": random.randint(1, 2), "extra": random.randint(1, stride - 1)}  # fmt: skip


def answer(
    n: int, kernel: int, stride: int, padding: int, extra: int, sides: int = 2, **wrong: bool
) -> dict[str, float]:
    size = (n if wrong.get("all_steps") else n - 1) * stride + kernel - sides * padding
    return {"size": size + (0 if wrong.get("no_extra") else extra), "most_stamps": ceil(kernel / stride),
            "fewest_stamps": kernel // stride}  # fmt: skip


TEXT = """A transposed convolution takes {n} cells of one axis, with a kernel of {kernel}, stride {stride}, padding
{padding} and output_padding {extra}. How many cells come out (`size`)? And far from the borders: how many stamps cover
the cells that are covered most, and least?"""

QUESTION = Question(
    "ch03",
    draw,
    TEXT.format,
    answer,
    {
        "padding-on-one-side": ("`padding` is cut off on both sides.", partial(answer, sides=1)),
        "output-padding-ignored": ("`output_padding` adds its cells at one end.", partial(answer, no_extra=True)),
        "one-step-too-many": ("Between n stamps there are n − 1 steps.", partial(answer, all_steps=True)),
    },
    seeds=3,
)
