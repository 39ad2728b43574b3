"""Chapter 01: pixel accuracy."""

from __future__ import annotations

import torch

from segkit.grading.exercise import Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.matrix_numbers import (
    OVERFLOW,
    PERCENT,
    accuracy,
    iou,
    number_cases,
    number_facts,
    precision,
    recall,
)

register(
    Exercise(
        name="pixel_accuracy",
        signature="pixel_accuracy(matrix)",
        text=(
            "The share of pixels that are labelled right, Σ n_ii / Σ t_i, as one number from 0 to 1, from a\n"
            "confusion matrix (int64, rows truth, columns prediction) with at least one pixel counted."
        ),
        reference=accuracy,
        cases=number_cases,
        kinds=("number",),
        facts=number_facts,
        mistakes=(
            mistake(
                "mean-accuracy",
                "You average the accuracies of the classes, so that a rare class weighs as much as a common one. "
                "Pixel accuracy asks pixels, not classes: one sum over another.",
                does(lambda m: recall(m).nanmean()),
                does(lambda m: recall(m).mean()),
                does(lambda m: recall(m).nan_to_num().mean()),
            ),
            mistake(
                "mean-precision",
                "You divide by what was predicted and average over classes. Pixel accuracy is one sum over another, "
                "with no average.",
                does(lambda m: precision(m).nanmean()),
                does(lambda m: precision(m).mean()),
                does(lambda m: precision(m).nan_to_num().mean()),
            ),
            mistake(
                "mean-iou-instead",
                "This is mean IoU. Pixel accuracy has no union in it.",
                does(lambda m: iou(m).nanmean()),
                does(lambda m: iou(m).mean()),
            ),
            mistake(
                "error-rate",
                "This is the share of wrong pixels. What is asked for is the rest.",
                gives(lambda r, *a: 1 - r),
            ),
            mistake("percent", PERCENT, gives(lambda r, *a: 100 * r)),
            mistake(
                "background-left-out",
                "Class 0 is left out. It is a class like the others here.",
                given(lambda m: (m[1:, 1:],)),
                does(lambda m: m.diag()[1:].sum() / m.sum()),
                does(lambda m: m.diag()[1:].sum() / m[1:].sum()),
            ),
            mistake(
                "whole-number-division",
                "The result is always 0 (or 1): whole numbers are divided with `//`, which throws away what is "
                "behind the decimal point.",
                gives(lambda r, *a: torch.floor(r)),
                gives(lambda r, *a: torch.round(r)),
            ),
            mistake(
                "divided-by-places",
                "You divide by the number of places in the matrix. Divide by the number of pixels, which is the sum "
                "of all entries.",
                does(lambda m: m.diag().double().mean()),
                does(lambda m: m.diag().sum() / m.numel()),
                does(lambda m: m.diag().sum() / len(m)),
            ),
            mistake(
                "right-over-wrong",
                "You divide by the wrong pixels only. The share is of all pixels.",
                does(lambda m: m.diag().sum().double() / (m.sum() - m.diag().sum())),
            ),
            mistake(
                "two-classes-only",
                "Only the first two classes are looked at, so larger matrices go wrong. Use the whole diagonal.",
                does(lambda m: (m[0, 0] + m[1, 1]).double() / m.sum()),
                given(lambda m: (m[:2, :2],)),
            ),
            mistake(
                "other-diagonal",
                "You add the diagonal that runs the other way. Right pixels stand where row and column are the same "
                "class.",
                does(lambda m: m.flip(0).diag().sum().double() / m.sum()),
            ),
            mistake(
                "count-not-share",
                "This is the number of right pixels. Divide it by the number of all.",
                does(lambda m: m.diag().sum()),
            ),
            OVERFLOW,
        ),
    )
)
