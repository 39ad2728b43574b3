"""Decoders that add: class scores of three maps (FCN's way), or the maps themselves (LinkNet's, a light U-Net).

SummedScores   1/32 ── 1×1 ── ×2 ── + ── ×2 ── + ── ×8 ── logits
               1/16 ── 1×1 ─────────┘          │
               1/8  ── 1×1 ────────────────────┘

SummedMaps     1/32 ── 1×1 ── ×2 ── + ── 1×1 ── 1×1 ── ×2 ── + ── 1×1 … ×2 ── 1×1 ── 1×1 ── logits
               1/16 ────────────────┘                        │
               1/8  ─────────────────────────────────────────┘
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.heads.enlarge import check_maps
from segkit.layers import Conv2d, ConvTranspose2d, bilinear_kernel
from segkit.layers.blocks import score_layer
from segkit.layers.borders import cut
from segkit.typed import typed


@typed
def upscaling(channels: int, stride: int, corner_aligned: bool) -> ConvTranspose2d:
    """A transposed convolution, 2·stride wide, that enlarges `stride` times and starts as bilinear interpolation.

    Args:
        channels: in and out; each starts by itself, and learns from all.
        stride: how many times closer the cells are, 2 or more.
        corner_aligned: where the cells stand, as an `Encoder` says. True: cell i lands on cell stride·i, and the last
            row and column of the kernel start at zero. False: on the middle of its stride cells.

    Shape:
        of the layer: N×channels×h×w → N×channels×(stride·h)×(stride·w).

    Raises:
        ValueError: fewer than 1 channel, a stride below 2.
    """
    channels, s = whole(channels, "channels", "upscaling", 1), whole(stride, "stride", "upscaling", 2)
    if not corner_aligned and s % 2:
        raise ValueError(f"upscaling got stride={s} with corner_aligned=False; cells in the middle need an even stride")
    padding = s - 1 if corner_aligned else s // 2
    layer = ConvTranspose2d(channels, channels, 2 * s, s, padding, s - 2 if corner_aligned else 0, bias=False)
    with torch.no_grad():
        if corner_aligned:
            tent = 1 - (torch.arange(2 * s) - (s - 1)).abs() / s  # 2·s: peak at s − 1, 0 at the end
            layer.weight.zero_()
            layer.weight.diagonal().copy_((tent[:, None] * tent)[..., None])  # 2·s, 2·s, channels: a view
        else:
            layer.weight.copy_(bilinear_kernel(channels, s))
    return layer


class SummedScores(nn.Module):
    """Class scores of the maps of stride 8, 16 and 32, the coarser enlarged by learned kernels and added to the finer.

    Args:
        channels: of the three maps, fine to coarse.
        num_classes: K.
        corner_aligned: where the cells stand, as in `upscaling`.

    Shape:
        maps N×channels[i]×⌈H/s⌉×⌈W/s⌉, s = 8, 16, 32 → "logits" N×K×(H or more)×(W or more), and what each map says
        before the sum, "score_32", "score_16" and "score_8".

    Source:
        Long, Shelhamer & Darrell, CVPR 2015; on light encoders: Siam et al., "RTSeg", ICIP 2018 (arXiv 1803.02758),
        "SkipNet".
    """

    @typed
    def __init__(self, channels: Sequence[int], num_classes: int, corner_aligned: bool = True) -> None:
        super().__init__()
        wide = [whole(c, "channels", "SummedScores", 1) for c in channels]
        if len(wide) != 3:
            raise ValueError(f"SummedScores got {len(wide)} channels; give those of the maps of stride 8, 16 and 32")
        self.channels = wide
        K = whole(num_classes, "num_classes", "SummedScores", 1)
        self.score_8, self.score_16, self.score_32 = (score_layer(Conv2d(c, K, 1)) for c in wide)
        self.up_16, self.up_8, self.up = (upscaling(K, s, corner_aligned) for s in (2, 2, 8))

    def forward(self, maps: Sequence[Tensor]) -> dict[str, Tensor]:
        check_maps(maps, self.channels, "SummedScores")
        fine, middle, coarse = self.score_8(maps[0]), self.score_16(maps[1]), self.score_32(maps[2])
        x = cut(self.up_16(coarse), middle.shape[-2], middle.shape[-1]) + middle  # N, K, H/16, W/16
        x = cut(self.up_8(x), fine.shape[-2], fine.shape[-1]) + fine  # N, K, H/8, W/8
        return {"logits": self.up(x), "score_32": coarse, "score_16": middle, "score_8": fine}


class SummedMaps(nn.Module):
    """From the coarsest map to the picture in steps of 2: fewer channels, enlarge, add the finer map, mix.

    Nothing but BatchNorm stands between the convolutions: all that is not linear is in the encoder.

    Args:
        channels: of the maps, fine to coarse, each of half the stride of the next; the first has stride 2.
        num_classes: K.
        dropout: probability of dropping a value before the scores.
        corner_aligned: where the cells stand, as in `upscaling`.

    Shape:
        maps N×channels[i]×⌈H/2^(i+1)⌉×⌈W/2^(i+1)⌉ → "logits" N×K×(H or more)×(W or more).

    Source:
        Siam et al., "RTSeg", ICIP 2018 (arXiv 1803.02758), "U-Net", as their code has it on ShuffleNet: 1×1 before and
        after the sum, transposed 4×4 kernels.
    """

    @typed
    def __init__(
        self, channels: Sequence[int], num_classes: int, dropout: float = 0.5, corner_aligned: bool = True
    ) -> None:
        super().__init__()
        wide = [whole(c, "channels", "SummedMaps", 1) for c in channels]
        if len(wide) < 2:
            raise ValueError(f"SummedMaps got channels of {len(wide)} maps; there is nothing to add: give two or more")
        self.channels = wide
        K, finest = whole(num_classes, "num_classes", "SummedMaps", 1), wide[0]
        steps = list(zip(wide[:0:-1], wide[-2::-1], strict=True))  # from each map to the next finer one
        self.reduce = nn.ModuleList(_conv_norm(Conv2d(before, after, 1, bias=False)) for before, after in steps)
        self.up = nn.ModuleList(_conv_norm(upscaling(after, 2, corner_aligned)) for _, after in steps)
        self.mix = nn.ModuleList(_conv_norm(Conv2d(after, after, 1, bias=False)) for _, after in steps)
        self.last_up = _conv_norm(upscaling(finest, 2, corner_aligned))
        self.last_mix = _conv_norm(Conv2d(finest, finest, 1, bias=False))
        self.drop = nn.Dropout(finite(dropout, "dropout", "SummedMaps", 0, 1))
        self.score = score_layer(Conv2d(finest, K, 1))

    def forward(self, maps: Sequence[Tensor]) -> dict[str, Tensor]:
        check_maps(maps, self.channels, "SummedMaps")
        *finer, x = maps
        for reduce, up, mix, fine in zip(self.reduce, self.up, self.mix, reversed(finer), strict=True):
            x = mix(cut(up(reduce(x)), fine.shape[-2], fine.shape[-1]) + fine)  # N, fine's channels, 2H, 2W
        x = self.drop(self.last_mix(self.last_up(x)))  # N, channels[0], H, W
        return {"logits": self.score(x)}  # N, K, H, W


def _conv_norm(conv: nn.Module) -> nn.Sequential:
    """A convolution and BatchNorm; no ReLU, so the first keeps torch's initialisation."""
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels))  # type: ignore[arg-type]
