"""DenseASPP (Yang et al. 2018): atrous branches in a chain, each of which reads all that came before it.

  DenseNet, stride 8 ── 1×1 ──┬── rate 3 ──┬── rate 6 ──┬── rate 12 ──┬── rate 18 ──┬── rate 24 ──┬── 1×1 ── ×8
                              └────────────┴────────────┴─────────────┴─────────────┴─────────────┘ (all side by side)

Five rates in parallel see five distances; in a chain they see every sum of them, and 1 + 2·(3 + 6 + 12 + 18 + 24) = 127
cells at the end.

Reference: "DenseASPP for Semantic Segmentation in Street Scenes", CVPR 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit import encoders
from segkit.checks import finite, whole
from segkit.heads import to_picture
from segkit.layers import Conv2d
from segkit.layers.blocks import score_layer
from segkit.models.base import Model, register
from segkit.typed import typed


class DenseASPPBranch(nn.Sequential):
    """BN, ReLU, 1×1, BN, ReLU, atrous 3×3, dropout.

    Args:
        before: channels that come in.
        hidden, channels: of the 1×1 and of the 3×3.
        rate: dilation of the 3×3.
        norm: whether the first BN is there; the first branch reads a map that comes from one.
        dropout: probability of dropping a value at the end.

    Shape:
        N×before×h×w → N×channels×h×w.
    """

    @typed
    def __init__(self, before: int, hidden: int, channels: int, rate: int, norm: bool, dropout: float) -> None:
        look = Conv2d(hidden, channels, 3, padding=rate, dilation=rate)
        super().__init__(
            *([nn.BatchNorm2d(before)] if norm else []), nn.ReLU(), Conv2d(before, hidden, 1),
            nn.BatchNorm2d(hidden), nn.ReLU(inplace=True), look, nn.Dropout(dropout),
        )  # fmt: skip


@register("denseaspp")
class DenseASPP(Model):
    """A DenseNet at stride 8 and a dense chain of atrous branches.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "densenet121" or "densenet161" as in the paper; or densenet169, 201.
        width: 64 is the paper's size, 8 to 16 the course's.
        rates: of the branches, in the order of the chain; (3, 6, 12, 18, 24) in the paper.
        output_stride: 8 as in the paper, or 16 or 32.
        dropout: probability of dropping a value, in each branch and before the scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride.

    Raises:
        ValueError: another encoder, no rate, or a rate below 1; one cell in training mode.

    Source:
        Section 3; channels as in the authors' code: 128 and 64 in each branch on DenseNet-121, 512 and 128 on the
        others, 8.28 and 35.40 million weights at 19 classes.

    Differs from the paper:
        below stride 32 the means of the transitions are kept and dilated (`dilate_strides`); the authors leave them
        out.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "densenet121",
        width: int = 64,
        rates: Sequence[int] = (3, 6, 12, 18, 24),
        output_stride: int = 8,
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not str(encoder).startswith("densenet"):
            raise ValueError(f"DenseASPP got encoder={encoder!r}; it is built on densenet121, 161, 169 or 201")
        self.num_classes = whole(num_classes, "num_classes", "DenseASPP", 1)
        self.encoder = encoders.create(encoder, in_channels, output_stride, width)
        self.in_channels, drop = self.encoder.in_channels, finite(dropout, "dropout", "DenseASPP", 0, 1)
        steps = [whole(rate, "rates", "DenseASPP", 1) for rate in rates]
        if not steps:
            raise ValueError("DenseASPP got rates=(); give one or more, such as (3, 6, 12)")
        last = self.encoder.channels[-1]
        before = last // 2
        hidden, channels = (2 * width, width) if encoder == "densenet121" else (8 * width, 2 * width)
        self.reduce = nn.Sequential(Conv2d(last, before, 1, bias=False), nn.BatchNorm2d(before))
        self.branches = nn.ModuleList()
        for number, rate in enumerate(steps):
            self.branches.append(DenseASPPBranch(before, hidden, channels, rate, number > 0, drop))
            before += channels
        self.drop, self.score = nn.Dropout2d(drop), score_layer(Conv2d(before, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        found = self.reduce(self.encoder(x)[-1])  # N, channels[-1]/2, H/d, W/d
        for branch in self.branches:
            found = torch.cat([branch(found), found], 1)  # N, … + channels, H/d, W/d
        score = self.score(self.drop(found))  # N, K, H/d, W/d
        return {"logits": to_picture(score, self.encoder, H, W), "score": score}
