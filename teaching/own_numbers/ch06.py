"""Three rates: a question with numbers of each student's own."""

from __future__ import annotations

from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    return {"rates": random.sample(range(1, 12), 3)}


def answer(rates: list[int]) -> dict[str, float]:
    places = {0}
    for rate in rates:
        places = {place + tap * rate for place in places for tap in (-1, 0, 1)}
    return {"field": 1 + 2 * sum(rates), "read": len(places), "gap": gap(rates)}


def gap(rates: list[int]) -> int:
    """The largest distance of section 6.4 that the second layer has to bridge, M₂, from M₃ = r₃."""
    _, second, last = rates
    return max(last - 2 * second, 2 * second - last, second)


def all_filled(rates: list[int]) -> dict[str, float]:
    return {"read": 1 + 2 * sum(rates)}


def all_ways(rates: list[int]) -> dict[str, float]:
    return {"read": 27}


def first_term(rates: list[int]) -> dict[str, float]:
    return {"gap": rates[2] - 2 * rates[1]}


TEXT = """Three layers of 3 weights on one axis have the rates {rates[0]}, {rates[1]} and {rates[2]}, in this order.
How long is the field of a unit at the end (`field`), how many different cells in it does the unit read (`read`), and
how large is M₂ of the HDC rule (`gap`)?"""

QUESTION = Question(
    "ch06",
    draw,
    TEXT.format,
    answer,
    {
        "holes-filled": ("Not every cell of the field is read: count the different sums of −r, 0 and r.", all_filled),
        "places-counted-twice": ("27 ways lead down, but some of them end at the same cell.", all_ways),
        "one-of-three-terms": ("M₂ is the largest of *three* terms; M₃ − 2·r₂ is one of them.", first_term),
    },
    seeds=3,
)
