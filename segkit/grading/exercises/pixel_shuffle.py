"""Chapter 03: channels to resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import distinct, grouped, normal
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE

TASK = """Turn channels into resolution, as torch.nn.functional.pixel_shuffle does: x is N×(C·r²)×H×W, the
result N×C×(H·r)×(W·r) with out[n, c, i·r + a, j·r + b] = x[n, c·r² + a·r + b, i, j] for a, b from 0
to r − 1."""


def _shuffle_cases() -> list[Case]:
    return grouped(
        ("plain", (distinct(1, 1, 4, 1, 2), 2), (distinct(2, 1, 4, 2, 3), 2), (distinct(3, 1, 4, 3, 2), 2)),
        ("channels", (distinct(4, 1, 8, 2, 3), 2), (distinct(5, 1, 12, 3, 2), 2)),
        ("batch", (distinct(6, 2, 4, 2, 3), 2), (distinct(7, 3, 8, 3, 1), 2)),
        ("other factors", (distinct(8, 1, 9, 2, 3), 3), (distinct(9, 2, 32, 1, 2), 4), (distinct(10, 2, 3, 2, 3), 1)),
        ("float64", (normal(11, 1, 8, 2, 3, dtype=torch.float64), 2)),
        ("memory layout", (distinct(12, 2, 8, 3, 4), 2)),
    )


def _shuffle_facts(x: Tensor, r: int) -> dict[str, bool]:
    return {
        "upscale_factor is not 2": r != 2,
        "upscale_factor is 1": r == 1,
        "the result has more than one channel": x.shape[1] > r * r,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def rearranged(order: str, into: str) -> Function:
    """Channels split as `order` (of a, b and a letter for the channel), dimensions then laid out as `into`."""

    def shuffle(x: Tensor, r: int) -> Tensor:
        n, k, h, w = x.shape
        split = x.reshape(n, *({"a": r, "b": r}.get(letter, k // (r * r)) for letter in order), h, w)
        return torch.einsum(f"n{order}hw->n{into}", split).reshape(n, k // (r * r), h * r, w * r)

    return shuffle


def _by_two(x: Tensor, r: int) -> Tensor:
    """Factor 2; channels that are left over are forgotten."""
    n, k, h, w = x.shape
    split = x[:, : k // 4 * 4].reshape(n, k // 4, 2, 2, h, w)
    return split.permute(0, 1, 4, 2, 5, 3).reshape(n, k // 4, 2 * h, 2 * w)


MESSAGES = """
channel-order: The channels are split in the wrong order: the output channel changes slowest (c·r² + a·r + b), a and b
    fastest.
offsets-exchanged: a and b have changed places: the offset down, a, changes more slowly than the offset to the right, b.
only-reshaped: The numbers keep their order in memory: a reshape alone moves nothing. Split the channels, bring a beside
    the rows and b beside the columns, then merge.
blocks-side-by-side: The r² pictures stand side by side as tiles. They should be interlaced: after the row i, its offset
    a.
half-interlaced: Along one axis the pictures are interlaced, along the other they stand side by side.
copied: Each number is repeated. Every one of the r² channels has its own position.
unshuffled: This is the way back, from resolution to channels.
factor-fixed: The factor is taken to be 2 whatever `upscale_factor` says.
rows-columns-exchanged: Rows and columns of the result are exchanged.
offset-reversed: The offsets run backwards: a = 0 is the upper one of the r rows.
first-picture-only: Only the first picture of the batch is worked on.
batch-into-channels: Pictures of the batch are mixed with channels: keep N apart when you reshape.
first-channel-only: Only the first channel of the result is made.
"""

WAYS = {
    "channel-order": does(rearranged("abc", "chawb"), rearranged("acb", "chawb")),
    "offsets-exchanged": does(rearranged("cab", "chbwa"), rearranged("bac", "chawb")),
    "only-reshaped": does(lambda x, r: x.reshape(x.shape[0], -1, x.shape[2] * r, x.shape[3] * r)),
    "blocks-side-by-side": does(rearranged("cab", "cahbw"), rearranged("cab", "cbhaw")),
    "half-interlaced": does(rearranged("cab", "chabw"), rearranged("cab", "cahwb")),
    "copied": does(
        lambda x, r: x[:, :: r * r].repeat_interleave(r, 2).repeat_interleave(r, 3),
        lambda x, r: x[:, : x.shape[1] // (r * r)].repeat_interleave(r, 2).repeat_interleave(r, 3),
        lambda x, r: x.repeat_interleave(r, 2).repeat_interleave(r, 3),
        lambda x, r: x.unflatten(1, (-1, r * r)).mean(2).repeat_interleave(r, 2).repeat_interleave(r, 3),
    ),
    "unshuffled": does(lambda x, r: F.pixel_unshuffle(F.pad(x, (0, -x.shape[3] % r, 0, -x.shape[2] % r)), r)),
    "factor-fixed": given(lambda x, r: (x, 2)) + does(_by_two),
    "rows-columns-exchanged": gives(lambda o, *a: o.transpose(2, 3), lambda o, *a: o.transpose(2, 3).reshape(o.shape)),
    "offset-reversed": given(
        lambda x, r: (x.unflatten(1, (-1, r * r)).flip(2).flatten(1, 2), r),
        lambda x, r: (x.unflatten(1, (-1, r, r)).flip(2).flatten(1, 3), r),
        lambda x, r: (x.unflatten(1, (-1, r, r)).flip(3).flatten(1, 3), r),
    ),
    "first-picture-only": FIRST_PICTURE,
    "batch-into-channels": does(lambda x, r: F.pixel_shuffle(x.transpose(0, 1).reshape(x.shape), r)),
    "first-channel-only": FIRST_CHANNEL,
}

EXERCISE = Exercise(
    "pixel_shuffle(x, upscale_factor)",
    TASK,
    F.pixel_shuffle,
    _shuffle_cases,
    catalogue(MESSAGES, WAYS),
    facts=_shuffle_facts,
)
