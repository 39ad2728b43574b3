"""The operators as layers: torch.nn's classes (same arguments, initialisation, state_dict) on `segkit.engine()`."""

import segkit.native  # noqa: F401  loaded here, so that no forward pass has to
from segkit.layers.bilinear import bilinear_kernel, init_bilinear_
from segkit.layers.channels import ChannelShuffle, PReLU
from segkit.layers.conv import Conv2d, ConvTranspose2d
from segkit.layers.l2norm import L2Norm
from segkit.layers.pool import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d, MaxUnpool2d
from segkit.layers.separable import AsymmetricConv2d, InvertedResidual, SeparableConv2d
from segkit.layers.upsample import PixelShuffle, PixelUnshuffle, Upsample

__all__ = [
    "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AsymmetricConv2d", "AvgPool2d", "ChannelShuffle", "Conv2d",
    "ConvTranspose2d", "InvertedResidual", "L2Norm", "MaxPool2d", "MaxUnpool2d", "PReLU", "PixelShuffle",
    "PixelUnshuffle", "SeparableConv2d", "Upsample", "bilinear_kernel", "init_bilinear_",
]  # fmt: skip
