"""Chapter 01: the Dice score of each class."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, does, gives
from segkit.grading.exercises.matrix_numbers import GAP, averaged, iou, number_cases, number_exercise, precision, recall

TASK = """The Dice score of each class, 2 n_ii / (t_i + Σ_j n_ji), as a vector of num_classes numbers. NaN for
a class that occurs neither in the truth nor in the prediction."""


def dice(m: Tensor) -> Tensor:
    """Reference of `dice`."""
    return 2 * m.diag().double() / (m.sum(0) + m.sum(1))


def _dice_cases() -> list[Case]:
    return [*number_cases(), Case((GAP[[2, 0, 1, 3]][:, [2, 0, 1, 3]],), "absent classes")]


MESSAGES = """
iou-instead: This is the IoU, with the union below. Dice divides twice the overlap by the sum of the two sizes.
two-forgotten: The 2 is missing: a perfect prediction would score one half.
absent-class-zero: A class that occurs nowhere gets 0, as if it had been wrong. There is nothing to score: NaN.
absent-class-one: A class that occurs nowhere gets 1, a reward for a class that was never asked for. The task says
    NaN.
mean-returned: This is the average over classes. One number per class is asked for.
recall-instead: You divide by the true pixels only: that is recall. Dice punishes pixels wrongly claimed as well.
precision-instead: You divide by the predicted pixels only: that is precision. Dice punishes missed pixels as well.
smoothed: Something is added to the numerator or denominator, to avoid a division by 0. It shifts every score; here
    NaN is wanted instead.
background-left-out: The vector starts with class 1. Class 0 has a score too.
union-below: Twice the overlap over the union can exceed 1. Dice divides by the sum of the two sizes, which counts the
    overlap twice.
whole-matrix: Each class is divided by all pixels. Divide it by its own two sizes: the sums of its row and its column.
"""

WAYS = {
    "iou-instead": does(iou),
    "two-forgotten": gives(lambda r, *a: r / 2),
    "absent-class-zero": gives(lambda r, *a: r.nan_to_num()),
    "absent-class-one": gives(lambda r, *a: r.nan_to_num(1.0)),
    "mean-returned": averaged(dice),
    "recall-instead": does(recall) + gives(lambda r, m: 2 * m.diag().double() / m.sum(1)),
    "precision-instead": does(precision) + gives(lambda r, m: 2 * m.diag().double() / m.sum(0)),
    "smoothed": does(
        lambda m: (2 * m.diag().double() + 1) / (m.sum(0) + m.sum(1) + 1),
        lambda m: 2 * m.diag().double() / (m.sum(0) + m.sum(1) + 1),
    ),
    "background-left-out": gives(lambda r, *a: r[1:]),
    "union-below": does(lambda m: 2 * iou(m)),
    "whole-matrix": does(lambda m: 2 * m.diag().double() / m.sum())
    + gives(lambda r, m: torch.where(r.isnan(), r, 2 * m.diag().double() / m.sum())),
}

EXERCISE = number_exercise(
    "dice(matrix)",
    TASK,
    dice,
    MESSAGES,
    WAYS,
    _dice_cases,
    "float",
    number="01.4",
    marks=3,
    finished=("ConfusionMatrix",),
)
