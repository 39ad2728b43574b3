"""OCNet (Yuan & Wang 2018): a cell's context is the object that it belongs to, found by likeness.

  ResNet, s. 8 ── 3×3 ──┬── attention, query = key ──┬── 1×1, BN, ReLU ── 1×1 ── score ── ×8 ── logits
                        └────────────────────────────┘  (side by side)

Reference: "OCNet: Object Context Network for Scene Parsing", 2018 (arXiv 1809.00916).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.heads.object_context import ObjectContext
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3, score_layer
from segkit.models.base import register
from segkit.models.on_resnet import OnResNet


@register("ocnet")
class OCNet(OnResNet):
    """A ResNet at stride 8 with object context pooling, the paper's "base-OC".

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet101" as in the paper; or resnet18, 34, 50, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        output_stride: 8 as in the paper, or 16 or 32.
        aux: a second head on layer3.
        dropout: probability of dropping a value after the context and before the scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride; with aux, "aux", of
        stride 16 at most.

    Raises:
        ValueError: an option that is not among these; one cell in training mode.

    Source:
        Sections 3.1 and 3.2, Figure 2; the authors' code for what stands between.

    Differs from the paper:
        pyramid-OC and ASP-OC are not in it. Strides are turned into dilation as in `dilate_strides`.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet101",
        width: int = 64,
        output_stride: int = 8,
        aux: bool = False,
        dropout: float = 0.05,
        in_channels: int = 3,
    ) -> None:
        super().__init__(num_classes, encoder, width, output_stride, aux, dropout, in_channels)
        between = self.hidden
        self.before = norm_relu_3x3(self.last, between)
        self.context = ObjectContext(between, max(1, between // 2))
        self.fuse = conv_norm_relu(Conv2d(2 * between, between, 1, bias=False))
        self.drop = nn.Dropout2d(self.dropout)
        self.score = score_layer(Conv2d(between, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        cells = self.before(last)  # N, hidden, H/d, W/d
        fused = self.fuse(torch.cat([self.context(cells), cells], 1))
        return self.answer(x, third, self.score(self.drop(fused)))
