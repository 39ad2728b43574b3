"""Chapter 11: a decoder that goes from stride 8 to stride 2, with two low-level maps."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, numbers
from segkit.grading.exercises.decode_ways import WAYS, decoder

TASK = """A decoder in the manner of DeepLab v3+, from stride 8 to stride 2, without biases. The picture has 8k + 1 rows
and 8l + 1 columns, so that the corner cells of every map stand on the corner pixels. high is the pyramid's map,
N×C×(k + 1)×(l + 1). early and later are maps of stride 2, N×D×(4k + 1)×(4l + 1), from before and after a block.
Take the mean of the two, bring it to R channels with a 1×1, reduce (R×D), and ReLU. Enlarge high to the same
size, bilinearly, corners on corners. Join the channels, high's first. Then a separable 3×3: each channel alone
with depthwise, (C + R)×3×3, one row of zeros around the map; ReLU; a 1×1, pointwise, P×(C + R); ReLU. Scores
by a last 1×1, score, K×P, without ReLU; enlarge them to the picture in the same way. N×K×(8k + 1)×(8l + 1), with
the dtype of high."""


def _call(
    seed: int, high: tuple[int, ...], low: int = 1, reduced: int = 1, wide: int = 1, classes: int = 1,
    dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """high as h×w, C×h×w or N×C×h×w."""
    top = numbers(seed, *(1, 1, *high)[-4:], dtype=dtype)
    N, C, h, w = top.shape
    early, later = (numbers(seed + i, N, low, 4 * h - 3, 4 * w - 3, dtype=dtype) for i in (1, 2))
    return (
        top,
        early,
        later,
        numbers(seed + 3, reduced, low, dtype=dtype),
        numbers(seed + 4, C + reduced, 3, 3, dtype=dtype),
        numbers(seed + 5, wide, C + reduced, dtype=dtype),
        numbers(seed + 6, classes, wide, dtype=dtype),
    )


def _cases() -> list[Case]:
    return grouped(
        ("one cell", (190, (1, 1)), (200, (2, 1, 1), 2, 1, 2), (210, (1, 1), 1, 2, 2)),
        ("one row", (10, (1, 2)), (20, (2, 1)), (40, (1, 3), 1, 1, 2)),
        ("plain maps", (30, (2, 2)), (220, (2, 3), 1, 1, 2)),
        ("channels of the pyramid", (50, (2, 1, 2)), (60, (3, 2, 2), 1, 1, 2)),
        ("low-level channels", (70, (1, 2), 2), (80, (2, 2), 3, 2, 2), (90, (2, 1), 2, 3, 2)),
        ("classes", (100, (1, 2), 1, 1, 2, 2), (110, (2, 2), 2, 2, 3, 4)),
        ("larger maps", (120, (3, 4), 1, 1, 2), (130, (2, 4, 3), 2, 2, 2, 2)),
        ("batch", (140, (2, 1, 1, 2), 1, 1, 2), (150, (3, 2, 2, 2), 2, 1, 2, 2)),
        ("float64", (160, (2, 2, 2, 3), 2, 2, 3, 2, torch.float64)),
        ("memory layout", (170, (2, 2, 3, 2), 2, 2, 3, 2)),
        ("everything together", (180, (2, 3, 3, 4), 4, 2, 5, 3)),
        of=_call,
    )


def _facts(
    high: Tensor, early: Tensor, later: Tensor, reduce: Tensor, depthwise: Tensor, pointwise: Tensor, score: Tensor
) -> dict[str, bool]:
    return {
        "the pyramid has more than one channel": high.shape[1] > 1,
        "there is more than one low-level channel": early.shape[1] > 1,
        "the low-level map keeps more than one channel": len(reduce) > 1,
        "there is more than one class": len(score) > 1,
        "the pyramid's map is a single row or column": 1 in high.shape[2:],
        "there is more than one picture in the batch": len(high) > 1,
        "the picture is not square": high.shape[2] != high.shape[3],
    }


MESSAGES = """
early-only: Only the early map counts. The mean of both goes into the decoder.
later-only: Only the later map counts. The mean of both goes into the decoder.
not-the-mean: The two low-level maps are added, or the larger of each two numbers is taken. Take their mean.
averaged-too-late: You reduce each low-level map and average after ReLU. The maps are averaged first, and ReLU comes
    after.
reduce-relu-missing: After the 1×1 with `reduce` there is no ReLU.
low-level-missing: The low-level map makes no difference: your decoder has nothing to see that the pyramid has not seen.
high-level-missing: The pyramid's map makes no difference.
low-first: The low-level channels come first. The pyramid's do; the 3×3 kernels count on it.
decoded-coarse: You bring the low-level map down to the size of the pyramid's, and its detail is lost. It is the
    pyramid's map that is enlarged.
half-pixel: You enlarge with half-pixel centres. Here the corner cells stand on the corners: align_corners=True.
half-pixel-once: One of your two enlargings has half-pixel centres. Corners stand on corners in both:
    align_corners=True.
not-bilinear: You enlarge by repeating the nearest cell. Interpolate bilinearly, both times.
four-times-and-cut: You enlarge the pyramid's map four times and cut off what is too much, so its cells do not stand
    where those of the low-level map do. Enlarge it to just 4k + 1 rows, corners on corners.
between-relu-missing: Between the depthwise and the pointwise step there is no ReLU.
after-relu-missing: After the pointwise step there is no ReLU.
both-relus-missing: The separable 3×3 has no ReLU at all: it has one after each of its two steps.
relu-on-the-scores: There is a ReLU on the scores. They may be negative.
probabilities: You give probabilities. The scores themselves are asked for, without softmax.
labels: You give labels. The scores are asked for.
not-enlarged: Your scores have the size of the low-level map. Enlarge them to the picture.
twice-as-large: Your scores have 2H rows. The picture has 8k + 1, which is 2H − 1: the last cell stands on the last
    pixel.
not-padded: The 3×3 is not padded. One row of zeros lies all around the map.
border-not-zero: Around the 3×3's map its border is repeated. Zeros lie around it.
kernel-flipped: The kernels' rows and columns come in reverse order. A layer of a network multiplies
    depthwise[c, 0, 0] with the upper left.
kernel-of-another-channel: A channel gets the kernel of another one. depthwise[c] goes with channel c.
channels-not-alone: In your depthwise step a kernel sees the sum of all channels. Each sees its own: `groups=C + R`.
pyramid-not-enlarged: The two maps cannot be joined: the pyramid's is still small. Enlarge it to the size of the
    low-level map.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×K×rows×columns.
"""

EXERCISE = Exercise(
    "decode(high, early, later, reduce, depthwise, pointwise, score)",
    TASK,
    decoder,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="11.1",
    marks=7,
)
