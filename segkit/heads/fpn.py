"""Feature pyramid (Lin et al. 2017) and what Panoptic FPN reads off it (Kirillov et al. 2019): scores at stride 4.

map 1/32 ── 1×1 ── 3×3 ─────────────────────── three times (3×3, ×2) ──┐
              ×2                                                       │
map 1/16 ── 1×1 + ── 3×3 ─────────────────────── twice (3×3, ×2) ──────┤
                  ×2                                                   ├── sum ── 1×1 ── scores
map 1/8  ── 1×1 ── + ── 3×3 ────────────────── once (3×3, ×2) ─────────┤
                     ×2                                                │
map 1/4  ── 1×1 ───── + ── 3×3 ───────────────────── 3×3 ──────────────┘
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from segkit.checks import whole
from segkit.engine import engine
from segkit.heads.enlarge import check_maps, to_size
from segkit.layers import Conv2d
from segkit.layers.blocks import score_layer
from segkit.layers.borders import cut
from segkit.typed import typed


class FPN(nn.Module):
    """Every map, also the finest, gets to know what the coarser ones know: each is added to the next finer one.

    Args:
        channels: of the maps, fine to coarse, each of twice the stride of the one before.
        width: channels of every map that comes out.

    Shape:
        maps N×channels[i]×⌈h/2ⁱ⌉×⌈w/2ⁱ⌉ → as many N×width×⌈h/2ⁱ⌉×⌈w/2ⁱ⌉.

    Raises:
        ValueError: no channels; maps that it was not made for.

    Source:
        Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017 (arXiv 1612.03144), section 3, Figure 3.
    """

    @typed
    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.channels = [whole(c, "channels", "FPN", 1) for c in channels]
        if not self.channels:
            raise ValueError("FPN got channels=[]; it needs the channels of one map or more, fine to coarse")
        self.width = whole(width, "width", "FPN", 1)
        self.lateral = nn.ModuleList(Conv2d(c, width, 1) for c in self.channels)
        self.smooth = nn.ModuleList(Conv2d(width, width, 3, padding=1) for _ in self.channels)
        for conv in (*self.lateral, *self.smooth):
            nn.init.kaiming_uniform_(conv.weight, a=1)
            nn.init.zeros_(conv.bias)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        check_maps(maps, self.channels, "FPN")
        above: Tensor | None = None
        found = []
        for lateral, smooth, x in zip(reversed(self.lateral), reversed(self.smooth), reversed(maps), strict=True):
            here = lateral(x)  # N, width, h, w
            if above is not None:
                wide = engine().interpolate(above, scale_factor=2, mode="nearest")
                here = here + cut(wide, here.shape[-2], here.shape[-1])
            above = here
            found.append(smooth(here))
        return found[::-1]


class FPNHead(nn.Module):
    """Class scores from all maps of a feature pyramid: each is brought to the finest one's size in steps, and added.

    Args:
        channels: of every map of the pyramid.
        levels: how many there are.
        width: channels between; normalised in groups (GroupNorm), 32 of them at the paper's 128.
        num_classes: K.
        corner_aligned: where the cells stand, as in `enlarge`.

    Shape:
        maps N×channels×⌈h/2ⁱ⌉×⌈w/2ⁱ⌉ → N×K×h×w.

    Source:
        Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019 (arXiv 1901.02446), section 3 and Figure 3.
    """

    @typed
    def __init__(self, channels: int, levels: int, width: int, num_classes: int, corner_aligned: bool = True) -> None:
        super().__init__()
        self.channels = [whole(channels, "channels", "FPNHead", 1)] * whole(levels, "levels", "FPNHead", 1)
        self.corner_aligned, width = corner_aligned, whole(width, "width", "FPNHead", 1)
        counts = [max(1, level) for level in range(levels)]
        self.ways = nn.ModuleList(
            nn.ModuleList(_conv_group_relu(width if step else channels, width) for step in range(count))
            for count in counts
        )
        self.score = score_layer(Conv2d(width, whole(num_classes, "num_classes", "FPNHead", 1), 1))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        check_maps(maps, self.channels, "FPNHead")
        total: Tensor | None = None
        ways: Any = self.ways
        for level, (way, x) in enumerate(zip(ways, maps, strict=True)):
            for step, conv in enumerate(way):
                x = conv(x)
                if level:
                    h, w = maps[level - step - 1].shape[-2:]
                    x = cut(to_size(x, 2, h, w, self.corner_aligned), h, w)  # N, width, h, w
            total = x if total is None else total + x
        assert total is not None
        return self.score(total)


def _conv_group_relu(before: int, channels: int) -> nn.Sequential:
    conv = Conv2d(before, channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    groups = math.gcd(32, max(1, channels // 2))  # at least two channels in each, where there are two
    return nn.Sequential(conv, nn.GroupNorm(groups, channels), nn.ReLU(inplace=True))
