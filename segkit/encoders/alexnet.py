"""AlexNet (Krizhevsky et al. 2012), in torchvision's one-column form and with its layer names."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.layers import AdaptiveAvgPool2d, Conv2d, MaxPool2d
from segkit.ops.arguments import whole


def _features(width: int, in_channels: int) -> nn.Sequential:
    c1, c2, c3, c4 = width, 3 * width, 6 * width, 4 * width
    return nn.Sequential(
        Conv2d(in_channels, c1, 11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        MaxPool2d(3, 2),
        Conv2d(c1, c2, 5, padding=2),
        nn.ReLU(inplace=True),
        MaxPool2d(3, 2),
        Conv2d(c2, c3, 3, padding=1),
        nn.ReLU(inplace=True),
        Conv2d(c3, c4, 3, padding=1),
        nn.ReLU(inplace=True),
        Conv2d(c4, c4, 3, padding=1),
        nn.ReLU(inplace=True),
        MaxPool2d(3, 2),
    )


class AlexNetEncoder(nn.Module):
    """The convolutional part of AlexNet: a picture → its pooled maps at strides 8, 16, 32.

    Args:
        width: channels of the first convolution; 64 at full size.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → three maps, the last N×4·width×⌈H/32⌉×⌈W/32⌉. The picture is padded with zeros at the right and at the
        bottom to 32·⌈H/32⌉ + 31, so that fc6, slid over the last map with `same` padding, gives one score for each
        32×32 block of the picture, half a pixel from its centre.

    Source:
        Krizhevsky, "One weird trick…", 2014 (one column, as in torchvision). Differs from FCN's AlexNet, which pads the
        picture by 100 on each side and crops later.
    """

    strides = (8, 16, 32)
    classifier_kernel = 6

    def __init__(self, width: int = 64, in_channels: int = 3) -> None:
        super().__init__()
        whole(width, "width", "AlexNet", 1)
        whole(in_channels, "in_channels", "AlexNet", 1)
        self.channels = (width, 3 * width, 4 * width)
        self.classifier_channels = 64 * width
        self.features = _features(width, in_channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        H, W = x.shape[-2:]
        bottom, right = (32 * -(-size // 32) + 31 - size for size in (H, W))
        x = F.pad(x, (0, right, 0, bottom))
        pooled = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, MaxPool2d):
                pooled.append(x)
        return pooled


class AlexNet(nn.Module):
    """AlexNet the classifier.

    Args:
        num_classes: number of picture classes.
        width: as in AlexNetEncoder.
        dropout: probability of dropping a hidden unit.

    Shape:
        N×3×224×224 → N×num_classes.
    """

    def __init__(self, num_classes: int = 1000, width: int = 64, dropout: float = 0.5) -> None:
        super().__init__()
        whole(num_classes, "num_classes", "AlexNet", 1)
        whole(width, "width", "AlexNet", 1)
        hidden, cells = 64 * width, AlexNetEncoder.classifier_kernel
        self.features = _features(width, 3)
        self.avgpool = AdaptiveAvgPool2d((cells, cells))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(4 * width * cells * cells, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))  # N, 4·width, 6, 6
        return self.classifier(x.flatten(1))  # N, num_classes
