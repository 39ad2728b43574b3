"""Chapter 03: unpooling with indices."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue, does, gives
from segkit.grading.exercises.case_tensors import Args, Shape, distinct, grouped, normal
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE
from segkit.grading.exercises.max_pool2d_backward import backward, together

TASK = """Put each number of x (N×C×h×w) back where its index says, and 0 everywhere else. indices has the
shape of x and counts positions in each plane of output_size = (H, W), row by row. Where an index
occurs twice (overlapping windows), both numbers are the same, and it stands there once. The result
is N×C×H×W with the dtype of x."""


def unpool(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Reference of `max_unpool2d`."""
    n, c = x.shape[:2]
    return x.new_zeros(n, c, size[0] * size[1]).scatter(2, indices.flatten(2), x.flatten(2)).reshape(n, c, *size)


def _call(seed: int, shape: Shape, k: int, s: int, dtype: torch.dtype = torch.float32) -> Args:
    make = normal if dtype == torch.float64 else distinct
    values, indices = F.max_pool2d(make(seed, *shape, dtype=dtype), k, s, return_indices=True)
    return values, indices, shape[2:]


def _unpool_cases() -> list[Case]:
    return grouped(
        ("plain", (1, (1, 1, 2, 4), 2, 2), (2, (1, 1, 4, 6), 2, 2)),
        ("odd sizes", (3, (1, 1, 5, 7), 2, 2), (4, (1, 1, 8, 7), 3, 3)),
        ("channels", (5, (1, 3, 4, 6), 2, 2)),
        ("batch", (6, (3, 1, 6, 4), 2, 2), (7, (2, 3, 5, 6), 2, 2)),
        ("overlapping windows", (8, (1, 2, 7, 5), 3, 2), (11, (1, 1, 4, 5), 3, 1)),
        ("float64", (10, (2, 2, 6, 5), 2, 2, torch.float64)),
        ("memory layout", (9, (2, 2, 6, 8), 2, 2)),
        of=_call,
    )


def _unpool_facts(x: Tensor, indices: Tensor, size: tuple[int, int]) -> dict[str, bool]:
    return {
        "an index occurs twice in a plane": any(len(p.unique()) < p.numel() for p in indices.flatten(0, 1).flatten(1)),
        "the output is not twice as large": tuple(size) != (2 * x.shape[2], 2 * x.shape[3]),
        "the output is not square": size[0] != size[1],
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one channel": x.shape[1] > 1,
    }


def _corner(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    out = x.new_zeros(*x.shape[:2], *size)
    out[..., : 2 * x.shape[2] : 2, : 2 * x.shape[3] : 2] = x[..., : (size[0] + 1) // 2, : (size[1] + 1) // 2]
    return out


def _blocks(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Every number fills the 2×2 block from (2i, 2j) on."""
    out = x.new_zeros(*x.shape[:2], *size)
    large = x.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., : size[0], : size[1]]
    out[..., : large.shape[2], : large.shape[3]] = large
    return out


def _hit(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Where a number is put."""
    return unpool(torch.ones_like(x), indices, size) > 0


def restrided(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Rows and columns read off rightly, on a map twice as large as x."""
    w = x.shape[3]
    return unpool(x, (indices // size[1]) * 2 * w + indices % size[1], (2 * x.shape[2], 2 * w))


def doubled(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    return unpool(x, indices, (2 * x.shape[2], 2 * x.shape[3]))


COPIED = (
    lambda x, i, z: F.interpolate(x, size=tuple(z), mode="nearest"),
    lambda x, i, z: F.interpolate(x, scale_factor=2, mode="nearest"),
    _blocks,
)
DOUBLED = (restrided, doubled)
MIXED_UP = (
    lambda x, i, z: together(x, i, (*x.shape[:2], *z), 1, add=False),
    lambda x, i, z: together(x, i, (*x.shape[:2], *z), 0, add=False),
)
MESSAGES = """
bed-of-nails: Every number goes to the top left of its window. The indices say where it really came from.
copied-to-window: Every number fills its whole window. Only one position gets it; the others stay 0.
planes-mixed-up: Channels or pictures land in the same plane. An index counts within its own plane: keep N and C apart.
summed-twice: Where an index occurs twice you add. Both are the same maximum: it stands there once.
index-column-major: Indices are read column by column. They count row by row: row = index // W, column = index % W.
divided-by-height: Row and column are got with H. One row holds W numbers: row = index // W, column = index % W.
always-doubled: Your result is always twice as large as x. `output_size` says how large it should be: pooling may have
    left out a last row.
size-swapped: Height and width of `output_size` are exchanged: it is (H, W).
index-off-by-one: Every number lands one position away from where it belongs. Indices start at 0.
not-zero-elsewhere: The other positions should be 0.
ones-instead: You mark the positions with 1. They get the numbers of x.
left-flat: The result is still flat: give it the shape N×C×H×W at the end.
first-picture-only: Only the first picture of the batch is worked on.
first-channel-only: Only the first channel is worked on.
negative-lost: Negative numbers are lost: they are compared with the 0 that stood there before. Write, do not compare.
"""

WAYS = {
    "bed-of-nails": does(_corner),
    "copied-to-window": does(*COPIED),
    "planes-mixed-up": does(*MIXED_UP),
    "summed-twice": does(lambda x, i, z: backward(x, i, (*x.shape[:2], *z))),
    "index-column-major": does(
        lambda x, i, z: unpool(x, (i % z[0]) * z[1] + i // z[0], z),
        lambda x, i, z: unpool(x, i, (z[1], z[0])).transpose(2, 3),
    ),
    "divided-by-height": does(lambda x, i, z: unpool(x, (i // z[0]) * z[1] + i % z[0], z)),
    "always-doubled": does(*DOUBLED),
    "size-swapped": does(lambda x, i, z: unpool(x, i, (z[1], z[0]))),
    "index-off-by-one": does(
        lambda x, i, z: unpool(x, (i - 1) % (z[0] * z[1]), z), lambda x, i, z: unpool(x, (i + 1) % (z[0] * z[1]), z)
    ),
    "not-zero-elsewhere": gives(
        lambda r, *a: torch.where(_hit(*a), r, float("nan")),
        lambda r, *a: torch.where(_hit(*a), r, a[0].min()),
        lambda r, *a: torch.where(_hit(*a), r, float("-inf")),
        lambda r, *a: torch.where(_hit(*a), r, 1.0),
    ),
    "ones-instead": gives(lambda r, *a: _hit(*a).to(r.dtype)) + does(lambda x, i, z: unpool(torch.ones_like(x), i, z)),
    "left-flat": gives(lambda r, *a: r.flatten(2), lambda r, *a: r.flatten(1), lambda r, *a: r.flatten()),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": FIRST_CHANNEL,
    "negative-lost": gives(lambda r, *a: r.clamp(min=0)),
}

EXERCISE = Exercise(
    "max_unpool2d(x, indices, output_size)",
    TASK,
    unpool,
    _unpool_cases,
    catalogue(MESSAGES, WAYS),
    facts=_unpool_facts,
)
