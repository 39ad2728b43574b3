"""Chapter 15: the pixels of which a network is least sure."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped
from segkit.grading.exercises.uncertain_points_ways import WAYS, chosen

TASK = """scores is N×K×h×w, before a softmax over the K classes. With a single class, K = 1, a score is that of the
object against everything else: its sigmoid is the probability of the object, and what is left to 1 is that of the rest.
A pixel is the more uncertain, the closer together the *probabilities* of its two likeliest classes are. No two pixels
of a picture are equally uncertain.
Return the places of the `count` most uncertain pixels of each picture, the most uncertain one first: N×count×2, an x
and a y for each, with the dtype of scores. A place is the centre of its pixel, in shares of the picture: x is 0 at the
left edge of the picture and 1 at its right edge, y is 0 at the upper edge and 1 at the lower one."""


def margins(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Two kinds of distance between the two best classes, N×h·w each: of probabilities and of scores."""
    x = torch.cat([scores, torch.zeros_like(scores)], 1) if scores.shape[1] == 1 else scores
    kinds = (x.softmax(1), x)
    first = [kind.topk(2, 1).values for kind in kinds]
    return first[0].diff(dim=1).abs().flatten(1), first[1].diff(dim=1).abs().flatten(1)


def _scores(seed: int, shape: Shape, dtype: torch.dtype) -> Tensor:
    """Scores of two digits after the point, such that no two pixels of a picture are nearly as uncertain as each other.

    The first such ones of a row of seeds.
    """
    for number in range(seed * 1000, seed * 1000 + 1000):
        values = np.random.default_rng(number).normal(scale=1.5, size=shape)
        scores = torch.from_numpy(values if dtype == torch.float64 else values.round(2)).to(dtype)
        if all(bool((one.sort().values.diff() > 1e-3).all()) for one in margins(scores)):
            return scores
    raise RuntimeError("no such scores")


def _call(seed: int, shape: Shape, count: int, dtype: torch.dtype = torch.float32) -> Args:
    return _scores(seed, shape, dtype), count


def _cases() -> list[Case]:
    return grouped(
        ("plain", (1, (1, 3, 2, 2), 1), (2, (1, 3, 3, 3), 3), (3, (1, 4, 4, 4), 6)),
        ("height and width differ", (4, (1, 3, 1, 3), 2), (5, (1, 3, 4, 3), 5), (6, (1, 3, 2, 5), 4)),
        ("two classes", (7, (1, 2, 2, 2), 2), (8, (1, 2, 3, 4), 5)),
        ("many classes", (9, (1, 7, 2, 2), 2), (10, (1, 9, 3, 4), 6)),
        ("one class", (11, (1, 1, 2, 2), 2), (12, (1, 1, 3, 4), 5), (13, (2, 1, 3, 2), 3)),
        ("all pixels", (14, (1, 3, 1, 2), 2), (15, (1, 3, 3, 2), 6)),
        ("batch", (16, (2, 3, 2, 2), 2), (17, (3, 4, 3, 4), 4)),
        ("float64", (18, (2, 4, 3, 4), 5, torch.float64)),
        ("memory layout", (19, (2, 3, 3, 4), 5)),
        ("everything together", (20, (3, 5, 3, 5), 7)),
        of=_call,
    )


def _facts(scores: Tensor, count: int) -> dict[str, bool]:
    K, h, w = scores.shape[1:]
    return {
        "there is a single class": K == 1,
        "there are more than two classes": K > 2,
        "all pixels are asked for": count == h * w,
        "more than one pixel is asked for": count > 1,
        "there is more than one picture in the batch": len(scores) > 1,
        "the map is not square": h != w,
    }


MESSAGES = """
most-certain: You give the most certain pixels. Those are asked for whose two likeliest classes are closest.
last-first: Your points are right and come in the wrong order: the most uncertain one comes first.
line-by-line: Your points are right and come in the order of the picture. The most uncertain one comes first.
scores-for-probabilities: You compare scores, or their logarithms of probabilities. Take the softmax first: far from 0
    it squeezes differences.
likeliest-alone: You look at the likeliest class alone. The second one may be close to it, or far.
entropy: You take the entropy of all classes. Only the two likeliest ones matter.
least-likely-two: You compare the two least likely classes. Take the two likeliest.
first-two-classes: You compare the classes 0 and 1, whichever they are. Take the two likeliest at each pixel.
softmax-over-space: Your softmax runs over the pixels. It should run over the classes of each pixel.
one-class-breaks: With a single class your function stops with an error. Its sigmoid is one probability, and what is
    left to 1 the other.
one-class-by-itself: With a single class you take the least probable pixels, or those whose score is lowest. The two
    probabilities are closest where both are ½.
corners-not-centres: Your places are the upper left corners of the pixels. Add half a pixel before you divide.
centres-at-the-edges: You put the centres of the outermost pixels at 0 and 1. There stand the edges of the picture.
in-pixels: Your places are in pixels. Divide x by the width and y by the height.
minus-one-to-one: Your places run from −1 to 1. Here they run from 0 to 1.
y-first: The two numbers of a place are exchanged: x, to the right, comes first, then y.
column-by-column: You read the number of a pixel column by column. Pixel i stands in row i // w and column i % w.
one-size-for-both: You divide x and y by the same size. x runs over the width, y over the height.
first-picture-only: Only the first picture of the batch is worked on.
left-transposed: Your result is N×2×count. It should be N×count×2.
"""

EXERCISE = Exercise(
    "uncertain_points(scores, count)",
    TASK,
    chosen,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="15.2",
    marks=4,
    finished=("uncertainty",),
)
