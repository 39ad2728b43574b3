"""Who may be heard: chapter 13's modules from C channels to C, one for each idea, all else alike."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from segkit.heads import ChannelizedAxialAttention, CrissCross, ObjectContext, PositionAttention, PyramidPooling, ReNet
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3
from segkit.models.encnet import ContextEncoding
from segkit.models.gcn import LargeKernel


class Pooled(nn.Sequential):
    """Means over 1, 4, 9 and 36 parts of the front beside each window."""

    def __init__(self, channels: int) -> None:
        pyramid = PyramidPooling(channels)
        super().__init__(pyramid, conv_norm_relu(Conv2d(pyramid.out_channels, channels, 1, bias=False)))


class Encoded(ContextEncoding):
    """EncNet's module: the whole front, as 32 differences, opens and closes channels."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)[0]


class Added(nn.Module):
    """What is heard, added to the map; from the first step on, where the papers start at nothing."""

    def __init__(self, heard: nn.Module) -> None:
        super().__init__()
        self.heard = heard
        if isinstance(heard, ObjectContext):
            nn.init.kaiming_normal_(heard.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.heard(x)


def from_the_start(block: PositionAttention) -> nn.Module:
    """Attention whose γ starts at 1: these trainings are too short to open it."""
    nn.init.ones_(block.gamma)
    return block


LISTENERS: dict[str, Callable[[int], nn.Module]] = {
    "nothing": lambda C: conv_norm_relu(Conv2d(C, C, 1, bias=False)),
    "local": lambda C: nn.Sequential(norm_relu_3x3(C, C), norm_relu_3x3(C, C)),
    "atrous chain": lambda C: nn.Sequential(*(norm_relu_3x3(C, C, rate) for rate in (1, 2, 4, 8))),
    "wide kernels": lambda C: Added(nn.Sequential(LargeKernel(C, C, 23), nn.BatchNorm2d(C), nn.ReLU())),
    "pooled": Pooled,
    "encoded": Encoded,
    "criss-cross once": lambda C: from_the_start(CrissCross(C, C // 2, recurrence=1)),
    "criss-cross twice": lambda C: from_the_start(CrissCross(C, C // 2, recurrence=2)),
    "pooled keys": lambda C: Added(ObjectContext(C, C // 2, bins=(1, 3, 6, 8))),
    "full": lambda C: from_the_start(PositionAttention(C, C // 2)),
    "axes in turn": lambda C: Added(ChannelizedAxialAttention(C, C // 2, gated=False)),
    "axes, gated": lambda C: Added(ChannelizedAxialAttention(C, C // 2)),
    "sweeps": lambda C: Added(ReNet(C, C // 2)),
}
