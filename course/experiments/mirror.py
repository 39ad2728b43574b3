"""Chapter 05's network for fair comparisons: one encoder, one decoder, and one line that says how a map grows back.

It is the class that the chapter writes out, so that the recorded runs and the reader train the same thing.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from segkit.engine import engine
from segkit.layers import Conv2d

UPS = ("bilinear", "bed of nails", "indices", "concatenation")


def block(*channels: int) -> nn.Sequential:
    """Convolutions 3×3 from each number of channels to the next, each with BatchNorm and ReLU."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(channels):
        layers += [Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Mirror(nn.Module):
    """VGG13's convolutions and their mirror image.

    Args:
        up: "bilinear" (a plain decoder), "bed of nails" (to a corner of the window), "indices" (SegNet: back to where
            the largest stood) or "concatenation" (U-Net: bilinear, and the encoder's features beside it).
        num_classes: number of classes K.
        width: channels of the first block; each further block has twice as many, up to 8 times.
        levels: poolings.

    Shape:
        N×3×H×W → N×K×H×W, any H, W ≥ 1.
    """

    def __init__(self, up: str, num_classes: int, width: int = 8, levels: int = 5) -> None:
        super().__init__()
        if up not in UPS:
            raise ValueError(f"Mirror got up={up!r}; it is one of {', '.join(UPS)}")
        self.up, inside = up, 2 if up == "concatenation" else 1
        c = [width * min(2**i, 8) for i in range(levels)]
        self.down = nn.ModuleList(block(b, n, n) for b, n in zip([3, *c], c, strict=False))
        self.climb = nn.ModuleList(block(inside * n, n, b) for b, n in reversed(list(itertools.pairwise(c))))
        self.climb.append(block(inside * width, width))
        self.score = Conv2d(width, num_classes, 3, padding=1)  # the last of the mirrored convolutions

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for down in self.down:
            features = down(x)  # N, c, H, W
            x, index = engine().max_pool2d(features, 2, ceil_mode=True, return_indices=True)  # N, c, H/2, W/2
            kept.append((features, index))
        for climb, (features, index) in zip(self.climb, reversed(kept), strict=True):
            H, W = features.shape[-2:]
            if self.up == "indices":
                x = engine().max_unpool2d(x, index, 2, output_size=(H, W))  # N, c, H, W
            elif self.up == "bed of nails":
                x = engine().bed_of_nails(x, 2)[..., :H, :W]  # N, c, H, W
            else:
                x = engine().interpolate(x, scale_factor=2, mode="bilinear")[..., :H, :W]  # N, c, H, W
            if self.up == "concatenation":
                x = torch.cat([features, x], dim=1)  # N, 2c, H, W
            x = climb(x)  # N, c of the level above, H, W
        return self.score(x)  # N, K, H, W
