"""Ways of being wrong that many exercises know."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Function, Ways, gives, stops

FIRST_PICTURE = gives(
    lambda r, *a: r[:1], lambda r, *a: r[:1].expand_as(r), lambda r, *a: torch.cat([r[:1], torch.zeros_like(r[1:])])
)
FIRST_CHANNEL = gives(
    lambda r, *a: r[:, :1],
    lambda r, *a: r[:, :1].expand_as(r),
    lambda r, *a: torch.cat([r[:, :1], torch.zeros_like(r[:, 1:])], 1),
)


def squared(x: Tensor, axis: int) -> Tensor:
    """Cut to a square whose side is the size of one axis, as a loop over that size alone would.

    Raises:
        IndexError: the other axis is shorter, so that the loop would leave it.
    """
    if x.shape[5 - axis] < x.shape[axis]:
        raise IndexError(f"an axis of {x.shape[5 - axis]} read up to {x.shape[axis]}")
    return x[..., : x.shape[axis], : x.shape[axis]]


def refuses_none(place: int, right: Function) -> Ways:
    """Right where an argument is there, and an error where it is None, as it may be."""
    return stops(lambda *args: [][0] if args[place] is None else right(*args))
