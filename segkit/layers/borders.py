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
    for axis, before, after in ((-1, left, right), (-2, top, bottom)):
        n = x.shape[axis]
        places = torch.arange(-before, n + after, device=x.device)
        there_and_back = torch.full_like(places, max(2 * n - 2, 1))  # a tensor, which ONNX can divide by at any size
        places = places % there_and_back
        x = x.index_select(axis, torch.minimum(places, there_and_back - places))  # N, C, H + …, W + …
    return x


def last_again(x: Tensor) -> Tensor:
    """A map whose last row and last column stand there twice.

    Shape:
        N×C×H×W → N×C×(H + 1)×(W + 1).
    """
    if torch.compiler.is_dynamo_compiling():  # there, channels-last, the gradient of F.pad has strides nobody expects
        x = torch.cat((x, x[..., -1:]), -1)  # N, C, H, W + 1
        return torch.cat((x, x[..., -1:, :]), -2)  # N, C, H + 1, W + 1
    return F.pad(x, (0, 1, 0, 1), mode="replicate")


def centre_crop(x: Tensor, height: int, width: int) -> Tensor:
    """The middle of a map: the paper's "copy and crop"; a map that is already of this size comes back as it is."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def cut(x: Tensor, height: int, width: int) -> Tensor:
    """The upper left part of a map, without what rounding up added; a map of this size stays as it is.

    Shape:
        …×H×W → …×height×width, height ≤ H and width ≤ W.
    """
    if torch.compiler.is_compiling():  # export would pin whether a slice is contiguous; padding by less than 0 copies
        return F.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2]))
    return x[..., :height, :width]
