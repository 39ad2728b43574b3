"""AlexNet (Krizhevsky et al. 2012), in torchvision's one-column form and with its layer names."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.encoders.encoder import Encoder, picture_size
from segkit.layers import AdaptiveAvgPool2d, Conv2d, MaxPool2d
from segkit.layers.borders import cut
from segkit.typed import typed


class AlexNetEncoder(Encoder):
    """The convolutional part of AlexNet: a picture → its pooled maps at strides 8, 16, 32.

    Args:
        width: channels of the first convolution; 64 at full size.
        in_channels: channels of the picture.
        output_stride: 32 only; its windows are uneven, so a finer grid would hold none of the old cells.

    Shape:
        N×C×H×W → three maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. The picture is padded with zeros at the right
        and at the bottom to 32·⌈H/32⌉ + 31, so that fc6, slid over the last map with `same` padding, gives one score
        for each 32×32 block of the picture, half a pixel from its centre. Cell i of stride s is centred on pixel
        s·i + s − 1.

    Source:
        Krizhevsky, "One weird trick…", 2014 (one column, as in torchvision). Differs from FCN's AlexNet, which pads the
        picture by 100 on each side and crops later.
    """

    classifier_kernel = 6
    torchvision = "alexnet"

    def __init__(self, width: int = 64, in_channels: int = 3, output_stride: int = 32) -> None:
        super().__init__(in_channels, width, "AlexNet")
        if output_stride != 32:
            raise ValueError(f"AlexNet got output_stride={output_stride!r}; it takes 32 only: its windows are uneven")
        w = self.width
        self.channels, self.strides = (w, 3 * w, 4 * w), (8, 16, 32)
        self.classifier_channels = 64 * w
        self.features = nn.Sequential(
            Conv2d(in_channels, w, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            MaxPool2d(3, 2),
            Conv2d(w, 3 * w, 5, padding=2),
            nn.ReLU(inplace=True),
            MaxPool2d(3, 2),
            Conv2d(3 * w, 6 * w, 3, padding=1),
            nn.ReLU(inplace=True),
            Conv2d(6 * w, 4 * w, 3, padding=1),
            nn.ReLU(inplace=True),
            Conv2d(4 * w, 4 * w, 3, padding=1),
            nn.ReLU(inplace=True),
            MaxPool2d(3, 2),
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        H, W = picture_size(x, "AlexNet", self.in_channels)
        bottom, right = (32 * ((size + 31) // 32) + 31 - size for size in (H, W))
        x = F.pad(x, (0, right, 0, bottom))
        pooled: list[Tensor] = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, MaxPool2d):
                s = self.strides[len(pooled)]
                pooled.append(cut(x, (H + s - 1) // s, (W + s - 1) // s))  # N, channels[i], H/s, W/s
        return pooled


class AlexNet(nn.Module):
    """AlexNet as a classifier.

    Args:
        num_classes: number of picture classes.
        width, in_channels: as in AlexNetEncoder.
        dropout: probability of dropping a hidden unit.

    Shape:
        N×C×224×224 → N×num_classes.
    """

    @typed
    def __init__(self, num_classes: int = 1000, width: int = 64, dropout: float = 0.5, in_channels: int = 3) -> None:
        whole(num_classes, "num_classes", "AlexNet", 1)
        super().__init__()
        whole(num_classes, "num_classes", "AlexNet", 1)
        encoder = AlexNetEncoder(width, in_channels)
        hidden, cells = encoder.classifier_channels, encoder.classifier_kernel
        self.features = encoder.features
        self.avgpool = AdaptiveAvgPool2d((cells, cells))
        self.classifier = nn.Sequential(
            nn.Dropout(finite(dropout, "dropout", "AlexNet", 0, 1)),
            nn.Linear(encoder.channels[-1] * cells * cells, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(finite(dropout, "dropout", "AlexNet", 0, 1)),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.features(x))  # N, 4·width, 6, 6
        return self.classifier(x.flatten(1))  # N, num_classes
