"""Hierarchical multi-scale attention (Tao et al. 2020): each scale says how far it may be believed over finer ones.

  picture ×½ ── HRNet with OCR ──┬── p_lo ───────────┐
                                 └── 3×3 ── 3×3 ── α ┴── p = α·p_lo + (1 − α)·p_hi ── logits
  picture    ── HRNet with OCR ───── p_hi ───────────┘
     the same weights

Where objects are large the small picture is right, where they are thin the large one. α comes from the coarser of two
scales alone, so that one pair, learned, makes a chain of any length: what two scales say is the p_hi of the next.

Reference: "Hierarchical Multi-Scale Attention for Semantic Segmentation" (arXiv 2005.10821).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Self

import torch
from torch import Tensor, nn

from segkit.checks import finite
from segkit.encoders.encoder import scaled
from segkit.encoders.hrnet import MODULES
from segkit.engine import engine
from segkit.heads import enlarge
from segkit.layers import Conv2d
from segkit.layers.blocks import norm_relu_3x3, score_layer
from segkit.layers.borders import cut
from segkit.models.base import register
from segkit.models.deeplab_v2 import side_at
from segkit.models.hrnet_ocr import HRNetOCR


@register("hmsa")
class HMSA(HRNetOCR):
    """HRNet with OCR on the picture at several scales, joined at each pixel by how far the coarser one is believed.

    Args:
        num_classes, base, width, exchange, dropout, in_channels, modules: as in `HRNetOCR`.
        scales: of the picture, to three decimals; 1 is among them. The weights fit any number of them: see `at_scales`.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1 (a program of torch.export: more than 64 with scales from 0.5 on, where no map
        has a single row or column). By name, all of the picture's size: "aux", the first guesses of all scales, joined
        alike, for a loss of its own (0.4 in the paper); "scale_0.5", "scale_1", …, what each scale says (losses of 0.05
        in the authors' code); and "alpha_0.5", …, N×1×H×W, how far each but the finest is believed.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Sections 3.1 and 3.2, equations 1 and 2; Figures 1 and 2. 72,143,430 parameters with W48, 1,770,752 of them in
        the head of α, as in the authors' code.

    Differs from the paper:
        as `HRNetOCR`. Corners of pictures and scores fall together at every scale, so that none is
        shifted against another. The paper's "auxiliary RMI loss" is a recipe's matter, and not here.
    """

    def __init__(
        self,
        num_classes: int,
        base: int = 48,
        width: int = 64,
        scales: Sequence[float] = (0.5, 1.0),
        exchange: bool = True,
        dropout: float = 0.05,
        in_channels: int = 3,
        modules: Sequence[int] = MODULES,
    ) -> None:
        super().__init__(num_classes, base, width, exchange, dropout, in_channels, modules)
        self.scales = _scales(scales)
        between = scaled(256, self.encoder.width)
        last = score_layer(Conv2d(between, 1, 1, bias=False))
        layers = norm_relu_3x3(self.hidden, between), norm_relu_3x3(between, between)
        self.alpha = nn.Sequential(*layers, last, nn.Sigmoid())

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        joined, _ = self.at_scale(x, self.scales[-1])  # N, 2·K, h, w
        said, believed = {self.scales[-1]: joined}, {}
        for scale in reversed(self.scales[:-1]):
            said[scale], alpha = self.at_scale(x, scale)  # N, 2·K, h, w and N, 1, h, w
            believed[scale] = alpha
            if scale >= 1:  # the picture's own size is the largest that is joined
                joined = _resized(joined, alpha.shape[-2], alpha.shape[-1])
            joined = hierarchical(said[scale], joined, alpha)
        logits, guess = joined.chunk(2, 1)  # N, K, H, W: 1 is among the scales
        found = {"logits": logits, "aux": guess}
        for scale in self.scales:
            found[f"scale_{float(scale):g}"] = _resized(said[scale].chunk(2, 1)[0], H, W)
        return found | {f"alpha_{float(s):g}": _resized(believed[s], H, W) for s in self.scales[:-1]}

    def at_scale(self, x: Tensor, scale: Fraction) -> tuple[Tensor, Tensor]:
        """What is said of the picture at another scale, scores and first guess, and how far it may be believed.

        Shape:
            N×C×H×W → N×2·K×h×w and N×1×h×w, h and w those of the picture at this scale.
        """
        h, w = (side_at(n, scale.as_integer_ratio()) for n in x.shape[-2:])
        guess, cells, score = self.heard(x if scale == 1 else _resized(x, h, w))  # at stride 4
        wide = enlarge(torch.cat([score, guess, self.alpha(cells)], 1), 4, corner_aligned=True)
        both, alpha = cut(wide, h, w).split([2 * self.num_classes, 1], 1)
        return both, alpha

    def at_scales(self, scales: Sequence[float]) -> Self:
        """A copy with the same weights that looks at other scales, such as (0.5, 1, 2) in the paper's tests."""
        return self.with_options(scales=[float(scale) for scale in _scales(scales)])

    def _check_statistics(self, pictures: int, height: int, width: int) -> None:
        """The smallest scale is the first to be left with a single cell."""
        smallest = self.scales[0].as_integer_ratio()
        super()._check_statistics(pictures, *(side_at(n, smallest) for n in (height, width)))


def hierarchical(low: Tensor, high: Tensor, alpha: Tensor) -> Tensor:
    """α·low + (1 − α)·high, of the size of the finer one.

    Args:
        low: what the coarser scale says.
        high: what the finer one says, or all finer ones together.
        alpha: how far the coarser one is believed, 0 to 1.

    Shape:
        low N×C×h×w, high N×C×H×W, alpha N×1×h×w → N×C×H×W.

    Source:
        Equations 1 and 2: α·low is enlarged, not its factors.
    """
    H, W = high.shape[-2:]
    return _resized(alpha * low, H, W) + (1 - _resized(alpha, H, W)) * high


def _resized(x: Tensor, height: int, width: int) -> Tensor:
    return engine().interpolate(x, (height, width), mode="bilinear", align_corners=True)


def _scales(scales: Sequence[float]) -> tuple[Fraction, ...]:
    """In order, coarse to fine, as fractions."""
    if isinstance(scales, str) or not isinstance(scales, Sequence):
        raise ValueError(f"HMSA got scales={scales!r}; give several numbers, such as (0.5, 1.0)")
    exact = {Fraction(finite(s, "scales", "HMSA", 1 / 16, 16)).limit_denominator(1000) for s in scales}  # 0.3333 is 1/3
    if 1 not in exact or len(exact) != len(scales):
        raise ValueError(f"HMSA got scales={tuple(scales)}; they are different from each other, and 1 is among them")
    return tuple(sorted(exact))
