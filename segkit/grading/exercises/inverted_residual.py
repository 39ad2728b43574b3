"""Chapter 10: an inverted residual whose wide map never exists as a whole."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, numbers
from segkit.grading.exercises.inverted_residual_ways import WAYS, Part, inverted

TASK = """MobileNet v2's unit from plain arrays, each BatchNorm folded into its convolution, and computed a few wide
channels at a time. x is N×C×H×W. parts is a list of (expand, first, depthwise, second, project): w of the wide
channels, and w differs from part to part. A part: a 1×1 with expand, w×C, plus first, w numbers, then ReLU6;
a 3×3 of each channel alone with depthwise, w×3×3, at `stride`, one row of zeros around its input, plus second,
w numbers, then ReLU6; a 1×1 with project, O×w. The parts are added, and bias, O numbers, once. No ReLU follows.
Where stride is 1 and O is C, x is added. N×O×⌈H/stride⌉×⌈W/stride⌉, with the dtype of x. ReLU6(v) is
min(max(v, 0), 6)."""


def _call(
    seed: int, x: tuple[int, ...], widths: list[int], outputs: int, stride: int = 1, first: bool = True,
    times: float = 1.0, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """x as H×W, C×H×W or N×C×H×W."""
    picture = times * numbers(seed, *(1, 1, *x)[-4:], dtype=dtype)
    C, parts = picture.shape[1], []
    for place, w in enumerate(widths):
        at = seed + 10 + 10 * place
        expand, shift = numbers(at, w, C, dtype=dtype) / 2, numbers(at + 1, w, dtype=dtype) * first
        depthwise, second = numbers(at + 2, w, 3, 3, dtype=dtype) / 2, numbers(at + 3, w, dtype=dtype)
        parts.append((expand, shift, depthwise, second, numbers(at + 4, outputs, w, dtype=dtype)))
    return picture, parts, numbers(seed + 1, outputs, dtype=dtype), stride


def _cases() -> list[Case]:
    return grouped(
        ("plain", (100, (3, 4), [2], 2, 1, False), (200, (2, 3, 3), [3], 1, 1, False), (300, (4, 3), [3], 3, 1, False)),
        ("first bias", (400, (3, 3), [2], 2), (500, (2, 3, 4), [3], 1), (600, (4, 4), [3], 2)),
        ("shortcut", (700, (2, 3, 3), [4], 2), (800, (3, 4, 3), [4], 3), (900, (1, 3, 3), [3], 1)),
        ("several parts", (1000, (3, 3), [2, 1], 2), (1100, (2, 4, 3), [1, 3], 3), (1200, (2, 3, 3), [2, 1, 2], 2)),
        ("stride", (1300, (4, 4), [2], 2, 2), (1400, (2, 5, 4), [3], 2, 2), (1500, (1, 5, 6), [2], 1, 2)),
        (
            "stride",
            (1600, (2, 6, 7), [2, 2], 3, 3),
            (1650, (2, 1, 1), [3], 2, 2),
        ),  # one cell stays one
        ("ReLU6", (1700, (2, 3, 3), [3], 3, 1, True, 4.0), (1800, (3, 4, 3), [3, 2], 3, 1, True, 8.0)),
        ("batch", (1900, (2, 1, 3, 3), [2], 2), (2000, (3, 2, 3, 4), [3], 2, 2)),
        ("float64", (2100, (2, 2, 4, 3), [2, 3], 2, 1, True, 1.0, torch.float64)),
        ("memory layout", (2200, (2, 2, 4, 5), [3], 2)),
        ("everything together", (2300, (2, 4, 5, 6), [3, 5, 2], 4, 1, True, 3.0), (2400, (2, 3, 7, 6), [4, 2], 3, 2)),
        of=_call,
    )


def _facts(x: Tensor, parts: list[Part], bias: Tensor, stride: int) -> dict[str, bool]:
    return {
        "x is added": stride == 1 and x.shape[1] == len(bias),
        "the first bias is not 0": any(bool(first.any()) for _, first, *_ in parts),
        "there is more than one part": len(parts) > 1,
        "stride is above 1": stride > 1,
        "the channels stay as many, and the stride is above 1": stride > 1 and x.shape[1] == len(bias),
        "values are large": bool(x.abs().max() > 4),
        "there is more than one channel": x.shape[1] > 1,
        "there is more than one picture in the batch": len(x) > 1,
        "the map is not square": x.shape[2] != x.shape[3],
    }


MESSAGES = """
padded-before-widening: The zeros lie around x in your function. They lie around the wide map, after bias and ReLU6: the
    bias of the first 1×1 would turn them into something else.
relu-on-the-narrow-end: There is a ReLU after the last 1×1, or after the sum. The narrow end is linear: that is the
    point of this unit.
relu-on-each-part: Each part ends in a ReLU before the parts are added. The narrow end is linear.
relu-not-capped: A ReLU of yours lets values above 6 pass. ReLU6 stops there.
first-relu-missing: After the first 1×1 there is no ReLU6.
second-relu-missing: After the depthwise step there is no ReLU6.
both-relus-missing: Neither of the two wide maps gets its ReLU6, so nothing but one linear map is left.
relu-before-bias: In the first step ReLU6 comes before the bias. It comes after it.
shortcut-missing: x is never added. It is where stride is 1 and the channels that come out are as many as come in.
shortcut-always: x is added where it should not be. It is added where stride is 1 and O is C, and nowhere else: not
    wherever the shapes agree, for a map of one cell keeps its size at stride 2.
shortcut-in-each-part: x is added once for every part. The shortcut goes around all of them, once.
bias-in-each-part: The last bias is added once for every part. It comes once, after their sum.
bias-ignored: The last bias makes no difference.
first-bias-ignored: The bias after the first 1×1 makes no difference.
second-bias-ignored: The bias after the depthwise step makes no difference.
biases-exchanged: The two biases of a part have changed places.
one-part-only: Only one part counts. All of them are added up.
parts-averaged: The parts are averaged. They are added: the last 1×1 is one sum over all wide channels.
stride-in-the-first-step: Cells are left out before the depthwise step has seen them. It is the 3×3 that strides.
stride-ignored: The stride makes no difference.
not-padded: The depthwise step is not padded. One row of zeros lies all around the wide map.
border-not-zero: The border of the wide map is repeated. Zeros lie around it.
kernel-flipped: The rows and columns of the depthwise kernels come in reverse order. A layer of a network multiplies
    depthwise[j, 0, 0] with the upper left.
kernel-of-another-channel: A wide channel gets the kernel of another one. depthwise[j] goes with channel j.
channels-not-alone: In your 3×3 a kernel sees the sum of all wide channels. Each sees its own: `groups=w`.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×O×h×w.
"""

EXERCISE = Exercise(
    "inverted_residual(x, parts, bias, stride)",
    TASK,
    inverted,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="10.5",
    marks=4,
    finished=("InvertedResidual",),
)
