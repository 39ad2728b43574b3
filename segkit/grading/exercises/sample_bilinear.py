"""Chapter 03: bilinear interpolation at places of any kind."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, numbers
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE

TASK = """Look up x (N×C×H×W) between its pixels. at is N×h×w×2: for each place of the result the row and the
column at which picture n is looked up, in pixels; 0 is the centre of the first pixel, H − 1 that of the last. A place
outside counts as the nearest place of the edge. In between, the four neighbours are mixed by their nearness. The
result is N×C×h×w with the dtype of x."""


def _inside(at: Tensor, length: int) -> Tensor:
    return at.clamp(0, length - 1)


def _axis(at: Tensor, length: int, place: Function, share: Function) -> list[tuple[Tensor, Tensor]]:
    """The two neighbours along one axis, and the share of each."""
    at = place(at, length)
    low = at.floor().clamp(0, length - 1)
    part = share(at - low)
    return [(low.long(), 1 - part), ((low.long() + 1).clamp(max=length - 1), part)]


def sampled(
    x: Tensor, at: Tensor, *, place: Function = _inside, share: Function = lambda part: part,
    axes: tuple[Function | None, Function | None] = (None, None),
) -> Tensor:  # fmt: skip
    """Reference of `sample_bilinear`, with its steps replaced.

    Args:
        x, at: as the task has them.
        place: place(at, length), where an axis is looked up.
        share: the share of the farther neighbour along an axis, of the distance to the nearer.
        axes: other shares for the rows and the columns.
    """
    n, c, h, w = x.shape
    rows = _axis(at[..., 0], h, place, axes[0] or share)
    columns = _axis(at[..., 1], w, place, axes[1] or share)
    out = x.new_zeros(n, c, *at.shape[1:3])
    for i, by_row in rows:
        for j, by_column in columns:
            values = x.flatten(2).gather(2, (i * w + j).flatten(1)[:, None].expand(-1, c, -1))
            out += values.reshape(out.shape) * (by_row * by_column)[:, None].to(x.dtype)
    return out


def _places(seed: int, n: int, shape: Shape, size: Shape, out: float = 0.0) -> Tensor:
    """Places of quarter pixels, inside or up to `out` pixels outside."""
    share = (numbers(seed, n, *shape, 2) + 2) / 4
    ends = torch.tensor([size[0] - 1.0, size[1] - 1.0])
    return ((share * (ends + 2 * out) - out) * 4).round() / 4


def _call(
    seed: int, x: Shape, shape: Shape, out: float = 0.0, dtype: torch.dtype = torch.float32, whole: bool = False
) -> Args:
    at = _places(seed + 1, x[0], shape, x[2:], out)
    return numbers(seed, *x, dtype=dtype), (at.round() if whole else at).to(dtype)


def _cases() -> list[Case]:
    return grouped(
        ("plain", (1, (1, 1, 2, 3), (1, 2)), (2, (1, 1, 4, 4), (3, 5)), (3, (1, 1, 5, 7), (4, 4))),
        (
            "whole pixels",
            (4, (1, 1, 2, 3), (1, 3), 0.0, torch.float32, True),
            (5, (1, 1, 4, 5), (3, 3), 0.0, torch.float32, True),
        ),
        ("outside", (6, (1, 1, 2, 2), (1, 3), 2.0), (7, (1, 1, 5, 4), (5, 6), 3.0)),
        (
            "one row or column",
            (8, (1, 1, 1, 3), (1, 2), 1.0),
            (9, (1, 1, 4, 1), (3, 2)),
            (10, (1, 1, 1, 1), (2, 2), 1.0),
        ),
        ("channels", (11, (1, 2, 2, 2), (1, 1)), (12, (1, 5, 4, 6), (3, 2))),
        ("batch", (13, (2, 1, 2, 2), (1, 2)), (14, (3, 2, 4, 5), (2, 3), 1.0)),
        ("float64", (15, (2, 3, 5, 4), (3, 4), 1.0, torch.float64)),
        ("memory layout", (16, (2, 3, 4, 6), (3, 4))),
        of=_call,
    )


def _facts(x: Tensor, at: Tensor) -> dict[str, bool]:
    return {
        "a place lies outside": bool(
            (at < 0).any() or (at[..., 0] > x.shape[2] - 1).any() or (at[..., 1] > x.shape[3] - 1).any()
        ),
        "all places are whole pixels": bool((at == at.round()).all()),
        "a size of the picture is 1": 1 in x.shape[2:],
        "there is more than one picture in the batch": len(x) > 1,
        "there is more than one channel": x.shape[1] > 1,
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def _free(at: Tensor, length: int) -> Tensor:
    return at


def _fraction_outside(at: Tensor, length: int) -> Tensor:
    """The first pixel, and still the fraction of a place before it."""
    return torch.where(at < 0, at - at.floor(), at).clamp(max=length - 1)


def _zero_outside(x: Tensor, at: Tensor) -> Tensor:
    """As if zeros lay around the picture."""
    return sampled(torch.nn.functional.pad(x, (1, 1, 1, 1)), at + 1)


def _none_outside(x: Tensor, at: Tensor) -> Tensor:
    rows, columns = at.unbind(-1)
    inside = (rows >= 0) & (rows <= x.shape[2] - 1) & (columns >= 0) & (columns <= x.shape[3] - 1)
    return sampled(x, at) * inside[:, None]


MESSAGES = """
rows-columns-exchanged: The two numbers of a place are exchanged: the row comes first, then the column.
half-pixel: Your places are half a pixel off. Here 0 is the centre of the first pixel, not its edge.
outside-zero: Outside you give 0, or mix zeros in. A place outside counts as the nearest place of the edge.
outside-extended: Outside you go on along the line of the last two pixels. Keep the places within 0 … H − 1 before you
    mix.
outside-mixed: Before the first pixel you mix the first two. The neighbours are kept inside, but their shares come from
    the place outside: keep the place within 0 … H − 1 first, and take its whole and its fraction then.
last-pixel-lost: The last row and column are never reached: places are kept within 0 … H − 1, not H − 2.
weights-exchanged: The nearer pixel gets the smaller share.
nearest: You take the nearest pixel. Mix four.
upper-left-only: You take the pixel above and to the left of the place. Mix four.
one-axis-only: Along one axis you mix two pixels, along the other you copy one.
fractions-of-the-side: You take the places for fractions of the height and width, from 0 to 1 or from −1 to 1. They are
    in pixels.
first-places-for-all: All pictures are looked up at the places of the first. Each has its own, at[n].
first-picture-only: Only the first picture of the batch is looked up.
first-channel-only: Only the first channel is looked up.
result-transposed: Rows and columns of the result are exchanged.
shares-added: The four shares are added in pairs. The share of a neighbour is the product of its share by rows and by
    columns.
"""

WAYS = {
    "rows-columns-exchanged": given(lambda x, at: (x, at.flip(-1))),
    "half-pixel": given(lambda x, at: (x, at - 0.5), lambda x, at: (x, at + 0.5)),
    "outside-zero": does(_zero_outside, _none_outside),
    "outside-extended": does(partial(sampled, place=_free)),
    "outside-mixed": does(partial(sampled, place=_fraction_outside)),
    "last-pixel-lost": does(partial(sampled, place=lambda at, length: at.clamp(0, max(length - 2, 0)))),
    "weights-exchanged": does(partial(sampled, share=lambda part: 1 - part)),
    "nearest": does(
        partial(sampled, share=torch.round), partial(sampled, share=lambda part: (part >= 0.5).to(part.dtype))
    ),
    "upper-left-only": does(partial(sampled, share=torch.zeros_like)),
    "one-axis-only": does(
        *(partial(sampled, axes=axes) for one in (torch.round, torch.zeros_like) for axes in ((one, None), (None, one)))
    ),
    "fractions-of-the-side": given(
        lambda x, at: (x, at * (torch.tensor(x.shape[2:]) - 1)),
        lambda x, at: (x, (at + 1) / 2 * (torch.tensor(x.shape[2:]) - 1)),
    ),
    "first-places-for-all": given(lambda x, at: (x, at[:1].expand_as(at))),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": FIRST_CHANNEL,
    "result-transposed": gives(lambda r, *a: r.mT),
    "shares-added": does(
        lambda x, at: (
            sampled(x, at, axes=(torch.zeros_like, None)) + sampled(x, at, axes=(None, torch.zeros_like))
        ) / 2
    ),
}  # fmt: skip

EXERCISE = Exercise(
    "sample_bilinear(x, at)",
    TASK,
    sampled,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="03.3",
    marks=5,
    finished=("grid_sample",),
)
