"""Latency and throughput: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from random import Random
from statistics import fmean, median
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    rate, batch, calls = random.choice((20, 25, 40, 50)), random.choice((4, 8, 12, 16)), random.choice((7, 9))
    between = 1000 * batch // rate  # from one batch to the next: the network keeps up
    usual = random.randint(between // 2, between * 4 // 5)
    times = [usual + apart for apart in random.sample(range(-12, 13), calls)]
    times[random.randrange(calls)] += random.randint(90, 200)  # another program got in the way
    first = [usual + random.randint(150, 400), usual + random.randint(20, 60)]
    return {"rate": rate, "batch": batch, "times": first + times}


def answer(rate: int, batch: int, times: list[int], **wrong: bool) -> dict[str, float]:
    middle = fmean if wrong.get("mean") else median
    call = middle(times if wrong.get("all_calls") else times[2:])
    waited = 0 if wrong.get("no_waiting") else batch if wrong.get("one_too_many") else batch - 1
    return {"call_ms": call, "latency_ms": 1000 * waited / rate + call, "throughput": 1000 * batch / call}


TEXT = """A camera delivers {rate} pictures a second, evenly, and a network always answers {batch} of them in one call.
The calls took, one after the other, {times} ms;
the first two were the warm-up. Which time of a call do you give (`call_ms`)? A call begins as soon as the last picture
of its batch has come, and takes just that time: how many milliseconds does the *first* picture of the batch wait for
its answer (`latency_ms`)? How many pictures a second could the network answer if pictures were always waiting
(`throughput`)?"""


def text(rate: int, batch: int, times: list[int]) -> str:
    return TEXT.format(rate=rate, batch=batch, times=", ".join(map(str, times)))


QUESTION = Question(
    "ch12",
    draw,
    text,
    answer,
    {
        "warm-up-counted": ("The first calls are slower, and do not count.", partial(answer, all_calls=True)),
        "mean": ("One slow call spoils a mean; the median hardly moves.", partial(answer, mean=True)),
        "waiting-forgotten": ("The first picture waits until the last has come.", partial(answer, no_waiting=True)),
        "one-too-many": ("The first picture is there: it waits for the others.", partial(answer, one_too_many=True)),
    },
)
