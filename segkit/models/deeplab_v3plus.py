"""DeepLab v3+ (Chen et al. 2018): v3 tells what is there, and a small decoder, from an early map, where it ends.

  picture ── encoder ──┬── … ── last map, stride 16 ── ASPP ── ×4 ──┐
                       └── map of stride 4 ── 1×1, 48 channels ─────┴── 3×3 ── 3×3 ── score ── ×4 ── logits

The early map has many channels and little meaning: cut down to 48, it does not outweigh the 256 of the pyramid. Every
3×3 of pyramid and decoder may be separable, a depthwise and a pointwise step: less than half of their arithmetic.

Reference: "Encoder-decoder with atrous separable convolution for semantic image segmentation" (arXiv 1802.02611).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from segkit import encoders
from segkit.checks import chosen, whole
from segkit.encoders.encoder import scaled
from segkit.heads import ASPP, Decoder, HeightGates, rates_at, to_picture, to_size
from segkit.layers import Conv2d
from segkit.layers.blocks import score_layer
from segkit.layers.borders import cut
from segkit.models.base import Model, register

SEPARABLE = ("both", "aspp", "decoder", "none")


@register("deeplab_v3plus")
class DeepLabV3Plus(Model):
    """Any encoder, atrous spatial pyramid pooling, and a decoder that brings the borders back.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "xception65", "resnet101" or "mobilenet_v2" as in the paper and its code; or any that
            `encoders.available()` names and that has a map of stride 4.
        output_stride: 16 as in the paper's training, 8 as in its testing, or 32.
        separable: which 3×3 convolutions are separable: "both" those of the pyramid and of the decoder, "aspp",
            "decoder", or "none".
        rates: of the 3×3 kernels of the pyramid at output stride 16; doubled at 8 and halved at 32. () leaves them out,
            as on MobileNet v2 in the authors' code.
        image_pooling: the branch that pools the whole map.
        decoder: False enlarges the scores of the pyramid at once: DeepLab v3 on any encoder.
        low_level: channels that the map of stride 4 is reduced to; 0 for a decoder without it; None for 3/4 of width,
            48 at the paper's size.
        decoder_convs: 3×3 convolutions in the decoder.
        head_width: channels of the pyramid and the decoder; None for 4·width, 256 at the paper's size.
        dropout: probability of dropping a value after the pyramid.
        width: 64 is the paper's size, 8 to 16 the course's.
        encoder_options: what else this encoder takes, such as {"variant": "paper"} for xception65, {"stem": "deep"} or
            {"multi_grid": (1, 2, 4)} for a ResNet.
        in_channels: channels of the picture.
        align_corners: True: each cell stands where the encoder puts it, so that moving to another output stride moves
            nothing. False: maps are spread over each other with half-pixel centres.
        height_gates: HANet's module: the rows of the last map, and how high they are, gate the channels of the pyramid.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1; on 16k + 1 pixels, as the paper's 513, the last cell is the last pixel. By
        name: "score", the scores from which the logits are enlarged, N×K×⌈H/4⌉×⌈W/4⌉; without the decoder
        N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride.

    Raises:
        ValueError: an option that is not among these; rates that would not be whole at this output stride; in training
            mode one picture, where the mean is pooled: a single value has no variance for BatchNorm.

    Source:
        Section 3, Figure 2; Table 5 for separable. Low-level maps as in the authors' code: see `with_low_level` of each
        encoder.

    Differs from the paper:
        strides of a ResNet are in the first unit of a stage, so its low-level map is all of the first stage, not its
        second unit before the sum. BatchNorm has torch's momentum 0.1 (the authors' decay is 0.9997), and maps are not
        padded to multiples of the rate, which raises the published multiply-adds. Xception-65 has the authors'
        activations, not the text's, unless encoder_options say so.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "xception65",
        output_stride: int = 16,
        separable: str = "both",
        rates: Sequence[int] = (6, 12, 18),
        image_pooling: bool = True,
        decoder: bool = True,
        low_level: int | None = None,
        decoder_convs: int = 2,
        head_width: int | None = None,
        dropout: float = 0.1,
        width: int = 64,
        encoder_options: Mapping[str, Any] | None = None,
        in_channels: int = 3,
        align_corners: bool = True,
        height_gates: bool = False,
    ) -> None:
        super().__init__()
        who = "DeepLabV3Plus"
        self.num_classes = whole(num_classes, "num_classes", who, 1)
        width = whole(width, "width", who, 1)
        self.encoder = encoders.create(encoder, in_channels, output_stride, width, **(encoder_options or {}))
        self.in_channels, self.align_corners = self.encoder.in_channels, bool(align_corners)
        hidden = whole(4 * width if head_width is None else head_width, "head_width", who, 1)
        chosen(separable, "separable", who, SEPARABLE)
        places, cheap = rates_at(self.encoder.output_stride, rates), separable in ("both", "aspp")
        self.pyramid = ASPP(self.encoder.channels[-1], places, hidden, image_pooling, dropout, cheap)
        self.gates = HeightGates(self.encoder.channels[-1], hidden, reduction=width) if height_gates else None
        self.decoder = None
        if decoder:
            reduced = whole(scaled(48, width) if low_level is None else low_level, "low_level", who, 0)
            convs, cheap = whole(decoder_convs, "decoder_convs", who, 1), separable in ("both", "decoder")
            self.decoder = Decoder(hidden, self.encoder.low_channels, reduced, hidden, convs, cheap)
        self.score = score_layer(Conv2d(hidden, self.num_classes, 1))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        H, W = x.shape[-2:]
        stand = self.encoder.corner_aligned, self.align_corners
        if self.decoder is None:
            score = self.score(self.context(self.encoder(x)[-1]))  # N, K, H/d, W/d
            return {"logits": to_picture(score, self.encoder, H, W, self.align_corners), "score": score}
        low, last = self.encoder.with_low_level(x)  # N, low_channels, H/4, W/4 and N, channels, H/d, W/d
        h, w = low.shape[-2:]
        wide = to_size(self.context(last), self.encoder.output_stride // 4, h, w, *stand)
        score = self.score(self.decoder(cut(wide, h, w), low))  # N, K, H/4, W/4
        return {"logits": to_size(score, 4, H, W, *stand), "score": score}

    def context(self, last: Tensor) -> Tensor:
        """The pyramid over the last map, and where there are height gates, what they let through."""
        found = self.pyramid(last)  # N, head_width, H/d, W/d
        return found if self.gates is None else self.gates(last, found)
