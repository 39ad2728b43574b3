"""PSANet (Zhao et al. 2018): each cell predicts, by place, whom to hear and whom to tell.

  ResNet, s. 8 ──┬── 1×1 ──┬── 1×1 ── 1×1 ── a map of (2h−1)·(2w−1) places around each cell ── collect ────┐
                 │         └────────────────────────────────────────────────────────────────── features ──┼── 1×1 ──┐
                 │   the same again ── distribute ────────────────────────────────────────────────────────┘         │
                 └──────────────────────────────────────────────────────────────────── side by side ── 3×3 ── score ┘

Reference: "PSANet: Point-wise Spatial Attention Network for Scene Parsing", ECCV 2018.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import chosen, pair
from segkit.heads.attention import as_map, as_rows
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3, score_layer
from segkit.models.base import register
from segkit.models.on_resnet import OnResNet
from segkit.ops.attention import softmax
from segkit.typed import typed


def seen_from_each(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """From maps around each cell to a matrix over cells: what cell i says of cell j stands at place j − i of i's map.

    Args:
        maps: for each cell the places of a window of this size around it, line by line.
        size: (height, width) of the window, both odd.

    Shape:
        N×(height·width)×h×w → N×(h·w)×(h·w), row i column j; 0 where j lies outside of i's window.
    """
    h, w = maps.shape[-2:]
    rows, columns = (torch.arange(n, device=maps.device) for n in (h, w))
    down = (rows[None, :] - rows[:, None] + size[0] // 2)[:, None, :, None]  # h, 1, h, 1: from row i to row j
    right = (columns[None, :] - columns[:, None] + size[1] // 2)[None, :, None, :]  # 1, w, 1, w
    inside = (down >= 0) & (down < size[0]) & (right >= 0) & (right < size[1])  # h, w, h, w
    place = torch.where(inside, down * size[1] + right, 0).flatten(2).flatten(0, 1)  # h·w, h·w
    found = as_rows(maps).gather(2, place.expand(maps.shape[0], -1, -1))  # N, h·w, h·w
    return torch.where(inside.flatten(2).flatten(0, 1), found, 0.0)


class PointwiseAttention(nn.Module):
    """One branch: "collect", where each cell says how much it hears of each other; or "distribute", how much it tells.

    Args:
        channels, hidden: of the map, and of what is handed around.
        size: (height, width) of the window of places around each cell, odd.
        way: "collect" or "distribute".

    Shape:
        N×channels×h×w → N×hidden×h×w.

    Source:
        Section 3.2; the softmax over all that a cell hears is the authors' code (psa_softmax), places outside of the
        window taking part with a score of 0.
    """

    @typed
    def __init__(self, channels: int, hidden: int, size: Sequence[int], way: str = "collect") -> None:
        super().__init__()
        self.size = pair(size, "size", "PointwiseAttention", 1)
        self.collects = chosen(way, "way", "PointwiseAttention", ("collect", "distribute")) == "collect"
        self.reduce = conv_norm_relu(Conv2d(channels, hidden, 1, bias=False))
        mixed = conv_norm_relu(Conv2d(hidden, hidden, 1, bias=False))
        self.attention = nn.Sequential(mixed, Conv2d(hidden, self.size[0] * self.size[1], 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)  # N, hidden, h, w
        said = seen_from_each(self.attention(x), self.size)  # N, h·w, h·w: by the row's cell of the column's
        heard = softmax(said if self.collects else said.mT)  # N, h·w, h·w: shares of what the row's cell hears
        return as_map(heard @ as_rows(x), x)  # N, hidden, h, w


@register("psanet")
class PSANet(OnResNet):
    """A ResNet at stride 8 whose cells hear and tell each other by place.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50" or "resnet101" as in the paper; or resnet18, 34, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        size: (height, width) of the window of places, in cells; 2·h − 1 reaches from everywhere to everywhere on a map
            of h. (89, 89) is the authors' for crops of 705 pixels.
        output_stride: 8 as in the paper, or 16 or 32.
        aux: a second head on layer3.
        dropout: probability of dropping a value before the scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1; on larger maps what lies outside of the window is heard with a score of 0. By
        name: "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride; with aux, "aux", of stride 16 at most.

    Raises:
        ValueError: an option that is not among these, an even side; one cell in training mode.

    Source:
        Sections 3.1 to 3.4, Figure 2; the stem is PSPNet's.

    Differs from the paper:
        the attention reads the map of stride 8 itself; the authors' code halves it first where memory is short.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet101",
        width: int = 64,
        size: Sequence[int] = (89, 89),
        output_stride: int = 8,
        aux: bool = True,
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__(num_classes, encoder, width, output_stride, aux, dropout, in_channels, stem="deep")
        height, wide = pair(size, "size", "PSANet", 1)
        if height % 2 == 0 or wide % 2 == 0:
            raise ValueError(f"PSANet got size={tuple(size)}; the cell itself is in the middle: give odd numbers")
        ways = ("collect", "distribute")
        self.branches = nn.ModuleList(PointwiseAttention(self.last, self.hidden, (height, wide), w) for w in ways)
        self.join = conv_norm_relu(Conv2d(2 * self.hidden, self.last, 1, bias=False))
        self.fuse = norm_relu_3x3(2 * self.last, self.hidden)
        self.drop = nn.Dropout(self.dropout)
        self.score = score_layer(Conv2d(self.hidden, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        heard = self.join(torch.cat([branch(last) for branch in self.branches], 1))  # N, channels[-1], H/d, W/d
        fused = self.fuse(torch.cat([last, heard], 1))  # N, hidden, H/d, W/d
        return self.answer(x, third, self.score(self.drop(fused)))
