"""Plain stages of convolutions before the days of VGG: Zeiler & Fergus' five layers, and three for the course."""

from __future__ import annotations

from torch import Tensor, nn

from segkit.encoders.encoder import Encoder, picture_size
from segkit.layers import Conv2d, MaxPool2d
from segkit.layers.blocks import conv_norm_relu

# kernel, stride and channels (in halves of the width) of each convolution, and whether a pooling comes after it
BASES = {
    "zf5": ((7, 2, 3, True), (5, 2, 8, True), (3, 1, 12, False), (3, 1, 12, False), (3, 1, 8, False)),
    "small": ((3, 1, 2, True), (3, 1, 4, True), (3, 1, 8, True)),
}


class StagesEncoder(Encoder):
    """The convolutions of a small classifier: Zeiler & Fergus' five, or three for the course.

    Args:
        base: "zf5" or "small".
        width: 64 is the paper's size: the first layer of ZF-5 has 3/2 of it, 96.
        batch_norm: BatchNorm after each convolution.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → one map N×4·width×⌈H/s⌉×⌈W/s⌉, s = 16 (zf5) or 8 (small). Every layer is padded by half its kernel, so
        that cell (i, j) stands on pixel (s·i, s·j).

    Source:
        Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, as SPPNet's Table 1 has it
        (arXiv 1406.4729).
    """

    corner_aligned = True

    def __init__(self, base: str, width: int, batch_norm: bool, in_channels: int) -> None:
        super().__init__(in_channels, width, "SPPNet")
        layers: list[nn.Module] = []
        before, stride = self.in_channels, 1
        for kernel, step, halves, pooled in BASES[base]:
            channels = max(1, halves * self.width // 2)
            conv = Conv2d(before, channels, kernel, step, padding=kernel // 2, bias=not batch_norm)
            layers += [*conv_norm_relu(conv, batch_norm), *([MaxPool2d(3, 2, padding=1)] if pooled else [])]
            before, stride = channels, stride * step * (2 if pooled else 1)
        self.features = nn.Sequential(*layers)
        self.channels, self.strides = (before,), (stride,)
        self.ends_pooled = BASES[base][-1][3]

    @property
    def normalised(self) -> bool:
        return not self.ends_pooled

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "SPPNet", self.in_channels)
        return [self.features(x)]
