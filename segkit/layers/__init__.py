"""The operators as layers: torch.nn's classes (same arguments, initialisation, state_dict) on `segkit.engine()`."""

from segkit.layers.bilinear import bilinear_kernel, init_bilinear_
from segkit.layers.conv import Conv2d, ConvTranspose2d
from segkit.layers.pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, MaxUnpool2d
from segkit.layers.upsample import PixelShuffle, PixelUnshuffle, Upsample

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "Conv2d",
    "ConvTranspose2d",
    "MaxPool2d",
    "MaxUnpool2d",
    "PixelShuffle",
    "PixelUnshuffle",
    "Upsample",
    "bilinear_kernel",
    "init_bilinear_",
]
