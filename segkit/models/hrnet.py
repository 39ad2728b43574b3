"""HRNetV2 (Wang et al. 2019): a network that stays at high resolution, and scores from all of its branches together.

  picture ── stride 4 ──┬── 4 branches, exchanging ──┬── enlarged, joined ── 1×1 ── 1×1 ── score ── ×4 ── logits
                        ├── …                        │
                        ├── …                        │
                        └── …                        ┘

Reference: "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020 (arXiv 1908.07919).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from segkit.checks import whole
from segkit.encoders.hrnet import MODULES, HRNetEncoder
from segkit.heads import enlarge
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.models.base import Model, register


@register("hrnet")
class HRNet(Model):
    """HRNetV2 for segmentation.

    Args:
        num_classes: number of classes K, void not counted.
        base: 48, 32 or 18: channels of the finest branch at the paper's size (W48, W32, W18).
        width: 64 is the paper's size, 8 to 16 the course's; channels are in proportion.
        exchange: False: the branches keep to themselves until the end.
        in_channels: channels of the picture.
        modules: of stages 2, 3 and 4, each ended by an exchange; (1, 1, 1) makes a shallow network.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/4⌉×⌈W/4⌉, from which the logits are enlarged.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Sections 3 and 4.1, Figure 4 (b): HRNetV2.

    Differs from the paper:
        as `HRNetEncoder`; initial weights are those of He et al. 2015, where the authors draw all with deviation .001.
    """

    def __init__(
        self,
        num_classes: int,
        base: int = 48,
        width: int = 64,
        exchange: bool = True,
        in_channels: int = 3,
        modules: Sequence[int] = MODULES,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", type(self).__name__, 1)
        self.encoder = HRNetEncoder(base, width, in_channels=in_channels, modules=modules, exchange=exchange)
        self.in_channels, together = self.encoder.in_channels, sum(self.encoder.channels)
        self.mix = conv_norm_relu(Conv2d(together, together, 1))
        self.score = score_layer(Conv2d(together, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        score = self.score(self.mix(self.encoder.joined(self.encoder(x))))  # N, K, H/4, W/4
        return {"logits": enlarge(score, 4, corner_aligned=True), "score": score}
