"""Who may be heard: masks for `attend` over the pixels of a map, True where the listener (row) hears the speaker."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.checks import chosen
from segkit.ops.arguments import whole


def criss_cross_mask(height: int, width: int) -> Tensor:
    """Each pixel hears its own row and its own column (CCNet).

    Args:
        height, width: of the map, in cells.

    Shape:
        (H·W)×(H·W) of bools, pixels line by line; height + width − 1 are True in each row.

    Raises:
        TypeError: a side is no whole number. ValueError: it is below 1.

    Source:
        Huang et al., "CCNet: Criss-Cross Attention for Semantic Segmentation", ICCV 2019 (arXiv 1811.11721), Figure 3.
    """
    return axis_mask(height, width, "row") | axis_mask(height, width, "column")


def axis_mask(height: int, width: int, axis: str) -> Tensor:
    """Each pixel hears its own "row" or its own "column": axial attention.

    Shape:
        (H·W)×(H·W) of bools, pixels line by line.

    Raises:
        TypeError: a side is no whole number. ValueError: it is below 1, or another axis.
    """
    rows, columns = _places(height, width)
    own = rows if chosen(axis, "axis", "axis_mask", ("row", "column")) == "row" else columns
    return own[:, None] == own


def window_mask(height: int, width: int, radius: int) -> Tensor:
    """Each pixel hears those that are at most `radius` cells away, in either direction: a local window.

    Shape:
        (H·W)×(H·W) of bools, pixels line by line.

    Raises:
        TypeError: something is no whole number. ValueError: a side below 1, a radius below 0.
    """
    rows, columns = _places(height, width)
    reach = whole(radius, "radius", "window_mask", 0)
    return ((rows[:, None] - rows).abs() <= reach) & ((columns[:, None] - columns).abs() <= reach)


def _places(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Row and column of each pixel."""
    H, W = whole(height, "height", "a mask", 1), whole(width, "width", "a mask", 1)
    places = torch.arange(H * W)
    return places // W, places % W
