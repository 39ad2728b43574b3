"""Chapter 08: regions of a map, whatever their size, pooled to one length."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, distinct, grouped, normal
from segkit.grading.exercises.spatial_pyramid_pool_ways import WAYS, cells, pyramid

TASK = """SPPNet's pooling of regions. features is the map of one picture, C×h×w; its cell (i, j) has its centre on
pixel (stride·i, stride·j). regions is R×4, whole numbers x0, y0, x1, y1 in pixels (x counts columns), inside
the picture, x0 < x1 and y0 < y1. Along each axis a region holds the cells from ⌊low/stride⌋ + 1 to
⌈high/stride⌉ − 1, both included; where there are none, the one cell ⌊low/stride⌋. For each b of the list bins
cut these cells into b×b bins: of n cells along an axis, bin k (from 0) takes those from ⌊k·n/b⌋ up to but not
including ⌈(k+1)·n/b⌉. Take the maximum of each bin. Return R×(C·Σb²) with the dtype of features: level after
level in the order of bins, in a level channel after channel, in a channel the bins row by row."""

Regions = list[tuple[int, int, int, int]]


def _call(
    seed: int, shape: Shape, stride: int, regions: Regions, bins: list[int], top: float | None = None,
    dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    features = normal(seed, *shape, dtype=dtype) if dtype == torch.float64 else distinct(seed, *shape, top=top)
    return features, torch.tensor(regions), stride, bins


def _cases() -> list[Case]:
    three = [(1, 2, 31, 23), (9, 3, 27, 13), (2, 5, 22, 30)]
    return grouped(
        ("plain", (24, (1, 4, 5), 4, [(3, 3, 17, 15)], [1]), (10, (1, 6, 6), 4, [(5, 1, 22, 18)], [2])),
        ("plain", (55, (1, 8, 8), 4, [(1, 7, 26, 31)], [2])),
        ("corners on a cell", (38, (1, 5, 6), 4, [(4, 3, 17, 18)], [1]), (1, (1, 6, 6), 4, [(7, 6, 20, 16)], [1])),
        ("corners on a cell", (6, (1, 6, 7), 3, [(3, 6, 18, 15)], [2]), (23, (1, 7, 7), 4, [(0, 0, 24, 24)], [1])),
        ("uneven bins", (8, (1, 6, 6), 4, [(3, 3, 23, 23)], [2]), (55, (1, 9, 9), 2, [(1, 1, 16, 16)], [3])),
        ("uneven bins", (10, (1, 12, 12), 1, [(0, 0, 11, 11)], [6])),
        ("regions that are not square", (4, (1, 5, 7), 4, [(2, 6, 27, 15)], [2])),
        ("regions that are not square", (12, (1, 8, 4), 2, [(1, 3, 6, 15)], [3])),
        ("fewer cells than bins", (13, (1, 4, 4), 4, [(3, 3, 12, 12)], [3])),
        ("fewer cells than bins", (14, (1, 4, 6), 8, [(5, 5, 39, 20)], [4])),
        ("no cell inside", (1, (1, 3, 3), 8, [(9, 10, 15, 14)], [1]), (14, (1, 4, 4), 4, [(4, 1, 8, 15)], [2])),
        ("no cell inside", (1, (1, 4, 4), 4, [(10, 1, 12, 3)], [2])),
        ("several levels", (18, (1, 7, 8), 4, [(3, 3, 27, 25)], [3, 2, 1])),
        ("several levels", (19, (1, 7, 7), 4, [(2, 1, 26, 27)], [1, 4, 2])),
        ("several channels", (20, (3, 5, 6), 4, [(3, 3, 17, 17)], [2]), (3, (4, 6, 7), 4, [(1, 5, 26, 18)], [2, 1])),
        ("several regions", (6, (1, 8, 8), 4, three, [1]), (23, (2, 8, 8), 4, three, [2, 1])),
        ("all values negative", (24, (2, 5, 5), 4, [(2, 1, 19, 18)], [2, 1], -1.0)),
        ("float64", (7, (2, 6, 6), 4, [(3, 1, 22, 22)], [2, 1], None, torch.float64)),
        ("memory layout", (26, (2, 8, 9), 4, three, [3, 1])),
        of=_call,
    )


def _facts(features: Tensor, regions: Tensor, stride: int, bins: list[int]) -> dict[str, bool]:
    axes = [(low, high) for x0, y0, x1, y1 in regions.tolist() for low, high in ((x0, x1), (y0, y1))]
    counts = [last - first for first, last in (cells(low, high, stride) for low, high in axes)]
    return {
        "a region has no cell inside along an axis": any(-(-high // stride) - low // stride < 2 for low, high in axes),
        "a corner of a region lies on a cell": any(side % stride == 0 for axis in axes for side in axis),
        "a region has fewer cells than bins along an axis": any(n < b for n in counts for b in bins),
        "the cells do not divide evenly into the bins": any(n % b for n in counts for b in bins),
        "there is more than one level": len(bins) > 1,
        "there is more than one channel": len(features) > 1,
        "there is more than one region": len(regions) > 1,
        "a region has more rows of cells than columns, or fewer": any(
            a != b for a, b in zip(counts[::2], counts[1::2], strict=True)
        ),
        "all values are negative": bool(features.max() < 0),
    }


MESSAGES = """
first-cell-too-early: A region begins one cell too early: ⌊low/stride⌋ + 1. The centre of the cell before that lies on
    the border of the region, or outside.
first-cell-too-late: A region that begins on the centre of a cell begins in the same place as one that begins after it,
    with the next cell; yours goes one too far, or rounds up instead of adding 1.
last-cell-too-late: A region ends one cell too late: ⌈high/stride⌉ − 1, rounded up before 1 is taken off. A cell with
    its centre on the border is not inside.
last-cell-left-out: The last cell of a region is missing. ⌈high/stride⌉ − 1 is included, and a slice stops before its
    end: [first : last + 1].
last-rounded-down: The end of a region is rounded down before 1 is taken off, which loses a cell unless high is a
    multiple of stride: ⌈high/stride⌉ − 1, and −(−high // stride) rounds up.
corners-rounded: You round corners to the nearest cell, or down at both ends. Each is rounded inwards: ⌊low/stride⌋ + 1
    and ⌈high/stride⌉ − 1.
empty-region-other-cell: An axis without a cell inside gets the wrong one. Where first > last, the cell is
    ⌊low/stride⌋.
empty-region-breaks: Your function stops at a region that has no cell inside. It gets the one cell ⌊low/stride⌋ along
    that axis.
empty-region-zero: A region without a cell inside gives zeros, or −∞. It takes the one cell ⌊low/stride⌋ along that
    axis.
whole-map: The region makes no difference: you pool the whole map.
stride-ignored: Regions are in pixels, and you use them as cells. A cell is `stride` pixels from the next.
rows-columns-mixed: x and y have changed places. A region is x0, y0, x1, y1, x counts columns, and columns are the last
    dimension of the map.
width-for-corner: You read a region as a corner and a size. It is two corners: x0, y0, x1, y1.
bins-end-early: Bins end too early: of n cells bin k goes up to ⌈(k+1)·n/b⌉, rounded up. Rounded down, bins lose cells
    or stay empty where b does not divide n.
bins-start-late: Bins begin too late: at ⌊k·n/b⌋, rounded down.
bins-rounded: The borders of bins are rounded to the nearest. The beginning rounds down and the end rounds up, so that
    neighbours may share a cell.
equal-windows: All windows have one size, as in the paper's first formula. They miss cells at the end, or leave the
    region, where b does not divide n.
small-region-breaks: Your function stops where a region has fewer cells than bins. Bins may share cells.
small-region-enlarged: A region with fewer cells than bins is padded, so that some bins hold zeros instead of its
    cells. Bins share cells instead.
zeros-in-maximum: A maximum begins at 0. Where all values are negative it has to be one of them.
average-taken: You take the mean of a bin. It is the maximum.
levels-reversed: The levels stand in another order: that of `bins`.
levels-within-channels: In your vector all levels of a channel stand together. First comes the whole first level, with
    all channels.
channels-last: In a level your vector goes bin by bin, with the channels of each bin together. It goes channel by
    channel.
bins-transposed: The bins of a channel are listed column by column. They go row by row.
one-level-only: Only one level is in your result. All of `bins` belong there, one after the other.
first-region-only: Only the first region is worked on, or only the last.
first-channel-only: Only the first channel is in your result, or all channels are merged.
"""

EXERCISE = Exercise(
    "spatial_pyramid_pool(features, regions, stride, bins)",
    TASK,
    pyramid,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="08.1",
    marks=6,
    finished=("adaptive_max_pool2d", "adaptive_max_pool2d_with_indices", "spatial_pyramid_pool"),
)
