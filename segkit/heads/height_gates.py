"""HANet's gates (Choi et al. 2020): cars can't fly up in the sky. How high a row is says which channels are believed.

map ── mean of each row, 16 rows ── 1×1 ── + where am I ── 3 ── 3 ── sigmoid ── spread over all rows ── · other map
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.engine import engine
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu
from segkit.typed import typed

ROWS = 16  # that gates are made for


class HeightGates(nn.Module):
    """Gates for each row of a map, made from the rows of an earlier one and from their height.

    Args:
        channels: of the map that is read.
        out: of the map that is gated.
        reduction: by how much the first convolution narrows; 64 in the authors' code, 32 in the paper's Table 3.

    Attributes:
        height: 1×hidden×16×1, sines and cosines of the row, as in a transformer; not learned.

    Shape:
        N×channels×h×w and N×out×H×W → N×out×H×W.

    Source:
        Choi, Kim & Choo, "Cars Can't Fly up in the Sky: Improving Urban-Scene Segmentation via Height-driven Attention
        Networks", CVPR 2020 (arXiv 2003.05128), sections 3.1 and 3.2, equations 1 to 3.

    Differs from the paper:
        the height of a row is counted in the picture that comes in; the authors know where a crop was cut. Gates are
        for 16 rows and then spread, as in the paper: between two rows stands a mean of two gates, not the gate of a
        mean, which is what `gate` would give.
    """

    height: Tensor

    @typed
    def __init__(self, channels: int, out: int, reduction: int = 64) -> None:
        super().__init__()
        channels, who = whole(channels, "channels", "HeightGates", 1), "HeightGates"
        hidden = -(-channels // whole(reduction, "reduction", who, 1))
        self.first = conv_norm_relu(Conv2d(channels, hidden, 1, bias=False))
        self.second = conv_norm_relu(Conv2d(hidden, 2 * hidden, (3, 1), padding=(1, 0)))
        self.third = Conv2d(2 * hidden, whole(out, "out", who, 1), (3, 1), padding=(1, 0))
        self.register_buffer("height", _waves(hidden), persistent=False)

    def forward(self, x: Tensor, gated: Tensor) -> Tensor:
        wanted = (x.shape[0], self.third.out_channels)
        if gated.ndim != 4 or tuple(gated.shape[:2]) != wanted or 0 in gated.shape[2:]:
            raise ValueError(f"HeightGates got a map of shape {tuple(gated.shape)} to gate; beside "
                             f"{tuple(x.shape)}, which it reads, it takes {wanted[0]}×{wanted[1]}×H×W")  # fmt: skip
        rows = self.first(engine().adaptive_avg_pool2d(x, (ROWS, 1)))  # N, hidden, 16, 1
        scores = self.third(self.second(rows + self.height))  # N, out, 16, 1
        gates = engine().interpolate(torch.sigmoid(scores), (gated.shape[-2], 1), mode="bilinear", align_corners=False)
        return gated * gates  # N, out, H, W


def _waves(channels: int) -> Tensor:
    """Sines in the even channels, cosines in the odd ones, each pair slower than the one before; 1×channels×16×1."""
    pair = torch.arange(channels) // 2 * 2
    turns = torch.arange(ROWS)[:, None] / 10000 ** (pair / channels)  # 16, channels
    waves = torch.where(torch.arange(channels) % 2 == 0, turns.sin(), turns.cos())
    return waves.T[None, :, :, None].contiguous()
