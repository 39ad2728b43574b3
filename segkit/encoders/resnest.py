"""ResNeSt (Zhang et al. 2020): a ResNet whose 3×3 convolutions make each channel twice, and choose between the two.

              ┌── split 1 ──┐                                                ┌── · share ──┐
  3×3, BN, ReLU             + ── mean of the map ── 1×1, BN, ReLU ── 1×1 ──  softmax       + ──
              └── split 2 ──┘                                                └── · share ──┘

Names are the authors' (`conv1.0`, `layer1.0.conv2.fc1` …), so their weights load by `segkit.models.load_exactly`.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import whole
from segkit.encoders.densenet import HalvingMean
from segkit.encoders.dilation import dilate_strides_
from segkit.encoders.encoder import Encoder, check_output_stride, picture_size
from segkit.encoders.resnet import deep_stem
from segkit.engine import engine
from segkit.layers import AvgPool2d, Conv2d, MaxPool2d
from segkit.layers.blocks import check_statistics

# blocks per stage, and the width of the stem's first layers beside 64 (the paper's Table 5 and its appendix)
RESNESTS = {50: ((3, 4, 6, 3), 32), 101: ((3, 4, 23, 3), 64), 200: ((3, 24, 36, 3), 64)}


class SplitAttention(nn.Module):
    """A 3×3 convolution to `splits` maps of each channel, of which the whole picture says how much of each is taken.

    Args:
        channels: in and out.
        least: channels between the two 1×1 at the least; they are channels·splits / 4 where that is more.
        splits: maps of each channel, the paper's radix; with 1 its gate is squeeze-and-excitation's.

    Shape:
        N×channels×h×w → the same.

    Source:
        Section 3.1, equations 1 to 3, with one cardinal group.
    """

    def __init__(self, channels: int, least: int = 32, splits: int = 2) -> None:
        super().__init__()
        self.splits, wide, between = splits, channels * splits, max(channels * splits // 4, least)
        self.conv = Conv2d(channels, wide, 3, padding=1, groups=splits, bias=False)
        self.bn0 = nn.BatchNorm2d(wide)
        self.fc1, self.bn1 = Conv2d(channels, between, 1), nn.BatchNorm2d(between)
        self.fc2 = Conv2d(between, wide, 1)

    def forward(self, x: Tensor) -> Tensor:
        check_statistics(self.bn1, x.shape[0], "SplitAttention")
        x = F.relu(self.bn0(self.conv(x)))  # N, splits·channels, h, w
        mean = engine().adaptive_avg_pool2d(x.unflatten(1, (self.splits, -1)).sum(1), 1)  # N, channels, 1, 1
        scores = self.fc2(F.relu(self.bn1(self.fc1(mean))))  # N, splits·channels, 1, 1
        return engine().gate(x, scores, self.splits)  # N, channels, h, w


class ResNeStBlock(nn.Module):
    """1×1 down, split attention, where the map halves a mean of 3×3, 1×1 up to four times the channels; a sum.

    Args:
        before: channels of the input.
        channels: of the 3×3; the output has 4·channels.
        stride: of the mean and of the shortcut.
        least, splits: as in SplitAttention.

    Shape:
        N×before×h×w → N×4·channels×⌈h/stride⌉×⌈w/stride⌉.
    """

    def __init__(self, before: int, channels: int, stride: int, least: int, splits: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv2d(before, channels, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv2 = SplitAttention(channels, least, splits)
        self.avd_layer = AvgPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()
        self.conv3, self.bn3 = Conv2d(channels, 4 * channels, 1, bias=False), nn.BatchNorm2d(4 * channels)
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        if before != 4 * channels:
            mean, wide = HalvingMean(2, 2) if stride > 1 else nn.Identity(), 4 * channels
            self.downsample = nn.Sequential(mean, Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        same = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))  # N, channels, h, w
        x = self.avd_layer(self.conv2(x))  # N, channels, h/stride, w/stride
        return self.relu(self.bn3(self.conv3(x)) + same)  # N, 4·channels, h/stride, w/stride


class ResNeStEncoder(Encoder):
    """The convolutional part of a ResNeSt: a picture → five maps, at strides 2 to 32 or no coarser.

    Args:
        depth: 50, 101 or 200, as in the paper.
        width: 64 is the paper's size; all channels are in proportion.
        output_stride: 32, 16 or 8. Below 32 the last strides turn into dilation (`dilate_strides`).
        in_channels: channels of the picture.
        splits: maps of each channel that compete; 2 in the paper, 1 for squeeze-and-excitation.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1; in training at least 2 pictures,
        since BatchNorm sees one value for each.

    Raises:
        ValueError: a depth, width, output_stride or number of splits that is not among these.

    Source:
        Zhang et al., "ResNeSt: Split-Attention Networks" (arXiv 2004.08955), sections 3.1 and 3.2; tweaks of section 4:
        a stem of three 3×3, means in place of strides.

    Differs from the paper:
        on an odd map the mean in the shortcut counts zeros beyond the border, as it does after `dilate_strides`; the
        authors' divides by the cells that are there.
    """

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def __init__(
        self, depth: int = 50, width: int = 64, output_stride: int = 32, in_channels: int = 3, splits: int = 2
    ) -> None:
        super().__init__(in_channels, width, "ResNeSt")
        if depth not in RESNESTS:
            raise ValueError(f"ResNeSt of depth {depth} is not in the paper; choose one of {sorted(RESNESTS)}")
        stride_asked, splits = check_output_stride(output_stride, "ResNeSt"), whole(splits, "splits", "ResNeSt", 1)
        blocks, stem = RESNESTS[depth]
        first, least = max(1, stem * self.width // 64), max(1, self.width // 2)
        self.conv1, self.bn1 = deep_stem(self.in_channels, first), nn.BatchNorm2d(2 * first)
        self.relu, self.maxpool = nn.ReLU(inplace=True), MaxPool2d(3, 2, padding=1)
        before, wide = 2 * first, [2 * first]
        for i, count in enumerate(blocks):
            channels, stage = self.width * 2**i, nn.Sequential()
            for j in range(count):
                stage.append(ResNeStBlock(before, channels, 2 if i and not j else 1, least, splits))
                before = 4 * channels
            self.add_module(f"layer{i + 1}", stage)
            wide.append(before)
        self.channels, self.strides = tuple(wide), (2, 4, 8, 16, 32)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        dilate_strides_(self, stride_asked)

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "ResNeSt", self.in_channels)
        x = self.relu(self.bn1(self.conv1(x)))  # N, channels[0], H/2, W/2
        maps, x = [x], self.maxpool(x)  # N, channels[0], H/4, W/4
        for i in range(1, 5):
            x = self.get_submodule(f"layer{i}")(x)  # N, channels[i], H/strides[i], W/strides[i]
            maps.append(x)
        return maps
