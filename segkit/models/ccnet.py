"""CCNet (Huang et al. 2019): hear your row and your column, twice, and you have heard everybody.

  ResNet, s. 8 ──┬── 3×3 ── criss-cross attention, R times ── 3×3 ──┬── 3×3 ── 1×1 ── score ── ×8 ── logits
                 └──────────────────────────────────────────────────┘  (side by side)

Reference: "CCNet: Criss-Cross Attention for Semantic Segmentation", ICCV 2019 (arXiv 1811.11721).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.heads.attention import CrissCross
from segkit.layers import Conv2d
from segkit.layers.blocks import norm_relu_3x3, score_layer
from segkit.models.base import register
from segkit.models.on_resnet import OnResNet


@register("ccnet")
class CCNet(OnResNet):
    """A ResNet at stride 8 with recurrent criss-cross attention.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet101" as in the paper; or resnet18, 34, 50, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        recurrence: how often the attention is applied, with the same weights; 2 in the paper.
        output_stride: 8 as in the paper, or 16 or 32.
        aux: a second head on layer3, as the authors' code has it.
        dropout: probability of dropping a value before the scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride; with aux, "aux", of
        stride 16 at most.

    Raises:
        ValueError: an option that is not among these; one cell in training mode.

    Source:
        Sections 3.1 to 3.3 and Figure 2; the category consistent loss of the journal version is not in it.

    Differs from the paper:
        strides are turned into dilation as in `dilate_strides`; the authors' BatchNorm has a leaky ReLU in it.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet101",
        width: int = 64,
        recurrence: int = 2,
        output_stride: int = 8,
        aux: bool = False,
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__(num_classes, encoder, width, output_stride, aux, dropout, in_channels)
        between = self.hidden
        self.before = norm_relu_3x3(self.last, between)
        self.attention = CrissCross(between, recurrence=recurrence)
        self.after = norm_relu_3x3(between, between)
        self.fuse = norm_relu_3x3(self.last + between, between)
        self.drop = nn.Dropout(self.dropout)
        self.score = score_layer(Conv2d(between, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        heard = self.after(self.attention(self.before(last)))  # N, hidden, H/d, W/d
        fused = self.fuse(torch.cat([last, heard], 1))
        return self.answer(x, third, self.score(self.drop(fused)))
