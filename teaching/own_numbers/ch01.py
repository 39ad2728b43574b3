"""Four numbers from one matrix: a question with numbers of each student's own."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from segkit.teaching.own_numbers import Question


def draw(random: Random) -> dict[str, Any]:
    diagonal = [random.randint(40, 90), random.randint(20, 60), random.randint(5, 25)]
    return {"m": [[diagonal[i] if i == j else random.randint(1, 15) for j in range(3)] for i in range(3)]}


def _sums(m: list[list[int]]) -> tuple[list[int], list[int], list[int], int]:
    rows, columns = [sum(row) for row in m], [sum(column) for column in zip(*m, strict=True)]
    return [m[k][k] for k in range(3)], rows, columns, sum(rows)


def answer(m: list[list[int]], union_twice: bool = False, by_prediction: bool = False) -> dict[str, float]:
    hits, rows, columns, total = _sums(m)
    iou = [h / (r + c - (0 if union_twice else h)) for h, r, c in zip(hits, rows, columns, strict=True)]
    shares = columns if by_prediction else rows
    weighted = sum(n * one for n, one in zip(shares, iou, strict=True)) / total
    numbers = {"pixel_accuracy": sum(hits) / total, "mean_iou": sum(iou) / 3, "frequency_weighted_iou": weighted}
    return {name: 100 * value for name, value in numbers.items()}


def mean_accuracy(m: list[list[int]]) -> dict[str, float]:
    hits, rows, _, _ = _sums(m)
    return {"pixel_accuracy": 100 * sum(h / r for h, r in zip(hits, rows, strict=True)) / 3}


def text(m: list[list[int]]) -> str:
    rows = "\n".join(f"| **{name}** | {' | '.join(map(str, row))} |" for name, row in zip("ABC", m, strict=True))
    return f"""A confusion matrix; rows are the true classes, columns the predicted ones:

| | A | B | C |
|---|---|---|---|
{rows}

Give pixel accuracy, mean IoU and frequency-weighted IoU in %, each with one digit after the point or more."""


QUESTION = Question(
    "ch01",
    draw,
    text,
    answer,
    {
        "mean-accuracy": ("That is the mean accuracy: pixel accuracy counts all pixels in one heap.", mean_accuracy),
        "overlap-counted-twice": (
            "The union counts the hits twice: row + column − hits.",
            partial(answer, union_twice=True),
        ),
        "weighted-by-prediction": (
            "The weights are how often a class *is* there (rows), not how often it is predicted.",
            partial(answer, by_prediction=True),
        ),
    },
)
