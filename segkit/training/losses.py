"""Losses over the pixels that are not void."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from segkit.checks import finite, whole
from segkit.data import VOID
from segkit.labels import whole_numbers
from segkit.typed import typed


@typed
def check_labels(target: Tensor, num_classes: int, names: Sequence[str] = (), ignore_index: int = VOID) -> Tensor:
    """Refuse labels that are neither a class nor void, before a loss reads them.

    Args:
        target: labels N×H×W, of any type of whole numbers.
        num_classes: K; the classes are 0…K−1.
        names: what to call each picture in the message; its number where not given.
        ignore_index: the void label.

    Returns:
        the labels as int64: a narrow type cannot hold every class, nor every void.

    Raises:
        TypeError: no whole numbers N×H×W. ValueError: names the picture, the value and how many pixels have it.
    """
    num_classes = whole(num_classes, "num_classes", "check_labels", 1)
    kind = target.dtype
    if kind.is_floating_point or kind.is_complex or kind == torch.bool or target.ndim != 3:
        raise TypeError(
            f"check_labels got labels of {kind} and shape {tuple(target.shape)}; they are whole numbers N×H×W"
        )
    target = whole_numbers(target, "check_labels' target")
    wrong = ((target < 0) | (target >= num_classes)) & (target != ignore_index)
    if not wrong.any():
        return target
    picture = int(wrong.flatten(1).any(1).nonzero()[0])
    value = int(target[picture][wrong[picture]][0])
    count = int((target[picture] == value).sum())
    name = names[picture] if picture < len(names) and names[picture] else f"picture {picture} of the batch"
    narrow = f" ({kind} ends at 127, so a label of {value + 256} reads as {value})" if kind == torch.int8 else ""
    raise ValueError(
        f"{name}: {count} pixels have label {value}{narrow}; the classes are 0 to {num_classes - 1} and void is "
        f"{ignore_index}. Correct the mask, or map its values to class numbers"
    )


@typed
def cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = VOID, reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Softmax cross-entropy over the pixels that are not void.

    Args:
        logits: N×K×H×W, any floating-point type; computed in float32 at least.
        target: whole numbers of any type, N×H×W, classes 0…K−1 or `ignore_index`.
        weight: K, one weight per class.
        ignore_index: label of pixels that do not count.
        reduction: "mean" divides by the sum of the weights of the pixels that count (torch's rule), and is 0 where none
            does; "sum"; "none" gives N×H×W with 0 at void.
        pixel_weight: N×H×W, one weight per pixel, 0 or more; multiplied with that of the class where both are given.

    Shape:
        scalar, or N×H×W for "none".

    Raises:
        ValueError: shapes that do not belong together, a label that is not a class, an unknown reduction.
    """
    target = _checked("cross_entropy", logits, target, weight, ignore_index)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy got reduction={reduction!r}; choose 'mean', 'sum' or 'none'")
    counts = target != ignore_index  # N, H, W
    safe = torch.where(counts, target, 0)  # void reads class 0, and is multiplied by 0 below
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    log_p = torch.log_softmax(logits, dim=1)  # N, K, H, W
    loss = -log_p.gather(1, safe[:, None])[:, 0]  # N, H, W
    w = counts.to(loss.dtype) if weight is None else counts * weight.to(loss)[safe]
    if pixel_weight is not None:
        w = w * _pixel_weight(pixel_weight, target).to(w)
    loss = torch.where(counts, loss, 0) * w
    if reduction == "none":
        return loss
    total = loss.sum()
    return total if reduction == "sum" else total / w.sum().clamp_min(torch.finfo(w.dtype).tiny)


def _checked(who: str, logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
    """The labels as int64, which go with the logits and their weights."""
    if not logits.is_floating_point():
        raise TypeError(f"{who} got logits of {logits.dtype}; they are floating-point scores, and labels come second")
    if logits.ndim != 4 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"{who} got logits {tuple(logits.shape)} and labels {tuple(target.shape)}; "
            "they must be N×K×H×W and N×H×W of the same N, H, W"
        )
    K = logits.shape[1]
    target = check_labels(target, K, ignore_index=ignore_index)
    if weight is None:
        return target
    if weight.shape != (K,):
        raise ValueError(f"{who} got weights of shape {tuple(weight.shape)} for {K} classes; give one per class")
    if weight.is_complex() or not ((weight >= 0) & torch.isfinite(weight)).all():
        raise ValueError(f"{who} got the class weights {weight.tolist()}; each is a finite number, 0 or more")
    return target


def _pixel_weight(weight: Tensor, target: Tensor) -> Tensor:
    if weight.shape != target.shape:
        raise ValueError(
            f"cross_entropy got pixel_weight of shape {tuple(weight.shape)} for labels {tuple(target.shape)}; give one "
            "per pixel"
        )
    if weight.is_complex() or not ((weight >= 0) & torch.isfinite(weight)).all():
        raise ValueError("cross_entropy got a pixel_weight that is negative, infinite or NaN; give 0 or more")
    return weight


@typed
def ohem_cross_entropy(
    logits: Tensor, target: Tensor, weight: Tensor | None = None, threshold: float = 0.7, kept: float = 1 / 16,
    ignore_index: int = VOID,
) -> Tensor:  # fmt: skip
    """Cross-entropy of the hard pixels alone (online hard example mining, or bootstrapping).

    A pixel is hard where its true class has a probability below the threshold. Where fewer than `kept` of the pixels
    are, the hardest pixels of all make up the number.

    Args:
        logits, target, weight, ignore_index: as for `cross_entropy`.
        threshold: probability of the true class, 0 to 1.
        kept: smallest share of the pixels that are not void, 0 to 1; at least one pixel is kept.

    Shape:
        scalar: the mean over the pixels kept, by their class weights; 0 where all is void.

    Source: Wu, Shen & van den Hengel, "High-performance semantic segmentation using very deep fully convolutional
        networks", arXiv 1604.04339, which keeps at least a number of pixels, 512; Shrivastava et al., "Training
        region-based object detectors with online hard example mining", CVPR 2016.
    """
    if not 0 <= threshold <= 1 or not 0 <= kept <= 1:
        raise ValueError(f"ohem_cross_entropy got threshold={threshold}, kept={kept}; both lie between 0 and 1")
    target = _checked("ohem_cross_entropy", logits, target, weight, ignore_index)
    loss = cross_entropy(logits.detach(), target, None, ignore_index, "none")  # N, H, W: −log of the probability
    counted = loss[target != ignore_index]
    if len(counted):
        least = counted.topk(max(1, round(kept * len(counted)))).values[-1]
        easy = (loss < least) & (loss <= (-math.log(threshold) if threshold else math.inf))  # false for NaN
        target = torch.where(easy, ignore_index, target)
    return cross_entropy(logits, target, weight, ignore_index)


@typed
def dice_loss(logits: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = VOID) -> Tensor:
    """One minus the soft Dice coefficient, the mean over the classes that occur in the batch.

    For a class with probabilities p and labels g (0 or 1) over the pixels that are not void it is 2Σpg / (Σp² + Σg²).
    A class that does not occur has no overlap to gain, so it is left out.

    Args:
        logits, target, ignore_index: as for `cross_entropy`.
        weight: K, one weight per class, for a weighted mean.

    Shape:
        scalar between 0 and 1; 0 where all is void.

    Source: Milletari, Navab & Ahmadi, "V-Net", 3DV 2016, section 3, for two classes.
    """
    target = _checked("dice_loss", logits, target, weight, ignore_index)
    counts = (target != ignore_index)[:, None]  # N, 1, H, W
    p = torch.softmax(logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits, 1) * counts
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    g = (target[:, None] == classes).to(p)  # N, K, H, W
    overlap, size, seen = (v.sum((0, 2, 3)) for v in (p * g, p * p + g, g))  # K
    w = (seen > 0).to(p) if weight is None else (seen > 0) * weight.to(p)
    dice = 2 * overlap / size.clamp_min(torch.finfo(p.dtype).tiny)
    return (w * (1 - dice)).sum() / w.sum().clamp_min(torch.finfo(p.dtype).tiny)


@typed
def distillation_loss(
    student: Tensor, teacher: Tensor, target: Tensor | None = None, temperature: float = 1.0, ignore_index: int = VOID
) -> Tensor:
    """How far a student's distribution at each pixel is from its teacher's: T²·Σₖ tₖ·(log tₖ − log sₖ), the mean.

    Args:
        student, teacher: logits N×K×H×W of one shape, before the softmax; the teacher gets no gradient. In half
            precision both are computed in float32.
        target: labels N×H×W; pixels that are void there do not count. None: all count.
        temperature: T, above 0: both are softmax(logits/T). The higher it is, the more the classes count that the
            teacher holds unlikely. T² keeps the size of the gradient.
        ignore_index: the void label.

    Shape:
        scalar, 0 or more; 0 where no pixel counts.

    Raises:
        TypeError, ValueError: no logits, shapes that do not belong together, a label that is not a class, a temperature
            of 0 or less.

    Source:
        Hinton, Vinyals & Dean, arXiv 1503.02531, section 2; FasterSeg (arXiv 1912.10917), section 3.3, with T = 1.

    Differs from the paper:
        as released, FasterSeg's mean is over pixels times classes, K times smaller, and void counts too.
    """
    who = "distillation_loss"
    if student.shape != teacher.shape or student.ndim != 4 or not student.shape[1]:
        raise ValueError(f"{who} got a student {tuple(student.shape)} and a teacher {tuple(teacher.shape)}; both are "
                         "logits N×K×H×W")  # fmt: skip
    if not student.is_floating_point() or not teacher.is_floating_point():
        raise TypeError(f"{who} got a student of {student.dtype} and a teacher of {teacher.dtype}; both are "
                        "floating-point scores")  # fmt: skip
    T = finite(temperature, "temperature", who, 0)
    if not T:
        raise ValueError(f"{who} got temperature=0; it is above 0: 1 for the distributions as they are")
    log_s, log_t = ((x.float() if x.itemsize < 4 else x).div(T).log_softmax(1) for x in (student, teacher.detach()))
    t = log_t.exp()
    kl = T * T * torch.where(t == 0, 0, t * (log_t - log_s)).sum(1)  # N, H, W
    if target is None:
        counts = torch.ones_like(kl, dtype=torch.bool)
    else:
        counts = _checked(who, student, target, None, ignore_index) != ignore_index
    return torch.where(counts, kl, 0).sum() / counts.sum().clamp_min(1)
