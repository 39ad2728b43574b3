"""Chapter 01: what the exercises on numbers from a confusion matrix share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Mistake, Ways, catalogue, does, each, given
from segkit.grading.exercises.case_tensors import grouped, labels


def iou(m: Tensor) -> Tensor:
    """Intersection over union of each class, NaN for absent ones."""
    m = m.double()
    return m.diag() / (m.sum(0) + m.sum(1) - m.diag())


def recall(m: Tensor) -> Tensor:
    return m.double().diag() / m.sum(1)


def precision(m: Tensor) -> Tensor:
    return m.double().diag() / m.sum(0)


def accuracy(m: Tensor) -> Tensor:
    return m.diag().sum().double() / m.sum()


@each
def averaged(per_class: Function) -> Ways:
    """The mean over the classes: absent ones left out, NaN for all because of them, or counted as 0."""
    fates = (Tensor.nanmean, Tensor.mean, lambda rates: rates.nan_to_num().mean())
    return does(*(lambda m, fate=fate: fate(per_class(m)) for fate in fates))


GAP = torch.tensor([[6, 1, 0, 3], [2, 9, 0, 1], [0, 0, 0, 0], [4, 0, 0, 2]])
_UNSEEN = torch.tensor([[5, 2, 1], [1, 7, 2], [0, 0, 0]])  # class 2 is predicted and never true


def number_cases() -> list[Case]:
    return grouped(
        ("plain", (torch.tensor([[5, 1], [3, 2]]),), (labels(1, 50, 3, 3) + 1,), (labels(2, 90, 7, 7) + 1,)),
        ("absent classes", (GAP,)),
        ("absent from the truth", (_UNSEEN,)),
        ("large counts", (labels(3, 9, 4, 4) * 2**30 + 1,)),
        ("memory layout", (labels(4, 30, 5, 5) + 1,)),
    )


def number_facts(m: Tensor) -> dict[str, bool]:
    return {
        "a class occurs neither in the truth nor in the prediction": bool(((m.sum(0) == 0) & (m.sum(1) == 0)).any()),
        "a class is predicted that is never true": bool(((m.sum(1) == 0) & (m.sum(0) > 0)).any()),
        "the counts are beyond 32 bits": bool(m.max() > 2**31),
        "there are more than two classes": len(m) > 2,
    }


_OVERFLOW = Mistake(
    "int32-overflow",
    "Counts above 2,147,483,647 do not fit into int32, and a data set has more pixels than that. Keep "
    "int64, or turn to float64 before adding.",
    given(lambda m: (m.to(torch.int32).to(torch.int64),)),
)


def number_exercise(
    signature: str, text: str, reference: Function, messages: str, ways: dict[str, Ways],
    cases: Callable[[], list[Case]] = number_cases, kind: str = "number", **known: Any,
) -> Exercise:  # fmt: skip
    """An exercise that asks for numbers from a confusion matrix, whose counts may be too large for int32."""
    mistakes = (*catalogue(messages, ways), _OVERFLOW)
    return Exercise(signature, text, reference, cases, mistakes, (kind,), number_facts, **known)
