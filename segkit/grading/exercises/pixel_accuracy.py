"""Chapter 01: pixel accuracy."""

from __future__ import annotations

import torch

from segkit.grading.exercise import does, given, gives
from segkit.grading.exercises.matrix_numbers import accuracy, averaged, iou, number_exercise, precision, recall

TASK = """The share of pixels that are labelled right, Σ n_ii / Σ t_i, as one number from 0 to 1, from a
confusion matrix (int64, rows truth, columns prediction) with at least one pixel counted."""

MESSAGES = """
mean-accuracy: You average the accuracies of the classes, so that a rare class weighs as much as a common one. Pixel
    accuracy asks pixels, not classes: one sum over another.
mean-precision: You divide by what was predicted and average over classes. Pixel accuracy is one sum over another, with
    no average.
mean-iou-instead: This is mean IoU. Pixel accuracy has no union in it.
error-rate: This is the share of wrong pixels. What is asked for is the rest.
percent: This is a percentage. A share lies between 0 and 1.
background-left-out: Class 0 is left out. It is a class like the others here.
whole-number-division: The result is always 0 (or 1): whole numbers are divided with `//`, which throws away what is
    after the decimal point.
divided-by-places: You divide by the number of entries of the matrix. Divide by the number of pixels, which is the sum
    of all entries.
right-over-wrong: You divide by the wrong pixels only. The share is of all pixels.
two-classes-only: You look at the first two classes only, so larger matrices go wrong. Use the whole diagonal.
other-diagonal: You add the diagonal that runs the other way. Right pixels stand where row and column are the same
    class.
count-not-share: This is the number of right pixels. Divide it by the number of all.
"""

WAYS = {
    "mean-accuracy": averaged(recall),
    "mean-precision": averaged(precision),
    "mean-iou-instead": averaged(iou),
    "error-rate": gives(lambda r, *a: 1 - r),
    "percent": gives(lambda r, *a: 100 * r),
    "background-left-out": given(lambda m: (m[1:, 1:],))
    + does(lambda m: m.diag()[1:].sum() / m.sum(), lambda m: m.diag()[1:].sum() / m[1:].sum()),
    "whole-number-division": gives(lambda r, *a: torch.floor(r)),
    "divided-by-places": does(lambda m: m.diag().double().mean(), lambda m: m.diag().sum() / m.numel()),
    "right-over-wrong": does(lambda m: m.diag().sum().double() / (m.sum() - m.diag().sum())),
    "two-classes-only": does(lambda m: (m[0, 0] + m[1, 1]).double() / m.sum()) + given(lambda m: (m[:2, :2],)),
    "other-diagonal": does(lambda m: m.flip(0).diag().sum().double() / m.sum()),
    "count-not-share": does(lambda m: m.diag().sum()),
}

EXERCISE = number_exercise(
    "pixel_accuracy(matrix)",
    TASK,
    accuracy,
    MESSAGES,
    WAYS,
    number="01.2",
    marks=2,
    finished=("ConfusionMatrix",),
)
