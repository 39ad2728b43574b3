"""MobileNet v1 (Howard et al. 2017): a plain chain, every 3×3 taken apart into a depthwise and a pointwise step.

  stride   2            4                8                16                 32
  layers   conv, 64     128 s2, 128      256 s2, 256      512 s2, 5 × 512    1024 s2, 1024
                        └── each: 3×3 of each channel alone, BN, ReLU, 1×1, BN, ReLU ──┘

Two dials make it smaller: `width` (the paper's α is width / 64) and the size of the picture (its ρ is size / 224).
"""

from __future__ import annotations

from torch import Tensor, nn

from segkit.encoders.dilation import dilate_strides_
from segkit.encoders.encoder import Encoder, at_ends, check_output_stride, init_relu_, picture_size, scaled
from segkit.layers import Conv2d, SeparableConv2d
from segkit.layers.blocks import conv_norm_relu

# channels and stride of each block; its Table 1 prints stride 2 for the last one too, which its own sizes contradict
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *5 * ((512, 1),), (1024, 2), (1024, 1))


class MobileNetV1Encoder(Encoder):
    """The convolutional part of MobileNet v1: a picture → five maps, at strides 2 to 32 or no coarser.

    Args:
        width: 64 is the paper's size: 32 channels in the first layer, 1024 in the last; width / 64 is its multiplier α.
        output_stride: 32, 16 or 8. Below 32 the last strides turn into dilation (`dilate_strides`).
        in_channels: channels of the picture.
        separable: False makes each block one full 3×3 convolution, the comparison of the paper's Table 4.
        between: what comes between depthwise and pointwise step, as in `SeparableConv2d`.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1. Cell (i, j) of stride s has its
        centre on pixel (s·i, s·j).

    Raises:
        ValueError: an option that is not among these.

    Source:
        Howard et al., "MobileNets…" (arXiv 1704.04861), Table 1; Tables 6 and 7 for the two multipliers.
    """

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def __init__(
        self,
        width: int = 64,
        output_stride: int = 32,
        in_channels: int = 3,
        separable: bool = True,
        between: str = "norm relu",
    ) -> None:
        super().__init__(in_channels, width, "MobileNetV1")
        stride_asked = check_output_stride(output_stride, "MobileNetV1")
        before = scaled(32, self.width)
        layers: list[nn.Module] = [conv_norm_relu(Conv2d(self.in_channels, before, 3, 2, padding=1, bias=False))]
        wide, ends = [before], []
        for channels, stride in BLOCKS:
            if stride == 2:
                ends.append(len(layers) - 1)
            channels = scaled(channels, self.width)
            if separable:
                layers.append(SeparableConv2d(before, channels, 3, stride, 1, between=between, after="norm relu"))
            else:
                layers.append(conv_norm_relu(Conv2d(before, channels, 3, stride, padding=1, bias=False)))
            wide.append(before := channels)
        self.ends = *ends, len(layers) - 1  # the last layer of each stride
        self.features = nn.Sequential(*layers)
        self.channels, self.strides = tuple(wide[end] for end in self.ends), (2, 4, 8, 16, 32)
        init_relu_(self)
        dilate_strides_(self, stride_asked)

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "MobileNetV1", self.in_channels)
        return at_ends(self.features, self.ends, x)  # N, channels[i], H/strides[i], W/strides[i] each
