"""Chapter 15: a loss for where one class ends and another begins."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.boundary_loss_ways import WAYS, balanced
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, labels, numbers, with_void

TASK = """scores is N×1×h×w, before a sigmoid: is there a border at this pixel? The answer comes from the labels, N×h×w.
A pixel is at a border if a pixel with another label is at most `reach` steps away; a step goes one pixel up, down, left
or right. Void, the label `ignore_index`, is no other label, and void pixels count nowhere. What lies outside of the
picture is no other label either.
The loss is half of the mean binary cross-entropy of all pixels of the batch that are at a border, plus half of the mean
of all others that are not void. The mean of no pixels is 0 here.
Return one number with the dtype of scores, through which a gradient flows. Scores may run into the thousands.
You may call binary_cross_entropy_with_logits."""


def _call(
    seed: int, shape: Shape, classes: int = 2, reach: int = 1, ignore: int = 255, *, void: bool = False,
    factor: float = 1.0, dtype: torch.dtype = torch.float32, block: int = 1,
) -> Args:  # fmt: skip
    """shape: N, h, w; block: side of the squares of one label; void: some pixels are."""
    n, h, w = shape
    target = labels(seed, classes, n, -(-h // block), -(-w // block))
    target = target.repeat_interleave(block, 1).repeat_interleave(block, 2)[:, :h, :w].contiguous()
    if void:
        target = with_void(target, seed + 5, 0.2, ignore)
    return factor * numbers(seed + 7, n, 1, h, w, dtype=dtype), target, reach, ignore


def _alike(seed: int, shape: Shape, label: int, ignore: int = 255) -> Args:
    n, h, w = shape
    return numbers(seed, n, 1, h, w), torch.full(shape, label), 1, ignore


def _cases() -> list[Case]:
    call = _call
    scores, *others = call(91, (1, 4, 5), 3, block=2, void=True)
    return grouped(
        ("plain", call(1, (1, 1, 4), block=2), call(11, (1, 3, 4), block=2), call(3, (1, 5, 5), 3, block=2)),
        ("reach", call(6, (1, 1, 6), reach=2, block=3), call(5, (1, 6, 7), 3, 2, block=3)),
        ("reach", call(8, (1, 9, 8), 2, 3, block=4)),
        ("void", call(2, (1, 3, 3), void=True, block=2), call(8, (1, 5, 6), 3, 1, void=True, block=3)),
        ("void", call(9, (1, 6, 6), 2, 2, void=True, block=3)),
        ("ignore_index", call(11, (1, 3, 4), 3, 1, 0, block=2), call(12, (1, 5, 5), 4, 2, 3, block=2)),
        ("ignore_index", call(14, (1, 3, 4), 3, 1, -1, void=True, block=2)),
        ("one kind only", _alike(14, (1, 2, 3), 1), call(15, (1, 1, 2), 2, reach=3), _alike(17, (1, 2, 2), 255)),
        ("one kind only", _alike(18, (1, 2, 3), 255), call(19, (1, 2, 2), 4, 2)),
        ("batch", call(20, (2, 2, 3), 2, block=2), call(21, (3, 4, 5), 3, 1, void=True, block=3)),
        ("large scores", call(22, (1, 3, 4), 2, factor=400.0, block=2), call(23, (1, 4, 4), 3, factor=1000.0, block=2)),
        ("float64", call(24, (2, 5, 6), 3, 2, void=True, block=3, dtype=torch.float64)),
        ("memory layout", call(25, (2, 5, 6), 3, 1, void=True, block=3)),
        ("gradient", (scores.requires_grad_(), *others)),
        ("everything together", call(26, (3, 8, 9), 4, 2, 2, void=True, block=3)),
        of=lambda *args: args,
    )  # fmt: skip


def _facts(scores: Tensor, labels: Tensor, reach: int, ignore_index: int) -> dict[str, bool]:
    known = labels != ignore_index
    return {
        "there are void pixels": not bool(known.all()),
        "no pixel is known": not bool(known.any()),
        "ignore_index is not 255": ignore_index != 255,
        "reach is above 1": reach > 1,
        "there is more than one picture in the batch": len(labels) > 1,
        "the scores are in the hundreds": bool(scores.detach().abs().max() > 100),
        "only one label is known": labels[known].unique().numel() == 1,
    }


MESSAGES = """
diagonals-counted: You count a diagonal neighbour as one step away. It is two: one sideways, one up or down.
reach-ignored: `reach` makes no difference: you look at the next pixels alone.
reach-off-by-one: Your borders reach one pixel too far.
straight-lines-only: You look straight up, down, left and right. Two steps may also go around a corner.
one-sided: You look to the right and down alone, so each border is found on one of its two sides. Look in all four
    directions.
void-is-another-label: You take void for another label: where it begins, there is no border.
void-counted: Void pixels take part in your mean. They count nowhere.
outside-is-another-label: You take what lies outside of the picture for another label.
ignore-index-fixed: The void label is taken to be 255 whatever `ignore_index` says.
not-balanced: You take one mean over all pixels. Take that of the border and that of the rest, and half of each.
weights-exchanged: The kind with more pixels gets more weight. Whichever has how many, each counts half.
divided-by-the-count: You give each kind the share of the other as its weight, and divide by the number of pixels.
    That depends on how many there are of each. Divide by the sum of the weights, or take two means.
not-halved: You add the two means up. Take half of each.
averaged-per-picture: You average over each picture first. The two means run over the whole batch.
one-kind-is-nan: Where no pixel, or every one, is at a border, you give NaN: the mean of nothing is 0/0. Count it as 0.
one-kind-is-zero: Where no pixel, or every one, is at a border, your loss is 0. The kind that there is counts half.
one-kind-counts-whole: Where no pixel, or every one, is at a border, the other kind counts whole. It still counts half.
overflow: Large scores overflow: a sigmoid is rounded to 0 or 1 before its logarithm. Stay in logarithms, as
    `binary_cross_entropy_with_logits` and `logsigmoid` do.
sigmoid-twice: The sigmoid is taken twice: `binary_cross_entropy_with_logits` starts from scores.
inverted: Your target is 1 inside of things and 0 at their borders. It is the other way round.
"""

EXERCISE = Exercise(
    "boundary_loss(scores, labels, reach, ignore_index)",
    TASK,
    balanced,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("number",),
    facts=_facts,
    needs_gradient=True,
    number="15.4",
    marks=4,
    finished=("edge_loss", "near_other_class"),
)
