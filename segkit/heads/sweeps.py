"""Sweeps as layers: ReNet, which hears everything after two pairs of them, and sweeps that stop at boundaries.

ReNet             map ──┬── down ──┬──┬── right ──┬──        each pixel has heard every pixel
                        └── up ────┘  └── left ───┘  (side by side)

BoundarySweeps    map ──┬── down ──┬── right ──┬── sum       what is closed is not walked through
                        │          └── left ───┤
                        └── up ────┬── right ──┤
                                   └── left ───┘
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import chosen, whole
from segkit.engine import engine
from segkit.ops.sweeping import CELLS, DIRECTIONS
from segkit.typed import typed


class Sweep(nn.Module):
    """`segkit.ops.sweep` with weights that are learned, under the names of `torch.nn.GRUCell`.

    Args:
        channels, hidden: in and out.
        direction: "down", "up", "right" or "left".
        cell: "gru" or "relu".

    Shape:
        N×channels×H×W, and for `open` N×1×H×W or N×hidden×H×W → N×hidden×H×W.
    """

    @typed
    def __init__(self, channels: int, hidden: int, direction: str = "down", cell: str = "gru") -> None:
        super().__init__()
        C, U = whole(channels, "channels", "Sweep", 1), whole(hidden, "hidden", "Sweep", 1)
        self.direction = chosen(direction, "direction", "Sweep", DIRECTIONS)
        self.cell = chosen(cell, "cell", "Sweep", CELLS)
        wide, bound = CELLS[cell] * U, U**-0.5
        self.weight_ih, self.weight_hh = (nn.Parameter(torch.empty(wide, n).uniform_(-bound, bound)) for n in (C, U))
        self.bias_ih, self.bias_hh = (nn.Parameter(torch.empty(wide).uniform_(-bound, bound)) for _ in range(2))

    def forward(self, x: Tensor, open: Tensor | None = None) -> Tensor:
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        return engine().sweep(x, *weights, direction=self.direction, cell=self.cell, open=open)


class ReNet(nn.Module):
    """A layer that hears the whole map: a GRU up and down the columns, then over what they wrote along the rows.

    Args:
        channels: of the map.
        hidden: U, maps of each sweep.

    Attributes:
        out_channels: of what comes out: 2·U.

    Shape:
        N×channels×H×W → N×2·hidden×H×W. It takes 2·(H + W) steps, one after the other.

    Source:
        Visin et al., "ReNet: A Recurrent Neural Network Based Alternative to Convolutional Networks" (arXiv
        1505.00393), section 2; Visin et al., "ReSeg" (arXiv 1511.07053), section 3, for what follows it: such layers,
        then enlargement.

    Differs from the paper:
        it reads pixel by pixel. Patches of p×p pixels are the same on `pixel_unshuffle(x, p)`.
    """

    @typed
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.out_channels = 2 * whole(hidden, "hidden", "ReNet", 1)
        channels = whole(channels, "channels", "ReNet", 1)
        self.columns = nn.ModuleList(Sweep(channels, hidden, way) for way in ("down", "up"))
        self.rows = nn.ModuleList(Sweep(2 * hidden, hidden, way) for way in ("right", "left"))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([sweep(x) for sweep in self.columns], 1)  # N, 2·hidden, H, W
        return torch.cat([sweep(x) for sweep in self.rows], 1)  # N, 2·hidden, H, W


class BoundarySweeps(nn.Module):
    """Boundary-aware propagation: relu(W·x + U·(p·h′)) down and up, and from each of these right and left; the sum.

    Args:
        channels: of the map.

    Shape:
        N×channels×H×W, and `open` N×1×H×W, the p of each pixel: 1 inside things, 0 on outlines → N×channels×H×W.
        A pixel hears all from which it can be reached with one turn, never stepping onto a closed pixel.

    Source:
        Ding et al., "Boundary-Aware Feature Propagation for Scene Segmentation", ICCV 2019, section 3.2.

    Differs from the paper:
        there is no diagonal step, p closes the pixel that listens and not the one that speaks, and the first line goes
        through W like the others.
    """

    @typed
    def __init__(self, channels: int) -> None:
        super().__init__()
        C = whole(channels, "channels", "BoundarySweeps", 1)
        self.columns = nn.ModuleList(Sweep(C, C, way, "relu") for way in ("down", "up"))
        self.rows = nn.ModuleList(Sweep(C, C, way, "relu") for _ in range(2) for way in ("right", "left"))

    def forward(self, x: Tensor, open: Tensor) -> Tensor:
        down, up = (sweep(x, open) for sweep in self.columns)  # N, channels, H, W
        told = [sweep(column, open) for sweep, column in zip(self.rows, (down, down, up, up), strict=True)]
        return torch.stack(told).sum(0)
