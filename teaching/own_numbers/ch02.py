"""A stack of layers: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from math import ceil, floor
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    layers = [(random.choice((3, 5, 7)), random.choice((1, 2)), 1), (2, 2, 1)]
    layers += [(3, random.choice((1, 2, 3)), random.choice((2, 3, 4))), (random.choice((3, 5)), 1, 1)]
    return {"layers": layers, "size": random.randint(97, 160)}


def answer(layers: list[tuple[int, int, int]], size: int, **wrong: bool) -> dict[str, float]:
    stride, field, cells = 1, 1, size
    for kernel, step, dilation in layers:
        reach = (kernel - 1) * (1 if wrong.get("no_dilation") else dilation)
        field += reach * (stride * step if wrong.get("own_stride") else stride)
        stride *= step
        cells = (ceil if wrong.get("up") else floor)((cells - reach - 1) / step) + 1
    return {"output_stride": stride, "receptive_field": field, "output_size": cells}


def text(layers: list[tuple[int, int, int]], size: int) -> str:
    rows = "\n".join(f"| {k} | {s} | {d} |" for k, s, d in layers)
    return f"""Four layers, one after the other, without padding; sizes are of one axis:

| kernel | stride | dilation |
|---|---|---|
{rows}

Give the output stride, the theoretical receptive field of a unit at the end (in pixels), and the number of cells that
are left of a picture of {size} pixels."""


QUESTION = Question(
    "ch02",
    draw,
    text,
    answer,
    {
        "dilation-ignored": (
            "A kernel of k with dilation d reaches over d·(k − 1) + 1 cells.",
            partial(answer, no_dilation=True),
        ),
        "own-stride-too-early": (
            "A layer's own stride widens the steps of the layers *after* it, not its own.",
            partial(answer, own_stride=True),
        ),
        "rounded-up": ("A kernel that no longer fits is left out: sizes are rounded down.", partial(answer, up=True)),
    },
    seeds=5,
)
