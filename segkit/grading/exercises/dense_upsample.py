"""Chapter 06: dense upsampling convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, layer
from segkit.grading.exercises.dense_upsample_ways import WAYS, Size, duc

TASK = """Dense upsampling convolution (DUC). x is N×C×h×w, weight (K·d²)×C×3×3 with d = factor, bias has K·d²
numbers or is None. Convolve (stride 1, padding 1 of zeros): d² scores for each class and place of the
coarse grid. Lay them out as the d×d block of that place, score k·d² + a·d + b in row a and column b of
class k, which gives N×K×(d·h)×(d·w). Keep the first H rows and W columns, size = (H, W), which are at
most d·h and d·w. The result is N×K×H×W with the dtype of x."""


def _call(
    seed: int, x: Shape, classes: int, d: int, size: Size, bias: bool = False, dtype: torch.dtype = torch.float32
) -> Args:
    scores, channels = classes * d * d, (1, *x)[-3]
    return *layer(seed, x, (scores, channels, 3, 3), scores * bias, dtype), d, size


def duc_cases() -> list[Case]:
    return grouped(
        ("plain", (1, (1, 2), 1, 2, (2, 4)), (4, (2, 3), 1, 2, (4, 6)), (7, (4, 3), 1, 2, (8, 6))),
        ("channels", (10, (1, 2, 2, 3), 1, 2, (4, 6)), (13, (1, 3, 3, 2), 1, 2, (6, 4))),
        ("classes", (16, (2, 3), 3, 2, (4, 6)), (19, (1, 2, 3, 2), 2, 2, (6, 4))),
        ("batch", (22, (2, 1, 2, 3), 1, 2, (4, 6)), (25, (3, 2, 3, 2), 2, 2, (6, 4))),
        ("bias", (28, (2, 3), 1, 2, (4, 6), True), (31, (1, 2, 3, 2), 3, 2, (6, 4), True)),
        ("other factors", (34, (2, 3), 1, 3, (6, 9)), (37, (1, 2, 1, 2), 2, 4, (4, 8))),
        ("other factors", (40, (1, 2, 3, 4), 2, 1, (3, 4))),
        ("cropped", (43, (2, 3), 1, 2, (3, 6)), (46, (2, 3), 2, 2, (4, 5)), (49, (3, 2), 1, 3, (7, 5))),
        ("cropped", (52, (3, 3), 1, 4, (9, 10)), (67, (3, 4), 1, 2, (3, 4))),
        ("float64", (55, (2, 2, 2, 3), 2, 2, (3, 5), True, torch.float64)),
        ("memory layout", (58, (2, 2, 3, 3), 2, 2, (6, 6))),
        ("everything together", (61, (2, 3, 3, 2), 3, 4, (11, 7), True), (64, (3, 2, 2, 4), 2, 3, (5, 12), True)),
        of=_call,
    )


def duc_facts(x: Tensor, w: Tensor, b: Tensor | None, d: int, size: Size) -> dict[str, bool]:
    return {
        "the map is cut": tuple(size) != (d * x.shape[2], d * x.shape[3]),
        "there is a bias": b is not None,
        "factor is not 2": d != 2,
        "factor is 1": d == 1,
        "there is more than one class": len(w) > d * d,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one picture in the batch": x.shape[0] > 1,
    }


MESSAGES = """
channel-order: The channels are split in the wrong order: the class changes slowest, k·d² + a·d + b.
offsets-exchanged: a and b have changed places: the offset down, a, changes more slowly than the offset to the right, b.
only-reshaped: The scores keep their order in memory: a reshape alone moves nothing. Split the channels, bring a beside
    the rows and b beside the columns, then merge.
blocks-side-by-side: The d² maps stand side by side as tiles. They should be interlaced: the d×d scores of one place lie
    together.
half-interlaced: Along one axis the maps are interlaced, along the other they stand side by side.
interpolated: You compute one score for each class and place and enlarge that, or repeat it. The point of DUC is that
    each of the d² positions has weights of its own.
not-rearranged: Your result is still coarse, with d² channels for each class.
cut-from-end: You keep the last rows and columns, or the middle. What was added to make the picture divisible is at the
    bottom and the right: keep the first ones.
cut-first: You cut x before the convolution. What is cut off there is missing in the sums at its edge: cut the finished
    map.
squeezed-not-cut: You resize the map to `size`. That moves every pixel: cut it off at the bottom and the right.
size-swapped: Height and width of `size` are exchanged: it is (H, W).
factor-fixed: The factor is taken to be 2 whatever `factor` says.
padding-missing: The map shrinks in the convolution: a 3×3 kernel needs a border of one zero to keep the size.
padding-not-zero: The border of the convolution is not made of zeros: you repeat or wrap around what is at the edge, or
    put the border around the result.
kernel-flipped: The kernel is turned by 180°. In a network's convolution weight[o, c, 0, 0] meets the neighbour at the
    upper left.
kernel-transposed: Rows and columns of the kernel have changed places.
middle-weight-only: Only the middle weight of each kernel is used: that is a 1×1 convolution.
bias-ignored: `bias` makes no difference in your function.
one-bias-per-class: All d² positions of a class get the same bias. Each score has its own, bias[k·d² + a·d + b].
channels-not-summed: Not every input channel counts, or you take their mean. Each score is the sum over all of them.
activation-added: Something is done to the scores at the end. They are logits and stay as they are.
rows-columns-exchanged: Rows and columns of the result are exchanged.
first-picture-only: Only the first picture of the batch is worked on.
first-class-only: Only the first class is made.
not-cropped: Your result is d times as large as x. Where the picture does not divide by d, that is more than `size`: cut
    it.
"""

EXERCISE = Exercise(
    "dense_upsample(x, weight, bias, factor, size)",
    TASK,
    duc,
    duc_cases,
    catalogue(MESSAGES, WAYS),
    facts=duc_facts,
)
