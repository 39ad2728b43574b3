"""Chapter 01: IoU weighted with the true frequencies."""

from __future__ import annotations

from torch import Tensor

from segkit.grading.exercise import Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.matrix_numbers import (
    OVERFLOW,
    PERCENT,
    accuracy,
    iou,
    number_cases,
    number_facts,
    precision,
)


def weighted(m: Tensor) -> Tensor:
    """Reference of `frequency_weighted_iou`."""
    return (m.sum(1) * iou(m).nan_to_num()).sum() / m.sum()


def _fw(m: Tensor, weight: Tensor, per_class: Tensor) -> Tensor:
    return (weight.double() * per_class.nan_to_num()).sum() / weight.sum()


def _union(m: Tensor) -> Tensor:
    return m.sum(0) + m.sum(1) - m.diag()


register(
    Exercise(
        name="frequency_weighted_iou",
        signature="frequency_weighted_iou(matrix)",
        text=(
            "The IoUs of the classes, n_ii / (t_i + Σ_j n_ji − n_ii), averaged with the true frequencies t_i /\n"
            "Σ_k t_k as weights: one number from 0 to 1. A class that occurs nowhere adds nothing."
        ),
        reference=weighted,
        cases=number_cases,
        kinds=("number",),
        facts=number_facts,
        mistakes=(
            mistake(
                "unweighted",
                "All classes weigh the same: this is mean IoU. Weigh each by t_i, the number of pixels that truly "
                "belong to it.",
                does(lambda m: iou(m).nanmean()),
                does(lambda m: iou(m).mean()),
                does(lambda m: iou(m).nan_to_num().mean()),
            ),
            mistake(
                "weighted-by-prediction",
                "The weights are how often a class was predicted. They should be how often it is true: which axis "
                "do you sum over?",
                does(lambda m: _fw(m, m.sum(0), iou(m))),
            ),
            mistake(
                "weighted-by-union",
                "The weights are the unions. They should be the true frequencies t_i.",
                does(lambda m: _fw(m, _union(m), iou(m))),
            ),
            mistake(
                "overlap-counted-twice",
                "The union counts the right pixels twice: they are in t_i and in the predicted count. Take n_ii off "
                "once.",
                does(lambda m: _fw(m, m.sum(1), m.diag() / (m.sum(0) + m.sum(1)).double())),
            ),
            mistake(
                "dice-instead",
                "Each class brings its Dice score, 2·overlap / (truth + prediction). The IoU divides the overlap by "
                "the union.",
                does(lambda m: _fw(m, m.sum(1), 2 * m.diag() / (m.sum(0) + m.sum(1)).double())),
            ),
            mistake(
                "accuracy-instead",
                "Weighted so, class accuracies give back pixel accuracy. The IoU has the wrongly predicted pixels "
                "in its denominator too.",
                does(accuracy),
            ),
            mistake(
                "precision-instead",
                "Each class brings its precision, which divides by the predicted pixels only. The union has the "
                "missed ones too.",
                does(lambda m: _fw(m, m.sum(1), precision(m))),
            ),
            mistake(
                "absent-class-nan",
                "A class that occurs nowhere is 0/0 = NaN and spoils the sum, though its weight is 0: 0·NaN is NaN. "
                "Leave it out.",
                does(lambda m: (m.sum(1) * iou(m)).sum() / m.sum()),
            ),
            mistake(
                "not-normalised",
                "The weights do not sum to 1. Divide by the number of all pixels, Σ t_k.",
                does(lambda m: (m.sum(1) * iou(m).nan_to_num()).sum()),
                does(lambda m: (m.sum(1) * iou(m).nan_to_num()).sum() / len(m)),
            ),
            mistake(
                "inverse-weights",
                "Rare classes weigh most here: the weights are upside down.",
                does(lambda m: _fw(m, (1 / m.sum(1)).nan_to_num(posinf=0), iou(m))),
                does(lambda m: _fw(m, 1 / m.sum(1), iou(m))),
            ),
            mistake(
                "background-left-out",
                "Class 0 is left out. It is a class like the others here.",
                given(lambda m: (m[1:, 1:],)),
                does(lambda m: _fw(m[1:], m[1:].sum(1), iou(m)[1:])),
                does(lambda m: (m.sum(1) * iou(m).nan_to_num())[1:].sum() / m.sum()),
            ),
            mistake("percent", PERCENT, gives(lambda r, *a: 100 * r)),
            OVERFLOW,
        ),
    )
)
