"""What the networks of context have in common: a ResNet at stride 8, a head on its last map, and an auxiliary one.

picture ── ResNet ── layer3 ── layer4 ── the paper's head ── score ── ×8 ── logits
                       └── 3×3, BN, ReLU, 1×1 ── aux
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from segkit.checks import finite, whole
from segkit.heads import FCNHead, to_picture
from segkit.models.base import Model
from segkit.models.fcn_resnet import resnet_for


class OnResNet(Model):
    """A base for models: it makes the encoder and the auxiliary head, and enlarges the scores.

    A subclass calls `super().__init__` with its options, builds its head on `self.last` channels, and in `compute`
    gives its scores to `answer`.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet18" to "resnet152".
        width: channels of the encoder's first layer; 64 is the paper's size, 8 to 16 the course's.
        output_stride: 8, or 16 or 32: pixels from one cell of the last map to the next.
        aux: a second head on layer3, for the auxiliary loss.
        dropout: probability of dropping a value before the scores.
        in_channels: channels of the picture.
        **encoder_options: as in ResNetEncoder.
    """

    def __init__(
        self, num_classes: int, encoder: str, width: int, output_stride: int, aux: bool, dropout: float,
        in_channels: int, **encoder_options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        who = type(self).__name__
        self.num_classes = whole(num_classes, "num_classes", who, 1)
        self.encoder = resnet_for(who, encoder, in_channels, output_stride, width, **encoder_options)
        self.in_channels = self.encoder.in_channels
        self.dropout = finite(dropout, "dropout", who, 0, 1)
        *_, self.third, self.last = self.encoder.channels
        self.hidden = max(1, self.last // 4)  # 512 at the paper's size
        self.aux = FCNHead(self.third, self.num_classes, dropout=dropout) if aux else None

    def answer(self, x: Tensor, third: Tensor, score: Tensor, **more: Tensor) -> dict[str, Tensor]:
        """All outputs by name: logits and score, what else the head knows, and aux."""
        H, W = x.shape[-2:]
        found = {"logits": to_picture(score, self.encoder, H, W), "score": score, **more}
        return found if self.aux is None else {**found, "aux": self.aux(third)}
