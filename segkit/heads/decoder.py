"""The decoder of DeepLab v3+: what the pyramid knows, beside one early map that knows where edges are.

pyramid's map, enlarged ── channels ──────────────┐
                                                  ├── side by side ── 3×3 ── 3×3 ── width
map of stride 4 ── 1×1 ── reduced, say 48 ────────┘
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.heads.enlarge import check_maps
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3
from segkit.typed import typed


class Decoder(nn.Module):
    """The pyramid's map, enlarged, beside the low-level map with few channels; 3×3 convolutions over both.

    Args:
        channels: of the pyramid's map.
        low_channels: of the low-level map.
        reduced: channels that the low-level map is brought to; 0 leaves it out: the control that has the decoder's
            convolutions and resolution but nothing new to see.
        width: channels of the 3×3 convolutions.
        convs: how many of them.
        separable: each as a depthwise and a pointwise step.

    Shape:
        N×channels×H×W, enlarged to the size of the low-level map, and N×low_channels×H×W → N×width×H×W.

    Source:
        Chen et al., ECCV 2018 (arXiv 1802.02611), section 3.1 and Figure 2; Tables 1 and 2 for `reduced` and `convs`.
    """

    @typed
    def __init__(
        self, channels: int, low_channels: int, reduced: int = 48, width: int = 256, convs: int = 2,
        separable: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = (("channels", channels, 1), ("low_channels", low_channels, 1), ("reduced", reduced, 0),
                 ("width", width, 1), ("convs", convs, 1))  # fmt: skip
        for name, size, least in sizes:
            whole(size, name, "Decoder", least)
        self.channels = channels, low_channels
        self.reduce = conv_norm_relu(Conv2d(low_channels, reduced, 1, bias=False)) if reduced else None
        before = [channels + reduced] + [width] * (convs - 1)
        self.convs = nn.Sequential(*(norm_relu_3x3(b, width, separable=separable) for b in before))

    def forward(self, x: Tensor, low: Tensor) -> Tensor:
        if self.reduce is not None:
            check_maps((x, low), self.channels, "Decoder", alike=True)
            x = torch.cat([x, self.reduce(low)], 1)  # N, channels + reduced, H, W
        return self.convs(x)  # N, width, H, W
