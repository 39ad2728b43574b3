"""MobileNet v2 (Sandler et al. 2018): narrow maps that are added up, widened only inside each block.

  stride   2           4              8              16                       32
  layers   conv, 16    24 s2, 24      32 s2, 32 32   64 s2, 3 × 64, 3 × 96    160 s2, 160 160, 320  (, 1280)
                       └── each: 1×1 to 6 times as many channels, 3×3 of each alone, 1×1 back, no ReLU ──┘

Names are torchvision's (`features.0.0`, `features.1.conv.0.0` …), so its weights load as they are.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.encoders.dilation import dilate_strides_
from segkit.encoders.encoder import Encoder, at_ends, check_output_stride, init_relu_, picture_size, scaled
from segkit.layers import AdaptiveAvgPool2d, Conv2d, InvertedResidual
from segkit.typed import typed

# expansion, channels, blocks and stride of the first block: the paper's Table 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
ENDS = (1, 3, 6, 13, 17)  # the last layer of each stride
LOW = 3  # whose depthwise step makes what DeepLab v3+ reads at stride 4: the authors' layer_4/depthwise_output


class MobileNetV2Encoder(Encoder):
    """The convolutional part of MobileNet v2: a picture → five maps, at strides 2 to 32 or no coarser.

    Args:
        width: 64 is the paper's size: 32 channels in the first layer, 320 in the last; width / 64 is its multiplier.
        output_stride: 32, 16 or 8. Below 32 the last strides turn into dilation (`dilate_strides`).
        in_channels: channels of the picture.
        head_conv: the classifier's last 1×1, to 1280 channels, too. DeepLab reads the 320 before it.
        multiple: channels are rounded to multiples of this, as in the authors' code; 1 for narrow networks.
        linear: False puts a ReLU6 at the narrow end of each block too, which the paper argues against.
        residual: False adds no block's input to its output.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1. Cell (i, j) of stride s has its
        centre on pixel (s·i, s·j). The low-level map has the 144 channels (at width 64) of the last depthwise step at
        stride 4.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Sandler et al., "MobileNetV2…", CVPR 2018 (arXiv 1801.04381), Table 2; section 6.3 for DeepLab on it.
    """

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def __init__(
        self,
        width: int = 64,
        output_stride: int = 32,
        in_channels: int = 3,
        head_conv: bool = False,
        multiple: int = 8,
        linear: bool = True,
        residual: bool = True,
    ) -> None:
        super().__init__(in_channels, width, "MobileNetV2")
        stride_asked = check_output_stride(output_stride, "MobileNetV2")
        multiple = whole(multiple, "multiple", "MobileNetV2", 1)
        before = scaled(32, self.width, multiple)
        layers: list[nn.Module] = [_conv_norm_relu6(self.in_channels, before, 3, 2)]
        for expansion, channels, blocks, stride in STAGES:
            for i in range(blocks):
                made, step = scaled(channels, self.width, multiple), 1 if i else stride
                layers.append(InvertedResidual(before, made, step, expansion, linear=linear, residual=residual))
                before = made
        self.channels = tuple(layers[end].out_channels for end in ENDS)  # type: ignore[misc]
        self.ends, self.left_out = ENDS, ("features.18.",)
        if head_conv:
            made = scaled(1280, max(self.width, 64), multiple)
            layers.append(_conv_norm_relu6(before, made))
            self.ends, self.left_out, self.channels = (*ENDS[:-1], 18), (), (*self.channels[:-1], made)
        self.features, self.strides, self.torchvision = nn.Sequential(*layers), (2, 4, 8, 16, 32), "mobilenet_v2"
        init_relu_(self)
        dilate_strides_(self, stride_asked)

    @property
    def low_channels(self) -> int:
        return cast(InvertedResidual, self.features[LOW]).wide_channels

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.maps(x)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The maps, finest first."""
        picture_size(x, "MobileNetV2", self.in_channels)
        return at_ends(self.features, self.ends, x)  # N, channels[i], H/strides[i], W/strides[i] each

    def with_low_level(self, x: Tensor) -> tuple[Tensor, Tensor]:
        picture_size(x, "MobileNetV2", self.in_channels)
        low = x
        for i, layer in enumerate(self.features):
            if i == LOW:
                low, x = cast(InvertedResidual, layer).with_wide(x)  # N, low_channels, H/4, W/4
            else:
                x = layer(x)
        return low, x


class MobileNetV2(MobileNetV2Encoder):
    """MobileNet v2 the classifier: the encoder with its last 1×1, the mean over the map, one fully connected layer.

    Args:
        num_classes: number of picture classes; 1000 for ImageNet.
        width, output_stride, in_channels: as in MobileNetV2Encoder.
        dropout: probability of dropping a value before the last layer.

    Shape:
        N×C×H×W → N×num_classes.
    """

    @typed
    def __init__(
        self,
        num_classes: int = 1000,
        width: int = 64,
        output_stride: int = 32,
        in_channels: int = 3,
        dropout: float = 0.2,
    ) -> None:
        whole(num_classes, "num_classes", "MobileNetV2", 1)
        whole(num_classes, "num_classes", "MobileNetV2", 1)
        super().__init__(width, output_stride, in_channels, head_conv=True)
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.classifier = nn.Sequential(
            nn.Dropout(finite(dropout, "dropout", "MobileNetV2", 0, 1)), nn.Linear(self.channels[-1], num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        x = self.avgpool(self.maps(x)[-1])  # N, channels[-1], 1, 1
        return self.classifier(x.flatten(1))  # N, num_classes


def _conv_norm_relu6(before: int, channels: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    conv = Conv2d(before, channels, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU6(inplace=True))
