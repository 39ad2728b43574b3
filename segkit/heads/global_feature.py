"""ParseNet's global feature (Liu et al. 2015): the mean of the map, brought to the scale of the map, beside each cell.

map ──┬────────── L2 norm, ×scale ──────────────────┬── side by side
      └── mean ── L2 norm, ×scale ── spread out ────┘
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.engine import engine
from segkit.layers.l2norm import L2Norm
from segkit.typed import typed


class GlobalFeature(nn.Module):
    """Put the mean of the whole map beside each of its cells ("early fusion").

    Args:
        channels: of the map.
        normalise: bring both to length 1 and learn their scales, so that neither drowns the other.
        scale: what the learned scales start at.

    Attributes:
        out_channels: of what comes out: 2·channels.

    Shape:
        N×channels×h×w → N×2·channels×h×w, the local features first.

    Source:
        Liu, Rabinovich & Berg, "ParseNet: Looking Wider to See Better" (arXiv 1506.04579), sections 3.1 to 3.3.
    """

    @typed
    def __init__(self, channels: int, normalise: bool = True, scale: float = 10.0) -> None:
        super().__init__()
        self.out_channels = 2 * channels
        self.local, self.whole = (L2Norm(channels, scale) if normalise else nn.Identity() for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        mean = self.whole(engine().adaptive_avg_pool2d(x, 1))  # N, channels, 1, 1
        return torch.cat((self.local(x), mean.expand_as(x)), 1)  # N, 2·channels, h, w
