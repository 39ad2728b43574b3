"""VGG (Simonyan & Zisserman 2015): five blocks of 3×3 convolutions, each ended by a 2×2 pooling.

Layer numbering and names are torchvision's (`features.0` … , `classifier.0` …), so its weights load as they are.
"""

from __future__ import annotations

from torch import Tensor, nn

from segkit.layers import AdaptiveAvgPool2d, Conv2d, MaxPool2d
from segkit.ops.arguments import whole

# convolutions per block; block i has width·min(2^i, 8) channels
BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGGEncoder(nn.Module):
    """The convolutional part of VGG: a picture → its five pooled maps at strides 2, 4, 8, 16, 32.

    Args:
        depth: 11, 13, 16 or 19, as in the paper's Table 1.
        width: channels of the first block; 64 in the paper, 8 to 16 at course size.
        batch_norm: BatchNorm after each convolution, needed to train from scratch in minutes.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/2^(i+1)⌉×⌈W/2^(i+1)⌉. Any H, W ≥ 1.

    Source:
        Simonyan & Zisserman, "Very deep convolutional networks…", ICLR 2015, Table 1. Differs from the paper: pooling
        rounds up (`ceil_mode`), so that no row or column of an odd-sized picture is lost; at 224×224 nothing changes.
    """

    strides = (2, 4, 8, 16, 32)
    classifier_kernel = 7  # cells of pool5 that the first fully connected layer saw at 224×224

    def __init__(self, depth: int = 16, width: int = 64, batch_norm: bool = False, in_channels: int = 3) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"VGG of depth {depth} is not in the paper; choose one of {sorted(BLOCKS)}")
        whole(width, "width", "VGG", 1)
        whole(in_channels, "in_channels", "VGG", 1)
        self.channels = tuple(width * min(2**i, 8) for i in range(5))
        self.classifier_channels = 64 * width  # 4096 in the paper
        layers: list[nn.Module] = []
        before = in_channels
        for convolutions, channels in zip(BLOCKS[depth], self.channels, strict=True):
            for _ in range(convolutions):
                layers.append(Conv2d(before, channels, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(channels))
                layers.append(nn.ReLU(inplace=True))
                before = channels
            layers.append(MaxPool2d(2, 2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                module.bias.data.zero_()  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> list[Tensor]:
        pooled = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, MaxPool2d):
                pooled.append(x)  # N, channels[i], H/2^(i+1), W/2^(i+1)
        return pooled


class VGG(nn.Module):
    """VGG the classifier, as ImageNet knows it: what FCN starts from.

    Args:
        num_classes: number of picture classes; 1000 for ImageNet.
        depth, width, batch_norm: as in VGGEncoder.
        dropout: probability of dropping a hidden unit between the fully connected layers.

    Shape:
        N×3×224×224 → N×num_classes. Other sizes are pooled to 7×7 cells first, as in torchvision.
    """

    def __init__(
        self, num_classes: int = 1000, depth: int = 16, width: int = 64, batch_norm: bool = False, dropout: float = 0.5
    ) -> None:
        super().__init__()
        encoder = VGGEncoder(depth, width, batch_norm)
        hidden, cells = encoder.classifier_channels, encoder.classifier_kernel
        self.features = encoder.features
        self.avgpool = AdaptiveAvgPool2d((cells, cells))
        self.classifier = nn.Sequential(
            nn.Linear(encoder.channels[-1] * cells * cells, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))  # N, 8·width, 7, 7
        return self.classifier(x.flatten(1))  # N, num_classes
