"""The plain baseline of the chapters on pyramids: a ResNet whose last strides are dilation, and one small head.

  picture ── ResNet ── layer3 ── layer4 ── 3×3, BN, ReLU, 1×1 ── score ── ×8 ── logits
                         └──────────────── 3×3, BN, ReLU, 1×1 ── aux

It is torchvision's fcn_resnet50 and fcn_resnet101, weight for weight: what a pyramid adds is measured against it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from segkit import encoders
from segkit.checks import whole
from segkit.encoders import ResNetEncoder
from segkit.heads import FCNHead, to_picture
from segkit.models.base import Model, register


@register("fcn_resnet")
class FCNResNet(Model):
    """A ResNet at stride 8 and a 3×3 convolution before the scores.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50" or "resnet101" as in torchvision; or resnet18, 34, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        output_stride: 8, or 16 or 32: pixels from one cell of the last map to the next.
        aux: a second head of the same kind on layer3, for the auxiliary loss.
        dropout: probability of dropping a value before the scores, in both heads.
        in_channels: channels of the picture.
        align_corners: True: each cell stands where the encoder puts it. False: the scores are spread over the picture
            with half-pixel centres, as torchvision does; for its weights.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. In training mode BatchNorm needs more than one cell in the batch. By name:
        "score" N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride, from which the logits are enlarged; with aux, "aux", the
        auxiliary scores, of stride 16 where output_stride is 32, else of the same size.

    Raises:
        ValueError: another encoder or output_stride; one cell in training mode.

    Source:
        torchvision's `fcn_resnet50` and `fcn_resnet101`; dilated ResNets: Chen et al., arXiv 1606.00915, section 3.1.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet50",
        width: int = 64,
        output_stride: int = 8,
        aux: bool = False,
        dropout: float = 0.1,
        in_channels: int = 3,
        align_corners: bool = True,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "FCNResNet", 1)
        self.encoder = resnet_for("FCNResNet", encoder, in_channels, output_stride, width)
        self.in_channels, self.align_corners = self.encoder.in_channels, bool(align_corners)
        self.head = FCNHead(self.encoder.channels[-1], self.num_classes, dropout=dropout)
        self.aux = FCNHead(self.encoder.channels[-2], self.num_classes, dropout=dropout) if aux else None

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        score = self.head(last)  # N, K, H/d, W/d
        found = {"logits": to_picture(score, self.encoder, H, W, self.align_corners), "score": score}
        return found if self.aux is None else {**found, "aux": self.aux(third)}


def resnet_for(
    who: str, encoder: str, in_channels: int, output_stride: int, width: int, **options: Any
) -> ResNetEncoder:
    """A ResNet by name, for a model that is built on one.

    Args:
        who: the model's name, for the message.
        encoder: "resnet18" to "resnet152".
        in_channels, output_stride, width, **options: as in ResNetEncoder.

    Raises:
        ValueError: another encoder.
    """
    if not str(encoder).startswith("resnet"):
        raise ValueError(f"{who} got encoder={encoder!r}; it is built on resnet18, 34, 50, 101 or 152")
    return encoders.create(encoder, in_channels, output_stride, width, **options)  # type: ignore[return-value]
