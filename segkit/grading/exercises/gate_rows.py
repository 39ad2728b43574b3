"""Chapter 13: gates for the channels of each row."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, numbers
from segkit.grading.exercises.gate_rows_ways import WAYS, gated

TASK = """Gates that depend on the height, after HANet. x is N×C×h×w, squeeze R×C, expand C×R, biases a list of two,
with R and C numbers.
The mean of each row describes it: C numbers. A 1×1 convolution, squeeze, plus biases[0], and a ReLU turn them into R
numbers; another, expand, plus biases[1], and a sigmoid turn those into C gates. Multiply each channel of x by its
gate, in all cells of that row. No row knows of another.
Return N×C×h×w with the dtype of x."""


def _call(
    seed: int, channels: int, size: tuple[int, int], inner: int = 2, *, n: int = 1, biased: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    biases = [numbers(seed + 3 + i, count, dtype=dtype) for i, count in enumerate((inner, channels))]
    return (
        numbers(seed, n, channels, *size, dtype=dtype),
        numbers(seed + 1, inner, channels, dtype=dtype),
        numbers(seed + 2, channels, inner, dtype=dtype) / 2,
        biases if biased else [0 * one for one in biases],
    )


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(1, 2, (2, 2)), call(6, 3, (3, 3), 3), call(11, 4, (4, 4))),
        ("height and width differ", call(16, 2, (1, 3)), call(21, 2, (3, 1)), call(26, 3, (2, 5)), call(31, 3, (4, 2))),
        ("channels", call(36, 1, (2, 2), 3), call(41, 4, (2, 2), 1), call(46, 2, (2, 2), 5)),
        ("biases", call(51, 2, (2, 2), biased=True), call(56, 3, (3, 2), 4, biased=True)),
        ("batch", call(61, 2, (2, 2), n=2), call(66, 3, (3, 2), n=3, biased=True)),
        ("float64", call(71, 3, (3, 4), 2, n=2, biased=True, dtype=torch.float64)),
        ("memory layout", call(76, 3, (2, 4), n=2, biased=True)),
        ("everything together", call(81, 4, (5, 3), 3, n=2, biased=True)),
        of=lambda *args: args,
    )


def _facts(x: Tensor, squeeze: Tensor, expand: Tensor, biases: list[Tensor]) -> dict[str, bool]:
    return {
        "the biases are not 0": any(bool(one.any()) for one in biases),
        "the map is not square": x.shape[2] != x.shape[3],
        "R and C differ": squeeze.shape[0] != squeeze.shape[1],
        "there is more than one picture in the batch": len(x) > 1,
    }


MESSAGES = """
mean-of-the-map: Your gates come from the mean of the whole map, so all rows share them. Each row should have gates of
    its own, from its own mean.
mean-of-columns: Your gates come from the means of the columns. Take those of the rows: over the last dimension.
mean-over-channels: You average over the channels. The mean of a row is taken over its cells, for each channel by
    itself.
each-cell-alone: You give each cell gates of its own. Take the mean of the row first.
largest-of-the-row: You take the largest number of each row. Take the mean.
sum-of-the-row: You add up each row. Take its mean.
batch-averaged: You average over the pictures of the batch as well. Each picture has gates of its own.
relu-missing: There is no ReLU between your two convolutions.
relu-before-the-bias: You add biases[0] after the ReLU. It belongs before it.
sigmoid-inside: A sigmoid stands between your two convolutions. A ReLU belongs there.
bias-ignored: One of the biases makes no difference, or neither does. Each of the two convolutions has one.
softmax-for-sigmoid: Your gates are a softmax, and compete with each other. A sigmoid makes each of them by itself.
tanh-for-sigmoid: Your gates are between −1 and 1. A sigmoid makes them, between 0 and 1.
sigmoid-missing: Your gates are the numbers of the second convolution as they are. A sigmoid follows.
gate-added: You add the gates to x. Multiply.
one-plus-gate: You multiply by 1 + gate, or add x to what is gated. Multiply by the gate alone.
gates-inverted: You multiply by 1 − gate. Multiply by the gate.
gates-returned: You return the gates, and not x multiplied by them.
laid-along-columns: You multiply the columns by the gates of the rows. Let the gates differ along the height:
    [:, :, :, None].
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×C×h×w.
"""

EXERCISE = Exercise(
    "gate_rows(x, squeeze, expand, biases)",
    TASK,
    gated,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="13.5",
    marks=2,
    finished=("gate", "HeightGates"),
)
