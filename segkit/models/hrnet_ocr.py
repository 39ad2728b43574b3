"""HRNet with OCR (Yuan et al. 2020): at a quarter of the picture's size, every cell hears the regions it belongs to.

  picture ── HRNet, its four maps joined ──┬── 1×1 ── 1×1 ── aux: a first guess, whose K score maps are the regions
                                           └── 3×3 ── regions gathered, cells hear them ── 1×1 ── score ── ×4 ── logits

The first guess is what HRNet says without OCR, layer for layer.

Reference: "Object-Contextual Representations for Semantic Segmentation", ECCV 2020 (arXiv 1909.11065).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from segkit.checks import finite
from segkit.encoders.encoder import scaled
from segkit.encoders.hrnet import MODULES
from segkit.heads import enlarge
from segkit.models.base import register
from segkit.models.hrnet import HRNet
from segkit.models.ocrnet import OCRHead


@register("hrnet_ocr")
class HRNetOCR(HRNet):
    """HRNet, whose scores become a first guess, and object-contextual representations on its joined maps.

    Args:
        num_classes: number of classes K, void not counted; there are as many regions.
        base, width, exchange, in_channels, modules: as in `HRNet`.
        dropout: probability of dropping a channel before the scores.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" and "aux", the first guess, which needs a loss of its own (0.4
        in the authors' code) for the regions to be regions; both N×K×⌈H/4⌉×⌈W/4⌉.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Sections 3.2 and 3.3; HRNet-W48 in sections 4.1 and 4.4. Parameters are those of the authors' code: 70,372,678
        with W48, 12,080,818 with W18.

    Differs from the paper:
        as `HRNet`. Shares of the cells in a region are a softmax over cells, as in the authors' code today; an early
        version of its HRNet took it over regions.
    """

    def __init__(
        self,
        num_classes: int,
        base: int = 48,
        width: int = 64,
        exchange: bool = True,
        dropout: float = 0.05,
        in_channels: int = 3,
        modules: Sequence[int] = MODULES,
    ) -> None:
        super().__init__(num_classes, base, width, exchange, in_channels, modules)
        self.hidden = scaled(512, self.encoder.width)
        drop = finite(dropout, "dropout", "HRNetOCR", 0, 1)
        self.head = OCRHead(sum(self.encoder.channels), self.hidden, self.num_classes, drop, bias=True)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        guess, _, score = self.heard(x)
        return {"logits": enlarge(score, 4, corner_aligned=True), "score": score, "aux": guess}

    def heard(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The first guess, the cells once they have heard their regions, and the scores; all at stride 4."""
        together = self.encoder.joined(self.encoder(x))  # N, sum of channels, H/4, W/4
        guess = self.score(self.mix(together))  # N, K, H/4, W/4
        cells, score = self.head(together, guess)  # N, hidden and K, H/4, W/4
        return guess, cells, score
