"""The counting under the metrics: how many pixels of class i were called j, in one pass over the pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from segkit.labels import Labels, whole_numbers


def label_maps(prediction: Labels, target: Labels, num_classes: int) -> tuple[Tensor, Tensor]:
    """Both as int64 tensors of one shape on one device; scores with a class axis are arg-maxed.

    Args:
        prediction: whole numbers like target, or floating-point scores N×K×H×W (K×H×W) where target is N×H×W (H×W).
        target: whole numbers.
        num_classes: K.

    Raises:
        TypeError: not tensors or arrays, or fractions where labels belong.
        ValueError: the shapes do not fit, or there is NaN among the scores.
    """
    p, t = _scores_or_labels(prediction), whole_numbers(target, "target")
    if p.ndim == t.ndim + 1 and t.ndim in (2, 3):
        p = _best(p, num_classes)
    elif p.is_floating_point():
        raise TypeError(
            f"prediction has type {p.dtype} and shape {tuple(p.shape)} for a target of shape {tuple(t.shape)}; give "
            "labels as whole numbers, or scores with a class axis before height and width"
        )
    if p.shape != t.shape:
        raise ValueError(
            f"prediction has shape {tuple(p.shape)} and target {tuple(t.shape)}; label maps must agree, scores are "
            "N×K×H×W for a target N×H×W"
        )
    return p, t.to(p.device)


def count_pairs(prediction: Tensor, target: Tensor, num_classes: int, ignore_index: int | None) -> Tensor:
    """K×K numbers of pixels, row = true class, column = predicted class, without the void pixels.

    All pairs are counted first, void among them, as one histogram of target·S + prediction. Void and illegal labels are
    then rows and columns of a small table, and no mask is ever laid over the pixels.

    Raises:
        ValueError: a true label is neither a class nor void, or a pixel that is not void has a prediction out of range.
    """
    target, void = _void_above_zero(target, num_classes, ignore_index)
    side = max(num_classes, void + 1)
    p, t = prediction.reshape(-1), target.reshape(-1)
    if not p.numel():
        return torch.zeros(num_classes, num_classes, dtype=torch.int64)
    if not _within(t, side):
        _refuse("target", t, torch.zeros_like(t, dtype=torch.bool), side, num_classes, ignore_index)
    if not _within(p, side):
        _refuse("prediction", p, t == void, num_classes, num_classes, ignore_index)
        p = torch.where(t == void, 0, p)  # only void pixels were out of range: what they say does not count
    table = torch.bincount(torch.add(p, t, alpha=side), minlength=side * side).view(side, side).cpu()
    if ignore_index is not None:
        table[void] = 0
    if table[num_classes:].any():
        _refuse("target", t, t == void, num_classes, num_classes, ignore_index)
    if table[:, num_classes:].any():
        _refuse("prediction", p, t == void, num_classes, num_classes, ignore_index)
    return table[:num_classes, :num_classes].clone()


def _scores_or_labels(prediction: Labels) -> Tensor:
    if isinstance(prediction, Tensor) and prediction.is_floating_point():
        return prediction.detach()
    if isinstance(prediction, np.ndarray) and prediction.dtype.kind == "f" and not np.ma.isMaskedArray(prediction):
        return torch.from_numpy(np.ascontiguousarray(prediction))
    return whole_numbers(prediction, "prediction")


def _best(scores: Tensor, num_classes: int) -> Tensor:
    """The class of the highest score; the class axis is the third from the end."""
    if not scores.is_floating_point():
        raise TypeError(f"prediction has a class axis but type {scores.dtype}; scores are floating-point numbers")
    if scores.shape[-3] != num_classes:
        raise ValueError(
            f"prediction of shape {tuple(scores.shape)} scores {scores.shape[-3]} classes; num_classes is {num_classes}"
        )
    best, labels = scores.max(dim=-3)  # N, H, W; NaN wins every comparison
    if best.isnan().any():
        raise ValueError("prediction holds NaN; a network that gives NaN has diverged, it has no best class")
    return labels


def _void_above_zero(target: Tensor, num_classes: int, ignore_index: int | None) -> tuple[Tensor, int]:
    """The target with void as a number from 0 up, so that it can be a row of the table; and that number."""
    if ignore_index is None:
        return target, num_classes
    if 0 <= ignore_index < 1024:
        return target, ignore_index
    if target.numel() and bool((target == num_classes).any()):
        _refuse("target", target, target == ignore_index, num_classes, num_classes, ignore_index)
    return torch.where(target == ignore_index, num_classes, target), num_classes


def _within(labels: Tensor, end: int) -> bool:
    low, high = torch.aminmax(labels)
    return bool(low >= 0) and bool(high < end)


def _refuse(what: str, labels: Tensor, void: Tensor, end: int, num_classes: int, ignore_index: int | None) -> None:
    """Raise for the first label outside 0 … end − 1 that is not on a void pixel; return if there is none."""
    wrong = labels[((labels < 0) | (labels >= end)) & ~void]
    if wrong.numel():
        void_too = "" if what == "prediction" or ignore_index is None else f" or {ignore_index} for void"
        raise ValueError(
            f"{what} has the label {int(wrong[0])} on {wrong.numel()} pixels that are not void; with "
            f"num_classes={num_classes} it must be 0–{num_classes - 1}{void_too}"
        )
