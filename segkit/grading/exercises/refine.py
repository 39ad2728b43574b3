"""Chapter 14: attention refinement, in training and in use."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, numbers
from segkit.grading.exercises.refine_ways import WAYS, refined

TASK = """BiSeNet's attention refinement: each map of a picture is multiplied by a gate that has heard from all of it.
x is N×C×h×w; weight, C×C, is a 1×1 convolution without a bias; norm has four tensors of C numbers, the running mean,
the running variance, the scale and the shift of a BatchNorm.
The mean of each map over its cells describes the picture: C numbers. The 1×1 mixes them, the BatchNorm normalises them,
a sigmoid makes gates of them, and each map of x is multiplied by its gate.
The BatchNorm subtracts a mean, divides by √(variance + 0.00001), multiplies by the scale and adds the shift. In use
(training is False) mean and variance are the running ones. In training they are those of the N pictures of the batch,
where the variance is the mean of the squared deviations; there are at least two pictures then. Training also moves the
running numbers: 0.9 of the old one, and 0.1 of the batch's, now with the variance whose divisor is N − 1.
Return (x refined, running mean, running variance), the last two as they are afterwards, with the dtype of x."""


def _call(
    seed: int, channels: int, size: Shape, *, n: int = 1, training: bool = False, small: bool = False,
    scaled: bool = False, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """`scaled`: scale and shift do something; `small`: variances at which what is added to them counts."""
    mean, variance, scale, shift = (numbers(seed + 2 + i, channels, dtype=dtype) for i in range(4))
    variance = variance.abs() / (4096 if small else 1)
    norm = [mean, variance, *((scale, shift) if scaled else (0 * scale + 1, 0 * shift))]
    weight = numbers(seed + 1, channels, channels, dtype=dtype) / (32 if small else 1)
    return numbers(seed, n, channels, *size, dtype=dtype), weight, norm, training


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(1, 2, (2, 2)), call(11, 3, (3, 3)), call(21, 4, (2, 2))),
        ("height and width differ", call(31, 2, (1, 3)), call(41, 2, (3, 1)), call(51, 3, (4, 2), scaled=True)),
        ("scale and shift", call(61, 2, (2, 2), scaled=True), call(71, 3, (3, 3), scaled=True)),
        ("batch", call(81, 2, (2, 2), n=2), call(91, 3, (2, 2), n=3, scaled=True)),
        ("training", call(101, 2, (2, 2), n=2, training=True), call(111, 3, (2, 2), n=3, training=True)),
        ("training", call(121, 3, (2, 3), n=4, training=True, scaled=True), call(131, 1, (1, 1), n=3, training=True)),
        ("small variance", call(141, 2, (2, 2), small=True), call(151, 3, (2, 2), n=4, training=True, small=True)),
        ("float64", call(161, 3, (3, 4), n=3, training=True, scaled=True, dtype=torch.float64)),
        ("float64", call(171, 3, (3, 4), n=2, scaled=True, dtype=torch.float64)),
        ("memory layout", call(181, 3, (2, 4), n=2, scaled=True)),
        ("everything together", call(191, 4, (5, 3), n=5, training=True, scaled=True)),
        of=lambda *args: args,
    )


def _facts(x: Tensor, weight: Tensor, norm: list[Tensor], training: bool) -> dict[str, bool]:
    return {
        "training is True": training,
        "scale and shift are not 1 and 0": bool((norm[2] != 1).any() or norm[3].any()),
        "the variance is small": bool(norm[1].max() < 0.001),
        "the map is not square": x.shape[2] != x.shape[3],
        "there is more than one picture in the batch": len(x) > 1,
    }


MESSAGES = """
each-cell-alone: You give each cell gates of its own. Take the mean of each map over its cells first.
averaged-last: You mix and normalise whole maps and average last. In training the BatchNorm then sees cells in place of
    pictures, and their variance is another one. Average first.
gates-averaged: You make gates for each cell and average them. A sigmoid of a mean is not the mean of sigmoids: average
    first.
largest-of-the-map: You take the largest number of each map. Take the mean.
sum-of-the-map: You add up each map, so that a larger picture opens other gates. Take its mean.
mean-over-channels: You average over the channels as well. Each of the C maps has a mean of its own.
weight-transposed: You multiply by the transposed weight. As in a convolution, its rows are outputs and its columns
    inputs.
norm-missing: Your BatchNorm neither subtracts a mean nor divides by a deviation.
norm-before-the-1x1: Your BatchNorm stands before the 1×1. It comes after it.
training-ignored: `training` makes no difference: you always use the running numbers, and leave them as they are.
training-always: `training` makes no difference: you always take mean and variance of the batch, and move the running
    numbers. In use a picture should not depend on the others of its batch.
running-numbers-in-training: In training you normalise by the running mean and variance. Take those of the batch.
batch-in-evaluation: In use you normalise by mean and variance of the batch. Take the running ones, so that a picture's
    gates do not depend on the others.
normalised-by-the-updated: In training you move the running numbers first, and normalise by them. Normalise by those
    of the batch.
norm-over-channels: In training your mean and variance run over the channels of a picture. Take them over the pictures,
    for each channel by itself.
variance-unbiased: In training you divide by the variance whose divisor is N − 1 (the default of `var`). To normalise,
    use the mean of the squared deviations: `correction=0`.
running-variance-biased: The variance that moves the running one should have N − 1 as its divisor (the default of
    `var`); yours has N.
momentum-inverted: Your running numbers keep 0.1 of the old and take 0.9 of the new. It is the other way round.
running-numbers-replaced: You put the batch's mean and variance in the place of the running ones. Only a tenth of them
    should go in.
running-numbers-kept: In training your running numbers stay as they are. They should move by a tenth.
moved-in-evaluation: You move the running numbers in use, too. They move in training only.
deviation-for-variance: Your third result is the square root of the running variance. Return the variance.
root-missing: You divide by the variance. Divide by its square root.
epsilon-of-another-size: What you add to the variance is not 0.00001, or you add nothing.
mean-not-subtracted: Your BatchNorm does not subtract the mean.
scale-shift-ignored: The scale of the BatchNorm makes no difference in your gates, or its shift, or both.
scale-shift-exchanged: Scale and shift have changed places: norm is mean, variance, scale, shift.
sigmoid-missing: Your gates are what the BatchNorm gives. A sigmoid follows.
tanh-for-sigmoid: Your gates lie between −1 and 1. A sigmoid makes them, between 0 and 1.
softmax-for-sigmoid: Your gates are a softmax, and compete with each other. A sigmoid makes each of them by itself.
relu-before-the-sigmoid: There is a ReLU before your sigmoid, so no gate is less than half open.
one-plus-gate: You add x to what is gated, as BiSeNet's *fusion* does. Here x is multiplied by the gate alone.
gate-added: You add the gates to x. Multiply.
gates-inverted: You multiply by 1 − gate. Multiply by the gate.
gates-returned: Your first result is the gates, and not x multiplied by them.
results-exchanged: Your results are in another order: x refined, running mean, running variance.
"""

EXERCISE = Exercise(
    "refine(x, weight, norm, training)",
    TASK,
    refined,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "float", "float"),
    facts=_facts,
    number="14.3",
    marks=5,
    finished=("batch_norm", "BatchNorm1d", "BatchNorm2d", "AttentionRefinement", "gate"),
)
