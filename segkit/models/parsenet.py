"""ParseNet (Liu et al. 2015): the mean of the whole picture beside every cell, both brought to one scale first.

  picture ── VGG16, stride 8 ── fc6 3×3 ×12 ── fc7 ──┬── L2 norm, ×scale ──────────────────────┬── score ── ×8 ── logits
             (DeepLab v1, LargeFOV)                  └── mean ── L2 norm, ×scale ── spread out ┘

Reference: "ParseNet: Looking Wider to See Better", ICLR 2016 workshop (arXiv 1506.04579).
"""

from __future__ import annotations

from torch import Tensor

from segkit.heads import GlobalFeature, enlarge_from_corners
from segkit.layers import Conv2d
from segkit.layers.blocks import score_layer
from segkit.models.base import register
from segkit.models.deeplab_v1 import DeepLabV1


@register("parsenet")
class ParseNet(DeepLabV1):
    """DeepLab v1's LargeFOV with ParseNet's global feature on fc7.

    Args:
        num_classes: number of classes K, void not counted.
        width: channels of the first block; 64 is the paper's size, 8 to 16 the course's.
        global_feature: put the mean over fc7's map beside each of its cells; False for the baseline, which is
            `deeplab_v1` with fov="large", weight for weight.
        normalise: give the local and the global vector length 1, times learned scales; False puts them side by side as
            they are. Without the global feature nothing is normalised.
        scale: what the learned scales start at.
        batch_norm: BatchNorm in the VGG blocks and after fc6 and fc7, to train from scratch.
        hidden: channels of fc6 and fc7; None for 16·width.
        dropout: probability of dropping a value after fc6 and after fc7.
        encoder: "vgg16" as in the paper; or vgg11, 13, 19.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. In training mode BatchNorm needs more than one cell in the batch. By name:
        "score" N×K×⌈H/8⌉×⌈W/8⌉, the scores at stride 8 from which the logits are enlarged.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Sections 3.1 (global feature), 3.2 (early fusion), 3.3 (normalisation). That on PASCAL VOC 2012 it stands on fc7
        of DeepLab's LargeFOV is taken from reviews, the authors' model zoo and two ports, and so are scales that start
        at 10.

    Differs from the paper:
        early fusion throughout: the same 1×1 scores on both parts as a score for each, summed. On SiftFlow and
        PASCAL-Context the paper adds normalised conv5, conv4 and conv3 to an FCN-32s, which is not built here. Trained
        on logits of the picture's size; cells and borders as in `deeplab_v1`.
    """

    def __init__(
        self,
        num_classes: int,
        width: int = 64,
        global_feature: bool = True,
        normalise: bool = True,
        scale: float = 10.0,
        batch_norm: bool = False,
        hidden: int | None = None,
        dropout: float = 0.5,
        encoder: str = "vgg16",
        in_channels: int = 3,
    ) -> None:
        super().__init__(num_classes, "large", False, width, batch_norm, hidden, dropout, encoder, in_channels)
        self.context = GlobalFeature(self.fc7.out_channels, normalise, scale) if global_feature else None
        if self.context is not None:
            self.score = score_layer(Conv2d(self.context.out_channels, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        x = self.fully_connected(self.encoder(x)[-1])  # N, hidden, H/8, W/8
        if self.context is not None:
            x = self.context(x)  # N, 2·hidden, H/8, W/8
        score = self.score(x)  # N, K, H/8, W/8
        return {"logits": enlarge_from_corners(score, 8), "score": score}
