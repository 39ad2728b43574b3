"""Maps read at computed places, with all digits of the places whatever the type of the map."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.engine import engine


def wide(dtype: torch.dtype) -> torch.dtype:
    """The type in which places are counted: bfloat16 knows every whole number up to 256 only, float16 up to 2048."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


def read(x: Tensor, grid: Tensor, padding_mode: str) -> Tensor:
    """`grid_sample` with −1 and 1 on the outer edges, for a grid that may be of a wider type than the map.

    Args:
        x: the map.
        grid: the places (x, y), of type `wide(x.dtype)` or the map's own.
        padding_mode: as for `grid_sample`.

    Shape:
        x N×C×H×W, grid N×h×w×2 → N×C×h×w, of the map's type.
    """
    found = engine().grid_sample(x.to(grid.dtype), grid, padding_mode=padding_mode, align_corners=False)
    return found.to(x.dtype)
