"""Chapter 01: the inner boundary of a mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import grouped, labels

TASK = """The inner boundary of a mask, as Boundary IoU uses it: the pixels of mask (H×W, bool) that have a
pixel outside the mask within `width` steps, where a step may go to any of the eight neighbours.
Everything beyond the edge of the picture is outside. The result has the shape of mask; bool, or 0
and 1."""


def _erode(mask: Tensor, width: int, outside: float = 0.0, rows: bool = True, columns: bool = True) -> Tensor:
    """Mask pixels whose whole (2·width + 1)² neighbourhood is mask."""
    h, w = (width if rows else 0), (width if columns else 0)
    padded = F.pad(mask[None, None].float(), (w, w, h, h), value=outside)
    return (-F.max_pool2d(-padded, (2 * h + 1, 2 * w + 1), stride=1))[0, 0] > 0.5


def boundary(mask: Tensor, width: int) -> Tensor:
    """Reference of `boundary_mask`."""
    return mask.bool() & ~_erode(mask, width)


def _cross(mask: Tensor, width: int) -> Tensor:
    """Erosion with the four neighbours, `width` times."""
    inside = mask.bool()
    for _ in range(width):
        p = F.pad(inside, (1, 1, 1, 1), value=False)
        inside = inside & p[:-2, 1:-1] & p[2:, 1:-1] & p[1:-1, :-2] & p[1:-1, 2:]
    return inside


def _round(mask: Tensor, width: int) -> Tensor:
    """Erosion with a disc."""
    inside = mask.bool().clone()
    p = F.pad(mask.bool(), (width,) * 4, value=False)
    h, w = mask.shape
    for dy in range(-width, width + 1):
        for dx in range(-width, width + 1):
            if dy * dy + dx * dx <= width * width:
                inside &= p[width + dy : width + dy + h, width + dx : width + dx + w]
    return inside


def _rolled(mask: Tensor, width: int) -> Tensor:
    """Erosion over the edge of the picture, as with torch.roll."""
    inside = mask.bool()
    for _ in range(width):
        inside = torch.stack([inside.roll((dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]).all(0)
    return inside


def _shape(seed: int, h: int, w: int) -> Tensor:
    """A mask with a rectangle, a disc and a few holes."""
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    disc = (y - h // 2) ** 2 + (x - w // 2) ** 2 <= (min(h, w) // 2 - 1) ** 2
    box = (y > 1) & (y < h - 3) & (x > 2) & (x < w // 2 + 2)
    return (disc | box) & (labels(seed, 40, h, w) > 0)


def _boundary_cases() -> list[Case]:
    square = torch.zeros(7, 8, dtype=torch.bool)
    square[1:6, 1:6] = True
    edge = torch.zeros(6, 9, dtype=torch.bool)
    edge[:, :5] = True
    large, whole = _shape(1, 15, 19), torch.ones(9, 9, dtype=torch.bool)
    return grouped(
        ("plain", (square, 1), (large, 1)),
        ("wider bands", (square, 2), (large, 2), (_shape(2, 21, 16), 3), (square, 9)),
        ("the picture's edge", (edge, 1), (torch.ones(5, 7, dtype=torch.bool), 1), (whole, 2)),
        ("empty mask", (torch.zeros(4, 5, dtype=torch.bool), 1)),
        ("memory layout", (_shape(3, 12, 14), 1)),
    )


def _boundary_facts(mask: Tensor, width: int) -> dict[str, bool]:
    rim = torch.cat([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return {
        "width is above 1": width > 1,
        "the mask touches the edge of the picture": bool(rim.any()),
        "the mask is empty": not bool(mask.any()),
        "the band is wider than the object": width > min(mask.shape),
    }


def _outer(mask: Tensor, width: int) -> Tensor:
    return ~_erode(~mask, width, outside=1.0) & ~mask


MESSAGES = """
edge-not-outside: Where the mask touches the edge of the picture, no boundary is found. Beyond the edge everything is
    outside: what do you pad with?
four-neighbours: Corners are missing: steps go only up, down, left and right. Diagonal steps count as well.
straight-distance: You measure the distance in a straight line, √(Δrow² + Δcolumn²). A step to any of the eight
    neighbours counts 1, so `width` steps reach a square: the larger of |Δrow| and |Δcolumn| counts.
width-off-by-one: The band is one pixel too thick or too thin. Try width=1 on a 5×5 square: how many pixels should be
    left inside?
width-as-kernel: `width` is taken as the size of the whole window. A window that reaches `width` pixels to each side is
    2·width + 1 wide.
outer-band: Your band lies outside the mask. The pixels asked for belong to the mask: shrink it, and see what it loses.
both-sides: Your band lies on both sides of the edge. Only the part inside the mask is asked for.
width-ignored: `width` makes no difference: the band is always one pixel wide.
wraps-around: Pixels at one edge see those at the opposite edge: `torch.roll` wraps around. Pad instead.
eroded-returned: This is the inside of the mask, without its boundary. What is asked for is what was taken away.
mask-returned: This is the whole mask.
inverted: True and False are exchanged.
one-direction: Only edges in one direction are found: look above and below a pixel as well as to its left and right.
"""

WAYS = {
    "edge-not-outside": does(lambda m, w: m & ~_erode(m, w, outside=1.0)),
    "four-neighbours": does(lambda m, w: m & ~_cross(m, w)),
    "straight-distance": does(lambda m, w: m & ~_round(m, w)),
    "width-off-by-one": given(lambda m, w: (m, w + 1), lambda m, w: (m, w - 1)),
    "width-as-kernel": given(lambda m, w: (m, w // 2), lambda m, w: (m, (w + 1) // 2)),
    "outer-band": does(_outer),
    "both-sides": does(
        lambda m, w: boundary(m, w) | _outer(m, w), lambda m, w: (m & ~_erode(m, w, outside=1.0)) | _outer(m, w)
    ),
    "width-ignored": given(lambda m, w: (m, 1)),
    "wraps-around": does(lambda m, w: m & ~_rolled(m, w)),
    "eroded-returned": does(_erode),
    "mask-returned": does(lambda m, w: m),
    "inverted": gives(lambda r, *a: ~r),
    "one-direction": does(lambda m, w: m & ~_erode(m, w, rows=False), lambda m, w: m & ~_erode(m, w, columns=False)),
}

EXERCISE = Exercise(
    "boundary_mask(mask, width)",
    TASK,
    boundary,
    _boundary_cases,
    catalogue(MESSAGES, WAYS),
    kinds=("mask",),
    facts=_boundary_facts,
    number="01.6",
    marks=4,
    finished=("near_other_class",),
)
