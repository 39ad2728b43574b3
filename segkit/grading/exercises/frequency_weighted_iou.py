"""Chapter 01: IoU weighted with the true frequencies."""

from __future__ import annotations

from torch import Tensor

from segkit.grading.exercise import does, given, gives
from segkit.grading.exercises.matrix_numbers import accuracy, averaged, iou, number_exercise, precision

TASK = """The IoUs of the classes, n_ii / (t_i + Σ_j n_ji − n_ii), averaged with the true frequencies t_i /
Σ_k t_k as weights: one number from 0 to 1. A class that occurs nowhere adds nothing."""


def weighted(m: Tensor) -> Tensor:
    """Reference of `frequency_weighted_iou`."""
    return (m.sum(1) * iou(m).nan_to_num()).sum() / m.sum()


def _fw(m: Tensor, weight: Tensor, per_class: Tensor) -> Tensor:
    return (weight.double() * per_class.nan_to_num()).sum() / weight.sum()


def _union(m: Tensor) -> Tensor:
    return m.sum(0) + m.sum(1) - m.diag()


MESSAGES = """
unweighted: All classes weigh the same: this is mean IoU. Weight each by t_i, the number of pixels that truly belong
    to it.
weighted-by-prediction: The weights are how often a class was predicted. They should be how often it is true: which axis
    do you sum over?
weighted-by-union: The weights are the unions. They should be the true frequencies t_i.
overlap-counted-twice: Your union counts the right pixels twice: they are in t_i and in the predicted count. Subtract
    n_ii once.
dice-instead: Each class brings its Dice score, 2·overlap / (truth + prediction). The IoU divides the overlap by the
    union.
accuracy-instead: Class accuracies, weighted like this, give back pixel accuracy. The IoU has the wrongly predicted
    pixels in its denominator too.
precision-instead: Each class brings its precision, which divides by the predicted pixels only. The union has the missed
    ones too.
absent-class-nan: A class that occurs nowhere is 0/0 = NaN and spoils the sum, though its weight is 0: 0·NaN is NaN.
    Leave it out.
not-normalised: The weights do not sum to 1. Divide by the number of all pixels, Σ t_k.
inverse-weights: Rare classes weigh most here: you divide by the frequencies where you should multiply.
background-left-out: Class 0 is left out. It is a class like the others here.
percent: This is a percentage. A share lies between 0 and 1.
"""

WAYS = {
    "unweighted": averaged(iou),
    "weighted-by-prediction": does(lambda m: _fw(m, m.sum(0), iou(m))),
    "weighted-by-union": does(lambda m: _fw(m, _union(m), iou(m))),
    "overlap-counted-twice": does(lambda m: _fw(m, m.sum(1), m.diag() / (m.sum(0) + m.sum(1)).double())),
    "dice-instead": does(lambda m: _fw(m, m.sum(1), 2 * m.diag() / (m.sum(0) + m.sum(1)).double())),
    "accuracy-instead": does(accuracy),
    "precision-instead": does(lambda m: _fw(m, m.sum(1), precision(m))),
    "absent-class-nan": does(lambda m: (m.sum(1) * iou(m)).sum() / m.sum()),
    "not-normalised": does(lambda m: (m.sum(1) * iou(m).nan_to_num()).sum()),
    "inverse-weights": does(
        lambda m: _fw(m, (1 / m.sum(1)).nan_to_num(posinf=0), iou(m)), lambda m: _fw(m, 1 / m.sum(1), iou(m))
    ),
    "background-left-out": given(lambda m: (m[1:, 1:],))
    + does(
        lambda m: _fw(m[1:], m[1:].sum(1), iou(m)[1:]), lambda m: (m.sum(1) * iou(m).nan_to_num())[1:].sum() / m.sum()
    ),
    "percent": gives(lambda r, *a: 100 * r),
}

EXERCISE = number_exercise(
    "frequency_weighted_iou(matrix)",
    TASK,
    weighted,
    MESSAGES,
    WAYS,
    number="01.3",
    marks=3,
    finished=("ConfusionMatrix",),
)
