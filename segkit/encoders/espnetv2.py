"""ESPNetv2 (Mehta et al. 2019): ESPNet's block of grouped 1×1 and depthwise dilated convolutions; the picture again.

  EESP unit    ┌─ depthwise, rate 1 ──┬──────────────┐
  1×1 in 4     ├─ depthwise, rate 2 ──+──┬───────────┤ joined ── BN, PReLU ── 1×1 in 4 groups ── BN ── + input ── PReLU
  groups, to ──├─ depthwise, rate 3 ─────+──┬────────┤
  a quarter    └─ depthwise, rate 4 ────────+────────┘

  stride   2          4             8                    16                   32
  layers   3×3 s2     strided       strided, 3 units     strided, 7 units     strided, 3 units (, 3×3, 1×1)
                      └── each also reads the picture, averaged to its size ──┘

Reference: "ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network", CVPR 2019
(arXiv 1811.11431), and the authors' classifier, sacmehta/ESPNetv2, imagenet/Model.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.encoders.encoder import Encoder, init_relu_, picture_size
from segkit.layers import AvgPool2d, Conv2d, PReLU
from segkit.layers.blocks import conv_norm_prelu, norm_prelu

BRANCHES = 4
LIMITS = {2: (13, 13), 3: (11, 9), 4: (9, 7), 5: (7, 5)}  # widest kernel of a level's strided unit, and of the others
UNITS = {2: 0, 3: 3, 4: 7, 5: 3}


class EESP(nn.Module):
    """Extremely efficient spatial pyramid: reduce in groups, look at four rates channel by channel, add, merge.

    Args:
        channels, out: in and out; `out` is a multiple of the number of rates.
        rates: one for each branch, smallest first.
        stride: 1: the input is added where it has as many channels, and a PReLU ends the unit. 2: neither, for the
            strided unit joins the result with a pooling first.
        hff: hierarchical feature fusion: add to each branch the one before it, from the first on.

    Shape:
        N×channels×H×W → N×out×⌈H/stride⌉×⌈W/stride⌉.

    Source:
        Sections 3.1 and 3.2, Figure 1. A group reduces only where channels divide: with fewer than 16 channels
        there are fewer groups.
    """

    def __init__(
        self, channels: int, out: int, rates: Sequence[int] = (1, 2, 3, 4), stride: int = 1, hff: bool = True
    ) -> None:
        super().__init__()
        inner = out // len(rates)
        groups = math.gcd(len(rates), channels, inner)
        self.hff, self.residual = hff, stride == 1 and channels == out
        self.reduce = conv_norm_prelu(Conv2d(channels, inner, 1, groups=groups, bias=False))
        self.branches = nn.ModuleList(
            Conv2d(inner, inner, 3, stride, padding=rate, dilation=rate, groups=inner, bias=False) for rate in rates
        )
        self.joined = norm_prelu(out)
        self.merge = nn.Sequential(Conv2d(out, out, 1, groups=len(rates), bias=False), nn.BatchNorm2d(out))
        self.act = PReLU(out) if stride == 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        few = self.reduce(x)  # N, inner, H, W
        seen = [branch(few) for branch in self.branches]  # N, inner, H/stride, W/stride
        for i in range(1, len(seen) if self.hff else 0):
            seen[i] = seen[i] + seen[i - 1]
        merged = self.merge(self.joined(torch.cat(seen, 1)))  # N, out, H/stride, W/stride
        return self.act(merged + x if self.residual else merged)


class StridedEESP(nn.Module):
    """The unit that halves the map: a pooling and an EESP of stride 2 side by side, and the picture's own maps added.

    Args:
        channels, out: in and out; the EESP makes the difference.
        rates, hff: as in `EESP`.
        picture: channels of the picture; 0: it is not read.

    Shape:
        N×channels×H×W, the picture N×C×⌈H/2⌉×⌈W/2⌉ → N×out×⌈H/2⌉×⌈W/2⌉.

    Source:
        Section 3.2, Figure 2.
    """

    def __init__(self, channels: int, out: int, rates: Sequence[int], hff: bool = True, picture: int = 3) -> None:
        super().__init__()
        self.eesp, self.pool = EESP(channels, out - channels, rates, 2, hff), AvgPool2d(3, 2, padding=1)
        self.reinforce = nn.Sequential(
            conv_norm_prelu(Conv2d(picture, picture, 3, padding=1, bias=False)),
            Conv2d(picture, out, 1, bias=False),
            nn.BatchNorm2d(out),
        ) if picture else None  # fmt: skip
        self.act = PReLU(out)

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        x = torch.cat([self.pool(x), self.eesp(x)], 1)  # N, out, H/2, W/2
        return self.act(x if self.reinforce is None else x + self.reinforce(picture))


class ESPNetv2Encoder(Encoder):
    """The convolutional part of ESPNetv2: a picture → a map at each of the strides 2, 4, 8, 16 and 32.

    Args:
        width: 64 is the paper's s = 1: 32, 64, 128, 256 and 512 channels; 32, 96 and 128 are its s = 0.5, 1.5 and 2.
            The first map never has more than 32.
        in_channels: channels of the picture.
        levels: 5; or 4, without the level of stride 32, as the segmentation network has it.
        expand: the classifier's last two layers, a depthwise 3×3 and a grouped 1×1 to 1024 channels (1280 from s = 2
            on), at the end of level 5.
        hff: as in `EESP`.

    Shape:
        N×C×H×W → maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1. Cell (i, j) of stride s has its centre
        on pixel (s·i, s·j).

    Raises:
        ValueError: an option that is not among these.

    Source:
        Section 3.3. With `Classifier`, `expand` and 1000 classes 1.24, 1.67, 2.31 and 3.49 million parameters
        and 0.03, 0.09, 0.17 and 0.29 G multiply-adds on 224×224 pixels, for s = 0.5, 1, 1.5 and 2.

    Differs from the paper:
        as in the released classifier, level 5 does not read the picture. Left out are weights that nothing reads there:
        layers for the picture at level 5, and a slope for each channel of a strided EESP; together 1,610, 3,130, 4,666
        and 6,202, with which the largest has 3.50 million. Initial weights are those of He et al. 2015 by inputs,
        where the authors go by outputs.
    """

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def __init__(
        self, width: int = 64, in_channels: int = 3, levels: int = 5, expand: bool = False, hff: bool = True
    ) -> None:
        super().__init__(in_channels, width, "ESPNetv2")
        levels = whole(levels, "levels", "ESPNetv2", 4, 5)
        if expand and levels < 5:
            raise ValueError("ESPNetv2 got expand=True and levels=4; what it expands is level 5: give levels=5")
        base = max(-(-(self.width // 2) // BRANCHES), 1) * BRANCHES
        self.channels = (min(base, 32), *(base * 2**i for i in range(1, levels)))
        self.strides = tuple(2**i for i in range(1, levels + 1))
        self.level1 = conv_norm_prelu(Conv2d(self.in_channels, self.channels[0], 3, 2, padding=1, bias=False))
        self.shrink = AvgPool2d(3, 2, padding=1)
        self.strided, self.levels = nn.ModuleList(), nn.ModuleList()
        for number in range(2, levels + 1):
            before, channels = self.channels[number - 2 : number]
            strided, others = (rates_within(limit) for limit in LIMITS[number])
            self.strided.append(StridedEESP(before, channels, strided, hff, self.in_channels if number < 5 else 0))
            units = nn.Sequential(*(EESP(channels, channels, others, hff=hff) for _ in range(UNITS[number])))
            if expand and number == 5:
                wide = 1024 if self.width < 128 else 1280
                units.append(conv_norm_prelu(Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)))
                units.append(conv_norm_prelu(Conv2d(channels, wide, 1, groups=BRANCHES, bias=False)))
                self.channels = (*self.channels[:-1], wide)
            self.levels.append(units)
        init_relu_(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "ESPNetv2", self.in_channels)
        picture = self.shrink(x)  # N, C, H/2, W/2
        maps = [self.level1(x)]  # N, channels[0], H/2, W/2
        for strided, units in zip(self.strided, self.levels, strict=True):
            picture = self.shrink(picture)  # N, C, H/s, W/s
            maps.append(units(strided(maps[-1], picture)))  # N, channels[i], H/s, W/s
        return maps


def rates_within(limit: int) -> tuple[int, ...]:
    """Rates 1 to 4 of 3×3 kernels, with 1 in place of those that would span more than `limit` cells; smallest first."""
    return tuple(sorted(rate if 2 * rate + 1 <= limit else 1 for rate in range(1, BRANCHES + 1)))
