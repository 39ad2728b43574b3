"""ShuffleNet v1 (Zhang et al. 2018): even the 1×1 convolutions in groups, and a shuffle so that the groups meet.

unit            1×1 in groups, BN, ReLU ── shuffle ── 3×3 of each channel alone, BN ── 1×1 in groups, BN ── + ── ReLU
              └────────────────────────────────────────────────────────────────────────────────────────────┘
stride 2        the same with stride 2 in the 3×3, side by side with a 3×3 average pooling: no sum, more channels

stride   2          4          8              16             32
layers   3×3, 24    pool       4 units, 240   8 units, 480   4 units, 960
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import chosen
from segkit.encoders.dilation import dilate_strides_
from segkit.encoders.encoder import Encoder, check_output_stride, init_relu_, picture_size, scaled
from segkit.layers import AvgPool2d, ChannelShuffle, Conv2d, MaxPool2d

FIRST = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # groups → channels of stage 2; they double from stage to stage
UNITS = (4, 8, 4)  # of stages 2, 3 and 4
VARIANTS = ("paper", "rtseg")


class ShuffleUnit(nn.Module):
    """1×1 in groups, shuffle, 3×3 of each channel alone, 1×1 in groups; added to the input, or beside its pooled form.

    Args:
        before: channels of the input.
        channels: of the output; the pooled input is part of them where stride is 2.
        narrow: channels between the two 1×1.
        groups: of both 1×1.
        stride: 1 or 2.
        first_groups: of the first 1×1, where it has others: 1 after the stem, which has too few channels.

    Shape:
        N×before×H×W → N×channels×⌈H/stride⌉×⌈W/stride⌉.
    """

    def __init__(
        self, before: int, channels: int, narrow: int, groups: int, stride: int = 1, first_groups: int | None = None
    ) -> None:
        super().__init__()
        made = channels - before if stride == 2 else channels
        self.conv1 = Conv2d(before, narrow, 1, groups=first_groups or groups, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.shuffle = ChannelShuffle(groups)
        self.depthwise = Conv2d(narrow, narrow, 3, stride, padding=1, groups=narrow, bias=False)
        self.bn2 = nn.BatchNorm2d(narrow)
        self.conv3 = Conv2d(narrow, made, 1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(made)
        self.relu = nn.ReLU(inplace=True)
        self.pool = AvgPool2d(3, 2, padding=1) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.shuffle(self.relu(self.bn1(self.conv1(x))))  # N, narrow, H, W
        y = self.bn3(self.conv3(self.bn2(self.depthwise(y))))  # N, made, H/stride, W/stride
        return self.relu(x + y if self.pool is None else torch.cat([y, self.pool(x)], 1))  # N, channels, …


class ShuffleNetEncoder(Encoder):
    """The convolutional part of ShuffleNet v1: a picture → five maps, at strides 2 to 32 or no coarser.

    Args:
        width: 64 is the paper's size: 24 channels in the first layer; channels are in proportion, rounded to what the
            groups divide.
        output_stride: 32, 16 or 8. Below 32 the last strides turn into dilation (`dilate_strides`).
        in_channels: channels of the picture.
        groups: 1, 2, 3, 4 or 8; with more groups the paper has more channels for the same arithmetic.
        variant: "paper", or "rtseg": a unit of stride 2 is a quarter as wide inside as what its convolutions put out,
            instead of a quarter of all that comes out.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1. Cell (i, j) of stride s has its
        centre on pixel (s·i, s·j).

    Raises:
        ValueError: an option that is not among these.

    Source:
        Zhang, Zhou, Lin & Sun, "ShuffleNet…", CVPR 2018 (arXiv 1707.01083), Figure 2 and Table 1. "rtseg": the code of
        Siam et al., "RTSeg", ICIP 2018 (arXiv 1803.02758).
    """

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def __init__(
        self, width: int = 64, output_stride: int = 32, in_channels: int = 3, groups: int = 3, variant: str = "paper"
    ) -> None:
        super().__init__(in_channels, width, "ShuffleNet")
        stride_asked = check_output_stride(output_stride, "ShuffleNet")
        if isinstance(groups, bool) or groups not in FIRST:
            raise ValueError(f"ShuffleNet got groups={groups!r}; the paper has {', '.join(map(str, FIRST))}")
        slim = chosen(variant, "variant", "ShuffleNet", VARIANTS) == "rtseg"
        before = scaled(24, self.width, 4 * groups if slim else groups)
        self.conv1 = Conv2d(self.in_channels, before, 3, 2, padding=1, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(before), nn.ReLU(inplace=True)
        self.maxpool = MaxPool2d(3, 2, padding=1)
        wide, self.stages = [before, before], nn.ModuleList()
        for number, units in enumerate(UNITS):
            channels = scaled(FIRST[groups] * 2**number, self.width, 4 * groups)
            if channels <= before:  # only in the narrowest: the pooled input has to fit into the output
                channels = (before // (4 * groups) + 1) * 4 * groups
            stage = nn.Sequential()
            for i in range(units):
                narrow = (channels - before if slim and not i else channels) // 4
                first = 1 if not number and not i else None
                stage.append(ShuffleUnit(before, channels, narrow, groups, 1 if i else 2, first))
                before = channels
            self.stages.append(stage)  # the paper's stages 2, 3 and 4
            wide.append(channels)
        self.channels, self.strides = tuple(wide), (2, 4, 8, 16, 32)
        init_relu_(self)
        dilate_strides_(self, stride_asked)

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "ShuffleNet", self.in_channels)
        maps = [self.relu(self.bn1(self.conv1(x)))]  # N, channels[0], H/2, W/2
        for layer in (self.maxpool, *self.stages):
            maps.append(layer(maps[-1]))  # N, channels[i], H/strides[i], W/strides[i]
        return maps
