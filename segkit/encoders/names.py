"""Layers under the names that papers use: conv4_3 and pool5 in place of 21 and 30."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from torch import nn

VGG16 = tuple(
    name for b, n in enumerate((2, 2, 3, 3, 3), 1) for name in (*(f"conv{b}_{i}" for i in range(1, n + 1)), f"pool{b}")
)
ALEXNET = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")


def named(layers: Iterable[nn.Module], names: Iterable[str]) -> nn.Sequential:
    """The same layers as a chain whose convolutions and max poolings have names.

    Args:
        layers: modules that follow each other; they are shared with the chain, not copied.
        names: one for each convolution and max pooling; any other layer is called after the one before it
            ("conv1_1, ReLU").

    Raises:
        ValueError: not one name for each.
    """
    layers, names = list(layers), list(names)
    count = sum(isinstance(layer, nn.Conv2d | nn.MaxPool2d) for layer in layers)
    if count != len(names):
        raise ValueError(f"named got {len(names)} names for {count} convolutions and poolings; give one for each")
    chain: OrderedDict[str, nn.Module] = OrderedDict()
    left, last = iter(names), "picture"
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            last = next(left)
            chain[last] = layer
        else:
            chain[f"{last}, {type(layer).__name__}"] = layer
    return nn.Sequential(chain)
