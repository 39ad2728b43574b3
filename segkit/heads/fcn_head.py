"""A 3×3 convolution, then scores: the plain head that others are measured against, and the auxiliary one."""

from __future__ import annotations

from torch import nn

from segkit.checks import finite, whole
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.typed import typed


class FCNHead(nn.Sequential):
    """3×3 to a quarter of the channels, BatchNorm, ReLU, dropout, 1×1 to the scores.

    Args:
        channels: of the map.
        num_classes: K.
        hidden: channels between; channels // 4 where None.
        dropout: probability of dropping a value before the scores.

    Shape:
        N×channels×h×w → N×K×h×w.

    Source:
        PSPNet (arXiv 1612.01105), section 3.3: the auxiliary loss is made by it from layer3. torchvision's FCNHead is
        the same, key for key.
    """

    @typed
    def __init__(self, channels: int, num_classes: int, hidden: int | None = None, dropout: float = 0.1) -> None:
        whole(channels, "channels", "FCNHead", 1)
        whole(num_classes, "num_classes", "FCNHead", 1)
        hidden = whole(max(1, channels // 4) if hidden is None else hidden, "hidden", "FCNHead", 1)
        super().__init__(
            *conv_norm_relu(Conv2d(channels, hidden, 3, padding=1, bias=False)),
            nn.Dropout(finite(dropout, "dropout", "FCNHead", 0, 1)),
            score_layer(Conv2d(hidden, num_classes, 1)),
        )
