"""A classifier from any encoder: the mean over its last map, and one fully connected layer."""

from __future__ import annotations

from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.encoders.encoder import Encoder
from segkit.layers import AdaptiveAvgPool2d


class Classifier(nn.Module):
    """Scores for each picture, as MobileNet v1, ShuffleNet and Xception give them on ImageNet.

    Args:
        encoder: such as `create("xception")`; its last map is read.
        num_classes: number of picture classes; 1000 for ImageNet.
        dropout: probability of dropping a value before the last layer.

    Shape:
        N×C×H×W → N×num_classes, any H, W ≥ 1.

    Raises:
        TypeError: not an encoder. ValueError: a number out of bounds.
    """

    def __init__(self, encoder: Encoder, num_classes: int = 1000, dropout: float = 0.0) -> None:
        super().__init__()
        if not isinstance(encoder, Encoder):
            raise TypeError(
                f"Classifier got a {type(encoder).__name__}; it takes an encoder: segkit.encoders.create('xception')"
            )
        whole(num_classes, "num_classes", "Classifier", 1)
        self.encoder, self.avgpool = encoder, AdaptiveAvgPool2d((1, 1))
        self.drop = nn.Dropout(finite(dropout, "dropout", "Classifier", 0, 1))
        self.fc = nn.Linear(encoder.channels[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.avgpool(self.encoder(x)[-1])  # N, channels[-1], 1, 1
        return self.fc(self.drop(x.flatten(1)))  # N, num_classes
