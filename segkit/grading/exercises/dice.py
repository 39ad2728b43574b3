"""Chapter 01: the Dice score of each class."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, does, gives, mistake, register
from segkit.grading.exercises.matrix_numbers import (
    GAP,
    OVERFLOW,
    iou,
    number_cases,
    number_facts,
    precision,
    recall,
)


def dice(m: Tensor) -> Tensor:
    """Reference of `dice`."""
    return 2 * m.diag().double() / (m.sum(0) + m.sum(1))


def _dice_cases() -> list[Case]:
    return [*number_cases(), Case((GAP[[2, 0, 1, 3]][:, [2, 0, 1, 3]],), "absent classes")]


register(
    Exercise(
        name="dice",
        signature="dice(matrix)",
        text=(
            "The Dice score of each class, 2 n_ii / (t_i + Σ_j n_ji), as a vector of num_classes numbers. NaN for\n"
            "a class that occurs neither in the truth nor in the prediction."
        ),
        reference=dice,
        cases=_dice_cases,
        facts=number_facts,
        mistakes=(
            mistake(
                "iou-instead",
                "This is the IoU, with the union below. Dice divides twice the overlap by the two sizes added.",
                does(iou),
            ),
            mistake(
                "two-forgotten",
                "The 2 is missing: a perfect prediction would score one half.",
                gives(lambda r, *a: r / 2),
            ),
            mistake(
                "absent-class-zero",
                "A class that occurs nowhere gets 0, as if it had been got wrong. There is nothing to get right: NaN.",
                gives(lambda r, *a: r.nan_to_num()),
                does(lambda m: 2 * m.diag() / (m.sum(0) + m.sum(1)).clamp(min=1)),
            ),
            mistake(
                "absent-class-one",
                "A class that occurs nowhere gets 1, a reward for a class that was never asked for. The "
                "specification says NaN.",
                gives(lambda r, *a: r.nan_to_num(1.0)),
            ),
            mistake(
                "mean-returned",
                "This is the average over classes. One number per class is asked for.",
                gives(lambda r, *a: r.nanmean()),
                gives(lambda r, *a: r.mean()),
                gives(lambda r, *a: r.nan_to_num().mean()),
            ),
            mistake(
                "recall-instead",
                "You divide by the true pixels only: that is recall. Dice punishes pixels wrongly claimed as well.",
                does(recall),
                gives(lambda r, m: 2 * m.diag().double() / m.sum(1)),
            ),
            mistake(
                "precision-instead",
                "You divide by the predicted pixels only: that is precision. Dice punishes missed pixels as well.",
                does(precision),
                gives(lambda r, m: 2 * m.diag().double() / m.sum(0)),
            ),
            mistake(
                "smoothed",
                "Something is added to numerator or denominator against division by 0. It shifts every score; here "
                "NaN is wanted instead.",
                does(lambda m: (2 * m.diag().double() + 1) / (m.sum(0) + m.sum(1) + 1)),
                does(lambda m: 2 * m.diag().double() / (m.sum(0) + m.sum(1) + 1)),
            ),
            mistake(
                "background-left-out",
                "The vector starts with class 1. Class 0 has a score too.",
                gives(lambda r, *a: r[1:]),
            ),
            mistake(
                "union-below",
                "Twice the overlap over the union can exceed 1. Below stand the two sizes added, the overlap "
                "counted twice.",
                does(lambda m: 2 * iou(m)),
            ),
            mistake(
                "whole-matrix",
                "Each class is divided by all pixels. Its own two sizes belong there: its row and its column.",
                does(lambda m: 2 * m.diag().double() / m.sum()),
                does(lambda m: 2 * m.diag().double() / (2 * m.sum())),
                gives(lambda r, m: torch.where(r.isnan(), r, 2 * m.diag().double() / m.sum())),
            ),
            OVERFLOW,
        ),
    )
)
