"""Attention that ends in a convolution: OCNet's object context, and ANN's, which hears a hundred pooled anchors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.engine import engine
from segkit.heads.attention import as_map, as_rows
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu
from segkit.typed import typed


class ObjectContext(nn.Module):
    """Every listener hears every speaker, or every anchor that the speakers are pooled to.

    Args:
        channels: of the map that listens.
        hidden: channels of query, key and value.
        speaking: channels of the map that is heard; None for the same map.
        bins: cells per side of the grids that keys and values are pooled to, each a mean; () for every cell.

    Attributes:
        query, key: one and the same layer where the map hears itself, so that products are the same both ways.

    Shape:
        N×channels×H×W, and N×speaking×h×w where another map speaks → N×channels×H×W, what is heard.

    Raises:
        ValueError: a number below 1.

    Source:
        Yuan & Wang, "OCNet: Object Context Network for Scene Parsing" (arXiv 1809.00916), section 3.1; Zhu et al.,
        "Asymmetric Non-local Neural Networks for Semantic Segmentation", ICCV 2019 (arXiv 1908.07678), sections 3.2
        and 3.3: bins 1, 3, 6 and 8, and so 110 anchors.
    """

    @typed
    def __init__(self, channels: int, hidden: int, speaking: int | None = None, bins: Sequence[int] = ()) -> None:
        super().__init__()
        who = "ObjectContext"
        whole(channels, "channels", who, 1)
        whole(hidden, "hidden", who, 1)
        other = channels if speaking is None else whole(speaking, "speaking", who, 1)
        self.bins = tuple(whole(b, "bins", who, 1) for b in bins)
        self.query = conv_norm_relu(Conv2d(channels, hidden, 1, bias=False))
        self.key = self.query if speaking is None else conv_norm_relu(Conv2d(other, hidden, 1, bias=False))
        self.value, self.out = Conv2d(other, hidden, 1), Conv2d(hidden, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, speakers: Tensor | None = None) -> Tensor:
        other = x if speakers is None else speakers
        key, value = self.anchors(self.key(other)), self.anchors(self.value(other))  # N, S, hidden
        heard = engine().attend(as_rows(self.query(x)), key, value)  # N, H·W, hidden
        return self.out(as_map(heard, x))  # N, channels, H, W

    def anchors(self, x: Tensor) -> Tensor:
        """N×C×h×w → N×S×C: all cells, or the means of the grids one below the other."""
        if not self.bins:
            return as_rows(x)
        return torch.cat([as_rows(engine().adaptive_avg_pool2d(x, b)) for b in self.bins], 1)
