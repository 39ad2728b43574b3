"""fc6 and fc7: a classifier's first two fully connected layers as convolutions, the head of FCN and its heirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.encoders.encoder import Encoder
from segkit.encoders.weights import load_exactly
from segkit.layers import Conv2d


class FullyConnectedHead(nn.Module):
    """To be inherited by a model whose `encoder` is a classifier's: adds fc6 and fc7 under these names.

    Source:
        Long, Shelhamer & Darrell, CVPR 2015, section 3.1.
    """

    encoder: Encoder
    fc6: nn.Conv2d
    fc7: nn.Conv2d

    def add_fully_connected(
        self,
        hidden: int,
        batch_norm: bool,
        dropout: float,
        kernel: int,
        dilation: int = 1,
        more_before: bool = False,
    ) -> None:
        """Make fc6 and fc7, with ReLU and dropout after each.

        Args:
            hidden: channels of both.
            batch_norm: BatchNorm after each.
            dropout: probability of dropping a value after each.
            kernel, dilation: of fc6, which keeps the map's size.
            more_before: where the padding is odd, the extra cell goes before the map, not after it.
        """
        hidden = whole(hidden, "hidden", type(self).__name__, 1)
        padded = (kernel - 1) * dilation
        self.fc6 = Conv2d(self.encoder.channels[-1], hidden, kernel, padding=padded // 2, dilation=dilation)
        self.fc7 = Conv2d(hidden, hidden, 1)
        odd = padded % 2
        self.one_more = (odd, 0, odd, 0) if more_before else (0, odd, 0, odd)
        self.fc6_norm = nn.BatchNorm2d(hidden) if batch_norm else nn.Identity()
        self.fc7_norm = nn.BatchNorm2d(hidden) if batch_norm else nn.Identity()
        self.drop = nn.Dropout(finite(dropout, "dropout", type(self).__name__, 0, 1))
        for layer in (self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def fully_connected(self, x: Tensor) -> Tensor:
        """What fc7 says about each cell: N×channels×h×w → N×hidden×h×w."""
        if any(self.one_more):
            x = F.pad(x, self.one_more)
        x = self.drop(F.relu(self.fc6_norm(self.fc6(x))))  # N, hidden, h, w
        return self.drop(F.relu(self.fc7_norm(self.fc7(x))))

    def fully_connected_layers(self) -> list[tuple[str, str]]:
        """Names of what takes the classifier's first two fully connected layers: none where it has none."""
        return [("fc6", "fc7")] if hasattr(self, "fc6") else []

    def from_classifier(self, name: str, weight: Tensor, first: bool) -> Tensor:
        """What a tensor of fc6 (the first) or fc7 takes of the classifier's tensor: all of it."""
        own = self.get_parameter(name)
        return weight.reshape(own.shape) if weight.numel() == own.numel() else weight

    def load_classifier(self, state: Mapping[str, Tensor]) -> list[str]:
        """Fill the encoder and every fc6 and fc7 with the weights of torchvision's VGG or AlexNet.

        Returns:
            the names in `state` that have no place here: those of the last fully connected layer.

        Raises:
            ValueError: another kind of classifier, or keys or shapes that do not fit; nothing is copied then.
        """
        names = {key.rsplit(".", 1)[0] for key in state if key.startswith("classifier.")}
        linear = sorted(names, key=lambda name: int(name.partition(".")[2]))
        if len(linear) != 3:
            raise ValueError(
                f"load_classifier got {len(linear)} fully connected layers {linear}; it takes a VGG or AlexNet, with 3"
            )
        own = self.fully_connected_layers()
        renamed: dict[str, Any] = {}
        for key, value in state.items():
            layer, part = key.rsplit(".", 1)
            if layer in linear[:2]:
                number = linear.index(layer)
                for name in (f"{pair[number]}.{part}" for pair in own):
                    renamed[name] = self.from_classifier(name, value, first=not number)
            elif layer.startswith("features."):
                renamed[f"encoder.{key}"] = value
        taken = ("encoder.", *(f"{name}." for pair in own for name in pair))  # the rest is not the classifier's
        load_exactly(self, renamed, dropped=tuple(k for k in self.state_dict() if not k.startswith(taken)))
        return [key for key in state if key.startswith(f"{linear[2]}.")]


def decimated(weight: Tensor, shape: Sequence[int], first: bool) -> Tensor:
    """A smaller layer out of a classifier's fully connected one: rows, columns and channels at even distances.

    Args:
        weight: a weight or bias of the classifier.
        shape: of the convolution's own tensor.
        first: it belongs to the first fully connected layer, which reads a square map.

    Source:
        DeepLab v1 (arXiv 1412.7062), section 3.2: "spatially subsampling (by simple decimation) the first FC layer"; it
        keeps 1024 of the 4096 channels and does not say which, so here it is every fourth or so.
    """
    if weight.ndim == 2:
        side = round((weight[0].numel() / shape[1]) ** 0.5) if first else 1  # 7
        weight = weight.reshape(weight.shape[0], -1, side, side)
    for axis, (wanted, there) in enumerate(zip(shape, weight.shape, strict=True)):
        if wanted < there:
            weight = weight.index_select(axis, torch.linspace(0, there - 1, wanted).round().long())
    return weight
