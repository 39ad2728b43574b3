"""DeepLab v3 (Chen et al. 2017): atrous convolution in a pyramid that hears the whole picture, or in a long cascade.

  ASPP      picture ── ResNet, stride 16 ── layer3 ── layer4 ──┬── 1×1 ──────────────┐
                                             rates 2, 4, 8     ├── 3×3 rate 6 ───────┤
                                             (multi-grid)      ├── 3×3 rate 12 ──────┼── 1×1 ── score ── ×16 ── logits
                                                               ├── 3×3 rate 18 ──────┤
                                                               └── mean, 1×1 ────────┘

  cascade   picture ── ResNet, stride 16 ── layer4 ── layer5 ── layer6 ── layer7 ── score ── ×16 ── logits
                                            2, 4, 2   4, 8, 4   8 16 8    16 32 16

No CRF: the paper does without. Rates follow the output stride, so a trained network can be tested on a finer map:
`model.at_output_stride(8)`.

Reference: "Rethinking atrous convolution for semantic image segmentation" (arXiv 1706.05587).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segkit.checks import whole
from segkit.heads import ASPP, FCNHead, rates_at, to_picture
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for


@register("deeplab_v3")
class DeepLabV3(Model):
    """A ResNet with multi-grid, atrous spatial pyramid pooling with the picture's mean, and scores.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50" or "resnet101" as in the paper; or resnet18, 34, 152.
        output_stride: 16 as in the paper's training, 8 as in its testing, or 32.
        multi_grid: unit rates of layer4, one for each unit (resnet18 takes the first two); None for torchvision's net.
        rates: of the 3×3 kernels of the pyramid at output stride 16; doubled at 8 and halved at 32.
        image_pooling: the branch that pools the whole map.
        head_width: channels of each branch and behind them; None for 4·width, 256 at the paper's size.
        extra_conv: one more 3×3, BatchNorm, ReLU before the scores, which torchvision has and the paper has not.
        aux: a second head, on layer3, for an auxiliary loss; torchvision's, not the paper's.
        dropout: probability of dropping a value after the pyramid, and before the auxiliary scores.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        stem: "7x7", or "deep" as in the weights that the authors published.
        in_channels: channels of the picture.
        align_corners: True: each cell stands where the encoder puts it, so that moving to another output stride moves
            nothing. False: the scores are spread over the picture with half-pixel centres; for torchvision's weights.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1; on 16k + 1 pixels, as the paper's 513, the last cell is the last pixel. By
        name: "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride, from which the logits are enlarged; with aux, "aux", the
        auxiliary scores, of stride 16 where output_stride is 32, else of the same size.

    Raises:
        ValueError: an option that is not among these; rates that would not be whole at this output stride; in training
            mode one picture, where the mean is pooled: a single value has no variance for BatchNorm.

    Source:
        Section 3.3 and Figure 5. Table 5: multi_grid, image_pooling; Table 10: output_stride.

    Differs from the paper:
        strides are in the first unit of a stage, as in torchvision, and not in the last unit of the stage before: see
        `ResNetEncoder` for what that means for multi_grid. BatchNorm has torch's eps 1e-5 and momentum 0.1 (the
        authors' decay is 0.9997).
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet50",
        output_stride: int = 16,
        multi_grid: Sequence[int] | None = (1, 2, 4),
        rates: Sequence[int] = (6, 12, 18),
        image_pooling: bool = True,
        head_width: int | None = None,
        extra_conv: bool = False,
        aux: bool = False,
        dropout: float = 0.1,
        width: int = 64,
        stem: str = "7x7",
        in_channels: int = 3,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "DeepLabV3", 1)
        grid = {"stem": stem, "multi_grid": multi_grid}
        self.encoder = resnet_for("DeepLabV3", encoder, in_channels, output_stride, width, **grid)
        self.in_channels, self.align_corners = self.encoder.in_channels, bool(align_corners)
        third, last = self.encoder.channels[3:5]
        hidden = whole(4 * self.encoder.width if head_width is None else head_width, "head_width", "DeepLabV3", 1)
        self.pyramid = ASPP(last, rates_at(self.encoder.output_stride, rates), hidden, image_pooling, dropout)
        extra = Conv2d(hidden, hidden, 3, padding=1, bias=False) if extra_conv else None
        self.extra = nn.Identity() if extra is None else conv_norm_relu(extra)
        self.score = score_layer(Conv2d(hidden, self.num_classes, 1))
        self.aux = FCNHead(third, self.num_classes, dropout=dropout) if aux else None

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        score = self.score(self.extra(self.pyramid(last)))  # N, K, H/d, W/d
        found = {"logits": to_picture(score, self.encoder, H, W, self.align_corners), "score": score}
        return found if self.aux is None else {**found, "aux": self.aux(third)}


@register("deeplab_v3_cascade")
class DeepLabV3Cascade(Model):
    """A ResNet that goes on: copies of its last stage, each at twice the rates of the one before, then scores.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50" or "resnet101" as in the paper; or resnet18, 34, 152.
        extra_blocks: 3 for the paper's block5 to block7, 0 for block4 alone.
        output_stride: 8, 16 or 32, or up to 256 with three blocks: the paper's Table 1 shows what striding on costs.
        multi_grid: unit rates of layer4 and of each extra block, (1, 2, 1) in the best of the paper's Table 3.
        width, stem, in_channels, align_corners: as in `DeepLabV3`.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. In training mode BatchNorm needs more than one cell in the batch. By name:
        "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride, from which the logits are enlarged.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Sections 3.2 and 4.1, Figure 3, Tables 1 to 3.

    Differs from the paper:
        as `DeepLabV3`. Where an extra block strides, its shortcut takes every second cell, as the authors' code does.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet50",
        extra_blocks: int = 3,
        output_stride: int = 16,
        multi_grid: Sequence[int] | None = (1, 2, 1),
        width: int = 64,
        stem: str = "7x7",
        in_channels: int = 3,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "DeepLabV3Cascade", 1)
        options = {"stem": stem, "multi_grid": multi_grid, "extra_blocks": extra_blocks}
        self.encoder = resnet_for("DeepLabV3Cascade", encoder, in_channels, output_stride, width, **options)
        self.in_channels, self.align_corners = self.encoder.in_channels, bool(align_corners)
        self.score = score_layer(Conv2d(self.encoder.channels[-1], self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        score = self.score(self.encoder(x)[-1])  # N, K, H/d, W/d
        return {"logits": to_picture(score, self.encoder, H, W, self.align_corners), "score": score}
