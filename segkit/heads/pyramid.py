"""The pyramid pooling module (PSPNet, Zhao et al. 2017): each cell hears what its region looks like, at four sizes.

map ──┬──────────────────────────────────────────────┐
      ├── pool to 1×1 ── 1×1, BN, ReLU ── enlarge ───┤
      ├── pool to 2×2 ── 1×1, BN, ReLU ── enlarge ───┼── side by side
      ├── pool to 3×3 ── 1×1, BN, ReLU ── enlarge ───┤
      └── pool to 6×6 ── 1×1, BN, ReLU ── enlarge ───┘
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import chosen, whole
from segkit.engine import engine
from segkit.layers import Conv2d
from segkit.layers.blocks import check_statistics, conv_norm_relu
from segkit.typed import typed


class PyramidPooling(nn.Module):
    """Pool a map to grids of several sizes, reduce each, enlarge them again and put all beside the map.

    Args:
        channels: of the map.
        bins: cells per side of each grid; 0 leaves the map unpooled, a branch that sees nothing but its own cell.
        reduction: channels of each branch after its 1×1 convolution: True for channels // len(bins), as in the paper; a
            number; or False for no convolution at all (the paper's "without DR").
        mode: "avg" or "max": how a region is pooled.
        join: "concat" as in the paper; or "sum", as in ICNet: the enlarged grids are added to the map, with
            reduction=False.

    Attributes:
        out_channels: of what comes out: channels + len(bins)·reduced, or channels where all is summed.

    Shape:
        N×channels×h×w → N×out_channels×h×w, any h, w ≥ 1: where a grid has more cells than the map, cells repeat.

    Raises:
        ValueError: no such mode, bins, reduction or join; one picture in training mode where a grid has one cell.

    Source:
        Zhao, Shi, Qi, Wang & Jia, "Pyramid Scene Parsing Network", CVPR 2017 (arXiv 1612.01105), section 3.2.

    Differs from the paper:
        regions are those of adaptive pooling, ⌊u·h/b⌋ to ⌈(u + 1)·h/b⌉; the authors' Caffe code pools with kernel
        s + (h mod b), s = ⌊h/b⌋, which is the same where b divides h (60 and 90 cells, the paper's inputs) and another
        region at 33 or 65.
    """

    @typed
    def __init__(
        self,
        channels: int,
        bins: Sequence[int] = (1, 2, 3, 6),
        reduction: bool | int = True,
        mode: str = "avg",
        join: str = "concat",
    ) -> None:
        super().__init__()
        self.channels = whole(channels, "channels", "PyramidPooling", 1)
        self.bins = tuple(whole(b, "bins", "PyramidPooling", 0) for b in bins)
        self.mode = chosen(mode, "mode", "PyramidPooling", ("avg", "max"))
        self.summed = chosen(join, "join", "PyramidPooling", ("concat", "sum")) == "sum"
        if self.summed and reduction is not False:
            raise ValueError(f"PyramidPooling got join='sum' with reduction={reduction!r}; what is summed keeps its "
                             "channels: give reduction=False")  # fmt: skip
        reduced = channels
        if reduction is not False and self.bins:
            least = channels // len(self.bins) if reduction is True else reduction
            reduced = whole(least, "reduction", "PyramidPooling", 1)
        self.out_channels = channels + (0 if self.summed else len(self.bins) * reduced)
        self.branches = nn.ModuleList(
            nn.Identity() if reduction is False else conv_norm_relu(Conv2d(channels, reduced, 1, bias=False))
            for _ in self.bins
        )

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"PyramidPooling got a map of shape {tuple(x.shape)}; it takes N×{self.channels}×h×w")
        h, w = x.shape[-2:]
        pool = engine().adaptive_avg_pool2d if self.mode == "avg" else engine().adaptive_max_pool2d
        found = [x]
        for cells, branch in zip(self.bins, self.branches, strict=True):
            y = pool(x, cells) if cells else x  # N, channels, b, b
            if isinstance(branch, nn.Sequential):
                check_statistics(branch[1], y.shape[0] * y.shape[2] * y.shape[3], "PyramidPooling")
            y = branch(y)  # N, reduced, b, b
            found.append(engine().interpolate(y, (h, w), mode="bilinear", align_corners=True) if cells else y)
        return sum(found[1:], x) if self.summed else torch.cat(found, 1)  # N, out_channels, h, w
