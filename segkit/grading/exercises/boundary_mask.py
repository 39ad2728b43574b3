"""Chapter 01: the inner boundary of a mask."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.made import labels, noncontiguous


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
    large = _shape(1, 15, 19)
    return [
        Case((square, 1), "plain"),
        Case((large, 1), "plain"),
        Case((square, 2), "wider bands"),
        Case((large, 2), "wider bands"),
        Case((_shape(2, 21, 16), 3), "wider bands"),
        Case((square, 9), "wider bands"),
        Case((edge, 1), "the picture's edge"),
        Case((torch.ones(5, 7, dtype=torch.bool), 1), "the picture's edge"),
        Case((torch.ones(9, 9, dtype=torch.bool), 2), "the picture's edge"),
        Case((torch.zeros(4, 5, dtype=torch.bool), 1), "empty mask"),
        Case((noncontiguous(_shape(3, 12, 14)), 1), "memory layout"),
    ]


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


register(
    Exercise(
        name="boundary_mask",
        signature="boundary_mask(mask, width)",
        text=(
            "The inner boundary of a mask, as Boundary IoU uses it: the pixels of mask (H×W, bool) that have a\n"
            "pixel outside the mask within `width` steps, where a step may go to any of the eight neighbours.\n"
            "Everything beyond the edge of the picture is outside. The result has the shape of mask; bool, or 0\n"
            "and 1."
        ),
        reference=boundary,
        cases=_boundary_cases,
        kinds=("mask",),
        facts=_boundary_facts,
        mistakes=(
            mistake(
                "edge-not-outside",
                "Where the mask touches the edge of the picture, no boundary is found. Beyond the edge everything "
                "is outside: what do you pad with?",
                does(lambda m, w: m & ~_erode(m, w, outside=1.0)),
            ),
            mistake(
                "four-neighbours",
                "Corners are missing: steps go only up, down, left and right. Diagonal steps count as well.",
                does(lambda m, w: m & ~_cross(m, w)),
            ),
            mistake(
                "straight-distance",
                "You measure the distance as the crow flies, √(Δrow² + Δcolumn²). A step to any of the eight "
                "neighbours counts 1, so `width` steps reach a square: the larger of |Δrow| and |Δcolumn| counts.",
                does(lambda m, w: m & ~_round(m, w)),
            ),
            mistake(
                "width-off-by-one",
                "The band is one pixel too thick or too thin. Try width=1 on a 5×5 square: how many pixels should "
                "be left inside?",
                given(lambda m, w: (m, w + 1)),
                given(lambda m, w: (m, w - 1)),
            ),
            mistake(
                "width-as-kernel",
                "`width` is taken as the size of the whole window. A window that reaches `width` pixels to each "
                "side is 2·width + 1 wide.",
                given(lambda m, w: (m, w // 2)),
                given(lambda m, w: (m, (w + 1) // 2)),
                given(lambda m, w: (m, 2 * w)),
            ),
            mistake(
                "outer-band",
                "Your band lies outside the mask. The pixels asked for belong to the mask: shrink it, and see what "
                "it loses.",
                does(_outer),
            ),
            mistake(
                "both-sides",
                "Your band lies on both sides of the edge. Only the part inside the mask is asked for.",
                does(lambda m, w: boundary(m, w) | _outer(m, w)),
                does(lambda m, w: (m & ~_erode(m, w, outside=1.0)) | _outer(m, w)),
            ),
            mistake(
                "width-ignored",
                "`width` makes no difference: the band is always one pixel wide.",
                given(lambda m, w: (m, 1)),
            ),
            mistake(
                "wraps-around",
                "Pixels at one edge see those at the opposite edge: `torch.roll` wraps around. Pad instead.",
                does(lambda m, w: m & ~_rolled(m, w)),
            ),
            mistake(
                "eroded-returned",
                "This is the inside of the mask, without its boundary. What is asked for is what was taken away.",
                does(_erode),
            ),
            mistake("mask-returned", "This is the whole mask.", does(lambda m, w: m)),
            mistake("inverted", "True and False are exchanged.", gives(lambda r, *a: ~r)),
            mistake(
                "one-direction",
                "Only edges in one direction are found. Look up and down as well as left and right.",
                does(lambda m, w: m & ~_erode(m, w, rows=False)),
                does(lambda m, w: m & ~_erode(m, w, columns=False)),
            ),
        ),
    )
)
