"""What makes two pixels alike: their places, and their colours or whatever else is known of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Numbers = float | Sequence[float]


def position_features(height: int, width: int, sxy: Numbers, like: Tensor) -> Tensor:
    """Column and row of each pixel, each divided by its standard deviation in pixels.

    Args:
        height, width: H and W of the picture.
        sxy: one standard deviation for both, or (across, down).
        like: a tensor whose type and device the features get.

    Shape: H·W×2, row by row.
    """
    across, down = sxy if isinstance(sxy, Sequence) else (sxy, sxy)
    x = torch.arange(width, dtype=like.dtype, device=like.device) / across
    y = torch.arange(height, dtype=like.dtype, device=like.device) / down
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width))).flatten(1).t()  # H·W, 2


def bilateral_features(picture: Tensor, sxy: Numbers, scolour: Numbers) -> Tensor:
    """Place and colour of each pixel, each divided by its standard deviation.

    Args:
        picture: one picture, any number of channels.
        sxy: in pixels, as in position_features.
        scolour: in units of the picture, one for all channels or one for each.

    Shape: C×H×W → H·W×(2 + C).
    """
    C, H, W = picture.shape
    spread = picture.new_tensor(list(scolour) if isinstance(scolour, Sequence) else [scolour] * C)
    colour = (picture / spread[:, None, None]).flatten(1)  # C, H·W
    return torch.cat((position_features(H, W, sxy, picture).t(), colour)).t()  # H·W, 2+C
