"""ANN (Zhu et al. 2019): hear a hundred anchors instead of every cell; it is nearly the same, and cheap.

            layer3 ── key, value ── pooled to 110 anchors
                                          │
  ResNet ── layer4 ── query ── attention ─┴─ beside layer4, 1×1 ── 3×3 ── attention to own anchors ── 1×1 ── score

Reference: "Asymmetric Non-local Neural Networks for Semantic Segmentation", ICCV 2019 (arXiv 1908.07678).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.heads.object_context import ObjectContext
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3, score_layer
from segkit.models.base import register
from segkit.models.on_resnet import OnResNet


@register("ann")
class ANN(OnResNet):
    """A ResNet at stride 8; its last map hears layer3's anchors (AFNB), then its own (APNB).

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet101" as in the paper; or resnet18, 34, 50, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        bins: cells per side of the grids that keys and values are pooled to; () for all cells: the non-local block that
            it replaces.
        output_stride: 8 as in the paper, or 16 or 32.
        aux: a second head on layer3.
        dropout: probability of dropping a value before the scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride; with aux, "aux", of
        stride 16 at most.

    Raises:
        ValueError: an option that is not among these; one cell in training mode.

    Source:
        Sections 3.2 to 3.4, Figure 4; bins: section 4.3.

    Differs from the paper:
        strides are turned into dilation as in `dilate_strides`. As in the authors' code, no ReLU follows where the
        first block is joined to its map.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet101",
        width: int = 64,
        bins: Sequence[int] = (1, 3, 6, 8),
        output_stride: int = 8,
        aux: bool = False,
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__(num_classes, encoder, width, output_stride, aux, dropout, in_channels)
        between, narrow = self.hidden, max(1, self.hidden // 2)
        self.fusion = ObjectContext(self.last, narrow, speaking=self.third, bins=bins)
        self.fuse = nn.Sequential(Conv2d(2 * self.last, self.last, 1, bias=False), nn.BatchNorm2d(self.last))  # no ReLU
        self.before = norm_relu_3x3(self.last, between)
        self.context = ObjectContext(between, narrow, bins=bins)
        self.join = conv_norm_relu(Conv2d(2 * between, between, 1, bias=False))
        self.drop = nn.Dropout(self.dropout)
        self.score = score_layer(Conv2d(between, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        fused = self.fuse(torch.cat([self.fusion(last, third), last], 1))  # N, channels[-1], H/d, W/d
        cells = self.before(fused)  # N, hidden, H/d, W/d
        joined = self.join(torch.cat([self.context(cells), cells], 1))
        return self.answer(x, third, self.score(self.drop(joined)))
