"""Chapters 08 and 09's networks for fair comparisons: what differs between two of them is one line of their settings.

A head can add context only where the encoder has none. A ResNet-18 sees all of a small picture, so `Network` stands on
encoders that see little: `Small`, 51 pixels, and `Patch`, 8. `Whole` is a ResNet of any depth, for questions of stride,
batch and auxiliary loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segkit import encoders
from segkit.encoders import ResNetEncoder, set_rates
from segkit.encoders.resnet import BasicBlock
from segkit.heads import ASPP, FCNHead, GlobalFeature, PyramidPooling, SummedASPP, enlarge
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.layers.borders import cut
from segkit.models.base import Model


class Small(nn.Sequential):
    """ResNet-18 to the end of layer1, then a 3×3 of stride 2: cells of stride 8 that see 51 pixels."""

    corner_aligned = True

    def __init__(self, width: int = 16, channels: int = 48) -> None:
        net = ResNetEncoder(18, width)
        last = conv_norm_relu(Conv2d(width, channels, 3, stride=2, padding=1, bias=False))
        super().__init__(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, *last)


class Patch(nn.Sequential):
    """A small network on each 8×8 pixels by themselves."""

    corner_aligned = False

    def __init__(self, channels: int = 48) -> None:
        kernels = [Conv2d(3, channels, 8, stride=8, bias=False)]
        kernels += [Conv2d(channels, channels, 1, bias=False) for _ in range(2)]
        super().__init__(*(layer for kernel in kernels for layer in conv_norm_relu(kernel)))


class Pooled(nn.Module):
    """The pyramid pooling module, joined by 1×1 so that nothing but pooling looks around.

    Args:
        bins: cells per side of each grid; 0 for a branch that is not pooled.
        places: two more channels that say where a cell stands, from −1 to 1: is it context, or only place?
    """

    def __init__(self, channels: int, num_classes: int, bins: Sequence[int], places: bool = False) -> None:
        super().__init__()
        self.places = places
        self.pyramid = PyramidPooling(channels + 2 * places, bins)
        self.join = conv_norm_relu(Conv2d(self.pyramid.out_channels, channels, 1, bias=False))
        self.score = score_layer(Conv2d(channels, num_classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        if self.places:
            N, _, h, w = x.shape
            rows, columns = (torch.linspace(-1, 1, n, dtype=x.dtype, device=x.device) for n in (h, w))
            grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))  # 2, h, w
            x = torch.cat([x, grid.expand(N, -1, -1, -1)], 1)  # N, channels + 2, h, w
        return self.score(self.join(self.pyramid(x)))  # N, K, h, w


class UnpooledASPP(ASPP):
    """The control for image pooling: the same 1×1 on each cell instead of on the mean of all."""

    def forward(self, x: Tensor) -> Tensor:
        found = [branch(x) for branch in (*self.branches, self.pool)]  # type: ignore[misc]
        return self.drop(self.project(torch.cat(found, 1)))  # N, width, h, w


class V3Head(nn.Sequential):
    """DeepLab v3's head, with image pooling or its control."""

    def __init__(
        self, channels: int, num_classes: int, rates: Sequence[int], image_pooling: bool = True, width: int = 32
    ) -> None:
        aspp = ASPP if image_pooling else UnpooledASPP
        super().__init__(aspp(channels, rates, width, dropout=0.0), score_layer(Conv2d(width, num_classes, 1)))


class Beside(GlobalFeature):
    """The global feature and its controls.

    Args:
        channels, normalise: of the feature.
        looks: False puts the cell's own feature there once more: the same weights, no context.
        shrink: what the global feature is divided by, as if it came from another layer.
    """

    def __init__(self, channels: int, normalise: bool, looks: bool, shrink: float) -> None:
        super().__init__(channels, normalise)
        self.looks, self.shrink = looks, shrink

    def forward(self, x: Tensor) -> Tensor:
        other = x.mean((2, 3), keepdim=True) if self.looks else x
        other = self.whole(other / self.shrink)  # N, channels, 1 or h, 1 or w
        return torch.cat([self.local(x), other.expand_as(x)], 1)  # N, 2·channels, h, w


class Parse(nn.Sequential):
    """ParseNet's global feature beside each cell, or a control, then a 1×1 without BatchNorm, and scores."""

    def __init__(
        self, channels: int, num_classes: int, looks: bool = True, shrink: float = 1.0, normalise: bool = False
    ) -> None:
        mix = conv_norm_relu(Conv2d(2 * channels, channels, 1), norm=False)
        scores = score_layer(Conv2d(channels, num_classes, 1))
        super().__init__(Beside(channels, normalise, looks, shrink), *mix, scores)


class Units(nn.Module):
    """Residual blocks at one resolution, each with its rate, then scores: multi-grid, alone or in a cascade.

    Args:
        rates: one for each block.
    """

    def __init__(self, channels: int, num_classes: int, rates: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(BasicBlock(channels, channels) for _ in rates))
        set_rates(self.blocks, rates)
        self.score = score_layer(Conv2d(channels, num_classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.score(self.blocks(x))  # N, K, h, w


ENCODERS = {"small": Small, "patch": Patch}
HEADS: dict[str, Any] = {"pyramid": Pooled, "v2": SummedASPP, "v3": V3Head, "parsenet": Parse, "units": Units}
SUMMED = {"hidden": 24, "dropout": 0.0, "batch_norm": True}  # v2's branches, at course size


class Network(nn.Module):
    """An encoder of stride 8 with a small field, and a head.

    Shape:
        N×3×H×W → N×K×H×W; H and W divide by 8.
    """

    def __init__(self, num_classes: int, encoder: str, head: str, channels: int = 48, **options: Any) -> None:
        super().__init__()
        options = {**(SUMMED if head == "v2" else {}), **options}
        self.encoder = ENCODERS[encoder](channels=channels)
        self.head = HEADS[head](channels, num_classes, **options)

    def forward(self, x: Tensor) -> Tensor:
        scores = enlarge(self.head(self.encoder(x)), 8, self.encoder.corner_aligned)
        return cut(scores, *x.shape[-2:])  # N, K, H, W


class Whole(Model):
    """A ResNet at an output stride; v3's head, or scores straight from the last map; enlarged to the picture.

    Args:
        rates: of v3's head, in cells; None for the 1×1 scores alone.
        corners: enlarge from where the cells stand (pixel i·stride); False for the middle of a square, as torch's
            align_corners=False has it.
        aux: scores from layer3 too, by name "aux".
    """

    def __init__(
        self, num_classes: int, encoder: str = "resnet18", width: int = 8, output_stride: int = 16,
        rates: Sequence[int] | None = None, corners: bool = True, aux: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes, self.in_channels, self.corners = num_classes, 3, corners
        self.encoder = encoders.create(encoder, 3, output_stride, width)
        last = self.encoder.channels[-1]
        self.head = V3Head(last, num_classes, rates) if rates else score_layer(Conv2d(last, num_classes, 1))
        self.auxiliary = FCNHead(self.encoder.channels[-2], num_classes) if aux else None

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        maps = self.encoder(x)
        found = {"logits": enlarge(self.head(maps[-1]), self.encoder.output_stride, self.corners)}
        return found if self.auxiliary is None else {**found, "aux": self.auxiliary(maps[-2])}


def changed(model: Whole, **settings: Any) -> Whole:
    """The same weights at another output stride, at other rates, or enlarged in another way."""
    own = {k: v for k, v in model.config.items() if k != "name"}
    other = Whole(**{**own, **settings})
    other.load_state_dict(model.state_dict())
    return other.train(model.training)


class GhostBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm that takes its statistics from groups of a batch, as if each were a batch of its own.

    Args:
        channels: of the map.
        group: pictures in each. The running estimates remember as many pictures as those of one group would.

    Source:
        Hoffer, Hubara & Soudry, "Train longer, generalize better", NeurIPS 2017 (arXiv 1705.08741), section 4.
    """

    def __init__(self, channels: int, group: int) -> None:
        super().__init__(channels)
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        parts, norm = x.split(self.group), super().forward
        self.momentum = 1 - 0.9 ** (1 / len(parts))
        return torch.cat([norm(part) for part in parts])


def with_ghosts(model: nn.Module, group: int) -> nn.Module:
    """Each BatchNorm replaced by a ghost's."""
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.BatchNorm2d:
                setattr(parent, name, GhostBatchNorm2d(layer.num_features, group))
    return model


def build(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    """By the name in an arm's "model": "encoder and head", "whole" (with "ghosts" or not), or "trained on"."""
    options = {k: v for k, v in model.items() if k not in ("name", "after", "from", "ghosts")}
    if model["name"] == "trained on":
        return base  # type: ignore[return-value]
    if model["name"] == "encoder and head":
        return Network(num_classes, **options)
    net = Whole(num_classes, **options)
    return with_ghosts(net, model["ghosts"]) if "ghosts" in model else net
