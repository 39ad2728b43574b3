"""Chapter 01: the confusion matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives, stops
from segkit.grading.exercises.case_tensors import grouped, labels, with_void

TASK = """Count how often truth i meets prediction j: a num_classes × num_classes matrix of whole numbers,
rows for the truth, columns for the prediction (the n_ij of the chapter). prediction and target are
label maps, H×W or N×H×W, of any integer type, uint8 included. Pixels whose target is ignore_index
do not count at all. A class that does not occur keeps its row and column of zeros."""


def count(prediction: Tensor, target: Tensor, k: int, ignore: int = 255) -> Tensor:
    """Reference of `confusion_matrix`."""
    valid = target != ignore
    pairs = k * target[valid].long() + prediction[valid].long()
    return torch.bincount(pairs, minlength=k * k).reshape(k, k)


def _matrix_cases() -> list[Case]:
    p, t = labels(1, 3, 2, 3), labels(2, 3, 2, 3)
    big_p, big_t = labels(3, 5, 9, 7), labels(4, 5, 9, 7)
    many_p, many_t = labels(5, 4, 3, 5, 6), labels(6, 4, 3, 5, 6)
    byte_p, byte_t = (labels(seed, 19, 8, 8, dtype=torch.uint8) for seed in (11, 12))
    void = with_void(big_t, 7)
    all_p, all_t = (labels(seed, 256, 30, 20, dtype=torch.uint8) for seed in (13, 14))  # 255 is a class among them
    return grouped(
        ("plain", (p, t, 3, 255), (big_p, big_t, 5, 255)),
        ("batch", (many_p, many_t, 4, 255), (many_p[:1], many_t[:1], 4, 255)),
        ("void", (p, with_void(t, 8), 3, 255), (big_p, void, 5, 255)),
        ("void", (many_p, with_void(many_t, 9, 0.5), 4, 255), (p, torch.full_like(t, 255), 3, 255)),
        ("another ignore_index", (big_p, with_void(big_t, 10, void=11), 5, 11), (big_p, big_t, 5, 0)),
        ("another ignore_index", (all_p, all_t, 256, 0)),
        ("absent classes", (big_p.clamp(max=2), big_t.clamp(max=3), 8, 255), (p, t, 12, 255)),
        ("uint8 labels", (byte_p, byte_t, 19, 255)),
        ("memory layout", (big_p, void, 5, 255)),
    )


def _matrix_facts(p: Tensor, t: Tensor, k: int, ignore: int) -> dict[str, bool]:
    seen = set(t[t != ignore].unique().tolist()) | set(p.unique().tolist())
    return {
        "there are void pixels": bool((t == ignore).any()),
        "ignore_index is not 255": ignore != 255,
        "there is more than one picture": t.ndim == 3 and len(t) > 1,
        "the label maps have a batch dimension": t.ndim == 3,
        "some class does not occur": len(seen - {ignore}) < k,
        "the labels are uint8": t.dtype == torch.uint8,
    }


def narrow(p: Tensor, t: Tensor, k: int, ignore: int) -> Tensor:
    """k·target + prediction in the type of the labels."""
    valid = t != ignore
    return torch.bincount((t[valid] * k + p[valid]).long(), minlength=k * k)[: k * k].reshape(k, k)


def _crash_on_void(p: Tensor, t: Tensor, k: int, ignore: int) -> Tensor:
    if bool(((t >= k) | (p >= k)).any()):
        raise IndexError
    return count(p, t, k, -100)


def _sought_in_prediction(p: Tensor, t: Tensor, k: int, ignore: int) -> Tensor:
    keep = (p != ignore) & (t.long() < k)
    return count(p[keep], t[keep].long(), k, -100)


def _small(p: Tensor, t: Tensor, k: int, ignore: int) -> Tensor:
    """As many rows as the largest label needs."""
    size = int(torch.cat([p[t != ignore], t[t != ignore]]).max()) + 1
    return count(p, t, size, ignore)


@each
def _void_as(label: Function) -> Ways:
    return does(lambda p, t, k, i: count(p, torch.where(t == i, label(t.long(), k), t.long()), k, -100))


@each
def _only(keep: Function) -> Ways:
    """The pixels for which keep(prediction, target, num_classes) holds."""
    return given(lambda p, t, k, i: (p[keep(p, t, k)], t[keep(p, t, k)], k, i))


MESSAGES = """
transposed: Rows and columns are exchanged: your rows count predictions. In n_ij the first index, the row, is the truth.
    Which of the two label maps chooses the row in your code?
ignore-index-fixed: The void label is taken to be 255 whatever `ignore_index` says. Compare with the argument, not with
    the number.
void-counted: Void pixels are counted. Nobody knows what is there, so neither the row nor the column of such a pixel may
    grow. Leave them out before counting.
void-breaks: As soon as a pixel is void, your function stops with an error: the matrix has no row for the label of
    void. Take those pixels out before you index with them.
void-by-range: You count every label below num_classes, and take the rest for void. Void is what equals `ignore_index`,
    and that may be the number of a class.
void-sought-in-prediction: Void is marked in the target, and you look for it in the prediction, where it never occurs.
uint8-overflow: With uint8 labels the sum `num_classes * target + prediction` does not fit into 8 bits and starts again
    at 0 after 255. Turn the labels into int64 first.
background-left-out: Class 0 is left out. It is a class like the others here; only `ignore_index` is left out.
normalised: These are shares, not counts. Dividing has to wait until all pictures are counted, since counts can be added
    and shares cannot.
matrix-too-small: The matrix ends at the largest label that occurs. It needs `num_classes` rows: tomorrow's picture may
    hold the missing class.
first-picture-only: Only the first picture of the batch is counted. All pixels of all pictures go into one matrix.
last-picture-only: Only the last picture of the batch is counted: the matrix is made anew in each round of the loop.
    Make it once, before the loop, and add to it.
counted-once: No entry is greater than 1. `matrix[target, prediction] += 1` writes each place once, however often it is
    named. Look for an operation that adds up repeated indices.
only-agreement: Only pixels where prediction and target agree are counted, so everything off the diagonal is 0. The
    confusions are what the matrix is for.
"""

WAYS = {
    "transposed": gives(lambda m, *a: m.T),
    "ignore-index-fixed": given(lambda p, t, k, i: (p, t, k, 255))
    + does(lambda p, t, k, i: count(p, t, k, 255) if not ((t >= k) & (t != 255)).any() else 1 / 0),
    "void-counted": _void_as(lambda t, k: k - 1, lambda t, k: 0, lambda t, k: t.clamp(max=k - 1)),
    "void-breaks": stops(_crash_on_void),
    "void-by-range": does(lambda p, t, k, i: count(p[t < k], t[t < k], k, -100)),
    "void-sought-in-prediction": does(_sought_in_prediction),
    "uint8-overflow": does(
        narrow,
        lambda p, t, k, i: (
            lambda m: m[torch.arange(k * k) % 256].reshape(k, k) if t.dtype == torch.uint8 else m[: k * k].reshape(k, k)
        )(torch.bincount((t * k + p)[t != i].long(), minlength=max(256, k * k))),
    ),
    "background-left-out": _only(lambda p, t, k: t != 0, lambda p, t, k: p != 0, lambda p, t, k: (p != 0) & (t != 0)),
    "normalised": gives(
        *(
            lambda m, *a, axes=axes, least=least: m / m.sum(axes, keepdim=True).clamp(min=least)
            for axes in ((0, 1), 1, 0)
            for least in (0, 1)
        )
    ),
    "matrix-too-small": does(_small),
    "first-picture-only": given(lambda p, t, k, i: (p[0], t[0], k, i) if p.ndim == 3 else (p, t, k, i)),
    "last-picture-only": given(lambda p, t, k, i: (p[-1], t[-1], k, i) if p.ndim == 3 else (p, t, k, i)),
    "counted-once": gives(lambda m, *a: m.clamp(max=1)),
    "only-agreement": gives(lambda m, *a: m.diag().diag()),
}

EXERCISE = Exercise(
    "confusion_matrix(prediction, target, num_classes, ignore_index=255)",
    TASK,
    count,
    _matrix_cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_matrix_facts,
    number="01.1",
    marks=4,
    finished=("ConfusionMatrix",),
)
