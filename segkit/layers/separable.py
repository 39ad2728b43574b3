"""Cheap convolutions as layers: separable by depth, separable by space, and MobileNet v2's inverted residual.

SeparableConv2d          AsymmetricConv2d       InvertedResidual
k×k, each channel alone  n×1                    1×1, up to expansion·C channels, BN, ReLU6
(BN, ReLU)               (BN, ReLU)             3×3, each channel alone, BN, ReLU6
1×1                      1×n                    1×1, down to O channels, BN: no ReLU, it would lose what is negative
(BN, ReLU)               (BN, ReLU)             + the input, where the shapes are the same
"""

from __future__ import annotations

from torch import Tensor, nn

from segkit.checks import chosen, finite, pair, whole
from segkit.layers.conv import Conv2d

STEPS = ("", "norm", "relu", "norm relu")  # what may follow a convolution


def follow(steps: str, channels: int, eps: float = 1e-5) -> nn.Sequential:
    """What follows a convolution: nothing, BatchNorm, ReLU, or both in this order; `steps` is one of STEPS."""
    norm = [nn.BatchNorm2d(channels, eps)] if "norm" in steps else []
    return nn.Sequential(*norm, *([nn.ReLU(inplace=True)] if "relu" in steps else []))


class SeparableConv2d(nn.Module):
    """A k×k convolution of each channel alone (depthwise), then a 1×1 convolution (pointwise).

    Args:
        in_channels, out_channels: of the maps.
        kernel_size, stride, padding, dilation: of the depthwise step, as in `Conv2d`. A 3×3 kernel at rate r keeps the
            size with padding r.
        bias: of the pointwise step; where a norm follows, that has one already.
        between: what comes after the depthwise step: "" nothing (Xception), "norm", "relu", or "norm relu" (MobileNet
            v1; DeepLab v3+, ASPP and decoder).
        after: the same after the pointwise step.
        eps: of the norms.

    Shape:
        N×in_channels×H×W → N×out_channels×h×w, h and w as of `Conv2d`.

    Raises:
        ValueError: a setting that is not one of those named, or out of bounds.

    Source:
        Howard et al., "MobileNets" (arXiv 1704.04861), Figure 3; Chollet, "Xception", CVPR 2017 (arXiv 1610.02357),
        sections 2 and 4.7 on what stands between; Chen et al., ECCV 2018 (arXiv 1802.02611), Figure 3.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
        between: str = "",
        after: str = "",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.in_channels = whole(in_channels, "in_channels", "SeparableConv2d", 1)
        self.out_channels = whole(out_channels, "out_channels", "SeparableConv2d", 1)
        eps = finite(eps, "eps", "SeparableConv2d", 0)
        between, after = _steps("SeparableConv2d", between, after)
        kernel, steps, rates = (
            pair(value, name, "SeparableConv2d", 1)
            for value, name in ((kernel_size, "kernel_size"), (stride, "stride"), (dilation, "dilation"))
        )
        padding = padding if isinstance(padding, str) else pair(padding, "padding", "SeparableConv2d", 0)
        settings = kernel, steps, padding, rates
        self.depthwise = Conv2d(in_channels, in_channels, *settings, groups=in_channels, bias=False)
        self.between = follow(between, in_channels, eps)
        self.pointwise = Conv2d(in_channels, out_channels, 1, bias=bias and "norm" not in after)
        self.after = follow(after, out_channels, eps)

    def forward(self, x: Tensor) -> Tensor:
        x = self.between(self.depthwise(x))  # N, in_channels, h, w
        return self.after(self.pointwise(x))  # N, out_channels, h, w


class AsymmetricConv2d(nn.Module):
    """An n×1 convolution, then a 1×n convolution: sees n×n pixels with 2n weights per pair of channels.

    Args:
        in_channels, out_channels: of the maps; the maps between have as many as come out.
        kernel_size: n.
        stride, padding, dilation: of the n×n convolution whose place it takes; the first convolution takes the rows'
            part, the second the columns'.
        bias: of the second convolution; where a norm follows, that has one already.
        between, after: what comes after each of them, as in `SeparableConv2d`.

    Shape:
        N×in_channels×H×W → N×out_channels×h×w, h and w as of `Conv2d`.

    Raises:
        ValueError: a setting that is not one of those named, or out of bounds.

    Source:
        Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016 (arXiv 1512.00567), section 3.2, Figure 3;
        ENet (arXiv 1606.02147), section 4, "Factorizing filters".
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        bias: bool = True,
        between: str = "",
        after: str = "",
    ) -> None:
        super().__init__()
        who = "AsymmetricConv2d"
        self.in_channels = whole(in_channels, "in_channels", who, 1)
        self.out_channels = whole(out_channels, "out_channels", who, 1)
        n, (sh, sw) = whole(kernel_size, "kernel_size", who, 1), pair(stride, "stride", who, 1)
        (ph, pw), (dh, dw) = pair(padding, "padding", who, 0), pair(dilation, "dilation", who, 1)
        between, after = _steps(who, between, after)
        self.vertical = Conv2d(in_channels, out_channels, (n, 1), (sh, 1), (ph, 0), (dh, 1), bias=False)
        self.between = follow(between, out_channels)
        bias = bias and "norm" not in after
        self.horizontal = Conv2d(out_channels, out_channels, (1, n), (1, sw), (0, pw), (1, dw), bias=bias)
        self.after = follow(after, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.between(self.vertical(x))  # N, out_channels, h, W
        return self.after(self.horizontal(x))  # N, out_channels, h, w


class InvertedResidual(nn.Module):
    """Widen, convolve each channel alone, narrow without ReLU, add what came in: narrow ends, a wide middle.

    Args:
        in_channels, out_channels: of the narrow maps.
        stride: of the depthwise step.
        expansion: how many times wider the middle is; 1 leaves the widening out.
        kernel_size: of the depthwise step; odd, for it is padded by half.
        dilation: of the depthwise step.
        linear: True, the paper's: nothing after the narrowing. False: ReLU6 there too, before the sum.
        residual: True, the paper's: add the input where stride is 1 and the channels are the same. False: never.

    Shape:
        N×in_channels×H×W → N×out_channels×⌈H/stride⌉×⌈W/stride⌉.

    Raises:
        ValueError: a number below 1, or an even kernel.

    Source:
        Sandler et al., "MobileNetV2", CVPR 2018 (arXiv 1801.04381), section 3 and Figure 4d; Figure 6a is what ReLU at
        the narrow end costs. Names are torchvision's (`conv.0.0`, `conv.1.0`, `conv.2`, …), so its weights load.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        expansion: int = 6,
        kernel_size: int = 3,
        dilation: int = 1,
        linear: bool = True,
        residual: bool = True,
    ) -> None:
        super().__init__()
        who = "InvertedResidual"
        self.in_channels = whole(in_channels, "in_channels", who, 1)
        self.out_channels = whole(out_channels, "out_channels", who, 1)
        stride, t = whole(stride, "stride", who, 1), whole(expansion, "expansion", who, 1)
        k, rate = whole(kernel_size, "kernel_size", who, 1), whole(dilation, "dilation", who, 1)
        if k % 2 == 0:
            raise ValueError(f"{who} got kernel_size={k}; an even kernel has no middle: give an odd one")
        wide = t * in_channels
        self.use_res_connect = residual and stride == 1 and in_channels == out_channels
        widen = [_conv_norm_relu6(Conv2d(in_channels, wide, 1, bias=False))] if t > 1 else []
        depthwise = Conv2d(wide, wide, k, stride, rate * (k // 2), rate, groups=wide, bias=False)
        narrow = [Conv2d(wide, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)]
        self.depthwise_at, self.wide_channels = len(widen), wide
        self.conv = nn.Sequential(*widen, _conv_norm_relu6(depthwise), *narrow)
        if not linear:
            self.conv.append(nn.ReLU6(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return self.with_wide(x)[1]

    def with_wide(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the depthwise step makes, its BatchNorm and ReLU6 included, and the output."""
        y = wide = x
        for i, layer in enumerate(self.conv):
            y = layer(y)
            if i == self.depthwise_at:
                wide = y  # N, expansion·in_channels, H/stride, W/stride
        return wide, x + y if self.use_res_connect else y  # N, out_channels, H/stride, W/stride


def _steps(who: str, between: str, after: str) -> tuple[str, str]:
    return chosen(between, "between", who, STEPS), chosen(after, "after", who, STEPS)


def _conv_norm_relu6(conv: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU6(inplace=True))
