"""Chapter 05's network for fair comparisons: one encoder, one decoder, and one line that says how a map grows back.

It is the class that the chapter writes out, so that the recorded runs and the reader train the same thing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.engine import engine
from segkit.layers import Conv2d

UPS = ("bilinear", "bed of nails", "indices", "concatenation")


def block(before: int, after: int, depth: int = 2) -> nn.Sequential:
    """`depth` times convolution 3×3, BatchNorm, ReLU; the last convolution makes `after` channels."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        before = after
    return nn.Sequential(*layers)


class Mirror(nn.Module):
    """An encoder and its mirror image.

    Args:
        up: "bilinear" (a plain decoder), "bed of nails" (to a corner of the window), "indices" (SegNet: back to where
            the largest stood) or "concatenation" (U-Net: bilinear, and the encoder's features beside it).
        num_classes: number of classes K.
        width: channels of the first block; each further block has twice as many, up to 8 times.
        levels: poolings.
        depth: convolutions per block, at least 2.

    Shape:
        N×3×H×W → N×K×H×W, any H, W ≥ 1.
    """

    def __init__(self, up: str, num_classes: int, width: int = 8, levels: int = 4, depth: int = 2) -> None:
        super().__init__()
        if up not in UPS:
            raise ValueError(f"Mirror got up={up!r}; it is one of {', '.join(UPS)}")
        self.up = up
        channels = [width * min(2**i, 8) for i in range(levels)]
        outs, inside = [width, *channels[:-1]], 2 if up == "concatenation" else 1
        self.down = nn.ModuleList(block(b, c, depth) for b, c in zip([3, *channels[:-1]], channels, strict=True))
        climbs = [(c, out, depth - (i == 0)) for i, (c, out) in enumerate(zip(channels, outs, strict=True))]
        self.climb = nn.ModuleList(block(inside * c, out, n) for c, out, n in reversed(climbs))
        self.score = Conv2d(width, num_classes, 3, padding=1)  # the last convolution of the finest block

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
                x = engine().interpolate(x, size=(H, W), mode="bilinear")  # N, c, H, W
            if self.up == "concatenation":
                x = torch.cat([features, x], dim=1)  # N, 2c, H, W
            x = climb(x)  # N, c of the level above, H, W
        return self.score(x)  # N, K, H, W
