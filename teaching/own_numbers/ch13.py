"""What a criss-cross mask costs: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    return {"height": random.randint(20, 36), "width": random.randint(38, 48), "key": random.choice((32, 48, 64)),
            "value": random.choice((128, 256, 384)), "rounds": random.choice((2, 3))}  # fmt: skip


def answer(height: int, width: int, key: int, value: int, rounds: int, **wrong: bool) -> dict[str, float]:
    speakers = height + width - (0 if wrong.get("itself_twice") else 1)
    shares = (1 if wrong.get("one_round") else rounds) * height * width * speakers
    channels = key if wrong.get("one_product") else key + value
    return {"heard": speakers, "multiply_adds": shares * channels, "share_bytes": 4 * shares}


TEXT = """On a map of {height}×{width} cells each cell hears its row and its column, itself once, in {rounds} rounds.
Queries and keys have {key} channels, values {value}. How many cells does a cell hear in one round (`heard`)? How many
multiply-adds do the products of queries and keys and those of shares and values take, in all rounds together
(`multiply_adds`)? How many bytes do all shares take, at four bytes each (`share_bytes`)?"""

QUESTION = Question(
    "ch13",
    draw,
    TEXT.format,
    answer,
    {
        "itself-twice": ("A cell is in its row and its column, and counts once.", partial(answer, itself_twice=True)),
        "one-product": ("The values have to be weighted and added, too.", partial(answer, one_product=True)),
        "one-round": ("Each round has its products and its shares.", partial(answer, one_round=True)),
    },
    seeds=3,
)
