"""Small networks whose cells and reach are known exactly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.heads import enlarge


class Cells(nn.Module):
    """Convolutions, one of stride 4, and scores that are enlarged; a pixel's scores depend on at most 14 pixels around.

    Args:
        corner_aligned: the cells stand on every fourth pixel, or over the middle of four.
    """

    reach = 14

    def __init__(self, corner_aligned: bool = True, classes: int = 5) -> None:
        super().__init__()
        self.encoder = nn.Module()  # what `corner_aligned` asks
        self.encoder.corner_aligned = corner_aligned  # type: ignore[assignment]
        self.corners, self.in_channels, self.tile_stride = corner_aligned, 3, 4
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.down = nn.Conv2d(6, 8, 3, stride=4, padding=1) if corner_aligned else nn.Conv2d(6, 8, 4, stride=4)
        self.last = nn.Conv2d(8, classes, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        H, W = x.shape[2:]
        x = F.pad(x, (0, -W % 4, 0, -H % 4))
        scores = self.last(self.down(self.first(x).relu()).relu())
        return enlarge(scores, 4, self.corners)[..., :H, :W]


class Sampled(nn.Module):
    """Takes the picture at its cells, every eighth pixel or the mean of eight, and enlarges that again."""

    def __init__(self, corner_aligned: bool) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.corner_aligned = corner_aligned  # type: ignore[assignment]
        self.corners, self.tile_stride = corner_aligned, 8

    def forward(self, x: Tensor) -> Tensor:
        H, W = x.shape[2:]
        small = x[..., ::8, ::8] if self.corners else F.avg_pool2d(x, 8)
        return enlarge(small, 8, self.corners)[..., :H, :W]


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def ramp(height: int, width: int) -> Tensor:
    """Two channels: the column in units of 40 pixels, and the row."""
    y, x = torch.meshgrid(torch.arange(height) / 40, torch.arange(width) / 40, indexing="ij")
    return torch.stack((x, y))[None]
