"""Attention over the cells of a map: these blocks differ only in who hears whom.

    block              a cell hears                                       paper
    PositionAttention  every cell                                         DANet (and OCNet, with query = key)
    CrissCross         its row and column; twice, by way of others, all   CCNet
    ChannelAttention   nobody: channels hear channels                     DANet

Each adds what it heard, times a factor that starts at 0, to what came in: at first nobody hears anything.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import chosen, whole
from segkit.engine import engine
from segkit.layers import Conv2d
from segkit.ops.arguments import check_shape
from segkit.ops.attention import softmax
from segkit.typed import typed


def as_rows(x: Tensor) -> Tensor:
    """N×C×H×W → N×(H·W)×C: a row for each cell, line by line."""
    return x.flatten(2).mT


def as_map(rows: Tensor, like: Tensor) -> Tensor:
    """N×(H·W)×C → N×C×H×W, with the height and width of a map."""
    return rows.mT.unflatten(2, (like.shape[-2], like.shape[-1]))


class PositionAttention(nn.Module):
    """Every cell hears every cell: x + γ·Σⱼ softmax(query(i)·key(j)) value(j).

    Args:
        channels: of the map.
        reduced: channels of query and key; channels // 8 in the paper.

    Shape:
        N×channels×H×W → the same. Time and memory grow with (H·W)².

    Source:
        Fu et al., "Dual Attention Network for Scene Segmentation", CVPR 2019 (arXiv 1809.02983), section 3.2: its
        products are not scaled.
    """

    @typed
    def __init__(self, channels: int, reduced: int | None = None) -> None:
        super().__init__()
        channels = whole(channels, "channels", type(self).__name__, 1)
        reduced = whole(max(1, channels // 8) if reduced is None else reduced, "reduced", type(self).__name__, 1)
        self.query, self.key = Conv2d(channels, reduced, 1), Conv2d(channels, reduced, 1)
        self.value = Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.query(x), self.key(x), self.value(x)  # N, reduced or channels, H, W
        return self.gamma * self.heard(query, key, value) + x

    def heard(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """What each cell hears, as a map."""
        return as_map(engine().attend(as_rows(query), as_rows(key), as_rows(value), scale=1.0), value)


class CrissCross(PositionAttention):
    """Every cell hears its row and its column; after two rounds it has heard from everywhere.

    Two products stand for the whole mask: one along columns, one along rows, under one softmax; the cell itself, which
    is in both, counts once, in its row.

    Args:
        channels, reduced: as in PositionAttention.
        recurrence: how often the map goes through, with the same weights; 2 in the paper.

    Shape:
        N×channels×H×W → the same. Time and memory grow with H·W·(H + W).

    Source:
        Huang et al., "CCNet: Criss-Cross Attention for Semantic Segmentation", ICCV 2019 (arXiv 1811.11721),
        section 3.2.
    """

    @typed
    def __init__(self, channels: int, reduced: int | None = None, recurrence: int = 2) -> None:
        super().__init__(channels, reduced)
        self.recurrence = whole(recurrence, "recurrence", "CrissCross", 1)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(self.recurrence):
            x = super().forward(x)
        return x

    def heard(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        H, W = query.shape[-2:]
        along_column = torch.einsum("nchw,ncgw->nhwg", query, key)  # N, H, W, H
        itself = torch.eye(H, dtype=torch.bool, device=query.device)[:, None]  # H, 1, H
        along_column = along_column.masked_fill(itself, -torch.inf)
        along_row = torch.einsum("nchw,nchv->nhwv", query, key)  # N, H, W, W
        shares = softmax(torch.cat([along_column, along_row], -1))  # N, H, W, H + W
        column, row = shares.split([H, W], -1)
        return torch.einsum("nhwg,ncgw->nchw", column, value) + torch.einsum("nhwv,nchv->nchw", row, value)


class ChannelAttention(nn.Module):
    """Channels hear channels: x + γ·softmax(X·Xᵀ)·X, where X is C×(H·W). It has one weight, γ.

    Args:
        sign: "paper" for the product as it stands there; "released" for its negative: each channel then hears most
            from those that are least like it.

    Shape:
        N×C×H×W → the same.

    Source:
        Fu et al., CVPR 2019 (arXiv 1809.02983), section 3.3. The authors' code subtracts every product from the largest
        of its row before the softmax, which reverses the order.
    """

    def __init__(self, sign: str = "released") -> None:
        super().__init__()
        released = chosen(sign, "sign", "ChannelAttention", ("paper", "released")) == "released"
        self.scale = -1.0 if released else 1.0
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        check_shape(x, "ChannelAttention")
        channels = x.flatten(-2)  # N, C, H·W
        heard = engine().attend(channels, channels, channels, scale=self.scale)  # N, C, H·W
        return self.gamma * heard.view_as(x) + x
