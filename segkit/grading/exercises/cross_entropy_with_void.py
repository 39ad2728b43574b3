"""Chapter 04: the loss of a label map with void pixels."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives, stops
from segkit.grading.exercises.case_tensors import Args, grouped, labels, numbers, quarters, with_void
from segkit.grading.exercises.common import refuses_none

TASK = """The cross-entropy of a label map, as torch.nn.functional.cross_entropy computes it: logits is
N×K×H×W (scores, not probabilities; they may be in the hundreds), target N×H×W with classes 0 … K −
1 or ignore_index, weight K class weights or None. Each pixel that is not void brings −log
softmax(logits)[target] times the weight of its class; divide the sum by the sum of those weights
(by the number of such pixels without weights). At least one pixel counts. One number, and a
gradient can flow back through it."""


def loss(logits: Tensor, target: Tensor, weight: Tensor | None = None, ignore: int = 255) -> Tensor:
    """Reference of `cross_entropy_with_void`."""
    return F.cross_entropy(logits, target, weight, ignore_index=ignore)


def _call(
    seed: int, n: int, k: int, h: int, w: int, *, void: int | None = None, weighted: bool = False, scale: float = 1.0,
    ignore: int = 255, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    logits = numbers(seed, n, k, h, w, dtype=dtype) * scale
    target = labels(seed + 1, k, n, h, w)
    target = target if void is None else with_void(target, seed + 2, 0.3, void)
    weight = quarters(seed + 3, k, dtype=dtype).abs() if weighted else None
    return logits, target, weight, ignore


def _cases() -> list[Case]:
    logits, *others = _call(66, 1, 3, 3, 4, void=255)
    return grouped(
        ("plain", _call(1, 1, 2, 1, 2), _call(5, 1, 3, 3, 4), _call(9, 1, 5, 4, 3)),
        ("batch", _call(13, 3, 3, 2, 4)),
        ("void", _call(17, 1, 3, 2, 3, void=255), _call(21, 3, 4, 4, 3, void=255)),
        ("class weights", _call(25, 1, 3, 3, 3, weighted=True), _call(29, 2, 4, 3, 4, weighted=True)),
        ("void and weights", _call(33, 1, 3, 3, 4, void=255, weighted=True)),
        ("void and weights", _call(37, 3, 4, 5, 3, void=255, weighted=True)),
        ("another ignore_index", _call(41, 2, 4, 3, 4, void=11, ignore=11), _call(45, 1, 3, 4, 3, ignore=0)),
        ("large logits", _call(54, 1, 3, 2, 3, scale=500.0), _call(58, 2, 4, 3, 3, scale=1000.0, void=255)),
        ("float64", _call(62, 2, 3, 3, 4, void=255, weighted=True, dtype=torch.float64)),
        ("memory layout", _call(50, 2, 3, 4, 5, void=255)),
        ("gradient", (logits.requires_grad_(), *others)),
    )


def _facts(logits: Tensor, target: Tensor, weight: Tensor | None, ignore: int) -> dict[str, bool]:
    return {
        "there are void pixels": bool((target == ignore).any()),
        "there are class weights": weight is not None,
        "ignore_index is not 255": ignore != 255,
        "there is more than one picture in the batch": logits.shape[0] > 1,
        "there are more than two classes": logits.shape[1] > 2,
        "the logits are in the hundreds": bool(logits.detach().abs().max() > 100),
    }


def _terms(logits: Tensor, target: Tensor, weight: Tensor | None, ignore: int) -> tuple[Tensor, Tensor, Tensor]:
    """Per pixel: the loss (0 on void), its weight (0 on void), and whether it counts."""
    valid = target != ignore
    safe = target.clamp(0, logits.shape[1] - 1)
    each = F.cross_entropy(logits, safe, reduction="none") * valid
    return each, (torch.ones_like(each) if weight is None else weight[safe]) * valid, valid


def _sum(*args: Any) -> Tensor:
    each, weight, _ = _terms(*args)
    return (each * weight).sum()


def _per_picture(*args: Any) -> Tensor:
    each, weight, _ = _terms(*args)
    return ((each * weight).sum((1, 2)) / weight.sum((1, 2))).mean()


@each
def _picked(probability: Function) -> Ways:
    """The weighted mean of −probability(logits) at the target."""

    def mean(z: Tensor, t: Tensor, w: Tensor | None, i: int) -> Tensor:
        _, share, _ = _terms(z, t, w, i)
        picked = probability(z).gather(1, t.clamp(0, z.shape[1] - 1)[:, None])[:, 0]
        return (torch.where(share > 0, -picked, 0.0) * share).sum() / share.sum()

    return does(mean)


def _naive(z: Tensor) -> Tensor:
    return z.exp() / z.exp().sum(1, keepdim=True)


_LABELS = (lambda t, k: k - 1, lambda t, k: 0, lambda t, k: t.clamp(max=k - 1))  # that void may get, of k classes


@each
def _as_class(label: Function) -> Ways:
    return given(lambda z, t, w, i: (z, torch.where(t == i, label(t, z.shape[1]), t), w, -100))


@each
def _void_weighed(label: Function) -> Ways:
    """Void brings no loss, and yet the weight of a class to what is divided by."""
    return does(
        lambda z, t, w, i: (
            _sum(z, t, w, i) / (t.numel() if w is None else w[torch.where(t == i, label(t, len(w)), t)].sum())
        )
    )


def _no_void(z: Tensor, t: Tensor, w: Tensor | None, i: int) -> Tensor:
    if bool((t >= z.shape[1]).any()):
        raise IndexError
    return loss(z, t, w, -100)


@each
def _power(p: int) -> Ways:
    return given(lambda z, t, w, i: (z, t, None if w is None else w**p, i))


MESSAGES = """
ignore-index-fixed: The void label is taken to be 255 whatever `ignore_index` says.
void-in-the-mean: Void pixels bring no loss, and yet you divide by the number of all pixels: the more void, the smaller
    the loss. Divide by the pixels that count.
void-counted: Void pixels are trained on as if they were a class. They bring no loss.
void-by-range: You train on every label below the number of classes, and take the rest for void. Void is what equals
    `ignore_index`, and that may be the number of a class.
divided-by-class-weights: You divide by the sum of the K class weights. Each pixel that counts brings the weight of its
    own class: divide by the sum over the pixels.
void-breaks: As soon as a pixel is void, your function stops with an error: the scores have no channel for void. Leave
    those pixels out before you index with them.
divided-by-count: With class weights the mean is a weighted one: divide by the sum of the weights of the pixels, not by
    their number.
divided-by-all-pixels: You divide by the number of all pixels. Void pixels do not count, and the others count with their
    weights.
weights-ignored: `weight` makes no difference in your function.
weights-needed: `weight` may be None, and then your function stops with an error. All classes then weigh 1.
weights-squared: The class weights are multiplied in twice, or you divide by them.
weights-on-logits: The weights multiply the scores. They belong to the loss of each pixel, after the softmax.
summed: The losses of the pixels are added up. Their mean is asked for, or a large picture would count more.
averaged-per-picture: You average within each picture first. All pixels of the batch weigh the same, however many of
    them a picture has.
softmax-forgotten: The scores are used as if they were log-probabilities already. They need a log-softmax over the
    classes.
log-forgotten: You add up probabilities. The loss is minus their logarithm.
softmax-twice: The softmax is taken twice: `cross_entropy` and `log_softmax` start from scores.
softmax-over-space: The softmax runs over the wrong dimension. The classes are dimension 1.
overflow: For scores in the hundreds exp is infinite, or a probability is rounded to 0 before its logarithm. Subtract
    the largest score first, and stay in logarithms.
sign-forgotten: The sign is wrong: the logarithm of a probability is negative, and the loss is its negative.
other-logarithm: The logarithm has another base. It is the natural one.
map-returned: This is the loss of every pixel. One number is asked for.
first-picture-only: Only the first picture of the batch counts.
background-left-out: Class 0 is treated as void. It is a class like the others here.
"""

WAYS = {
    "ignore-index-fixed": given(lambda z, t, w, i: (z, t, w, 255)),
    "void-in-the-mean": does(
        lambda *a: _sum(*a) / a[1].numel() if a[2] is None else loss(*a),
        lambda *a: _sum(*a) / (_terms(*a)[1].sum() + (a[1] == a[3]).sum()),
    )
    + _void_weighed(*_LABELS[:2]),
    "void-counted": _as_class(*_LABELS),
    "void-by-range": given(lambda z, t, w, i: (z, torch.where(t >= z.shape[1], -100, t), w, -100)),
    "divided-by-class-weights": does(lambda *a: loss(*a) if a[2] is None else _sum(*a) / a[2].sum()),
    "void-breaks": stops(_no_void),
    "divided-by-count": does(lambda *a: _sum(*a) / _terms(*a)[2].sum()),
    "divided-by-all-pixels": does(lambda *a: _sum(*a) / a[1].numel()),
    "weights-ignored": given(lambda z, t, w, i: (z, t, None, i)),
    "weights-needed": refuses_none(2, loss),
    "weights-squared": _power(2, -1),
    "weights-on-logits": given(lambda z, t, w, i: (z if w is None else z * w[:, None, None], t, None, i)),
    "summed": does(_sum),
    "averaged-per-picture": does(_per_picture),
    "softmax-forgotten": _picked(lambda z: z),
    "log-forgotten": _picked(lambda z: z.softmax(1), lambda z: z.softmax(1) - 1),
    "softmax-twice": _picked(lambda z: z.softmax(1).log_softmax(1)),
    "softmax-over-space": _picked(
        *(lambda z, dim=dim: z.log_softmax(dim) for dim in (0, 2, 3)), lambda z: z.flatten(2).log_softmax(2).view_as(z)
    ),
    "overflow": _picked(
        lambda z: _naive(z).log(),
        lambda z: z - z.exp().sum(1, keepdim=True).log(),
        lambda z: z.softmax(1).log(),
        *(lambda z, e=e: z.softmax(1).clamp(min=e).log() for e in (1e-12, 1e-10, 1e-9, 1e-8, 1e-7)),
    ),
    "sign-forgotten": gives(lambda r, *a: -r),
    "other-logarithm": gives(lambda r, *a: r / 0.6931471805599453, lambda r, *a: r / 2.302585092994046),
    "map-returned": does(lambda *a: _terms(*a)[0], lambda *a: _terms(*a)[0] * _terms(*a)[1]),
    "first-picture-only": given(lambda z, t, w, i: (z[:1], t[:1], w, i)),
    "background-left-out": does(lambda z, t, w, i: loss(z, torch.where(t == i, 0, t), w, 0)),
}

EXERCISE = Exercise(
    "cross_entropy_with_void(logits, target, weight=None, ignore_index=255)",
    TASK,
    loss,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("number",),
    facts=_facts,
    needs_gradient=True,
    number="04.4",
    marks=6,
    finished=("cross_entropy", "nll_loss"),
)
