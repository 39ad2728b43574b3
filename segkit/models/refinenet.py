"""RefineNet (Lin et al. 2017): four maps of a ResNet, each refined with the coarser one, along paths of sums.

  1/32 ── 3×3 ── RCU ─────────────── CRP ── RCU ──┐ 3×3, ×2
  1/16 ── 3×3 ── RCU ── 3×3 ── + ── CRP ── RCU ───┼─┐ 3×3, ×2
  1/8  ── 3×3 ── RCU ── 3×3 ── + ── CRP ── RCU ───┼─┼─┐ 3×3, ×2
  1/4  ── 3×3 ── RCU ── 3×3 ── + ── CRP ── RCU ── 3×3 ── score ── ×4 ── logits

RCU: residual convolution units, x + conv(relu(conv(relu x))). CRP: chained residual pooling, x + Σ of poolings, each of
which reads the one before. Every path from the scores back to a map is a sum: gradients go straight through.

Reference: "RefineNet: Multi-Path Refinement Networks for High-Resolution Semantic Segmentation", CVPR 2017 (arXiv
1611.06612).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.heads import to_size
from segkit.layers import Conv2d, MaxPool2d
from segkit.layers.blocks import score_layer
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for
from segkit.typed import typed


def three(before: int, channels: int, bias: bool = False) -> Conv2d:
    """A 3×3 convolution that keeps the size."""
    return Conv2d(before, channels, 3, padding=1, bias=bias)


class ResidualUnits(nn.Module):
    """Residual convolution units in a row: x + conv(relu(conv(relu x))), no BatchNorm.

    Args:
        channels: of the map.
        count: how many units.

    Shape:
        N×channels×h×w → the same.

    Source:
        Section 3.2, Figure 2 b.
    """

    @typed
    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        pairs = (nn.Sequential(three(channels, channels, True), nn.ReLU(), three(channels, channels))
                 for _ in range(whole(count, "count", "ResidualUnits", 1)))  # fmt: skip
        self.units = nn.ModuleList(pairs)

    def forward(self, x: Tensor) -> Tensor:
        for unit in self.units:
            x = x + unit(F.relu(x))
        return x


class ChainedPooling(nn.Module):
    """Chained residual pooling: relu(x) + Σᵢ pᵢ, where p₁ pools relu(x), pᵢ₊₁ pools pᵢ, and each is convolved.

    Args:
        channels: of the map.
        count: poolings in the chain; 5×5 each, so that they look 5, 9, 13 and 17 cells wide.

    Shape:
        N×channels×h×w → the same.

    Source:
        Section 3.2, Figure 2 d.
    """

    @typed
    def __init__(self, channels: int, count: int = 4) -> None:
        super().__init__()
        self.pool = MaxPool2d(5, 1, padding=2)
        self.convs = nn.ModuleList(three(channels, channels) for _ in range(whole(count, "count", "ChainedPooling", 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        link = x
        for conv in self.convs:
            link = conv(self.pool(link))  # N, channels, h, w
            x = x + link
        return x


class Refinement(nn.Module):
    """One RefineNet block: adapt a map, add the refined coarser one, pool in a chain, adapt again.

    Args:
        before: channels of the encoder's map.
        channels: of the block.
        after: what the block hands on to the next; None for the last one.
        coarser: whether a coarser map comes in.

    Shape:
        N×before×h×w, and N×channels×h×w from the coarser block → N×after×h×w, or N×channels×h×w.

    Source:
        Section 3.2, Figure 2 a.
    """

    @typed
    def __init__(self, before: int, channels: int, after: int | None, coarser: bool) -> None:
        super().__init__()
        self.reduce, self.adapt = three(before, channels), ResidualUnits(channels, 2)
        self.fuse = three(channels, channels) if coarser else None
        self.pool, self.out = ChainedPooling(channels), ResidualUnits(channels, 3)
        self.hand_on = None if after is None else three(channels, after)

    def forward(self, x: Tensor, coarser: Tensor | None = None) -> Tensor:
        x = self.adapt(self.reduce(x))  # N, channels, h, w
        if self.fuse is not None and coarser is not None:
            x = self.fuse(x) + coarser
        x = self.out(self.pool(x))
        return x if self.hand_on is None else self.hand_on(x)


@register("refinenet")
class RefineNet(Model):
    """A ResNet, and a refinement block for each of its four last maps.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet101" as in the paper; or resnet18, 34, 50, 152.
        width: channels of the first layer; 64 is the paper's size, where the blocks have 512, 256, 256 and 256.
        dropout: probability of dropping a value of the two coarsest maps.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/4⌉×⌈W/4⌉.

    Raises:
        ValueError: another encoder; one cell in training mode.

    Source:
        Sections 3.1 and 3.2, Figures 2 and 3 a, the cascaded network of four blocks; what the figures leave open (which
        convolution has a bias, dropout at the two coarsest maps) as in the re-implementation DrSleep/refinenet-pytorch,
        whose count, 118.05 million at 21 classes, it has.

    Differs from the paper:
        a coarser map's residual units and convolution stand at the end of the block below, not at the start of the one
        that adds; what is computed is the same.
    """

    def __init__(
        self, num_classes: int, encoder: str = "resnet101", width: int = 64, dropout: float = 0.5, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "RefineNet", 1)
        self.encoder = resnet_for("RefineNet", encoder, in_channels, 32, width)
        self.in_channels = self.encoder.in_channels
        self.drop = nn.Dropout(finite(dropout, "dropout", "RefineNet", 0, 1))
        wide, narrow = 8 * self.encoder.width, 4 * self.encoder.width
        *_, first, second, third, last = self.encoder.channels
        self.blocks = nn.ModuleList([
            Refinement(last, wide, narrow, False), Refinement(third, narrow, narrow, True),
            Refinement(second, narrow, narrow, True), Refinement(first, narrow, None, True),
        ])  # fmt: skip
        self.score = score_layer(three(narrow, self.num_classes, bias=True))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        *_, first, second, third, last = self.encoder(x)  # N, channels[i], H/4 … H/32, W/4 … W/32
        found = self.blocks[0](self.drop(last))  # N, narrow, H/32, W/32
        for block, finer in zip(self.blocks[1:], (self.drop(third), second, first), strict=True):
            found = block(finer, cut(to_size(found, 2, *finer.shape[-2:]), *finer.shape[-2:]))
        score = self.score(found)  # N, K, H/4, W/4
        return {"logits": to_size(score, 4, H, W), "score": score}
