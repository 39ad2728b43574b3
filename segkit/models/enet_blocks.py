"""ENet's blocks: the first one, the bottleneck, and the two bottlenecks that change the map's size.

  bottleneck   ┌── 1×1, narrow ── 3×3, dilated 3×3, or 1×5 and 5×1 ── 1×1, wide ── dropout of maps ──┐
               └─────────────────────────────────────────────────────────────────────────────────────┴── + ── PReLU
  down         the same with 2×2 of stride 2 first, beside a 2×2 pooling with channels of zeros
  up           the same with a transposed 3×3 of stride 2, beside a 1×1 and unpooling

Reference: Figure 2 of ENet, arXiv 1606.02147, and the network that its authors released.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.engine import engine
from segkit.layers import Conv2d, ConvTranspose2d, PReLU
from segkit.layers.borders import cut

EPS = 1e-3  # of every BatchNorm, as released


class Initial(nn.Module):
    """The first block: a few learned maps beside the picture itself, both at half the size.

    Args:
        in_channels: channels of the picture; they are handed on.
        width: channels in all, where that leaves at least one map to learn.
        activation: "prelu" or "relu".
        stride: 2; or 1, which keeps the picture's size.

    Shape:
        N×C×H×W → N×channels×⌈H/stride⌉×⌈W/stride⌉, channels = max(width, C + 1).

    Source:
        ENet, Figure 2a.
    """

    def __init__(self, in_channels: int, width: int, activation: str, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = max(width, in_channels + 1), stride
        self.conv = Conv2d(in_channels, self.channels - in_channels, 3, stride, padding=1)
        self.norm = nn.BatchNorm2d(self.channels, EPS)
        self.act = _activation(activation, self.channels)

    def forward(self, x: Tensor) -> Tensor:
        seen = x if self.stride == 1 else engine().max_pool2d(x, 2, 2, ceil_mode=True)  # N, C, H/2, W/2
        return self.act(self.norm(torch.cat([self.conv(x), seen], 1)))  # N, channels, H/2, W/2


class Bottleneck(nn.Module):
    """Narrow, convolve, widen, and add what came in.

    Args:
        channels: of the map; a quarter of them are convolved.
        kind: "regular" (3×3), "dilated 2" to "dilated 16" (3×3 at that rate), "asymmetric" (1×5, then 5×1), or "full"
            (5×5).
        activation: "prelu" or "relu".
        dropout: probability of dropping a map of the extension.

    Shape:
        N×channels×H×W → the same.

    Source:
        ENet, Figure 2b; no projection has a bias. The paper's "5×1" is 5 wide and 1 high: the released network reads
        along the rows first.
    """

    def __init__(self, channels: int, kind: str, activation: str, dropout: float) -> None:
        super().__init__()
        inner = max(channels // 4, 1)
        name, _, rate = kind.partition(" ")
        dilation = int(rate or 1)
        if name == "asymmetric":
            convolve: list[nn.Module] = [
                Conv2d(inner, inner, (1, 5), padding=(0, 2), bias=False),
                Conv2d(inner, inner, (5, 1), padding=(2, 0)),
            ]
        elif name == "full":
            convolve = [Conv2d(inner, inner, 5, padding=2)]
        else:
            convolve = [Conv2d(inner, inner, 3, padding=dilation, dilation=dilation)]
        self.extension = _extension(channels, channels, activation, dropout, convolve)
        self.act = _activation(activation, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(x + self.extension(x))


class Down(nn.Module):
    """The bottleneck that halves the map: it adds to a pooled copy, filled up with channels of zeros.

    Args:
        channels, out: before and after; a quarter of those after are convolved.
        activation, dropout: as in `Bottleneck`.
        window: side of the first projection, of stride 2: 2 sees all of the map, 1 a quarter of it, as in ResNet.

    Shape:
        N×channels×H×W → N×out×⌈H/2⌉×⌈W/2⌉, and the pooling's indices N×channels×⌈H/2⌉×⌈W/2⌉.

    Source:
        ENet, Figure 2b and section 3; section 4, "Information-preserving dimensionality changes", for the window.
    """

    def __init__(self, channels: int, out: int, activation: str, dropout: float, window: int = 2) -> None:
        super().__init__()
        inner = max(out // 4, 1)
        self.new_channels = out - channels
        convolve = [Conv2d(inner, inner, 3, padding=1)]
        self.extension = _extension(channels, out, activation, dropout, convolve, window, 2)
        self.act = _activation(activation, out)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        H, W = x.shape[-2:]
        pooled, indices = engine().max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)  # N, channels, H/2, W/2
        main = F.pad(pooled, (0, 0, 0, 0, 0, self.new_channels))  # N, out, H/2, W/2
        extension = self.extension(F.pad(x, (0, W % 2, 0, H % 2)))  # N, out, H/2, W/2
        return self.act(main + extension), indices


class Up(nn.Module):
    """The bottleneck that doubles the map: it adds to a copy that went back to where the maxima stood.

    Args:
        channels, out: before and after.
        activation, dropout: as in `Bottleneck`.

    Shape:
        N×channels×h×w, indices N×out×h×w and a size (H, W) of which h, w are the rounded-up halves → N×out×H×W.

    Source:
        ENet, section 3: unpooling for pooling, a convolution for the padding.
    """

    def __init__(self, channels: int, out: int, activation: str, dropout: float) -> None:
        super().__init__()
        inner = max(out // 4, 1)
        self.main = nn.Sequential(Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out, EPS))
        full = ConvTranspose2d(inner, inner, 3, 2, padding=1, output_padding=1)
        self.extension = _extension(channels, out, activation, dropout, [full])
        self.act = _activation(activation, out)

    def forward(self, x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
        main = engine().max_unpool2d(self.main(x), indices, 2, 2, output_size=size)  # N, out, H, W
        extension = cut(self.extension(x), *size)  # N, out, H, W
        return self.act(main + extension)


def _extension(
    channels: int,
    out: int,
    activation: str,
    dropout: float,
    convolve: Sequence[nn.Module],
    window: int = 1,
    stride: int = 1,
) -> nn.Sequential:
    """The narrow branch: 1×1 (2×2 of stride 2 on the way down), the convolution itself, 1×1, and dropout of maps."""
    inner = max(out // 4, 1)
    return nn.Sequential(
        Conv2d(channels, inner, window, stride, bias=False),
        nn.BatchNorm2d(inner, EPS),
        _activation(activation, inner),
        *convolve,
        nn.BatchNorm2d(inner, EPS),
        _activation(activation, inner),
        Conv2d(inner, out, 1, bias=False),
        nn.BatchNorm2d(out, EPS),
        nn.Dropout2d(dropout),
    )


def _activation(name: str, channels: int) -> nn.Module:
    return PReLU(channels) if name == "prelu" else nn.ReLU(inplace=True)
