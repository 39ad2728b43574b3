"""Chapter 08: PSPNet's pyramid for a batch of pictures of different sizes."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, normal
from segkit.grading.exercises.pyramid_pooling_ways import WAYS, pyramid

TASK = """PSPNet's pyramid pooling for pictures of different sizes in one batch. x is N×C×H×W; picture n fills the rows
before h and the columns before w, (h, w) = sizes[n] (an N×2 tensor); what stands beyond them is padding, any
numbers, and must not matter. For each level, b = bins[l] and weights[l] (weights is L×R×C): average the
picture over b×b bins (of n cells along an axis, bin k takes those from ⌊k·n/b⌋ up to but not including
⌈(k+1)·n/b⌉), multiply the C averages of each bin by weights[l], apply ReLU, and enlarge the b×b map to h×w by
bilinear interpolation with align_corners as given. Return N×(C + L·R)×H×W with the dtype of x: first the channels
of the picture itself, then the levels in the order of bins; 0 in the padding, in all channels."""


def _call(
    seed: int, shape: Shape, sizes: list[tuple[int, int]], bins: list[int], reduced: int = 1, align: bool = False,
    sign: int = 1, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """sign: 1 where nothing is below 0 in front of ReLU, 0 for any signs."""
    x, weights = normal(seed, *shape, dtype=dtype), normal(seed + 1, len(bins), reduced, shape[1], dtype=dtype)
    if sign:
        x, weights = x.abs() + 0.25, weights.abs() + 0.25
    x, weights = (x * 8).round() / 8, (weights * 4).round() / 4
    if dtype == torch.float64:
        x, weights = x + normal(seed + 2, *shape, dtype=dtype) / 99, weights / 3
    return x, torch.tensor(sizes), bins, weights, align


def _cases() -> list[Case]:
    two = [(4, 6), (6, 4)]
    return grouped(
        ("plain", (1, (1, 1, 3, 3), [(2, 2)], [1])),
        ("plain", (3, (1, 1, 5, 6), [(4, 4)], [2]), (5, (1, 1, 5, 5), [(4, 5)], [1])),
        ("no padding", (7, (1, 1, 4, 4), [(4, 4)], [2]), (9, (1, 1, 4, 6), [(4, 6)], [2])),
        ("uneven bins", (11, (1, 1, 6, 6), [(5, 5)], [2]), (13, (1, 1, 8, 8), [(7, 8)], [3])),
        ("fewer cells than bins", (15, (1, 1, 4, 4), [(2, 3)], [3]), (17, (1, 1, 6, 7), [(4, 5)], [6])),
        ("several levels", (19, (1, 1, 7, 7), [(6, 6)], [1, 2, 3]), (21, (1, 1, 7, 6), [(6, 5)], [3, 1])),
        ("several channels", (23, (1, 2, 5, 5), [(4, 4)], [2], 2), (25, (1, 3, 5, 6), [(4, 5)], [2], 2)),
        ("pictures of different sizes", (27, (2, 1, 6, 6), two, [2]), (29, (3, 1, 7, 7), [*two, (7, 5)], [1])),
        ("ReLU", (31, (1, 2, 6, 6), [(5, 4)], [2], 2, False, 0), (33, (1, 2, 5, 5), [(4, 4)], [3], 2, False, 0)),
        ("align_corners", (35, (1, 1, 5, 5), [(4, 4)], [2], 1, True), (37, (1, 1, 6, 8), [(6, 7)], [3], 1, True)),
        ("float64", (39, (2, 2, 6, 6), two, [1, 2], 2, False, 0, torch.float64)),
        ("memory layout", (41, (2, 2, 7, 8), [(6, 8), (7, 5)], [2, 3], 3, True, 0)),
        ("everything together", (43, (2, 3, 8, 9), [(7, 9), (5, 6)], [1, 2, 3, 6], 2, True, 0)),
        of=_call,
    )


def _facts(x: Tensor, sizes: Tensor, bins: list[int], weights: Tensor, align: bool) -> dict[str, bool]:
    counts = sizes.flatten().tolist()
    return {
        "there is padding": any(tuple(size) != tuple(x.shape[2:]) for size in sizes.tolist()),
        "the cells do not divide evenly into the bins": any(n % b for n in counts for b in bins),
        "a picture has fewer cells than bins along an axis": any(n < b for n in counts for b in bins),
        "there is more than one level": len(bins) > 1,
        "there is more than one channel": x.shape[1] > 1,
        "there is more than one picture in the batch": len(x) > 1,
        "a picture is not square": any(h != w for h, w in sizes.tolist()),
        "weights or values are negative": bool((weights < 0).any() or (x < 0).any()),
        "align_corners is True": align,
    }


MESSAGES = """
padding-averaged: The padding enters the averages. Cut each picture out of the batch, [:h, :w], before you pool it.
padding-only-in-count: The padding counts as zeros: you set it to 0 and then pool over all of H×W. Cut each picture out,
    [:h, :w], or divide by the cells that lie in it.
padding-kept: Beyond a picture's h×w your result is not 0. The channels of x, and the enlarged levels, end where the
    picture ends.
padding-kept-in-x: In the channels of x the padding is still there. It becomes 0 in all channels.
enlarged-to-the-batch: A level is enlarged to H×W and then cut. It is enlarged to h×w, the size of its picture.
one-size-for-all: All pictures are treated as if they had the size of the first, or of the last.
height-for-width: Height and width are exchanged: sizes[n] is (h, w), rows first.
summed-not-averaged: A bin holds the sum of its cells. Divide by their number.
divided-by-equal-share: You divide by h·w/b², which is not the number of cells where b does not divide h and w.
maximum-taken: You take the maximum of a bin. It is the average.
bins-end-early: Bins end too early: of n cells bin k goes up to ⌈(k+1)·n/b⌉, rounded up. Rounded down, bins lose cells
    or stay empty where b does not divide n.
equal-windows: All bins have one size. Where b does not divide n they miss cells, or reach too far: they go from ⌊k·n/b⌋
    up to ⌈(k+1)·n/b⌉.
small-picture-breaks: Your function stops where a picture has fewer cells than bins. Bins may share cells.
relu-forgotten: ReLU is missing: what is below 0 after the weights becomes 0.
relu-too-late: ReLU comes after the enlarging. It comes before: between a negative and a positive bin that makes a
    difference.
relu-too-early: ReLU comes before the weights. It comes after them.
relu-on-all: ReLU is applied to the channels of x as well. They go into the result as they are.
align-corners-ignored: align_corners makes no difference in your function. Hand it on to the interpolation.
align-corners-inverted: align_corners is taken the wrong way round.
not-bilinear: The levels are enlarged by another method than bilinear interpolation.
picture-last: The levels come first in your result. The channels of x come before them.
picture-missing: The channels of x itself are missing.
levels-reversed: The levels stand in another order: that of `bins`.
levels-missing: A level is missing, or one of them stands in the place of all.
levels-added: The levels are added up. They stand one after the other as channels.
interleaved: Channels of the levels take turns. First all R of the first level, then all of the next.
weights-ignored: The weights make no difference.
weights-transposed: Rows and columns of the weights are exchanged: weights[l] is R×C, a row for each channel of the
    result.
weights-of-one-level: One level's weights are used for all levels.
weights-by-channel: Each channel meets only its own weight. Every result is a sum over all C channels.
normalised: You take the mean over the channels, where the weights make a sum of them.
"""

EXERCISE = Exercise(
    "pyramid_pooling(x, sizes, bins, weights, align_corners)",
    TASK,
    pyramid,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="08.2",
    marks=6,
    finished=("adaptive_avg_pool2d", "PyramidPooling"),
)
