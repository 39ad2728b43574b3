"""Chapter 11: a block of the modified aligned Xception, from plain arrays, with the map that the decoder takes."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, numbers
from segkit.grading.exercises.xception_block_ways import WAYS, Convs, block

TASK = """A block of DeepLab v3+'s Xception, its BatchNorms folded away and without biases. x is N×C×H×W. convs is a
list of two or three (depthwise, pointwise): a 3×3 for each channel alone, C×3×3, and a 1×1, O×C; each reads what
the one before it made. Before each of them comes a ReLU; between its two steps another one if `between`. All
depthwise kernels have the dilation `rate` and as many zeros around the map; that of the last convolution
strides. To what the last one makes is added x as it came: through the 1×1 `shortcut`, O×C, at the same
stride, or unchanged where shortcut is None. Nothing follows the sum. Return (low, out): what the second
convolution made, before any ReLU, which a decoder may take; and the sum, N×O×⌈H/stride⌉×⌈W/stride⌉."""


def _call(
    seed: int, x: tuple[int, ...], channels: tuple[int, ...], stride: int = 1, rate: int = 1, between: bool = False,
    projected: bool = False, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """x as H×W, C×H×W or N×C×H×W; channels of each convolution."""
    picture = numbers(seed, *(1, 1, *x)[-4:], dtype=dtype)
    before, convs = picture.shape[1], []
    for place, (C, O) in enumerate(zip((before, *channels), channels, strict=False)):
        at = seed + 10 + 10 * place
        convs.append((numbers(at, C, 3, 3, dtype=dtype) / 2, numbers(at + 1, O, C, dtype=dtype) / 2))
    shortcut = numbers(seed + 1, channels[-1], before, dtype=dtype) if projected else None
    return picture, convs, shortcut, stride, rate, between


def _cases() -> list[Case]:
    return grouped(
        ("plain", (100, (3, 4), (1, 1)), (200, (2, 3, 3), (2, 2)), (300, (4, 3), (2, 1))),
        ("three convolutions", (400, (3, 3), (1, 2, 1)), (500, (2, 3, 4), (2, 2, 2))),
        ("shortcut with weights", (600, (3, 3), (2, 2), 1, 1, False, True)),
        ("shortcut with weights", (700, (2, 3, 4), (1, 3), 1, 1, False, True)),
        ("shortcut with weights", (800, (2, 3, 3), (2, 2), 1, 1, False, True)),
        ("stride", (900, (4, 4), (1, 2), 2, 1, False, True), (1000, (2, 5, 4), (2, 2, 3), 2, 1, False, True)),
        ("stride", (1100, (2, 6, 7), (2, 2, 2), 3, 1, False, True)),
        ("rate", (1200, (5, 5), (1, 1), 1, 2), (1300, (2, 4, 6), (2, 3, 2), 1, 3), (1400, (1, 3, 7), (2, 1), 1, 4)),
        ("rate and stride", (1500, (2, 7, 6), (2, 2, 3), 2, 2, False, True)),
        ("ReLU between", (1600, (3, 4), (1, 1), 1, 1, True), (1700, (2, 3, 3), (3, 2, 2), 1, 1, True)),
        ("ReLU between", (1800, (2, 4, 4), (2, 3), 2, 1, True, True)),
        ("batch", (1900, (2, 1, 3, 3), (1, 1)), (2000, (3, 2, 3, 4), (2, 2, 3), 1, 1, False, True)),
        ("float64", (2100, (2, 2, 4, 5), (3, 2, 4), 2, 2, True, True, torch.float64)),
        ("memory layout", (2200, (2, 2, 5, 4), (3, 2))),
        ("everything together", (2300, (2, 3, 9, 8), (4, 4, 5), 2, 3, True, True)),
        ("everything together", (2400, (2, 3, 6, 5), (4, 2, 3), 1, 2)),
        of=_call,
    )  # fmt: skip


def _facts(x: Tensor, convs: Convs, shortcut: Tensor | None, stride: int, rate: int, between: bool) -> dict[str, bool]:
    return {
        "there are three convolutions": len(convs) > 2,
        "the shortcut has weights": shortcut is not None,
        "stride is above 1": stride > 1,
        "rate is above 1": rate > 1,
        "between is True": between,
        "there is more than one channel": x.shape[1] > 1,
        "there is more than one picture in the batch": len(x) > 1,
        "the map is not square": x.shape[2] != x.shape[3],
    }


MESSAGES = """
shortcut-rectified: What you add has lost its negative numbers: the first ReLU has reached the shortcut. Does it work in
    place (`relu_`, `inplace=True`)? x is added as it came.
shortcut-missing: Nothing is added to what the convolutions make, or nothing where shortcut is None. Then x itself is.
shortcut-needed: `shortcut` may be None, and then your function stops with an error. What is added then is x itself.
shortcut-weights-ignored: x is added as it is where there are weights for the shortcut. It goes through that 1×1 first.
shortcut-does-not-stride: The two maps cannot be added: the shortcut keeps its size where the block strides. Its 1×1
    has the same stride.
shortcut-averaged: Where the block strides, the shortcut averages cells. It takes every stride-th one, as a 1×1 with a
    stride does.
relu-after-each-convolution: Your ReLUs come after the convolutions. In this block each comes before, so that what is
    added, and the low-level map, may be negative.
relu-missing: There is no ReLU before the convolutions.
first-relu-missing: The first convolution reads x without a ReLU. One comes before each of them.
relu-after-the-sum: There is a ReLU after the sum. Nothing follows it; the next block begins with one.
relu-between-always: There is always a ReLU between depthwise and pointwise step. `between` says whether.
relu-between-never: There is never a ReLU between depthwise and pointwise step. `between` says whether.
relu-between-inverted: `between` is taken the wrong way round.
pointwise-first: In your separable convolution the 1×1 comes first, as in Inception. Here the depthwise step does.
first-convolution-strides: The first convolution strides in your block. It is the last one.
every-convolution-strides: Every convolution strides in your block. It is the last one only.
pooled: You stride by a pooling, as the first Xception did. Here the last convolution strides, so that a stride can be
    turned into dilation.
stride-ignored: The stride makes no difference.
rate-ignored: The rate makes no difference.
rate-in-one-convolution: Only some of your convolutions are dilated. All of them are, by the same rate.
padding-not-the-rate: The dilated convolutions do not keep the size of the map. At rate r, r zeros lie around it, not
    one.
border-not-zero: Around the map its border is repeated. Zeros lie around it.
kernel-flipped: The kernels' rows and columns come in reverse order. A layer of a network multiplies
    depthwise[c, 0, 0] with the upper left.
kernel-of-another-channel: A channel gets the kernel of another one. depthwise[c] goes with channel c.
channels-not-alone: In your depthwise step a kernel sees the sum of all channels. Each sees its own: `groups=C`.
low-rectified: The low-level map has lost its negative numbers. It is what the second convolution made, before any ReLU:
    the next one must not rectify it in place.
low-from-another-convolution: The low-level map is what the first or the last convolution made. It is what the second
    one made.
low-is-the-sum: The low-level map is taken after the sum. It is what the second convolution made.
results-exchanged: The two maps have changed places. Return low, then out.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the results are flat or in another order. They should be N×channels×rows×columns.
"""

EXERCISE = Exercise(
    "xception_block(x, convs, shortcut, stride, rate, between)",
    TASK,
    block,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "float"),
    facts=_facts,
    number="11.2",
    marks=7,
)
