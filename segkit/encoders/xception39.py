"""Xception-39 (Yu et al. 2018): BiSeNet's light trunk. Blocks of three separable convolutions, 64 to 256 channels.

  stride   2          4            8                  16                  32
  layers   3×3, 8     pooling      4 blocks, 64       8 blocks, 128       4 blocks, 256

Names are the authors' but for the separable convolutions (`layer1.0.branch.0.depthwise`).
"""

from __future__ import annotations

from torch import Tensor, nn

from segkit.encoders.encoder import Encoder, picture_size, scaled
from segkit.layers import Conv2d, MaxPool2d, SeparableConv2d
from segkit.layers.blocks import conv_norm_relu

PLAN = ((4, 64), (8, 128), (4, 256))  # blocks and channels of each stage


class Xception39Block(nn.Module):
    """Three separable convolutions, the first two to a quarter of the channels; added to the input; then ReLU.

    Args:
        before: channels of the input.
        channels: of the output.
        stride: of the first convolution and of the shortcut, which is a separable convolution where the map shrinks.

    Shape:
        N×before×H×W → N×channels×⌈H/stride⌉×⌈W/stride⌉.
    """

    def __init__(self, before: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        narrow = max(1, channels // 4)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != channels:
            self.shortcut = SeparableConv2d(before, channels, 3, stride, 1, after="norm")
        self.branch = nn.Sequential(
            SeparableConv2d(before, narrow, 3, stride, 1, after="norm relu"),
            SeparableConv2d(narrow, narrow, 3, 1, 1, after="norm relu"),
            SeparableConv2d(narrow, channels, 3, 1, 1, after="norm"),
        )
        self.relu = nn.ReLU(inplace=True)
        for step in self.modules():
            if isinstance(step, SeparableConv2d):  # started for what follows: a ReLU halves, nothing does not
                rectified = any(isinstance(layer, nn.ReLU) for layer in step.after)
                nn.init.kaiming_normal_(step.depthwise.weight, nonlinearity="linear")
                nn.init.kaiming_normal_(step.pointwise.weight, nonlinearity="relu" if rectified else "linear")

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.branch(x) + self.shortcut(x))


class Xception39Encoder(Encoder):
    """The convolutional part of Xception-39: a picture → five maps, at strides 2, 4, 8, 16 and 32.

    Args:
        width: 64 is the paper's size: 8 channels in the first layer, 256 in the last.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉, the second one pooled only. Any H, W ≥ 1. Cell
        (i, j) of stride s has its centre on pixel (s·i, s·j).

    Raises:
        ValueError: a number below 1.

    Source:
        Yu et al., "BiSeNet…", ECCV 2018 (arXiv 1808.00897), section 4.1; stages and blocks are those of the authors'
        code (TorchSeg, furnace/base_model/xception.py): nothing stands between a depthwise and a pointwise step.
    """

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def __init__(self, width: int = 64, in_channels: int = 3) -> None:
        super().__init__(in_channels, width, "Xception39")
        before = scaled(8, self.width)
        self.conv1 = conv_norm_relu(Conv2d(self.in_channels, before, 3, 2, padding=1, bias=False))
        self.maxpool = MaxPool2d(3, 2, padding=1)
        wide = [before, before]
        for number, (blocks, channels) in enumerate(PLAN, start=1):
            stage = nn.Sequential()
            for i in range(blocks):
                stage.append(Xception39Block(before, scaled(channels, self.width), 1 if i else 2))
                before = scaled(channels, self.width)
            self.add_module(f"layer{number}", stage)
            wide.append(before)
        self.channels, self.strides = tuple(wide), (2, 4, 8, 16, 32)

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "Xception39", self.in_channels)
        maps = [self.conv1(x)]  # N, channels[0], H/2, W/2
        maps.append(self.maxpool(maps[0]))  # N, channels[1], H/4, W/4
        for number in range(1, len(PLAN) + 1):
            maps.append(self.get_submodule(f"layer{number}")(maps[-1]))  # N, channels[i], H/strides[i], W/strides[i]
        return maps
