"""Chapter 12: ICNet's cascade, from the coarsest map to the finest, and the losses that guide it."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.cascade_fusion_ways import VOID, WAYS, Fusions, cascade
from segkit.grading.exercises.case_tensors import Args, grouped, labels, noncontiguous, numbers, with_void

TASK = """ICNet's cascade for any number of maps, and the loss that guides it. maps, N×C×h×w each, go from coarse to
fine: a map of h rows is followed by one of 2h − 1 or 2h rows, likewise for columns, and cell i of the one stands on
cell 2i of the next. labels, N×H×W, are one such step finer than the last map; they hold classes, and 255 for void.
Begin with x = maps[0]. For each (refine, project, guide) of fusions, and the next map, fine: enlarge x to the size
of fine, bilinearly: between two cells put their mean, and after the last one repeat it. The enlarged
map goes through a 3×3 of rate 2, refine, P×C×3×3, padded by two zeros on every side; fine goes through a 1×1, project,
P×D. Each of the two is normalised by itself: per channel, over all cells of all pictures, subtract the mean and
divide by √(variance + 1e-5); the variance divides by the number of cells. ReLU of their sum is the next x. A 1×1,
guide, K×C, turns the enlarged map, as it is before the 3×3, into scores.
Enlarge the last x to the size of labels; score, K×P, makes the scores of the picture.
Each set of scores has a loss: the mean cross-entropy over those labels that are not void, or 0 where all are void.
The scores of the picture are compared with all labels, those of the last guide with every second row and column from
the first, those of the guide before it with every fourth, and so on. Return (scores, loss): the scores of the
picture, N×K×H×W, and the sum of all losses, each times its number in weights, from coarse to fine."""


def _call(
    seed: int, coarse: tuple[int, ...], fines: tuple[int, ...] = (1,), made: int = 1, classes: int = 2,
    even: tuple[int, int] = (0, 0), void: float = 0.0, weights: tuple[float, ...] = (), flat: bool = False,
    dtype: torch.dtype = torch.float32, strided: bool = False,
) -> Args:  # fmt: skip
    """The coarsest map as h×w, C×h×w or N×C×h×w; channels of the others."""
    maps = [numbers(seed, *(1, 1, *coarse)[-4:], dtype=dtype)]
    N, C, h, w = maps[0].shape
    fusions = []
    for place, D in enumerate(fines):
        h, w, at = 2 * h - 1 + even[0], 2 * w - 1 + even[1], seed + 10 + 10 * place
        maps.append(numbers(at, N, D, h, w, dtype=dtype))
        refine = numbers(at + 1, made, C, 3, 3, dtype=dtype)
        fusions.append((refine, numbers(at + 2, made, D, dtype=dtype), numbers(at + 3, classes, C, dtype=dtype)))
        C = made
    if flat:
        maps[-1] = torch.ones_like(maps[-1])
    if strided:
        maps = [noncontiguous(one) for one in maps]
    target = labels(seed + 1, classes, N, 2 * h - 1 + even[0], 2 * w - 1 + even[1])
    target = with_void(target, seed + 2, void) if void else target
    score = numbers(seed + 3, classes, C, dtype=dtype)
    return maps, fusions, score, target, list(weights) or [1.0] * len(maps)


def _all_void(args: Args, step: int) -> Args:
    """The same with void for every step-th label, in rows and columns."""
    target = args[3].clone()
    target[:, ::step, ::step] = VOID
    return *args[:3], target, args[4]


def _cases() -> list[Case]:
    two, three = (0.5, 1.0), (0.16, 0.4, 1.0)
    return grouped(
        ("one map", _call(20, (1, 2), ()), _call(40, (2, 2), ()), _call(60, (2, 3, 2), (), 2, 3)),
        ("two maps", _call(100, (1, 2)), _call(200, (2, 2)), _call(300, (2, 3)), _call(400, (3, 2))),
        ("three maps", _call(500, (1, 2), (1, 1)), _call(600, (2, 2, 2), (1, 2), 2), _call(700, (2, 3), (2, 1), 1, 3)),
        ("four maps", _call(750, (1, 2), (1, 2, 1), 2)),
        ("channels", _call(800, (2, 1, 2)), _call(900, (1, 2), (3,)), _call(1000, (2, 2, 3), (2,), 2)),
        ("channels", _call(1100, (3, 3, 2), (2,), 3, 4)),
        ("even sizes", _call(1200, (1, 2), even=(0, 1)), _call(1300, (2, 2), even=(1, 1))),
        ("even sizes", _call(1400, (2, 3, 2), (2, 1), 2, 3, (1, 0))),
        ("weights", _call(1500, (1, 2), weights=two), _call(1600, (2, 2), (1, 1), weights=three)),
        ("void", _call(1700, (1, 2), void=0.3), _call(1800, (2, 2, 3), (2, 1), 2, 3, void=0.3)),
        ("all void", _all_void(_call(1900, (1, 2)), 2), _all_void(_call(2000, (2, 2)), 1)),
        ("all void", _all_void(_call(2100, (2, 2), (1, 1)), 4)),
        ("no variance", _call(2200, (1, 2), flat=True), _call(2300, (2, 2, 2), (2,), 2, flat=True)),
        ("batch", _call(2400, (2, 1, 1, 2)), _call(2500, (3, 2, 2, 2), (2, 1), 2, 3)),
        ("float64", _call(2600, (2, 2, 2, 3), (2, 3), 2, 3, (1, 0), 0.3, three, dtype=torch.float64)),
        ("memory layout", _call(2700, (2, 2, 3, 2), (2,), 2, strided=True)),
        ("everything together", _call(2800, (2, 3, 3, 4), (2, 4), 3, 4, (0, 1), 0.3, three)),
        ("everything together", _call(2900, (2, 4, 4, 3), (3,), 5, 3, (1, 1), 0.2, two)),
    )


def _facts(
    maps: list[Tensor], fusions: Fusions, score: Tensor, labels: Tensor, weights: list[float]
) -> dict[str, bool]:
    steps = [2**place for place in range(len(maps))]
    return {
        "there is more than one map": len(maps) > 1,
        "there are more than two maps": len(maps) > 2,
        "there is more than one channel": any(one.shape[1] > 1 for one in maps) or len(score[0]) > 1,
        "a size is even": any(n % 2 == 0 for n in labels.shape[1:]),
        "the weights are not all 1": any(w != 1 for w in weights),
        "some labels are void": bool((labels == VOID).any()),
        "all labels of a branch are void": any(bool((labels[:, ::n, ::n] == VOID).all()) for n in steps),
        "a channel is the same everywhere": bool((maps[-1] == maps[-1].flatten()[0]).all()),
        "there is more than one picture in the batch": len(labels) > 1,
        "the picture is not square": labels.shape[1] != labels.shape[2],
        "there are more than two classes": len(score) > 2,
    }


MESSAGES = """
half-pixel: You enlarge with half-pixel centres. Here cell i stands on cell 2i of the next map: the first cell of one on
    the first of the other.
not-bilinear: You enlarge by repeating the nearest cell. Put the mean of two cells between them.
even-sizes-stretched: Where a map of h cells is followed by one of 2h, you stretch it until its last cell stands on the
    last one there. Cell i stands on cell 2i at any size: repeat the last cell, enlarge to 2h + 1 cells with corners on
    corners, and cut off the rest.
twice-and-cut: You enlarge to 2h cells and cut off the excess, so cell i does not stand on cell 2i. Corners stand on
    corners with 2h − 1 cells, not with 2h.
convolved-before-enlarging: Your 3×3 reads the small map, and its result is enlarged. Enlarge the map first; the 3×3 of
    rate 2 then reads cells that were neighbours in the small one.
rate-ignored: Your 3×3 reads adjacent cells of the enlarged map. At rate 2 it should read every second cell.
padding-not-the-rate: One row of zeros around the map is too little for a 3×3 of rate 2, and the map shrinks. At rate 2
    it takes two.
border-not-zero: For the 3×3 you repeat the border of the enlarged map. Pad it with zeros instead.
kernel-flipped: The 3×3's rows and columns come in reverse order, or have changed places. A layer of a network
    multiplies the upper left by refine[p, c, 0, 0].
not-normalised: Neither of the two maps is normalised before they are added, so the one with the larger numbers drowns
    the other.
one-map-normalised: Only one of the two maps is normalised. Normalise each of them, by itself.
normalised-after-the-sum: You normalise the sum. Normalise each of the two maps by itself, and then add them.
each-picture-normalised: You normalise each picture of the batch by itself. Take a channel's mean and variance over all
    pictures.
channels-normalised-together: Your mean and variance are taken over channels as well. Each channel has its own, over all
    cells of all pictures.
unbiased-variance: Your variance divides by the number of cells less one, as `var` and `std` do by default. Here it
    divides by the number of cells: `correction=0`.
half-normalised: You only subtract the mean, or only divide by the deviation. Do both.
epsilon-missing: Where a channel is the same everywhere, its variance is 0, and you divide 0 by 0. The 1e-5 under the
    root is there for that.
relu-missing: No ReLU follows the sum of the two maps.
relu-before-the-sum: Each of the two maps goes through a ReLU before they are added. Apply one ReLU, after the sum: a
    negative number in one map may take something off the other.
one-map-only: Only one of the two maps counts in the fusion. Add both.
averaged-not-summed: You average the two maps. Add them.
guide-not-enlarged: Your guide reads the coarse map as it is. It should read the enlarged one, and then has the size of
    the next map.
guide-after-the-fusion: Your guide reads the fused map. It should read the enlarged coarse one, before the fine map has
    come in.
guide-reads-the-fine-map: Your guide reads the fine map. It should read the enlarged coarse one.
labels-by-nearest: The labels of the guides come from the wrong pixels: over an odd size, `interpolate` with "nearest"
    spreads its choice differently. Cell i stands on pixel 2i, 4i, …: take `labels[:, ::2, ::2]` and so on.
scores-enlarged: You enlarge the guides' scores to the size of the labels. Here, as in the paper, the labels are thinned
    out to the size of the scores.
label-step-fixed: With more than two maps, the earlier guides get too many labels. The last guide takes every second
    one, the guide before it every fourth.
last-not-enlarged: You score the last fused map as it is. Enlarge it once more, to the size of the labels.
void-not-left-out: A label of 255 is taken for a class, and there is no class of that number. Leave void out
    (`ignore_index`).
void-is-a-class: Void labels count as class 0. Leave them out.
void-counted: You divide the sum over the labels that count by the number of all labels. Divide by the number of those
    that are not void.
all-void-breaks: Where all labels of a branch are void, you divide 0 by 0. The loss of such a branch is 0.
loss-summed: You add up the cross-entropy of all cells. A branch's loss is the mean; otherwise the branch with the most
    cells would dominate.
softmax-twice: Your cross-entropy gets probabilities. Give it the scores: its own softmax is enough.
weights-ignored: The weights make no difference: all branches count alike.
weights-reversed: The weights come in reverse order. They go from coarse to fine, like the maps; the last one belongs to
    the scores of the picture.
guides-left-out: The guides' losses are left out. Add each of them, times its weight.
last-loss-left-out: Only the guides' losses count. The last scores have one too, with the last weight.
losses-averaged: You divide the sum of the losses by their number, or by the sum of the weights. Return the sum as it
    is.
probabilities: You return probabilities. The scores themselves are asked for.
results-exchanged: The two results have changed places. Return the scores, then the loss.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the scores are flat or in another order. They should be N×K×rows×columns.
"""

EXERCISE = Exercise(
    "cascade_fusion(maps, fusions, score, labels, weights)",
    TASK,
    cascade,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "number"),
    facts=_facts,
    number="12.2",
    marks=5,
    finished=("CascadeFusion",),
)
