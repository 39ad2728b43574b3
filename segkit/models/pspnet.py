"""PSPNet (Zhao et al. 2017): what a region looks like, at four sizes, told to every cell in it.

  picture ── ResNet, stride 8 ── layer3 ── layer4 ── pyramid pooling ── 3×3, BN, ReLU, 1×1 ── score ── ×8 ── logits
                                   └── 3×3, BN, ReLU, 1×1 ── aux (a loss of its own, weight 0.4, in training)

Reference: "Pyramid Scene Parsing Network", CVPR 2017 (arXiv 1612.01105).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.heads import FCNHead, PyramidPooling, to_picture
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for


@register("pspnet")
class PSPNet(Model):
    """A ResNet at stride 8, the pyramid pooling module, and an auxiliary head on layer3.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50", "resnet101" or "resnet152" as in the paper; or resnet18, 34.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        bins: cells per side of each grid that the last map is pooled to; () for no pyramid: the paper's baseline.
        reduction: a 1×1 convolution after each pooling that leaves 1/len(bins) of the channels ("DR"); False for none.
        pooling: "avg" or "max": how a region is pooled.
        stem: "deep" as in the paper (3×3 convolutions with width, width and 2·width channels), or "7x7", the one that
            torchvision's weights need.
        aux: a second head, on layer3, for the auxiliary loss (recipe "pspnet": weight 0.4). It reads the map and gives
            nothing back: without the loss it changes no logit.
        dropout: probability of dropping a value before the scores, in both heads.
        in_channels: channels of the picture.
        output_stride: 8 as in the paper, or 16 or 32: pixels from one cell of the last map to the next.
        align_corners: True: each cell stands where the encoder puts it. False: the scores are spread over the picture
            with half-pixel centres.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1; on 8k + 1 pixels, as in the paper, the last cell is the last pixel. By name:
        "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride, from which the logits are enlarged; with aux, "aux", the
        auxiliary scores, of stride 16 where output_stride is 32, else of the same size.

    Raises:
        ValueError: an option that is not among these; in training mode one picture, where a grid has one cell.

    Source:
        Sections 3.2 (pyramid), 3.3 (auxiliary loss); Table 1 (bins, pooling, reduction), Table 2 (weight of the loss).

    Differs from the paper:
        trained on logits of the picture's size, as the authors' later code does. Regions of the pyramid are those of
        adaptive pooling (see `PyramidPooling`). The stride of a stage is on its first 3×3, as in torchvision, and the
        first block of a dilated stage keeps the rate of the stage before (`dilate_strides`), so that every filter
        response of the classifier is still there; the authors dilate all of them.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet50",
        width: int = 64,
        bins: Sequence[int] = (1, 2, 3, 6),
        reduction: bool | int = True,
        pooling: str = "avg",
        stem: str = "deep",
        aux: bool = True,
        dropout: float = 0.1,
        in_channels: int = 3,
        output_stride: int = 8,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "PSPNet", 1)
        self.encoder = resnet_for("PSPNet", encoder, in_channels, output_stride, width, stem=stem)
        self.in_channels, self.align_corners = self.encoder.in_channels, bool(align_corners)
        *_, third, last = self.encoder.channels
        self.pyramid = PyramidPooling(last, bins, reduction, pooling)
        hidden = max(1, last // 4)  # 512 in the paper
        self.fuse = conv_norm_relu(Conv2d(self.pyramid.out_channels, hidden, 3, padding=1, bias=False))
        self.drop = nn.Dropout(finite(dropout, "dropout", "PSPNet", 0, 1))
        self.score = score_layer(Conv2d(hidden, self.num_classes, 1))
        self.aux = FCNHead(third, self.num_classes, dropout=dropout) if aux else None

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        score = self.score(self.drop(self.fuse(self.pyramid(last))))  # N, K, H/d, W/d
        found = {"logits": to_picture(score, self.encoder, H, W, self.align_corners), "score": score}
        return found if self.aux is None else {**found, "aux": self.aux(third)}
