"""DenseNet (Huang et al. 2017): each layer reads all layers before it, and puts a few maps beside theirs.

  stride   2       4                          8                            16               32
  layers   conv0 ─ pool0, denseblock1 ─ transition1, denseblock2 ─ transition2, … 3 ─ transition3, … 4 ─ norm5

  a dense layer:   BN, ReLU, 1×1 to 4·growth, BN, ReLU, 3×3 to growth ── beside all that came in
  a transition:    BN, ReLU, 1×1 to half the channels, mean of 2×2

Names are torchvision's (`features.denseblock1.denselayer1.norm1` …), so its weights load as they are.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.encoders.dilation import dilate_strides_
from segkit.encoders.encoder import Encoder, check_output_stride, picture_size
from segkit.layers import AvgPool2d, Conv2d, MaxPool2d

# growth, channels of the first layer, layers of each block; for width 64, the paper's
DENSENETS = {121: (32, 64, (6, 12, 24, 16)), 161: (48, 96, (6, 12, 36, 24)), 169: (32, 64, (6, 12, 32, 32)),
             201: (32, 64, (6, 12, 48, 32))}  # fmt: skip


class DenseLayer(nn.Module):
    """Adds `growth` channels to what comes in: BN, ReLU, 1×1, BN, ReLU, 3×3.

    Shape:
        N×before×h×w → N×(before + growth)×h×w.
    """

    def __init__(self, before: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(before), nn.ReLU(inplace=True)
        self.conv1 = Conv2d(before, 4 * growth, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(4 * growth), nn.ReLU(inplace=True)
        self.conv2 = Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        new = self.conv1(self.relu1(self.norm1(x)))  # N, 4·growth, h, w
        return torch.cat([x, self.conv2(self.relu2(self.norm2(new)))], 1)  # N, before + growth, h, w


class HalvingMean(AvgPool2d):
    """The mean of each 2×2 cells; an odd map is continued by zeros, as the mean without its stride continues it."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (0, 1, 0, 1)))  # N, C, ⌈h/2⌉, ⌈w/2⌉


class Transition(nn.Module):
    """Half the channels, and half the size: BN, ReLU, 1×1, mean of 2×2.

    Shape:
        N×before×h×w → N×after×⌈h/2⌉×⌈w/2⌉.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm, self.relu = nn.BatchNorm2d(before), nn.ReLU(inplace=True)
        self.conv = Conv2d(before, after, 1, bias=False)
        self.pool = HalvingMean(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(self.relu(self.norm(x))))  # N, after, ⌈h/2⌉, ⌈w/2⌉


class DenseNetEncoder(Encoder):
    """The convolutional part of a DenseNet: a picture → five maps, at strides 2 to 32 or no coarser.

    Args:
        depth: 121, 161, 169 or 201, as in the paper's Table 1 (161 is its k = 48).
        width: 64 is the paper's size: a growth of 32 (48 in DenseNet-161); all channels are in proportion.
        output_stride: 32, 16 or 8. Below 32 the last strides turn into dilation (`dilate_strides`).
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1. A mean of 2×2 stands between its
        cells: cell i of stride s ≥ 8 has its centre 1.5 pixels before the middle of its s pixels.

    Raises:
        ValueError: a depth, width or output_stride that is not among these.

    Source:
        Huang, Liu, van der Maaten & Weinberger, "Densely Connected Convolutional Networks", CVPR 2017 (arXiv
        1608.06993), sections 3 and Table 1.
    """

    normalised = True  # type: ignore[assignment]

    def __init__(self, depth: int = 121, width: int = 64, output_stride: int = 32, in_channels: int = 3) -> None:
        super().__init__(in_channels, width, "DenseNet")
        if depth not in DENSENETS:
            raise ValueError(f"DenseNet of depth {depth} is not in the paper; choose one of {sorted(DENSENETS)}")
        stride_asked = check_output_stride(output_stride, "DenseNet")
        growth, first, blocks = DENSENETS[depth]
        growth, channels = max(1, growth * self.width // 64), max(1, first * self.width // 64)
        conv0 = Conv2d(self.in_channels, channels, 7, 2, padding=3, bias=False)
        stem = {"conv0": conv0, "norm0": nn.BatchNorm2d(channels), "relu0": nn.ReLU(inplace=True)}
        layers: OrderedDict[str, nn.Module] = OrderedDict(stem, pool0=MaxPool2d(3, 2, padding=1))
        wide = [channels]
        for number, count in enumerate(blocks, 1):
            block: OrderedDict[str, nn.Module] = OrderedDict()
            for i in range(1, count + 1):
                block[f"denselayer{i}"] = DenseLayer(channels, growth)
                channels += growth
            layers[f"denseblock{number}"] = nn.Sequential(block)
            wide.append(channels)
            if number < len(blocks):
                layers[f"transition{number}"] = Transition(channels, channels // 2)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.channels, self.strides, self.torchvision = tuple(wide), (2, 4, 8, 16, 32), f"densenet{depth}"
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        dilate_strides_(self, stride_asked)

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "DenseNet", self.in_channels)
        maps = []
        for name, layer in self.features.named_children():
            x = layer(x)
            if name == "relu0" or name.startswith("denseblock"):  # a block ends before its transition
                maps.append(x)
        return [*maps[:-1], F.relu(x)]  # norm5 comes after the last block
