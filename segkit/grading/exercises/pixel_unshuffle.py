"""Chapter 03: resolution to channels, by a factor of its own for rows and for columns."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import distinct, grouped, normal
from segkit.grading.exercises.common import FIRST_PICTURE

TASK = """Turn resolution into channels, the way back of a pixel shuffle, with a factor for each axis. x is
N×C×H×W, H a multiple of `rows`, W of `columns`. The result is N×(C·rows·columns)×(H/rows)×(W/columns) with
out[n, (c·rows + a)·columns + b, i, j] = x[n, c, i·rows + a, j·columns + b], a from 0 to rows − 1, b from 0 to
columns − 1."""


def rearranged(x: Tensor, rows: int, columns: int, order: str = "ncabhw", read: str = "nchawb") -> Tensor:
    """Reference of `pixel_unshuffle`: read x as `read` (of n, c, a, b, h, w), lay it out as `order`."""
    n, c, height, width = x.shape
    h, w = height // rows, width // columns
    sizes = {"n": n, "c": c, "a": rows, "b": columns, "h": h, "w": w}
    split = x.reshape([sizes[letter] for letter in read])
    return torch.einsum(f"{read}->{order}", split).reshape(n, c * rows * columns, h, w)


def _cases() -> list[Case]:
    return grouped(
        ("plain", (distinct(1, 1, 1, 4, 2), 2, 1), (distinct(2, 1, 1, 4, 6), 2, 3), (distinct(3, 1, 1, 6, 8), 3, 2)),
        ("equal factors", (distinct(4, 1, 1, 4, 4), 2, 2), (distinct(5, 1, 1, 6, 9), 3, 3)),
        (
            "a factor of 1",
            (distinct(6, 1, 1, 2, 4), 1, 2),
            (distinct(7, 1, 2, 6, 3), 3, 1),
            (distinct(8, 1, 2, 2, 3), 1, 1),
        ),
        ("channels", (distinct(9, 1, 2, 2, 3), 2, 3), (distinct(10, 1, 5, 6, 4), 3, 2)),
        ("batch", (distinct(11, 2, 1, 2, 4), 1, 2), (distinct(12, 3, 4, 4, 6), 2, 3)),
        ("float64", (normal(13, 1, 4, 4, 6, dtype=torch.float64), 2, 3)),
        ("memory layout", (distinct(14, 2, 3, 4, 6), 2, 3)),
    )


def _facts(x: Tensor, rows: int, columns: int) -> dict[str, bool]:
    return {
        "the two factors differ": rows != columns,
        "a factor is 1": 1 in (rows, columns),
        "there is more than one channel": x.shape[1] > 1,
        "there is more than one picture in the batch": len(x) > 1,
    }


def _averaged(x: Tensor, rows: int, columns: int) -> Tensor:
    mean = rearranged(x, rows, columns).unflatten(1, (x.shape[1], -1)).mean(2, keepdim=True)
    return mean.expand(-1, -1, rows * columns, -1, -1).flatten(1, 2)


MESSAGES = """
offsets-exchanged: a and b have changed places: among the new channels the offset down, a, changes more slowly than the
    offset to the right, b.
factors-exchanged: The two factors have changed places: `rows` divides the height, `columns` the width.
channel-order: The channels are laid out in the wrong order: the channel of x changes slowest, then a, then b.
only-reshaped: The numbers keep their order in memory: a reshape alone moves nothing. Split both axes, bring a and b
    beside the channel, then merge.
tiles: You cut the picture into tiles. A new channel takes every `rows`-th row and every `columns`-th column.
half-tiles: Along one axis you take tiles, along the other you interlace.
square-factors: One factor serves both axes.
offset-reversed: The offsets run backwards: a = 0 is the top row of a cell, b = 0 its left column.
averaged: All channels of one cell are equal. Each offset has its own.
first-picture-only: Only the first picture of the batch is worked on.
first-offset-only: Only the first offset, a = b = 0, is there.
rows-columns-exchanged: Rows and columns of the result are exchanged.
batch-into-channels: Pictures of the batch are mixed with channels: keep N apart when you reshape.
"""

WAYS = {
    "offsets-exchanged": does(partial(rearranged, order="ncbahw")),
    "factors-exchanged": given(lambda x, r, c: (x, c, r)),
    "channel-order": does(*(partial(rearranged, order=order) for order in ("nabchw", "nacbhw", "nbachw"))),
    "only-reshaped": does(lambda x, r, c: x.reshape(len(x), -1, x.shape[2] // r, x.shape[3] // c)),
    "tiles": does(partial(rearranged, read="ncahbw")),
    "half-tiles": does(partial(rearranged, read="ncahwb"), partial(rearranged, read="nchabw")),
    "square-factors": given(lambda x, r, c: (x, r, r), lambda x, r, c: (x, c, c)),
    "offset-reversed": gives(
        *(lambda o, x, r, c, axes=axes: o.unflatten(1, (-1, r, c)).flip(axes).flatten(1, 3) for axes in (2, 3, (2, 3)))
    ),
    "averaged": does(_averaged),
    "first-picture-only": FIRST_PICTURE,
    "first-offset-only": gives(lambda o, x, r, c: o[:, :: r * c]),
    "rows-columns-exchanged": gives(lambda o, *a: o.mT),
    "batch-into-channels": gives(lambda o, *a: o.transpose(0, 1).reshape(o.shape)),
}  # fmt: skip

EXERCISE = Exercise(
    "pixel_unshuffle(x, rows, columns)",
    TASK,
    rearranged,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="03.4",
    marks=2,
    finished=("pixel_unshuffle",),
)
