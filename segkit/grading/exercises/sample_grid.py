"""Chapter 15: a map read at places between its pixels, with torch's coordinates."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, numbers
from segkit.grading.exercises.sample_grid_ways import WAYS, read

TASK = """x is N×C×H×W, grid N×h×w×2: for each place of the result an x (to the right) and a y (down) at which picture n
is read. They run from −1 to 1 over the picture: where align_corners is True, −1 and 1 are the centres of the first and
of the last pixel; where it is False, they are the outer edges of these pixels. The numbers of the four pixels around a
place are mixed by their nearness (bilinear).
Places may lie outside. With padding_mode "zeros", the picture goes on with pixels of 0, and a place that has some of
the picture's pixels among its four gets their share. With "border", a place outside is first moved to the nearest place
between the centres of the outermost pixels.
Return N×C×h×w with the dtype of x."""


def _grid(seed: int, n: int, shape: Shape, far: float, dtype: torch.dtype) -> Tensor:
    """Places up to `far`, in hundredths; in float64 with all their digits."""
    values = np.random.default_rng(seed).uniform(-far, far, (n, *shape, 2))
    return torch.from_numpy(values if dtype == torch.float64 else values.round(2)).to(dtype)


def _call(
    seed: int, x: Shape, shape: Shape, align_corners: bool = True, padding_mode: str = "zeros", far: float = 1.0,
    dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """far: how far out the places lie; at 0.6 they are inside, whatever align_corners is."""
    grid = _grid(seed + 1, x[0], shape, far, dtype)
    return numbers(seed, *x, dtype=dtype), grid, padding_mode, align_corners


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(1, (1, 1, 2, 2), (1, 2)), call(3, (1, 1, 3, 3), (2, 2)), call(5, (1, 1, 4, 4), (3, 3))),
        ("height and width differ", call(7, (1, 1, 2, 3), (1, 3)), call(9, (1, 1, 5, 3), (3, 2))),
        ("align_corners=False", call(11, (1, 1, 2, 2), (1, 3), False, far=0.5)),
        ("align_corners=False", call(13, (1, 1, 3, 5), (2, 3), False, far=0.6)),
        ("zeros outside", call(15, (1, 1, 2, 2), (1, 4), True, far=2.0), call(17, (1, 1, 3, 4), (3, 3), far=1.6)),
        ("zeros outside", call(19, (1, 1, 2, 2), (1, 4), False, far=1.5)),
        ("zeros outside", call(21, (1, 1, 4, 3), (3, 4), False, far=2.0)),
        ("zeros outside", call(35, (1, 1, 1, 1), (1, 2), False, far=2.0)),
        ("border", call(23, (1, 1, 2, 2), (1, 4), True, "border", 1.5)),
        ("border", call(25, (1, 1, 3, 2), (2, 3), False, "border", 2.0)),
        ("border", call(27, (1, 1, 4, 5), (3, 4), False, "border", 1.3)),
        ("border", call(29, (1, 1, 3, 3), (3, 3), True, "border", 2.0)),
        ("one row or column", call(31, (1, 1, 1, 3), (1, 2)), call(33, (1, 1, 4, 1), (2, 2), True, "border")),
        ("channels", call(37, (1, 2, 2, 2), (1, 1)), call(39, (1, 4, 3, 4), (2, 3), False, far=0.6)),
        ("batch", call(41, (2, 1, 2, 2), (1, 2)), call(43, (3, 2, 3, 4), (2, 3), False, "border", 1.2)),
        ("float64", call(45, (2, 3, 4, 5), (3, 3), False, "zeros", 1.3, torch.float64)),
        ("memory layout", call(47, (2, 3, 4, 5), (3, 4), False, far=0.6)),
        ("everything together", call(49, (2, 3, 5, 7), (4, 6), False, far=1.5)),
        of=lambda *args: args,
    )  # fmt: skip


def _facts(x: Tensor, grid: Tensor, padding_mode: str, align_corners: bool) -> dict[str, bool]:
    return {
        "a place lies outside": bool((grid.abs() > 1).any()),
        "align_corners is False": not align_corners,
        'padding_mode is "border"': padding_mode == "border",
        "a size of the picture is 1": 1 in x.shape[2:],
        "there is more than one picture in the batch": len(x) > 1,
        "there is more than one channel": x.shape[1] > 1,
        "the picture is not square": x.shape[2] != x.shape[3],
    }


MESSAGES = """
corners-always: `align_corners` makes no difference: you always take −1 and 1 for the centres of the outermost pixels.
corners-never: `align_corners` makes no difference: you always take −1 and 1 for the outer edges of the picture.
corners-inverted: You have the two meanings of align_corners exchanged: True puts −1 and 1 on the centres of the
    outermost pixels, False on their outer edges.
half-pixel-missing: With align_corners=False your places are half a pixel off: the left edge of the picture is −0.5,
    where 0 is the centre of the first pixel.
last-centre-at-size: With align_corners=True you multiply by the size. From the first centre to the last there is one
    pixel less: n − 1.
x-y-exchanged: The two numbers of a place are exchanged: x, to the right, comes first, then y.
zero-to-one: You take the places for shares from 0 to 1. They run from −1 to 1.
places-in-pixels: You take the places for pixels. They run from −1 to 1 over the picture.
one-size-for-both: You stretch x and y by the same size. x runs over the width, y over the height.
padding-mode-ignored: `padding_mode` makes no difference.
outside-cut-off: With "zeros" you give 0 as soon as a place lies beyond the centres of the outermost pixels. Up to a
    whole pixel beyond, it still has some of the picture's pixels among its four, and gets their share.
outside-renormalised: With "zeros" you divide by the shares that lie inside. A pixel outside holds 0 and keeps its
    share.
wraps-around: Pixels outside are taken from the opposite end of the picture, as negative indices do. They hold 0.
border-of-the-grid: With "border" you keep the places within −1 … 1. With align_corners=False that is half a pixel too
    far out: zeros are mixed in.
nearest: You take the nearest pixel. Mix four.
upper-left-only: You take the pixel above and to the left of the place. Mix four.
weights-exchanged: The nearer pixel gets the smaller share.
first-grid-for-all: All pictures are read at the places of the first. Each has its own, grid[n].
first-picture-only: Only the first picture of the batch is read.
first-channel-only: Only the first channel is read.
result-transposed: Rows and columns of the result are exchanged.
"""

EXERCISE = Exercise(
    "sample_grid(x, grid, padding_mode, align_corners)",
    TASK,
    read,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="15.1",
    marks=6,
    finished=("grid_sample", "point_sample"),
)
