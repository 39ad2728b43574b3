"""ResNet (He et al. 2016): blocks that add to what they are given; five maps at strides 2 to 32, or no coarser than 8.

Names are torchvision's (`conv1`, `bn1`, `layer1.0.conv1` …), so its weights load as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segkit.checks import chosen, whole
from segkit.encoders.dilation import dilate_strides_, set_rates
from segkit.encoders.encoder import Encoder, picture_size
from segkit.layers import AdaptiveAvgPool2d, Conv2d, MaxPool2d
from segkit.typed import typed

# blocks per stage: basic ones in 18 and 34, bottlenecks from 50 on (the paper's Table 1)
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class BasicBlock(nn.Module):
    """Two 3×3 convolutions, added to their input.

    Args:
        before: channels of the input.
        channels: of both convolutions and of the output.
        stride: of the first convolution and of the shortcut.

    Shape:
        N×before×H×W → N×channels×⌈H/stride⌉×⌈W/stride⌉.
    """

    expansion = 1

    def __init__(self, before: int, channels: int, stride: int = 1, stride_in: str = "3x3") -> None:
        super().__init__()
        self.conv1 = Conv2d(before, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(before, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        same = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))  # N, channels, H/stride, W/stride
        return self.relu(self.bn2(self.conv2(x)) + same)


class Bottleneck(nn.Module):
    """1×1 down, 3×3, 1×1 up to four times the channels; added to the input.

    Args:
        before: channels of the input.
        channels: of the 3×3 convolution; the output has 4·channels.
        stride: of one convolution and of the shortcut.
        stride_in: which one: "3x3" (torchvision) or the first "1x1" (the paper).

    Shape:
        N×before×H×W → N×4·channels×⌈H/stride⌉×⌈W/stride⌉.
    """

    expansion = 4

    def __init__(self, before: int, channels: int, stride: int = 1, stride_in: str = "3x3") -> None:
        super().__init__()
        first, second = (1, stride) if stride_in == "3x3" else (stride, 1)
        self.conv1 = Conv2d(before, channels, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = Conv2d(channels, channels, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(before, 4 * channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        same = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))  # N, channels, H/stride, W/stride
        return self.relu(self.bn3(self.conv3(x)) + same)  # N, 4·channels, H/stride, W/stride


class ResNetEncoder(Encoder):
    """The convolutional part of a ResNet: a picture → five maps, at strides 2, 4, 8, 16, 32 or no coarser than asked.

    Args:
        depth: 18, 34, 50, 101 or 152, as in the paper's Table 1.
        width: channels of the first layer; 64 in the paper, 8 to 16 at course size.
        output_stride: 32, 16 or 8: pixels from one cell of the last map to the next. Below 32 the strides of the last
            stages turn into dilation (`dilate_strides`): the same weights, every filter response kept.
        in_channels: channels of the picture.
        stride_in: which convolution of a bottleneck strides: "3x3" as torchvision's weights want it, "1x1" as in the
            paper.
        stem: the first layer: "7x7" as in the paper, or "deep": three 3×3 convolutions with width, width and 2·width
            channels, as PSPNet has it.
        multi_grid: unit rates: how many cells of the stage's own map the 3×3 of each unit of the last stage steps, and
            of each extra block; (1, 2, 4) in DeepLab v3, of which a ResNet-18, with two units, takes the first two.
            What output_stride asks for is multiplied by it. None and (1, 1, 1) leave every filter response where a
            classifier has it.
        extra_blocks: up to 3 more stages, layer5 to layer7 (the paper's block5 to block7), in shape copies of the last
            one, each striding by 2 until output_stride is reached.

    Shape:
        N×C×H×W → five maps, and one for each extra block, N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1.
        Cell (i, j) of stride s has its centre on pixel (s·i, s·j).

    Raises:
        ValueError: a depth, width, output_stride, stride_in, stem, multi_grid or number of blocks not among these.

    Source:
        He, Zhang, Ren & Sun, "Deep residual learning…", CVPR 2016, Table 1 and Figure 5. The receptive field of the
        last map is 483, 1027, 1507 for depths 50, 101, 152 with stride_in="1x1"; with "3x3" it is 56 pixels smaller.
        torchvision's `replace_stride_with_dilation` gives the same maps as output_stride. multi_grid, extra_blocks:
        Chen et al., arXiv 1706.05587, sections 3.2 and 4.1. Their code strides in the last unit of the stage before, so
        that all units of a stage read its own map; here the first unit strides and reads the map before it, so its
        rate counts double there. The rates at output stride 16 are theirs, 2, 4, 8 in layer4 and 4, 8, 16 in layer5.
    """

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def __init__(
        self,
        depth: int = 50,
        width: int = 64,
        output_stride: int = 32,
        in_channels: int = 3,
        stride_in: str = "3x3",
        stem: str = "7x7",
        multi_grid: Sequence[int] | None = None,
        extra_blocks: int = 0,
    ) -> None:
        super().__init__(in_channels, width, "ResNet")
        if depth not in BLOCKS:
            raise ValueError(f"ResNet of depth {depth} is not in the paper; choose one of {sorted(BLOCKS)}")
        extra = whole(extra_blocks, "extra_blocks", "ResNet", 0, 3)
        known = [2**i for i in range(3, 6 + extra)]
        if isinstance(output_stride, bool) or output_stride not in known:
            raise ValueError(f"ResNet got output_stride={output_stride!r}; it can be {', '.join(map(str, known))}")
        if stride_in not in ("3x3", "1x1"):
            raise ValueError(f'ResNet got stride_in={stride_in!r}; a bottleneck strides in its "3x3" or first "1x1"')
        width, deep = self.width, chosen(stem, "stem", "ResNet", ("7x7", "deep")) == "deep"
        block = BasicBlock if depth < 50 else Bottleneck
        wide = [width * block.expansion * 2 ** min(i, 3) for i in range(4 + extra)]
        self.channels = (2 * width if deep else width, *wide)
        self.strides = tuple(2**i for i in range(1, 6 + extra))
        self.torchvision = f"resnet{depth}" if not deep and (stride_in == "3x3" or depth < 50) else ""
        self.conv1 = (deep_stem if deep else _plain_stem)(in_channels, width)
        self.bn1 = nn.BatchNorm2d(self.channels[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = MaxPool2d(3, 2, padding=1)
        before = self.channels[0]
        for i, blocks in enumerate((*BLOCKS[depth], *BLOCKS[depth][3:] * extra)):
            stage = nn.Sequential()
            for j in range(blocks):
                stage.append(block(before, wide[i] // block.expansion, 2 if i and not j else 1, stride_in))
                before = wide[i]
            self.add_module(f"layer{i + 1}", stage)
        self.added = tuple(f"layer{i}." for i in range(5, 5 + extra))
        if multi_grid is not None:
            _set_unit_rates(self.stages[3:], multi_grid)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        dilate_strides_(self, output_stride)

    @property
    def stages(self) -> list[nn.Sequential]:
        """The stages of residual blocks, layer1 to layer4 and the extra ones: for `set_rates`."""
        return [self.get_submodule(f"layer{i}") for i in range(1, len(self.channels))]  # type: ignore[misc]

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.maps(x)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The maps, finest first."""
        picture_size(x, "ResNet", self.in_channels)
        x = self.relu(self.bn1(self.conv1(x)))  # N, channels[0], H/2, W/2
        maps = [x]
        x = self.maxpool(x)  # N, channels[0], H/4, W/4
        for stage in self.stages:
            x = stage(x)  # N, channels[i], H/strides[i], W/strides[i]
            maps.append(x)
        return maps


class ResNet(ResNetEncoder):
    """ResNet the classifier: the encoder, the mean over the last map, one fully connected layer.

    Args:
        num_classes: number of picture classes; 1000 for ImageNet.
        depth, width, output_stride, in_channels, stride_in: as in ResNetEncoder.

    Shape:
        N×C×H×W → N×num_classes.
    """

    @typed
    def __init__(
        self,
        num_classes: int = 1000,
        depth: int = 50,
        width: int = 64,
        output_stride: int = 32,
        in_channels: int = 3,
        stride_in: str = "3x3",
    ) -> None:
        whole(num_classes, "num_classes", "ResNet", 1)
        whole(num_classes, "num_classes", "ResNet", 1)
        super().__init__(depth, width, output_stride, in_channels, stride_in)
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(self.channels[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        x = self.avgpool(self.maps(x)[-1])  # N, channels[-1], 1, 1
        return self.fc(x.flatten(1))  # N, num_classes


def _shortcut(before: int, channels: int, stride: int) -> nn.Module | None:
    """A 1×1 convolution where the block changes channels (the paper's option B), every second cell where only size."""
    if before == channels:
        return MaxPool2d(1, stride) if stride > 1 else None
    return nn.Sequential(Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


def _plain_stem(in_channels: int, width: int) -> nn.Module:
    return Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)


def deep_stem(in_channels: int, width: int) -> nn.Sequential:
    """Three 3×3 convolutions that see 11 pixels instead of one 7×7 that sees 7; bn1 and a ReLU come after the last."""
    layers: list[nn.Module] = []
    for before, channels, stride in ((in_channels, width, 2), (width, width, 1)):
        layers += [Conv2d(before, channels, 3, stride, padding=1, bias=False), nn.BatchNorm2d(channels)]
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers, Conv2d(width, 2 * width, 3, padding=1, bias=False))


def _set_unit_rates(stages: Sequence[nn.Sequential], unit_rates: Sequence[int]) -> None:
    """Multi-grid: the unit rates for each stage, counted in cells of the map that it makes."""
    units = len(stages[0])
    rates = [whole(rate, "multi_grid", "ResNet", 1) for rate in unit_rates]
    if (units, len(rates)) == (2, 3):
        rates = rates[:2]
    if len(rates) != units:
        fit = tuple(2**i for i in range(units))
        raise ValueError(
            f"ResNet got multi_grid={tuple(rates)}; its last stage has {units} units, so give {units} rates, such as "
            f"{fit}, or None"
        )
    if set(rates) == {1}:
        return  # as in the classifier, whose first unit keeps its narrow 3×3
    for stage in stages:
        set_rates(stage, rates)
        for conv in stage[0].modules():
            if isinstance(conv, nn.Conv2d) and conv.kernel_size != (1, 1) and conv.stride == (2, 2):
                conv.dilation = conv.padding = (2 * rates[0], 2 * rates[0])
