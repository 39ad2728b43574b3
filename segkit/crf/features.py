"""What makes two pixels alike: their places, and their colours or whatever else is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from segkit.checks import whole
from segkit.typed import typed

Numbers = float | Sequence[float]


@typed
def position_features(height: int, width: int, sxy: Numbers, like: Tensor) -> Tensor:
    """Column and row of each pixel, each divided by its standard deviation in pixels.

    Args:
        height, width: H and W of the picture.
        sxy: one standard deviation for both, or (across, down).
        like: a tensor on the device that the features get; they are float64 if it is, else float32.

    Shape: H·W×2, row by row.
    """
    height, width = (whole(side, name, "position_features", 1) for name, side in (("height", height), ("width", width)))
    spread = deviations(sxy, "sxy", across_down=True)
    across, down = spread if isinstance(spread, Sequence) else (spread, spread)
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    x = torch.arange(width, dtype=dtype, device=like.device) / across
    y = torch.arange(height, dtype=dtype, device=like.device) / down
    return torch.stack((x.expand(height, width), y[:, None].expand(height, width))).flatten(1).t()  # H·W, 2


@typed
def bilateral_features(picture: Tensor, sxy: Numbers, scolour: Numbers) -> Tensor:
    """Place and colour of each pixel, each divided by its standard deviation.

    Args:
        picture: one picture, any number of channels, of any type of real numbers.
        sxy: in pixels, as in position_features.
        scolour: in units of the picture, one for all channels or one for each.

    Shape: C×H×W → H·W×(2 + C), float64 for a float64 picture, else float32.

    Raises:
        ValueError: another number of dimensions, or of deviations than of channels.
    """
    if picture.ndim != 3 or 0 in picture.shape:
        raise ValueError(
            f"bilateral_features got a picture {tuple(picture.shape)}; it takes one, C×H×W, each at least 1"
        )
    C, H, W = picture.shape
    widths = deviations(scolour, "scolour")
    spreads = list(widths) if isinstance(widths, Sequence) else [widths] * C
    if len(spreads) != C:
        raise ValueError(f"bilateral_features got scolour={scolour} for {C} channels; give one number, or one for each")
    picture = picture if picture.dtype == torch.float64 else picture.float()
    spread = picture.new_tensor(spreads)
    colour = (picture / spread[:, None, None]).flatten(1)  # C, H·W
    return torch.cat((position_features(H, W, sxy, picture).t(), colour)).t()  # H·W, 2+C


def deviations(value: Any, name: str, across_down: bool = False) -> Numbers:
    """One standard deviation or several, as floats; (across, down) are two.

    Raises:
        ValueError: not numbers above 0, or another number of them.
    """
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    numbers = list(value) if several else [value]
    if not all(isinstance(v, Real) and not isinstance(v, bool) and 0 < float(v) < float("inf") for v in numbers):
        raise ValueError(f"got {name}={value!r}; standard deviations are numbers above 0")
    if several and across_down and len(numbers) != 2:
        raise ValueError(f"got {name}={value!r}; give one number, or two as (across, down)")
    return tuple(map(float, numbers)) if several else float(value)
