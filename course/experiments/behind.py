"""A dense CRF behind a network, as chapters 07 and 11 measure it."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from segkit.crf import DenseCRF

SPATIAL = 2  # pixels; the kernel of places alone, which is not searched


class Behind(nn.Module):
    """A dense CRF behind a network."""

    def __init__(self, net: nn.Module, crf: DenseCRF) -> None:
        super().__init__()
        self.net, self.crf = net, crf

    def forward(self, x: Tensor) -> Tensor:
        return self.crf(self.net(x), x)


def dense(**chosen: Any) -> DenseCRF:
    """The CRF with the widths and weights that a search chose, for pictures in 0…1."""
    return DenseCRF(gaussian_sxy=SPATIAL, iterations=10, picture_max=1, **chosen)
