"""Chapter 01: mean IoU over a data set."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives
from segkit.grading.exercises.case_tensors import grouped, labels, noncontiguous, with_void
from segkit.grading.exercises.confusion_matrix import count, narrow
from segkit.grading.exercises.matrix_numbers import accuracy, iou, recall

TASK = """Mean IoU over a data set. pairs is a list of (prediction, target), label maps H×W of any integer type,
uint8 included, whose sizes may differ from picture to picture. Add all pixels of all pictures first,
then divide: IoU_i = n_ii / (t_i + Σ_j n_ji − n_ii) per class, and the mean over the classes that occur
anywhere in truth or prediction. Pixels whose target is ignore_index count nowhere."""

Pairs = list[tuple[Tensor, Tensor]]


def total(pairs: Pairs, k: int, ignore: int, count: Function = count) -> Tensor:
    """One confusion matrix for all pictures."""
    return sum((count(p, t, k, ignore) for p, t in pairs), torch.zeros(k, k, dtype=torch.int64))


def mean_iou(pairs: Pairs, k: int, ignore: int = 255) -> Tensor:
    """Reference of `mean_iou`."""
    return iou(total(pairs, k, ignore)).nanmean()


def _pictures(seed: int, k: int, sizes: list[tuple[int, int]], void: int | None = None, share: float = 0.3) -> Pairs:
    """Predictions that are right more often than not, each picture with its own favourite class."""
    pairs = []
    for i, size in enumerate(sizes):
        t = torch.where(labels(seed + i, 3, *size) > 0, labels(seed + 50 + i, k, *size), i % k)
        p = torch.where(labels(seed + 100 + i, 3, *size) > 0, t, labels(seed + 150 + i, k, *size))
        pairs.append((p, t if void is None else with_void(t, seed + 200 + i, share, void)))
    return pairs


def _iou_cases() -> list[Case]:
    one = [(torch.tensor([[0, 0, 1], [1, 1, 1]]), torch.tensor([[0, 1, 1], [1, 1, 0]]))]
    gap = [(p.clamp(max=2), t.clamp(max=2)) for p, t in _pictures(6, 4, [(5, 7), (4, 6)])]
    missed = [(torch.where(p == 2, 0, p), t) for p, t in _pictures(7, 3, [(6, 5), (5, 5)])]
    extra = [(p, torch.where(t == 2, 0, t)) for p, t in _pictures(8, 3, [(6, 5), (5, 5)])]
    loose = [(noncontiguous(p), noncontiguous(t)) for p, t in _pictures(9, 3, [(6, 5), (3, 8)])]
    small = [(torch.tensor([[0, 0, 0]]), torch.tensor([[0, 0, 1]])), (torch.tensor([[1, 0]]), torch.tensor([[1, 1]]))]
    under = [(torch.tensor([[0, 1, 2], [1, 0, 0]]), torch.tensor([[0, 1, 255], [1, 1, 0]]))]  # class 2 on void alone
    void, seven = ([(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 1, ignored]]))] for ignored in (255, 7))
    many = _pictures(17, 19, [(8, 9), (7, 9)], void=255)
    street = [(p.to(torch.uint8), t.to(torch.uint8)) for p, t in many]
    two, three = [(7, 5), (6, 9)], [(3, 4), (9, 11), (5, 8)]
    return grouped(
        ("one picture", (one, 2, 255)),
        ("several pictures", (small, 2, 255)),
        ("void", (void, 2, 255)),
        ("another ignore_index", (seven, 2, 7)),
        ("one picture", (_pictures(1, 3, [(7, 9)]), 3, 255)),
        ("several pictures", (_pictures(2, 3, [(6, 6), (6, 6)]), 3, 255), (_pictures(3, 4, three), 4, 255)),
        ("void", (_pictures(4, 3, [(5, 6)], void=255), 3, 255), (_pictures(5, 4, two, void=255), 4, 255)),
        ("void", (under, 3, 255)),
        ("another ignore_index", (_pictures(15, 3, two, void=11), 3, 11), (_pictures(16, 3, [(7, 5)]), 3, 0)),
        ("absent classes", (one, 5, 255), (gap, 4, 255)),
        ("a class never predicted", (missed, 3, 255)),
        ("a class never true", (extra, 3, 255)),
        ("memory layout", (loose, 3, 255), (street, 19, 255)),
    )


def _iou_facts(pairs: Pairs, k: int, ignore: int) -> dict[str, bool]:
    m = total(pairs, k, ignore)
    return {
        "there is more than one picture": len(pairs) > 1,
        "there are void pixels": any(bool((t == ignore).any()) for _, t in pairs),
        "ignore_index is not 255": ignore != 255,
        "the labels are uint8": any(t.dtype == torch.uint8 for _, t in pairs),
        "a class occurs nowhere": bool(((m.sum(0) + m.sum(1)) == 0).any()),
        "a class is predicted that is never true": bool(((m.sum(1) == 0) & (m.sum(0) > 0)).any()),
        "a class is never predicted though it is there": bool(((m.sum(0) == 0) & (m.sum(1) > 0)).any()),
    }


def _void_in_union(pairs: Pairs, k: int, ignore: int) -> Tensor:
    """Predictions on void pixels enlarge the union of the predicted class."""
    m = total(pairs, k, ignore)
    claimed = sum((torch.bincount(p.reshape(-1), minlength=k) for p, _ in pairs), torch.zeros(k, dtype=torch.int64))
    union = claimed + m.sum(1) - m.diag()
    return (m.diag() / union.double()).nanmean()


def _void_occurs(pairs: Pairs, k: int, ignore: int) -> Tensor:
    """A class that is predicted on void pixels alone takes part, with an IoU of 0."""
    m = total(pairs, k, ignore)
    there = sum((torch.bincount(p.reshape(-1), minlength=k) for p, _ in pairs), m.sum(1)) > 0
    return iou(m).nan_to_num()[there].mean()


def _void_as(pairs: Pairs, k: int, ignore: int, label: int) -> tuple[Pairs, int, int]:
    return [(p, torch.where(t == ignore, label, t)) for p, t in pairs], k, -100


@each
def _of_matrix(measure: Function) -> Ways:
    """Another number from the right confusion matrix."""
    return does(lambda q, k, i: measure(total(q, k, i)))


def _each(pairs: Pairs, k: int, ignore: int) -> Tensor:
    """K IoUs for each picture."""
    return torch.stack([iou(count(p, t, k, ignore)) for p, t in pairs])


MESSAGES = """
averaged-per-picture: You compute a score per picture and average the scores. A picture with three pixels of a pole then
    weighs as much as one with three thousand. Add the counts of all pictures first, and divide once at the end.
absent-class-zero: A class that occurs nowhere is counted as IoU 0 and drags the mean down. There is nothing to get
    wrong: leave it out of the mean.
absent-class-one: A class that occurs nowhere is counted as IoU 1, which lifts the mean for no merit. Leave it out.
absent-class-nan: As soon as a class occurs nowhere the result is NaN (0/0). Leave such classes out of the mean.
ignore-index-fixed: The void label is taken to be 255 whatever `ignore_index` says.
uint8-overflow: With uint8 labels the sum `num_classes * target + prediction` does not fit into 8 bits and starts again
    at 0 after 255. Turn the labels into int64 first.
void-in-union: What the network says on void pixels enlarges the union of the predicted class. Take void pixels out of
    prediction and target alike, before anything is counted.
void-occurs: A class that is predicted on void pixels alone counts as one that occurs, with IoU 0. Void pixels count
    nowhere: decide from the counts without them which classes occur.
void-counted: Void pixels are counted as if they were a class. Leave them out before counting.
overlap-counted-twice: Your union counts the common pixels twice: subtract the overlap once.
dice-instead: This is the mean Dice score. For IoU the overlap is divided by the union.
mean-accuracy: You divide by the true pixels of each class only: that is mean accuracy. The union also has the pixels
    wrongly claimed.
pixel-accuracy: This is pixel accuracy, one sum for all classes. Mean IoU has one fraction per class.
only-true-classes: A class that is predicted but never true is left out. It was claimed wrongly: its IoU is 0, and it
    counts.
only-predicted-classes: A class that is there but never predicted is left out. It was missed: its IoU is 0, and it
    counts.
last-picture-only: Only the last picture counts: something is made anew in each round of the loop that should be made
    once before it.
first-picture-only: Only the first picture counts: does the function return inside its loop?
background-left-out: Class 0 is left out of the mean. It is a class like the others here.
prediction-and-target-exchanged: Void is looked for in the prediction: have you exchanged the two parts of each pair?
not-averaged: These are the IoUs of all classes. Their mean is asked for.
percent: This is a percentage. The mean IoU lies between 0 and 1.
"""

WAYS = {
    "averaged-per-picture": does(
        lambda q, k, i: _each(q, k, i).nanmean(1).mean(), lambda q, k, i: _each(q, k, i).nan_to_num().mean()
    ),
    "absent-class-zero": _of_matrix(lambda m: iou(m).nan_to_num().mean()),
    "absent-class-one": _of_matrix(lambda m: iou(m).nan_to_num(1.0).mean()),
    "absent-class-nan": _of_matrix(lambda m: iou(m).mean()),
    "ignore-index-fixed": does(
        lambda q, k, i: mean_iou(q, k, 255),
        lambda q, k, i: (
            mean_iou(q, k, 255) if not any(((t >= k) & (t != 255)).any() for _, t in q) else _void_in_union(q, k, i)
        ),
    ),
    "uint8-overflow": does(lambda q, k, i: iou(total(q, k, i, narrow)).nanmean()),
    "void-in-union": does(_void_in_union),
    "void-occurs": does(_void_occurs),
    "void-counted": given(lambda q, k, i: _void_as(q, k, i, k - 1), lambda q, k, i: _void_as(q, k, i, 0))
    + does(
        lambda q, k, i: iou(total([(p, torch.where(t == i, k, t)) for p, t in q], k + 1, -100)).nanmean(),
        lambda q, k, i: iou(
            total([(torch.where(t == i, k, p), torch.where(t == i, k, t)) for p, t in q], k + 1, -100)
        ).nanmean(),
    ),
    "overlap-counted-twice": _of_matrix(lambda m: (m.diag() / (m.sum(0) + m.sum(1)).double()).nanmean()),
    "dice-instead": _of_matrix(lambda m: (2 * m.diag() / (m.sum(0) + m.sum(1)).double()).nanmean()),
    "mean-accuracy": _of_matrix(lambda m: recall(m).nanmean()),
    "pixel-accuracy": _of_matrix(accuracy),
    "only-true-classes": _of_matrix(lambda m: iou(m)[m.sum(1) > 0].mean()),
    "only-predicted-classes": _of_matrix(lambda m: iou(m)[m.sum(0) > 0].mean()),
    "last-picture-only": given(lambda q, k, i: (q[-1:], k, i)),
    "first-picture-only": given(lambda q, k, i: (q[:1], k, i)),
    "background-left-out": _of_matrix(lambda m: iou(m)[1:].nanmean()),
    "prediction-and-target-exchanged": given(lambda q, k, i: ([(t, p) for p, t in q], k, i)),
    "not-averaged": _of_matrix(iou),
    "percent": gives(lambda r, *a: 100 * r),
}

EXERCISE = Exercise(
    "mean_iou(pairs, num_classes, ignore_index=255)",
    TASK,
    mean_iou,
    _iou_cases,
    catalogue(MESSAGES, WAYS),
    kinds=("number",),
    facts=_iou_facts,
    number="01.5",
    marks=4,
    finished=("ConfusionMatrix",),
)
