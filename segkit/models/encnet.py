"""EncNet (Zhang et al. 2018): which classes are in the scene at all? The answer opens and closes channels.

  ResNet, s. 8 ── 3×3 ──┬──────────────────────────────────────────────┬── · gate, + itself ── 1×1 ── score ── ×8
                        └── 1×1 ── encoding ── BN, ReLU, mean ──┬── σ(W·) ── gate
                                                                └── presence: is class k in the picture?

Reference: "Context Encoding for Semantic Segmentation", CVPR 2018 (arXiv 1803.08904).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import whole
from segkit.engine import engine
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3, score_layer
from segkit.models.base import register
from segkit.models.on_resnet import OnResNet
from segkit.typed import typed


class Encoding(nn.Module):
    """`segkit.ops.encode` with codewords and scales that are learned.

    Args:
        channels: of the map.
        codewords: how many.

    Shape:
        N×channels×h×w → N×codewords×channels.

    Source:
        Section 3.1; the start is the authors': codewords uniform within ±1/√(K·C), scales between −1 and 0.
    """

    @typed
    def __init__(self, channels: int, codewords: int = 32) -> None:
        super().__init__()
        C, K = whole(channels, "channels", "Encoding", 1), whole(codewords, "codewords", "Encoding", 1)
        bound = (K * C) ** -0.5
        self.codewords = nn.Parameter(torch.empty(K, C).uniform_(-bound, bound))
        self.scale = nn.Parameter(torch.empty(K).uniform_(-1, 0))

    def forward(self, x: Tensor) -> Tensor:
        return engine().encode(x, self.codewords, self.scale)


class ContextEncoding(nn.Module):
    """The context encoding module: gates for the channels, and which classes are present.

    Args:
        channels: of the map.
        num_classes: K.
        codewords: how many.

    Shape:
        N×channels×h×w → the same, gated; and N×K×1×1, a score for the presence of each class.

    Source:
        Section 3.1, Figure 3.
    """

    @typed
    def __init__(self, channels: int, num_classes: int, codewords: int = 32) -> None:
        super().__init__()
        self.reduce = conv_norm_relu(Conv2d(channels, channels, 1, bias=False))
        self.encoding = Encoding(channels, codewords)
        self.norm = nn.BatchNorm1d(codewords)
        self.gate = nn.Linear(channels, channels)
        self.presence = nn.Linear(channels, whole(num_classes, "num_classes", "ContextEncoding", 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        code = F.relu(self.norm(self.encoding(self.reduce(x)))).mean(1)  # N, channels
        opened = engine().gate(x, self.gate(code)[..., None, None])  # N, channels, h, w
        return F.relu(x + opened), self.presence(code)[..., None, None]


@register("encnet")
class EncNet(OnResNet):
    """A ResNet at stride 8 with the context encoding module.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50" or "resnet101" as in the paper; or resnet18, 34, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        codewords: 32 as in the paper; more says more about the scene's texture.
        lateral: put layer2 and layer3, reduced, beside the map before the encoding, as the authors' code can.
        output_stride: 8 as in the paper; or 16 or 32, without lateral.
        aux: a second head on layer3.
        dropout: probability of dropping a channel before the scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride; "presence" N×K×1×1,
        for the SE-loss (`presence_loss`, in a recipe aux={"presence": 0.2}); with aux, "aux", of stride 16 at most.

    Raises:
        ValueError: an option that is not among these; one cell in training mode.

    Source:
        Section 3. The released head has 10,000,006 weights at 19 classes, 17,867,398 with lateral.

    Differs from the paper:
        strides are turned into dilation as in `dilate_strides`.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet50",
        width: int = 64,
        codewords: int = 32,
        lateral: bool = False,
        output_stride: int = 8,
        aux: bool = False,
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__(num_classes, encoder, width, output_stride, aux, dropout, in_channels)
        if lateral and self.encoder.output_stride != 8:
            raise ValueError(f"EncNet got lateral=True and output_stride={output_stride}; layer2, layer3 and layer4 "
                             "have the same size only at 8: give output_stride=8")  # fmt: skip
        between, second = self.hidden, self.encoder.channels[-3]
        self.before = norm_relu_3x3(self.last, between)
        wide = (second, self.third) if lateral else ()
        self.lateral = nn.ModuleList(conv_norm_relu(Conv2d(c, between, 1, bias=False)) for c in wide)
        self.fuse = norm_relu_3x3(3 * between, between) if lateral else nn.Identity()
        self.context = ContextEncoding(between, self.num_classes, codewords)
        self.drop = nn.Dropout2d(self.dropout)
        self.score = score_layer(Conv2d(between, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *_, second, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        sides = [layer(m) for layer, m in zip(self.lateral, (second, third), strict=False)]
        cells = self.fuse(torch.cat([self.before(last), *sides], 1))  # N, hidden, H/d, W/d
        gated, presence = self.context(cells)
        return self.answer(x, third, self.score(self.drop(gated)), presence=presence)
