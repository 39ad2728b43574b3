"""VGG (Simonyan & Zisserman 2015): five blocks of 3×3 convolutions, each ended by a 2×2 pooling.

Layer numbering and names are torchvision's (`features.0` … , `classifier.0` …), so its weights load as they are.
"""

from __future__ import annotations

from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.encoders.dilation import dilate_strides_
from segkit.encoders.encoder import Encoder, at_ends, picture_size
from segkit.engine import engine
from segkit.layers import AdaptiveAvgPool2d, Conv2d, MaxPool2d
from segkit.typed import typed

# convolutions per block; block i has width·min(2^i, 8) channels
BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
BEYOND = ("dilated", "plain", "removed")


class VGGEncoder(Encoder):
    """The convolutional part of VGG: a picture → its five pooled maps at strides 2, 4, 8, 16, 32.

    Args:
        depth: 11, 13, 16 or 19, as in the paper's Table 1.
        width: channels of the first block; 64 in the paper, 8 to 16 at course size.
        batch_norm: BatchNorm after each convolution, needed to train from scratch in minutes.
        in_channels: channels of the picture.
        output_stride: 32, or a smaller power of two: no map is coarser. Convolutions after a lost stride are dilated.
        pool: side of the pooling window: 2 as in the paper, or 3 as in DeepLab's code, which puts cell i of a map on
            pixel i·stride exactly.
        beyond: what becomes of a pooling whose stride is lost. "dilated": its window is spread like the kernels, so
            that every filter response stays (`dilate_strides`). "plain": it pools neighbours, at stride 1 (DeepLab).
            "removed": it goes, as in Yu & Koltun's network, which has to be trained anew.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1.

    Raises:
        ValueError: a depth, output_stride, pool or beyond that is not among these.

    Source:
        Simonyan & Zisserman, "Very deep convolutional networks…", ICLR 2015, Table 1. Differs from the paper: pooling
        rounds up (`ceil_mode`), so that no row or column of an odd-sized picture is lost; at 224×224 nothing changes.
    """

    classifier_kernel = 7  # cells of pool5 that the first fully connected layer saw at 224×224

    def __init__(
        self,
        depth: int = 16,
        width: int = 64,
        batch_norm: bool = False,
        in_channels: int = 3,
        output_stride: int = 32,
        pool: int = 2,
        beyond: str = "dilated",
    ) -> None:
        super().__init__(in_channels, width, "VGG")
        if depth not in BLOCKS:
            raise ValueError(f"VGG of depth {depth} is not in the paper; choose one of {sorted(BLOCKS)}")
        if pool not in (2, 3) or beyond not in BEYOND or (pool, beyond) == (2, "plain"):
            raise ValueError(
                f"VGG got pool={pool!r}, beyond={beyond!r}; pool is 2 or 3, beyond is one of {', '.join(BEYOND)}, and "
                "'plain' needs pool=3"
            )
        if isinstance(output_stride, bool) or output_stride not in (1, 2, 4, 8, 16, 32):
            raise ValueError(f"VGG got output_stride={output_stride!r}; it is 32, 16, 8, 4, 2 or 1")
        self.channels = tuple(self.width * min(2**i, 8) for i in range(5))
        self.classifier_channels = 64 * self.width  # 4096 in the paper
        self.torchvision = f"vgg{depth}" + ("_bn" if batch_norm else "")
        self.strides, self.corner_aligned = (2, 4, 8, 16, 32), pool == 3
        layers: list[nn.Module] = []
        before, ends = in_channels, []
        for convolutions, channels in zip(BLOCKS[depth], self.channels, strict=True):
            for _ in range(convolutions):
                layers.append(Conv2d(before, channels, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(channels))
                layers.append(nn.ReLU(inplace=True))
                before = channels
            ends.append(len(layers))
            layers.append(MaxPool2d(2, 2, ceil_mode=True) if pool == 2 else MaxPool2d(3, 2, padding=1))
        self.ends = tuple(ends)  # where the poolings stand in `features`, or stood
        self.features = nn.Sequential(*layers)
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                module.bias.data.zero_()  # type: ignore[union-attr]
        if output_stride == 32:
            return
        if beyond == "dilated":
            dilate_strides_(self, output_stride)
        else:
            self._lose_strides(output_stride, beyond)

    def _lose_strides(self, output_stride: int, beyond: str) -> None:
        """Poolings beyond the stride stop striding or go; convolutions after the first are dilated by 2, then 4, …"""
        stride = rate = 1
        for i, layer in enumerate(self.features):
            if i in self.ends and stride == output_stride:
                rate *= 2  # an identity keeps the numbering, and with it torchvision's weights
                self.features[i] = MaxPool2d(3, 1, padding=1) if beyond == "plain" else nn.Identity()
            elif i in self.ends:
                stride *= 2
            elif isinstance(layer, nn.Conv2d):
                layer.dilation = layer.padding = (rate, rate)
        self.strides = tuple(min(s, output_stride) for s in self.strides)

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "VGG", self.in_channels)
        return at_ends(self.features, self.ends, x)  # N, channels[i], H/strides[i], W/strides[i] each

    def with_indices(self, x: Tensor) -> tuple[Tensor, list[tuple[Tensor, tuple[int, int]]]]:
        """The last map, and for each 2×2 pooling, finest first, where its maxima stood and the size that was pooled.

        Returns:
            N×channels[−1]×⌈H/32⌉×⌈W/32⌉; and per block the indices of the maxima (int64, of the pooled map's shape) and
            the (height, width) that was pooled.
        """
        picture_size(x, "VGG", self.in_channels)
        kept = []
        for i, layer in enumerate(self.features):
            if i in self.ends:
                size = x.shape[-2], x.shape[-1]
                x, indices = engine().max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)  # N, C, H/2, W/2
                kept.append((indices, size))
            else:
                x = layer(x)
        return x, kept


class VGG(nn.Module):
    """VGG as a classifier, for ImageNet: what FCN starts from.

    Args:
        num_classes: number of picture classes; 1000 for ImageNet.
        depth, width, batch_norm, in_channels: as in VGGEncoder.
        dropout: probability of dropping a hidden unit between the fully connected layers.

    Shape:
        N×C×224×224 → N×num_classes. Other sizes are pooled to 7×7 cells first, as in torchvision.
    """

    @typed
    def __init__(
        self,
        num_classes: int = 1000,
        depth: int = 16,
        width: int = 64,
        batch_norm: bool = False,
        dropout: float = 0.5,
        in_channels: int = 3,
    ) -> None:
        whole(num_classes, "num_classes", "VGG", 1)
        super().__init__()
        encoder = VGGEncoder(depth, width, batch_norm, in_channels)
        hidden, cells = encoder.classifier_channels, encoder.classifier_kernel
        self.features = encoder.features
        self.avgpool = AdaptiveAvgPool2d((cells, cells))
        self.classifier = nn.Sequential(
            nn.Linear(encoder.channels[-1] * cells * cells, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(finite(dropout, "dropout", "VGG", 0, 1)),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(finite(dropout, "dropout", "VGG", 0, 1)),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))  # N, 8·width, 7, 7
        return self.classifier(x.flatten(1))  # N, num_classes
