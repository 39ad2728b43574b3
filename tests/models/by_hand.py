"""What tests share that write a network once more with torch's functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def same(ours: Tensor, theirs: Tensor) -> None:
    """Equal in float64, but for the order of sums."""
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def normal(*shape: int) -> Tensor:
    """The same numbers for the same shape."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape) + shape[-1]), dtype=torch.float64)


def wide(x: Tensor, like: Tensor) -> Tensor:
    """Enlarged with corners on corners: where sizes are 2ⁿ·k + 1, each cell stays on the pixel where it stands."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)
