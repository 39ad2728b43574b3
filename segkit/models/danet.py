"""DANet (Fu et al. 2019): every cell hears every cell, and every channel every channel.

                ┌── 3×3 ── position attention ── 3×3 ──┬── 1×1 ── position
  ResNet, s. 8 ─┤                                      + ── 1×1 ── score ── ×8 ── logits
                └── 3×3 ── channel attention ─── 3×3 ──┴── 1×1 ── channel

Reference: "Dual Attention Network for Scene Segmentation", CVPR 2019 (arXiv 1809.02983).
"""

from __future__ import annotations

from torch import Tensor, nn

from segkit.heads.attention import ChannelAttention, PositionAttention
from segkit.layers import Conv2d
from segkit.layers.blocks import norm_relu_3x3, score_layer
from segkit.models.base import register
from segkit.models.on_resnet import OnResNet


@register("danet")
class DANet(OnResNet):
    """A ResNet at stride 8 with attention over its cells and over its channels.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50" or "resnet101" as in the paper; or resnet18, 34, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        output_stride: 8 as in the paper, or 16 or 32.
        sign: of the channels' products: "released" or "paper", see `ChannelAttention`.
        aux: a second head on layer3.
        dropout: probability of dropping a value before the scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score", from which the logits are enlarged; "position" and "channel",
        the scores of each branch, for losses of their own; with aux, "aux"; all N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride
        ("aux" at most 16).

    Raises:
        ValueError: an option that is not among these; one cell in training mode.

    Source:
        Sections 3.1 to 3.4 and Figure 2.

    Differs from the paper:
        `ChannelAttention` follows the authors' code (see there). Strides are turned into dilation as in
        `dilate_strides`; the authors also use multi-grid.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet101",
        width: int = 64,
        output_stride: int = 8,
        sign: str = "released",
        aux: bool = False,
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__(num_classes, encoder, width, output_stride, aux, dropout, in_channels)
        between = self.hidden
        self.before_position, self.before_channel = (norm_relu_3x3(self.last, between) for _ in range(2))
        self.position_attention, self.channel_attention = PositionAttention(between), ChannelAttention(sign)
        self.after_position, self.after_channel = (norm_relu_3x3(between, between) for _ in range(2))
        self.drop = nn.Dropout(self.dropout)
        self.position, self.channel, self.score = (score_layer(Conv2d(between, self.num_classes, 1)) for _ in range(3))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        position = self.after_position(self.position_attention(self.before_position(last)))  # N, hidden, H/d, W/d
        channel = self.after_channel(self.channel_attention(self.before_channel(last)))
        score = self.score(self.drop(position + channel))  # N, K, H/d, W/d
        each = {"position": self.position(self.drop(position)), "channel": self.channel(self.drop(channel))}
        return self.answer(x, third, score, **each)
