"""Chapter 01: the confusion matrix, and what can be read off it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, does, given, gives, mistake, register, stops
from segkit.grading.exercises.made import labels, noncontiguous, with_void


def count(prediction: Tensor, target: Tensor, k: int, ignore: int = 255) -> Tensor:
    """Reference of `confusion_matrix`."""
    valid = target != ignore
    pairs = k * target[valid].long() + prediction[valid].long()
    return torch.bincount(pairs, minlength=k * k).reshape(k, k)


def iou(m: Tensor) -> Tensor:
    """Intersection over union of each class, NaN for absent ones."""
    m = m.double()
    return m.diag() / (m.sum(0) + m.sum(1) - m.diag())


def recall(m: Tensor) -> Tensor:
    return m.double().diag() / m.sum(1)


def precision(m: Tensor) -> Tensor:
    return m.double().diag() / m.sum(0)


# confusion_matrix --------------------------------------------------------------------------------------------------


def _matrix_cases() -> list[Case]:
    p, t = labels(1, 3, 2, 3), labels(2, 3, 2, 3)
    big_p, big_t = labels(3, 5, 9, 7), labels(4, 5, 9, 7)
    many_p, many_t = labels(5, 4, 3, 5, 6), labels(6, 4, 3, 5, 6)
    void = with_void(big_t, 7)
    return [
        Case((p, t, 3, 255), "plain"),
        Case((big_p, big_t, 5, 255), "plain"),
        Case((many_p, many_t, 4, 255), "batch"),
        Case((many_p[:1], many_t[:1], 4, 255), "batch"),
        Case((p, with_void(t, 8), 3, 255), "void"),
        Case((big_p, void, 5, 255), "void"),
        Case((many_p, with_void(many_t, 9, 0.5), 4, 255), "void"),
        Case((p, torch.full_like(t, 255), 3, 255), "void"),
        Case((big_p, with_void(big_t, 10, void=11), 5, 11), "another ignore_index"),
        Case((big_p, big_t, 5, 0), "another ignore_index"),
        Case((big_p.clamp(max=2), big_t.clamp(max=3), 8, 255), "absent classes"),
        Case((p, t, 12, 255), "absent classes"),
        Case((labels(11, 19, 8, 8, dtype=torch.uint8), labels(12, 19, 8, 8, dtype=torch.uint8), 19, 255), "uint8 labels"),
        Case((noncontiguous(big_p), noncontiguous(void), 5, 255), "memory layout"),
    ]


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


def _narrow(p: Tensor, t: Tensor, k: int, ignore: int) -> Tensor:
    valid = t != ignore
    return torch.bincount((t[valid] * k + p[valid]).long(), minlength=k * k)[: k * k].reshape(k, k)


def _crash_on_void(p: Tensor, t: Tensor, k: int, ignore: int) -> Tensor:
    if bool(((t >= k) | (p >= k)).any()):
        raise IndexError
    return count(p, t, k, -100)


def _small(p: Tensor, t: Tensor, k: int, ignore: int, of: Any) -> Tensor:
    valid = t != ignore
    size = of(p[valid], t[valid])
    return count(p, t, max(size, 1), ignore)


register(Exercise(
    name="confusion_matrix",
    signature="confusion_matrix(prediction, target, num_classes, ignore_index=255)",
    text=(
        "Count how often truth i meets prediction j: a num_classes × num_classes matrix of whole numbers, rows for the\n"
        "truth, columns for the prediction (the n_ij of the chapter). prediction and target are label maps, H×W or N×H×W,\n"
        "of any integer type, uint8 included. Pixels whose target is ignore_index do not count at all. A class that does\n"
        "not occur keeps its row and column of zeros."
    ),
    reference=count,
    cases=_matrix_cases,
    kinds=("integer",),
    facts=_matrix_facts,
    mistakes=(
        mistake("transposed", "Rows and columns are exchanged: your rows count predictions. In n_ij the first index, the row, "
                "is the truth. Which of the two label maps chooses the row in your code?", gives(lambda m, *a: m.T)),
        mistake("ignore-index-fixed", "The void label is taken to be 255 whatever `ignore_index` says. Compare with the argument, "
                "not with the number.", given(lambda p, t, k, i: (p, t, k, 255)),
                does(lambda p, t, k, i: count(p, t, k, 255) if not ((t >= k) & (t != 255)).any() else 1 / 0)),
        mistake("void-counted", "Void pixels are counted. Nobody knows what is there, so neither the row nor the column of such a "
                "pixel may grow. Leave them out before counting.",
                does(lambda p, t, k, i: count(p, torch.where(t == i, k - 1, t.long()), k, -100)),
                does(lambda p, t, k, i: count(p, torch.where(t == i, 0, t.long()), k, -100)),
                does(lambda p, t, k, i: count(p, torch.where(t == i, p.long(), t.long()), k, -100)),
                does(lambda p, t, k, i: count(p, t.long().clamp(max=k - 1), k, -100)),
                does(lambda p, t, k, i: count(p, t.long() % k, k, -100))),
        mistake("void-breaks", "As soon as a pixel is void, your function stops with an error: the label of void is no row of the matrix. "
                "Take those pixels out before you index with them.", stops(_crash_on_void)),
        mistake("void-sought-in-prediction", "Void is marked in the target, and you look for it in the prediction, where it never "
                "stands.", does(lambda p, t, k, i: count(p[p != i], t[p != i], k, -100))),
        mistake("uint8-overflow", "With uint8 labels the sum `num_classes * target + prediction` does not fit into 8 bits and starts again "
                "at 0 behind 255. Turn the labels into int64 first.", does(_narrow),
                does(lambda p, t, k, i: (lambda m: m[torch.arange(k * k) % 256].reshape(k, k) if t.dtype == torch.uint8 else m[: k * k].reshape(k, k))(
                    torch.bincount((t * k + p)[t != i].long(), minlength=max(256, k * k))))),
        mistake("background-left-out", "Class 0 is left out. It is a class like the others here; only `ignore_index` is left out.",
                does(lambda p, t, k, i: count(p[t != 0], t[t != 0], k, i)),
                does(lambda p, t, k, i: count(p[p != 0], t[p != 0], k, i)),
                does(lambda p, t, k, i: count(p[(p != 0) & (t != 0)], t[(p != 0) & (t != 0)], k, i))),
        mistake("normalised", "These are shares, not counts. Dividing has to wait until all pictures are counted, since counts can be added "
                "and shares cannot.", gives(lambda m, *a: m / m.sum().clamp(min=1)), gives(lambda m, *a: m / m.sum()),
                gives(lambda m, *a: m / m.sum(1, keepdim=True)), gives(lambda m, *a: (m / m.sum(1, keepdim=True)).nan_to_num()),
                gives(lambda m, *a: m / m.sum(0, keepdim=True)), gives(lambda m, *a: m / m.sum(1, keepdim=True).clamp(min=1))),
        mistake("matrix-too-small", "The matrix has only as many rows as classes that occur. It needs `num_classes` of them: "
                "tomorrow's picture may hold the missing class.",
                does(lambda p, t, k, i: _small(p, t, k, i, lambda a, b: int(torch.cat([a, b]).max()) + 1)),
                does(lambda p, t, k, i: _small(p, t, k, i, lambda a, b: int(b.max()) + 1 if int(b.max()) >= int(a.max()) else k)),
                does(lambda p, t, k, i: _small(p, t, k, i, lambda a, b: int(a.max()) + 1 if int(a.max()) >= int(b.max()) else k))),
        mistake("first-picture-only", "Only the first picture of the batch is counted. All pixels of all pictures go into one matrix.",
                given(lambda p, t, k, i: (p[0], t[0], k, i) if p.ndim == 3 else (p, t, k, i))),
        mistake("last-picture-only", "Only the last picture of the batch is counted: the matrix is made anew in each round of the loop. "
                "Make it once, before the loop, and add to it.",
                given(lambda p, t, k, i: (p[-1], t[-1], k, i) if p.ndim == 3 else (p, t, k, i))),
        mistake("counted-once", "No entry is greater than 1. `matrix[target, prediction] += 1` writes each place once, however often it is "
                "named. Look for an operation that adds up repeated indices.", gives(lambda m, *a: m.clamp(max=1))),
        mistake("only-agreement", "Only pixels where prediction and target agree are counted, so everything off the diagonal is 0. The "
                "confusions are what the matrix is for.", gives(lambda m, *a: m.diag().diag())),
    ),
))  # fmt: skip


# Numbers read off the matrix ---------------------------------------------------------------------------------------

_GAP = torch.tensor([[6, 1, 0, 3], [2, 9, 0, 1], [0, 0, 0, 0], [4, 0, 0, 2]])
_UNSEEN = torch.tensor([[5, 2, 1], [1, 7, 2], [0, 0, 0]])  # class 2 is predicted and never true


def _number_cases() -> list[Case]:
    return [
        Case((torch.tensor([[5, 1], [3, 2]]),), "plain"),
        Case((labels(1, 50, 3, 3) + 1,), "plain"),
        Case((labels(2, 90, 7, 7) + 1,), "plain"),
        Case((_GAP,), "absent classes"),
        Case((_UNSEEN,), "absent from the truth"),
        Case((labels(3, 9, 4, 4) * 2**30 + 1,), "large counts"),
        Case((noncontiguous(labels(4, 30, 5, 5) + 1),), "memory layout"),
    ]


def _number_facts(m: Tensor) -> dict[str, bool]:
    return {
        "a class occurs neither in the truth nor in the prediction": bool(((m.sum(0) == 0) & (m.sum(1) == 0)).any()),
        "a class is predicted that is never true": bool(((m.sum(1) == 0) & (m.sum(0) > 0)).any()),
        "the counts are beyond 32 bits": bool(m.max() > 2**31),
        "there are more than two classes": len(m) > 2,
    }


def _narrow_counts(m: Tensor) -> Tensor:
    return m.to(torch.int32).to(torch.int64)


OVERFLOW = mistake("int32-overflow", "Counts above 2,147,483,647 do not fit into int32, and a data set has more pixels than that. Keep "
                   "int64, or turn to float64 before adding.",
                   given(lambda m: (_narrow_counts(m),)))  # fmt: skip
PERCENT = "This is a percentage. A share lies between 0 and 1."


def accuracy(m: Tensor) -> Tensor:
    return m.diag().sum().double() / m.sum()


register(Exercise(
    name="pixel_accuracy",
    signature="pixel_accuracy(matrix)",
    text="The share of pixels that are labelled right, Σ n_ii / Σ t_i, as one number from 0 to 1, from a confusion matrix\n"
    "(int64, rows truth, columns prediction) with at least one pixel counted.",
    reference=accuracy,
    cases=_number_cases,
    kinds=("number",),
    facts=_number_facts,
    mistakes=(
        mistake("mean-accuracy", "You average the accuracies of the classes, so that a rare class weighs as much as a common one. Pixel "
                "accuracy asks pixels, not classes: one sum over another.", does(lambda m: recall(m).nanmean()), does(lambda m: recall(m).mean()),
                does(lambda m: recall(m).nan_to_num().mean())),
        mistake("mean-precision", "You divide by what was predicted and average over classes. Pixel accuracy is one sum over another, with no "
                "average.", does(lambda m: precision(m).nanmean()), does(lambda m: precision(m).mean()), does(lambda m: precision(m).nan_to_num().mean())),
        mistake("mean-iou-instead", "This is mean IoU. Pixel accuracy has no union in it.", does(lambda m: iou(m).nanmean()), does(lambda m: iou(m).mean())),
        mistake("error-rate", "This is the share of wrong pixels. What is asked for is the rest.", gives(lambda r, *a: 1 - r)),
        mistake("percent", PERCENT, gives(lambda r, *a: 100 * r)),
        mistake("background-left-out", "Class 0 is left out. It is a class like the others here.",
                given(lambda m: (m[1:, 1:],)), does(lambda m: m.diag()[1:].sum() / m.sum()), does(lambda m: m.diag()[1:].sum() / m[1:].sum())),
        mistake("whole-number-division", "The result is always 0 (or 1): whole numbers are divided with `//`, which throws away what is behind the "
                "decimal point.", gives(lambda r, *a: torch.floor(r)), gives(lambda r, *a: torch.round(r))),
        mistake("divided-by-places", "You divide by the number of places in the matrix. Divide by the number of pixels, which is the sum of all entries.",
                does(lambda m: m.diag().double().mean()), does(lambda m: m.diag().sum() / m.numel()), does(lambda m: m.diag().sum() / len(m))),
        mistake("right-over-wrong", "You divide by the wrong pixels only. The share is of all pixels.",
                does(lambda m: m.diag().sum().double() / (m.sum() - m.diag().sum()))),
        mistake("two-classes-only", "Only the first two classes are looked at, so larger matrices go wrong. Use the whole diagonal.",
                does(lambda m: (m[0, 0] + m[1, 1]).double() / m.sum()), given(lambda m: (m[:2, :2],))),
        mistake("other-diagonal", "You add the diagonal that runs the other way. Right pixels stand where row and column are the same class.",
                does(lambda m: m.flip(0).diag().sum().double() / m.sum())),
        mistake("count-not-share", "This is the number of right pixels. Divide it by the number of all.", does(lambda m: m.diag().sum())),
        OVERFLOW,
    ),
))  # fmt: skip


def weighted(m: Tensor) -> Tensor:
    """Reference of `frequency_weighted_iou`."""
    return (m.sum(1) * iou(m).nan_to_num()).sum() / m.sum()


def _fw(m: Tensor, weight: Tensor, per_class: Tensor) -> Tensor:
    return (weight.double() * per_class.nan_to_num()).sum() / weight.sum()


def _union(m: Tensor) -> Tensor:
    return m.sum(0) + m.sum(1) - m.diag()


register(Exercise(
    name="frequency_weighted_iou",
    signature="frequency_weighted_iou(matrix)",
    text="The IoUs of the classes, n_ii / (t_i + Σ_j n_ji − n_ii), averaged with the true frequencies t_i / Σ_k t_k as weights: one\n"
    "number from 0 to 1. A class that occurs nowhere adds nothing.",
    reference=weighted,
    cases=_number_cases,
    kinds=("number",),
    facts=_number_facts,
    mistakes=(
        mistake("unweighted", "All classes weigh the same: this is mean IoU. Weigh each by t_i, the number of pixels that truly belong to it.",
                does(lambda m: iou(m).nanmean()), does(lambda m: iou(m).mean()), does(lambda m: iou(m).nan_to_num().mean())),
        mistake("weighted-by-prediction", "The weights are how often a class was predicted. They should be how often it is true: which axis do you sum over?",
                does(lambda m: _fw(m, m.sum(0), iou(m)))),
        mistake("weighted-by-union", "The weights are the unions. They should be the true frequencies t_i.", does(lambda m: _fw(m, _union(m), iou(m)))),
        mistake("overlap-counted-twice", "The union counts the right pixels twice: they are in t_i and in the predicted count. Take n_ii off once.",
                does(lambda m: _fw(m, m.sum(1), m.diag() / (m.sum(0) + m.sum(1)).double()))),
        mistake("dice-instead", "Each class brings its Dice score, 2·overlap / (truth + prediction). The IoU divides the overlap by the union.",
                does(lambda m: _fw(m, m.sum(1), 2 * m.diag() / (m.sum(0) + m.sum(1)).double()))),
        mistake("accuracy-instead", "Weighted so, class accuracies give back pixel accuracy. The IoU has the wrongly predicted pixels in its denominator too.",
                does(accuracy)),
        mistake("precision-instead", "Each class brings its precision, which divides by the predicted pixels only. The union has the missed ones too.",
                does(lambda m: _fw(m, m.sum(1), precision(m)))),
        mistake("absent-class-nan", "A class that occurs nowhere is 0/0 = NaN and spoils the sum, though its weight is 0: 0·NaN is NaN. Leave it out.",
                does(lambda m: (m.sum(1) * iou(m)).sum() / m.sum())),
        mistake("not-normalised", "The weights do not sum to 1. Divide by the number of all pixels, Σ t_k.", does(lambda m: (m.sum(1) * iou(m).nan_to_num()).sum()),
                does(lambda m: (m.sum(1) * iou(m).nan_to_num()).sum() / len(m))),
        mistake("inverse-weights", "Rare classes weigh most here: the weights are upside down.",
                does(lambda m: _fw(m, (1 / m.sum(1)).nan_to_num(posinf=0), iou(m))), does(lambda m: _fw(m, 1 / m.sum(1), iou(m)))),
        mistake("background-left-out", "Class 0 is left out. It is a class like the others here.", given(lambda m: (m[1:, 1:],)),
                does(lambda m: _fw(m[1:], m[1:].sum(1), iou(m)[1:])), does(lambda m: (m.sum(1) * iou(m).nan_to_num())[1:].sum() / m.sum())),
        mistake("percent", PERCENT, gives(lambda r, *a: 100 * r)),
        OVERFLOW,
    ),
))  # fmt: skip


def dice(m: Tensor) -> Tensor:
    """Reference of `dice`."""
    return 2 * m.diag().double() / (m.sum(0) + m.sum(1))


def _dice_cases() -> list[Case]:
    return [*_number_cases(), Case((_GAP[[2, 0, 1, 3]][:, [2, 0, 1, 3]],), "absent classes")]


register(Exercise(
    name="dice",
    signature="dice(matrix)",
    text="The Dice score of each class, 2 n_ii / (t_i + Σ_j n_ji), as a vector of num_classes numbers. NaN for a class that\n"
    "occurs neither in the truth nor in the prediction.",
    reference=dice,
    cases=_dice_cases,
    facts=_number_facts,
    mistakes=(
        mistake("iou-instead", "This is the IoU, with the union below. Dice divides twice the overlap by the two sizes added.", does(iou)),
        mistake("two-forgotten", "The 2 is missing: a perfect prediction would score one half.", gives(lambda r, *a: r / 2)),
        mistake("absent-class-zero", "A class that occurs nowhere gets 0, as if it had been got wrong. There is nothing to get right: NaN.",
                gives(lambda r, *a: r.nan_to_num()), does(lambda m: 2 * m.diag() / (m.sum(0) + m.sum(1)).clamp(min=1))),
        mistake("absent-class-one", "A class that occurs nowhere gets 1, a reward for a class that was never asked for. The specification says NaN.",
                gives(lambda r, *a: r.nan_to_num(1.0))),
        mistake("mean-returned", "This is the average over classes. One number per class is asked for.",
                gives(lambda r, *a: r.nanmean()), gives(lambda r, *a: r.mean()), gives(lambda r, *a: r.nan_to_num().mean())),
        mistake("recall-instead", "You divide by the true pixels only: that is recall. Dice punishes pixels wrongly claimed as well.", does(recall),
                gives(lambda r, m: 2 * m.diag().double() / m.sum(1))),
        mistake("precision-instead", "You divide by the predicted pixels only: that is precision. Dice punishes missed pixels as well.", does(precision),
                gives(lambda r, m: 2 * m.diag().double() / m.sum(0))),
        mistake("smoothed", "Something is added to numerator or denominator against division by 0. It shifts every score; here NaN is wanted instead.",
                does(lambda m: (2 * m.diag().double() + 1) / (m.sum(0) + m.sum(1) + 1)), does(lambda m: 2 * m.diag().double() / (m.sum(0) + m.sum(1) + 1))),
        mistake("background-left-out", "The vector starts with class 1. Class 0 has a score too.", gives(lambda r, *a: r[1:])),
        mistake("union-below", "Twice the overlap over the union can exceed 1. Below stand the two sizes added, the overlap counted twice.",
                does(lambda m: 2 * iou(m))),
        mistake("whole-matrix", "Each class is divided by all pixels. Its own two sizes belong there: its row and its column.",
                does(lambda m: 2 * m.diag().double() / m.sum()), does(lambda m: 2 * m.diag().double() / (2 * m.sum())),
                gives(lambda r, m: torch.where(r.isnan(), r, 2 * m.diag().double() / m.sum()))),
        OVERFLOW,
    ),
))  # fmt: skip
