"""Chapter 15: what one branch of HRNet hears from all of them."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, noncontiguous, numbers
from segkit.grading.exercises.exchange_unit_ways import WAYS, heard

TASK = """maps is a list of B branches of HRNet, the finest first: maps[b] is N×C_b×h_b×w_b, and each branch has half
the rows and columns of the one before, rounded up. ways[b] is the list of the weights on the way from branch b to
branch `target`; no convolution has a bias.
From a finer branch, b < target: target − b convolutions of 3×3 with stride 2, one after the other, each with one row
and one column of zeros on every side, and a ReLU between two of them.
From a coarser one, b > target: one convolution of 1×1, and then each cell is repeated 2^(b − target) times in both
directions; rows below and columns on the right that branch `target` does not have are cut off.
Branch `target` itself comes as it is; ways[target] is empty.
Return the ReLU of the sum of all, N×C_target×h_target×w_target, with the dtype of the maps."""


def _ways(seed: int, channels: Shape, target: int, dtype: torch.dtype) -> list[list[Tensor]]:
    """Weights for every branch; on the way down the channels change at the last step."""
    found: list[list[Tensor]] = []
    for b, own in enumerate(channels):
        if b <= target:
            sizes = [*[own] * (target - b), channels[target]] if b < target else []
            found.append([
                numbers(seed + 10 * b + i, O, C, 3, 3, dtype=dtype) for i, (C, O) in enumerate(pairwise(sizes))
            ])  # fmt: skip
        else:
            found.append([numbers(seed + 10 * b, channels[target], own, 1, 1, dtype=dtype)])
    return found


def _call(
    seed: int, channels: Shape, size: Shape, target: int, *, n: int = 1, dtype: torch.dtype = torch.float32,
    transposed: bool = False,
) -> Args:  # fmt: skip
    """channels: of each branch; size: of the finest one; transposed: maps in another order of memory."""
    sizes = [tuple(-(-side // 2**b) for side in size) for b in range(len(channels))]
    maps = [
        numbers(seed + 50 + b, n, C, *hw, dtype=dtype) for b, (C, hw) in enumerate(zip(channels, sizes, strict=True))
    ]
    ways = _ways(seed, channels, target, dtype)
    return [noncontiguous(m) if transposed else m for m in maps], ways, target


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(100, (1, 1), (2, 2), 0), call(200, (1, 1), (2, 2), 1), call(300, (2, 2), (4, 4), 0)),
        ("plain", call(400, (2, 2), (4, 4), 1)),
        ("channels", call(500, (1, 2), (2, 2), 0), call(600, (2, 3), (2, 4), 1), call(700, (3, 1), (4, 2), 0)),
        ("height and width differ", call(800, (1, 1), (2, 4), 0), call(900, (1, 2), (6, 2), 1)),
        ("odd sizes", call(1000, (1, 1), (3, 3), 0), call(1100, (1, 1), (3, 5), 1), call(1200, (2, 2), (5, 3), 0)),
        ("three branches", call(1300, (1, 1, 1), (4, 4), 0), call(1400, (1, 1, 1), (4, 4), 1)),
        ("three branches", call(1500, (1, 1, 1), (4, 4), 2), call(1600, (2, 2, 3), (8, 4), 2)),
        ("four branches", call(1700, (1, 2, 2, 3), (8, 8), 1), call(1800, (1, 2, 2, 2), (8, 8), 3)),
        ("one branch", call(1900, (1,), (2, 2), 0), call(2000, (3,), (3, 2), 0)),
        ("batch", call(2100, (1, 1), (2, 2), 0, n=2), call(2200, (2, 2, 2), (4, 6), 1, n=3)),
        ("float64", call(2300, (2, 3, 4), (5, 7), 1, n=2, dtype=torch.float64)),
        ("memory layout", call(2400, (2, 2, 3), (6, 4), 1, n=2, transposed=True)),
        ("everything together", call(2500, (2, 3, 3, 4), (9, 13), 0, n=2), call(2600, (2, 3, 3, 4), (9, 13), 2, n=2)),
        of=lambda *args: args,
    )


def _facts(maps: list[Tensor], ways: list[list[Tensor]], target: int) -> dict[str, bool]:
    B, (h, w) = len(maps), maps[0].shape[2:]
    return {
        "there is a finer branch than the target": target > 0,
        "there is a coarser branch than the target": target < B - 1,
        "a branch is two steps or more away": max(target, B - 1 - target) > 1,
        "there are several branches": B > 1,
        "a size is odd": bool(h % 2 or w % 2),
        "the branches have different numbers of channels": len({m.shape[1] for m in maps}) > 1,
        "there is more than one picture in the batch": len(maps[0]) > 1,
        "the maps are not square": h != w,
    }


MESSAGES = """
itself-missing: Branch `target` itself is missing from your sum.
finer-missing: Finer branches make no difference. They come down through their 3×3 convolutions.
coarser-missing: Coarser branches make no difference. They go through a 1×1 convolution and are enlarged.
neighbours-only: Only the branches next to the target make a difference. All of them are heard.
averaged: You take the mean of the branches. Add them up.
relu-at-the-end-missing: There is no ReLU after your sum.
each-part-rectified: A ReLU comes before your sum. The last convolution on a way has none; a ReLU follows the sum.
itself-rectified: You put a ReLU on branch `target` before the sum. It comes as it is.
relu-between-missing: There is no ReLU between two 3×3 convolutions on a way.
shrunk-at-the-end: Your 3×3 convolutions have no stride, and the map is shrunk at the end. Each of them has stride 2.
shrunk-before: You shrink the map before the 3×3 convolutions. Each of them has stride 2, and reads all cells.
not-padded: Your 3×3 convolutions have no zeros around the map, and its sizes do not fit the target's. They take one row
    and one column of zeros on every side.
bilinear: You enlarge coarser maps by bilinear interpolation. Here each cell is repeated.
zeros-between: You enlarge coarser maps with zeros between the cells. Here each cell is repeated.
repeated-as-a-whole: You repeat the whole map side by side. Each *cell* is repeated.
stretched-to-fit: You stretch a coarser map to the target's size. Repeat each cell 2^(b − target) times and cut what is
    too much.
cut-at-the-start: You cut off rows at the top and columns on the left. What is too much is below and on the right.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×C×h×w.
"""

EXERCISE = Exercise(
    "exchange_unit(maps, ways, target)",
    TASK,
    heard,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="15.3",
    marks=6,
)
