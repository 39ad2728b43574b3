"""Numbers that are put elsewhere: unpooled to where an index says, or shuffled from channels into resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function
from segkit.grading.exercises.case_tensors import Shape

Size = tuple[int, int]


def unpool(x: Tensor, indices: Tensor, size: Size) -> Tensor:
    """Each number where its index says, 0 everywhere else."""
    n, c = x.shape[:2]
    return x.new_zeros(n, c, size[0] * size[1]).scatter(2, indices.flatten(2), x.flatten(2)).reshape(n, c, *size)


def _together(x: Tensor, indices: Tensor, size: Shape, start: int) -> Tensor:
    """Planes from dimension `start` on share one count of positions."""
    return x.new_zeros(size).flatten(start).scatter(start, indices.flatten(start), x.flatten(start)).reshape(size)


def _blocks(x: Tensor, indices: Tensor, size: Size) -> Tensor:
    """Every number fills the 2×2 block from (2i, 2j) on."""
    out = x.new_zeros(*x.shape[:2], *size)
    large = x.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., : size[0], : size[1]]
    out[..., : large.shape[2], : large.shape[3]] = large
    return out


def _restrided(x: Tensor, indices: Tensor, size: Size) -> Tensor:
    """Rows and columns read off rightly, on a map twice as large as x."""
    w = x.shape[3]
    return unpool(x, (indices // size[1]) * 2 * w + indices % size[1], (2 * x.shape[2], 2 * w))


def _doubled(x: Tensor, indices: Tensor, size: Size) -> Tensor:
    """Always twice as large."""
    return unpool(x, indices, (2 * x.shape[2], 2 * x.shape[3]))


COPIED = (
    lambda x, i, z: F.interpolate(x, size=tuple(z), mode="nearest"),
    lambda x, i, z: F.interpolate(x, scale_factor=2, mode="nearest"),
    _blocks,
)
DOUBLED = (_restrided, _doubled)
MIXED_UP = (
    lambda x, i, z: _together(x, i, (*x.shape[:2], *z), 1),
    lambda x, i, z: _together(x, i, (*x.shape[:2], *z), 0),
)


def rearranged(order: str, into: str) -> Function:
    """Channels split as `order` (of a, b and a letter for the channel), dimensions then laid out as `into`."""

    def shuffle(x: Tensor, r: int) -> Tensor:
        n, k, h, w = x.shape
        split = x.reshape(n, *({"a": r, "b": r}.get(letter, k // (r * r)) for letter in order), h, w)
        return torch.einsum(f"n{order}hw->n{into}", split).reshape(n, k // (r * r), h * r, w * r)

    return shuffle
