"""Spatial pyramid pooling: from a map of any size a vector of one length, on which fully connected layers can stand."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segkit.checks import chosen
from segkit.ops.adaptive_max_pooling import adaptive_max_pool2d
from segkit.ops.arguments import batched, floating, whole
from segkit.ops.average_pooling import adaptive_avg_pool2d

POOLS = {"max": adaptive_max_pool2d, "avg": adaptive_avg_pool2d}


def spatial_pyramid_pool(input: Tensor, bins: Sequence[int] = (6, 3, 2, 1), mode: str = "max") -> Tensor:
    """Pool each channel into b×b bins for every b of the pyramid, and line all of them up.

    The order is level by level, as `bins` gives them; in a level channel by channel, and in a channel row by row: each
    level is its C×b×b map, flattened. A map of fewer cells than bins is fine: bins then repeat cells.

    Args:
        input: the maps; the batch may be empty.
        bins: bins along each side, for each level.
        mode: "max" or "avg".

    Shape:
        N×C×H×W or C×H×W → N×(C·Σb²) or C·Σb²; 50·C for the default.

    Raises:
        TypeError: the input is not a tensor of floating-point numbers, or a number of bins is not whole.
        ValueError: the shape does not fit, there is no level, or the mode is unknown.

    Source:
        He et al., ECCV 2014, arXiv 1406.4729v4.

    Differs from the paper:
        bins are those of its appendix (`windows.bin_bounds`); section 2.3's windows (`windows.paper_windows`) do not
        always make the number asked for.
    """
    x, single = batched(input, "spatial_pyramid_pool")
    floating(x, "spatial_pyramid_pool")
    pool = POOLS[chosen(mode, "mode", "spatial_pyramid_pool", POOLS)]
    if not isinstance(bins, Sequence) or isinstance(bins, str) or not bins:
        raise ValueError(
            f"spatial_pyramid_pool got bins={bins!r}; give one whole number for each level, as (6, 3, 2, 1)"
        )
    sides = [whole(side, "bins", "spatial_pyramid_pool", 1) for side in bins]
    y = torch.cat([pool(x, side).flatten(1) for side in sides], 1)  # N, C·Σb²
    return y[0] if single else y
