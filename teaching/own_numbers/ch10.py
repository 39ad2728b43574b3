"""What a layer costs: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from math import ceil
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    size = 2 * random.randint(22, 45) + 1  # odd: the half is rounded
    return {"size": size, "inputs": random.choice((48, 64, 96)), "outputs": random.choice((80, 112, 144)),
            "kernel": random.choice((3, 5, 7))}  # fmt: skip


def answer(size: int, inputs: int, outputs: int, kernel: int, **wrong: bool) -> dict[str, float]:
    cells = size**2 if wrong.get("before") else (size // 2 if wrong.get("down") else ceil(size / 2)) ** 2
    apart = kernel**2 * inputs + (0 if wrong.get("no_mixing") else inputs * outputs)
    return {"whole": cells * kernel**2 * inputs * outputs, "separable": cells * apart}


TEXT = """A {kernel}×{kernel} convolution with stride 2, padded so that {size}×{size} cells become the half, rounded
up, takes {inputs} channels to {outputs}. Count its multiply-adds: as one convolution (`whole`), and taken apart into a
depthwise one, which strides, and a 1×1 (`separable`)."""

QUESTION = Question(
    "ch10",
    draw,
    TEXT.format,
    answer,
    {
        "counted-before-the-stride": ("Work is done for each cell that comes *out*.", partial(answer, before=True)),
        "rounded-down": ("The odd cell counts.", partial(answer, down=True)),
        "mixing-forgotten": ("The 1×1 that mixes the channels is most of the work.", partial(answer, no_mixing=True)),
    },
)
