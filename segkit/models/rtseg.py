"""RTSeg's grid (Siam et al. 2018): any light encoder under any of three decoders, so that each is judged by itself.

  decoder    maps read        what happens to them
  skip       1/8 1/16 1/32    scores of each, enlarged and added (FCN-8s without fc6 and fc7)
  unet       1/2 … 1/32       the maps themselves, enlarged and added, five steps of 2
  dilation   1/8              the last strides are taken off, scores enlarged 8 times

Reference: Siam, Gamal, Abdel-Razek, Yogamani & Jagersand, "RTSeg: Real-time Semantic Segmentation Comparative Study",
ICIP 2018 (arXiv 1803.02758), and their code, MSiam/TFSegmentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from segkit import encoders
from segkit.checks import chosen, finite, whole
from segkit.encoders import Encoder
from segkit.encoders.dilation import DenseMaxPool2d, strides_seen
from segkit.heads import SummedMaps, SummedScores, upscaling
from segkit.layers import AvgPool2d, Conv2d, SeparableConv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.models.base import Model, register

DECODERS, DILATES = ("skip", "unet", "dilation"), ("strided", "all")


@register("rtseg")
class RTSeg(Model):
    """An encoder of five maps, and a decoder that is as light: scores added, maps added, or dilation.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "vgg16", "resnet18", "mobilenet_v1" or "shufflenet" as in the paper; or any that has maps of strides 2
            to 32, such as "vgg16_bn".
        decoder: "skip", "unet" or "dilation".
        width: 64 is the paper's size, 8 to 16 the course's.
        dilate: how "dilation" makes up for the strides. "strided", the authors': only the convolution that lost its
            stride is dilated, by 2 and by 4, and what follows reads neighbours; where a separable one stood, a full 3×3
            does. "all": every convolution behind is dilated as well (`dilate_strides`), so that each filter response
            of the classifier stays.
        dropout: probability of dropping a value before the scores of "unet".
        encoder_options: what else this encoder takes; a "shufflenet" has RTSeg's variant unless they say otherwise.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name, from "skip": "score_32", "score_16" and "score_8", what each map says
        before the sum; from "dilation": "score" N×K×⌈H/8⌉×⌈W/8⌉.

    Raises:
        ValueError: an option that is not among these, or an encoder whose maps have other strides.

    Source:
        The paper's section on meta-architectures. Its README counts 6.2 and 2.0 GFLOP for "skip" on MobileNet and
        ShuffleNet at 360×640, two for each multiply-add.

    Differs from the paper:
        every map is the last one of its stride; the authors' MobileNet gives "skip" the first one. Their VGG has fc6
        and fc7 under "skip" (that is our fcn8s), and their ResNet-18 under "unet" is LinkNet with its own bottlenecks;
        here all encoders have the same decoder. They interpolate where ours learns: "skip" on MobileNet has fixed
        kernels there.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "mobilenet_v1",
        decoder: str = "skip",
        width: int = 64,
        dilate: str = "strided",
        dropout: float = 0.5,
        encoder_options: Mapping[str, Any] | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "RTSeg", 1)
        dilated = chosen(decoder, "decoder", "RTSeg", DECODERS) == "dilation"
        whole_stride = 8 if chosen(dilate, "dilate", "RTSeg", DILATES) == "all" and dilated else 32
        options = {**({"variant": "rtseg"} if encoder == "shufflenet" else {}), **(encoder_options or {})}
        self.encoder = encoders.create(encoder, in_channels, whole_stride, width, **options)
        if len(self.encoder.strides) != 5:
            raise ValueError(f"RTSeg got encoder={encoder!r} with strides {self.encoder.strides}; it needs five maps")
        if dilated and dilate == "strided":
            dilate_where_strided_(self.encoder)
        self.in_channels, corners = self.encoder.in_channels, self.encoder.corner_aligned
        channels, dropout = self.encoder.channels, finite(dropout, "dropout", "RTSeg", 0, 1)
        self.decoder: SummedScores | SummedMaps | None = None
        if decoder == "skip":
            self.decoder = SummedScores(channels[2:], self.num_classes, corners)
        elif decoder == "unet":
            self.decoder = SummedMaps(channels, self.num_classes, dropout, corners)
        else:
            self.score = score_layer(Conv2d(channels[-1], self.num_classes, 1))
            self.up = upscaling(self.num_classes, 8, corners)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.encoder(x)  # N, channels[i], H/strides[i], W/strides[i]
        if self.decoder is None:
            score = self.score(maps[-1])  # N, K, H/8, W/8
            return {"logits": self.up(score), "score": score}  # N, K, H, W
        return self.decoder(maps[2:] if isinstance(self.decoder, SummedScores) else maps)


def dilate_where_strided_(encoder: Encoder) -> Encoder:
    """Take the strides off that lead beyond 8, and dilate just the convolutions that lost them: by 2, then by 4.

    A max pooling that lost its stride leaves the rate to the next convolution. A separable convolution that is dilated
    becomes a full 3×3, with BatchNorm and ReLU. What follows is not dilated, so its kernels read cells that lie closer
    than those they were trained on: other responses than the classifier's, unlike `dilate_strides`.

    Returns:
        The encoder itself, with `strides` brought up to date.

    Source:
        RTSeg's code, models/dilation_mobilenet.py and dilation_shufflenet.py.
    """
    left_over = 1
    for name, layer, before in strides_seen(encoder):
        kernel, stride = _side(layer.kernel_size), _side(layer.stride or layer.kernel_size)
        convolution = isinstance(layer, nn.Conv2d)
        if stride > 1 and before >= 8:
            rate = before // 4
            if convolution:
                layer.stride = (1, 1)
                _spread(layer, rate)
            else:
                dense = AvgPool2d(kernel, 1, kernel // 2) if isinstance(layer, nn.AvgPool2d) else _dense(layer, kernel)
                parent, _, attribute = name.rpartition(".")
                setattr(encoder.get_submodule(parent), attribute, dense)
                left_over = rate if isinstance(dense, DenseMaxPool2d) else 1
        elif convolution and kernel > 1 and left_over > 1:
            _spread(layer, left_over)
            left_over = 1
    encoder.strides = tuple(min(stride, 8) for stride in encoder.strides)
    for name, block in list(encoder.named_modules()):
        if isinstance(block, SeparableConv2d) and (rate := _side(block.depthwise.dilation)) > 1:
            full = Conv2d(block.in_channels, block.out_channels, 3, padding=rate, dilation=rate, bias=False)
            parent, _, attribute = name.rpartition(".")
            setattr(encoder.get_submodule(parent), attribute, conv_norm_relu(full))
    return encoder


def _spread(conv: nn.Module, rate: int) -> None:
    """Dilate a convolution that is wider than one cell; the map keeps its size."""
    kernel = _side(conv.kernel_size)  # type: ignore[arg-type]
    if kernel > 1:
        conv.dilation, conv.padding = (rate, rate), (rate * (kernel // 2),) * 2  # type: ignore[assignment]


def _dense(pool: nn.Module, kernel: int) -> nn.Module:
    """The same max pooling at stride 1; one of a single cell only left cells out."""
    return nn.Identity() if kernel == 1 else DenseMaxPool2d(kernel, 1, pool.padding)  # type: ignore[arg-type]


def _side(value: int | tuple[int, ...]) -> int:
    return value if isinstance(value, int) else value[0]
