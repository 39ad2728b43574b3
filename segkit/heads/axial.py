"""Axial attention, and its channelized form (Huang et al. 2022): channels are gated line by line within the product.

map ── value ── attention along columns ── gates of each row ── attention along rows ── gates of each column
"""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import chosen, whole
from segkit.engine import engine
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu
from segkit.ops.arguments import check_shape
from segkit.typed import typed

AXES = ("column", "row")


def attend_along(axis: str, query: Tensor, key: Tensor, value: Tensor, scale: float | None = None) -> Tensor:
    """Attention in which each cell hears its own "column" or its own "row": lines are put side by side into the batch.

    It is `attend` under `axis_mask`, but costs only what is heard: H·W·H or H·W·W products in place of (H·W)².

    Shape:
        query, key N×E×H×W, value N×D×H×W → N×D×H×W.
    """
    order = (0, 3, 2, 1) if chosen(axis, "axis", "attend_along", AXES) == "column" else (0, 2, 3, 1)
    for given in (query, key, value):
        check_shape(given, "attend_along")
        if given.ndim != 4:
            raise ValueError(f"attend_along got a map of shape {tuple(given.shape)}; it takes N×C×H×W: give x[None]")
    lines = (x.permute(order) for x in (query, key, value))  # N, W, H, E or N, H, W, E
    told = engine().attend(*lines, scale=scale)  # N, W, H, D or N, H, W, D
    return told.permute((0, 3, 2, 1) if axis == "column" else (0, 3, 1, 2))  # N, D, H, W


class AxialAttention(nn.Module):
    """Attention along one axis; with gates, channelized.

    In the paper each product a(i, j)·v(j) is multiplied by a gate for each channel of line i, before the sum over j.
    The gate does not depend on j, so it can wait until after the sum: it is `gate` with a score for each channel and
    line, from the mean of what the line has heard.

    Args:
        channels: of the map.
        reduced: channels of the query, which is also the key.
        axis: "column" or "row".
        gated: with gates; without it is axial attention.

    Shape:
        query N×channels×H×W (what asks and answers) and value N×channels×H×W → N×channels×H×W.

    Source:
        Huang et al., "Channelized Axial Attention for Semantic Segmentation", AAAI 2022 (arXiv 2101.07434), section 3;
        gates of five hidden layers with channels // 4 as in the authors' code.
    """

    @typed
    def __init__(self, channels: int, reduced: int, axis: str, gated: bool = True) -> None:
        super().__init__()
        C, E = whole(channels, "channels", "AxialAttention", 1), whole(reduced, "reduced", "AxialAttention", 1)
        self.axis = chosen(axis, "axis", "AxialAttention", AXES)
        self.query = conv_norm_relu(Conv2d(C, E, 1, bias=False))
        sizes = [C, *[max(1, C // 4)] * 5, C]
        layers = [Conv2d(a, b, 1, bias=False) for a, b in pairwise(sizes)]
        self.gates = nn.ModuleList(layers if gated else [])

    def forward(self, query: Tensor, value: Tensor) -> Tensor:
        asked = self.query(query)  # N, reduced, H, W
        told = attend_along(self.axis, asked, asked, value)  # N, channels, H, W
        if not self.gates:
            return told
        across, along = (3, 2) if self.axis == "column" else (2, 3)
        scores = told.mean(across, keepdim=True) / told.shape[along]  # of the products, whose sum is what was told
        for layer in self.gates[:-1]:
            scores = F.leaky_relu(layer(scores), 0.2)
        return engine().gate(told, self.gates[-1](scores))  # N, channels, H, W


class ChannelizedAxialAttention(nn.Module):
    """Along columns, then along rows; both ask the map that comes in, and the second hears what the first has told.

    Args:
        channels, reduced, gated: as in AxialAttention.

    Shape:
        N×channels×H×W → the same.
    """

    @typed
    def __init__(self, channels: int, reduced: int, gated: bool = True) -> None:
        super().__init__()
        channels = whole(channels, "channels", "ChannelizedAxialAttention", 1)
        self.value = conv_norm_relu(Conv2d(channels, channels, 1, bias=False))
        self.columns = AxialAttention(channels, reduced, "column", gated)
        self.rows = AxialAttention(channels, reduced, "row", gated)

    def forward(self, x: Tensor) -> Tensor:
        return self.rows(x, self.columns(x, self.value(x)))
