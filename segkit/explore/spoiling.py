"""Predictions that are wrong in a known way, made from the truth; and truths with void drawn around their edges."""

from __future__ import annotations

import torch
from scipy import ndimage
from torch import Tensor

from segkit.data.sample import VOID
from segkit.metrics import near_other_class

EVERYTHING = -1  # "merge every class into …"
NOTHING = -2


def spoil(
    labels: Tensor, target: int, grow: int = 0, down: int = 0, right: int = 0, merge: int = NOTHING, into: int = 0
) -> Tensor:
    """A prediction that is wrong in a known way.

    Args:
        labels: the truth, int64 H×W; void (255) is predicted as what stands left of it.
        target: the class that grows or shrinks.
        grow: pixels by which it is dilated, or eroded if negative, by a square; what it loses goes to its neighbours.
        down, right: pixels by which the whole prediction is shifted; the border is repeated.
        merge: a class that is called `into` instead; EVERYTHING or NOTHING.
        into: what the merged class is called.

    Returns:
        int64 H×W without void.
    """
    prediction = _without_void(labels)
    for _ in range(abs(grow)):
        inside = prediction == target
        if grow > 0:
            prediction = torch.where(_widest(inside), target, prediction)
        else:
            others = _widest(torch.where(inside, -1, prediction))  # −1 where there are none
            prediction = torch.where(inside & (others >= 0), others, prediction)
    h, w = prediction.shape
    rows, columns = (torch.arange(h) - down).clamp(0, h - 1), (torch.arange(w) - right).clamp(0, w - 1)
    prediction = prediction[rows][:, columns]
    return torch.where((prediction == merge) | (merge == EVERYTHING), into, prediction)


def bordered(labels: Tensor, width: int) -> Tensor:
    """The truth with void on each pixel within `width` pixels of another class; 0 leaves it as it is. Shape: H×W."""
    return torch.where(near_other_class(labels, width, void=VOID), VOID, labels) if width else labels


def _without_void(labels: Tensor) -> Tensor:
    """Void labelled as what stands left of it, for a first guess. Shape: H×W."""
    known = torch.where(labels == VOID, -1, labels)
    place = torch.where(known >= 0, torch.arange(labels.shape[1]), 0).cummax(1).values
    return known.gather(1, place).clamp(min=0)


def _widest(values: Tensor) -> Tensor:
    """Largest value of each pixel's 3×3 neighbourhood."""
    return torch.from_numpy(ndimage.maximum_filter(values.numpy(), 3, mode="nearest"))
