"""What networks are made of: convolution, BatchNorm, ReLU or PReLU; a score layer; BatchNorm's one impossible input."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

from segkit.layers.channels import PReLU
from segkit.layers.conv import Conv2d
from segkit.layers.separable import SeparableConv2d

C = TypeVar("C", bound=nn.Conv2d)


def check_statistics(norm: nn.Module, values: int, who: str) -> None:
    """Refuse to take BatchNorm's mean and variance of a single value per channel.

    Args:
        norm: the layer; anything but a BatchNorm in training mode passes, and one over several processes, which counts
            the values of all.
        values: how many values of each channel it is about to see: pictures × cells.
        who: the caller, for the message.

    Raises:
        ValueError: it is one value, whose variance is 0 whatever it is.
    """
    live = isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.training
    if live and values == 1 and not getattr(norm, "synchronised", False):
        raise ValueError(
            f"{who} pools one picture to one cell, and a single value has no variance for BatchNorm; train with at "
            "least 2 pictures per step, or keep the statistics fixed (norm='fixed' in the recipe, or .eval() on the "
            "BatchNorms)"
        )


def conv_norm_relu(conv: nn.Conv2d, norm: bool = True) -> nn.Sequential:
    """A convolution with BatchNorm and ReLU after it, initialised for ReLU (He et al. 2015)."""
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    layers: list[nn.Module] = [conv, *([nn.BatchNorm2d(conv.out_channels)] if norm else []), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def norm_prelu(channels: int, eps: float = 1e-5) -> nn.Sequential:
    """BatchNorm, and PReLU with a slope for each channel."""
    return nn.Sequential(nn.BatchNorm2d(channels, eps), PReLU(channels))


def conv_norm_prelu(conv: nn.Conv2d, eps: float = 1e-5) -> nn.Sequential:
    """A convolution with BatchNorm and PReLU after it; its weights stay as they are."""
    return nn.Sequential(conv, *norm_prelu(conv.out_channels, eps))


def norm_relu_3x3(before: int, channels: int, rate: int = 1, separable: bool = False) -> nn.Module:
    """A 3×3 convolution that keeps the size, with BatchNorm and ReLU, initialised for ReLU (He et al. 2015).

    Args:
        before, channels: in and out.
        rate: dilation.
        separable: a depthwise and a pointwise step in its place, with BatchNorm and ReLU after each, as the authors of
            DeepLab v3+ have it in pyramid and decoder.
    """
    if not separable:
        return conv_norm_relu(Conv2d(before, channels, 3, padding=rate, dilation=rate, bias=False))
    both = "norm relu"
    conv = SeparableConv2d(before, channels, 3, padding=rate, dilation=rate, between=both, after=both)
    for step in (conv.depthwise, conv.pointwise):
        nn.init.kaiming_normal_(step.weight, nonlinearity="relu")
    return conv


def score_layer(conv: C, std: float = 0.01) -> C:
    """A layer that gives scores, started near zero so that no class is ahead."""
    with torch.no_grad():
        conv.weight.normal_(std=std)
        if conv.bias is not None:
            conv.bias.zero_()
    return conv
