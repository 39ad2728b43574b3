"""The border of a picture: continued by its mirror image, or cut away."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def mirrored(x: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """Continue a picture outwards by its mirror image, as often as it takes; the border itself is not repeated.

    Args:
        x: the picture; one row or column alone is repeated.
        left, right, top, bottom: pixels to add on each side, 0 or more, any number of times the picture's size.

    Shape:
        N×C×H×W → N×C×(top + H + bottom)×(left + W + right).

    Source:
        U-Net, Figure 2: missing data is extrapolated by mirroring.
    """
    periods = [max(n - 1, 1) for n in x.shape[-2:]]  # the picture ends in a mirror after every so many rows, columns
    while left or right or top or bottom:
        H, W = x.shape[-2:]
        tall, wide = (max((n - 1) // p, 1) * p for n, p in zip((H, W), periods, strict=True))
        now = min(left, wide), min(right, wide), min(top, tall), min(bottom, tall)
        for sides, size in (((*now[:2], 0, 0), W), ((0, 0, *now[2:]), H)):
            if any(sides):
                x = F.pad(x, sides, mode="reflect" if size > 1 else "replicate")  # N, C, H + …, W + …
        left, right, top, bottom = left - now[0], right - now[1], top - now[2], bottom - now[3]
    return x


def centre_crop(x: Tensor, height: int, width: int) -> Tensor:
    """The middle of a map: the paper's "copy and crop"; a map that is already of this size comes back as it is."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def cut(x: Tensor, height: int, width: int) -> Tensor:
    """The upper left part of a map: what rounding up added goes, and a map that is already of this size stays.

    Shape:
        …×H×W → …×height×width, height ≤ H and width ≤ W.
    """
    if torch.compiler.is_compiling():  # export would pin whether a slice is contiguous; padding by less than 0 copies
        return F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2]))
    return x[..., :height, :width]
