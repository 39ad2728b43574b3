"""Chapter 06's networks for fair comparisons: what differs between two of them is one line of their settings."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import library
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.encoders import VGGEncoder, dilate_strides
from segkit.layers import Conv2d, MaxPool2d, PixelShuffle
from segkit.models.dilated import ContextModule
from segkit.models.duc_hdc import DUCHDC


class WideBilinear(DUCHDC):
    """The control for DUC: the same K·d² channels, mixed down to K at each cell instead of laid out, then bilinear."""

    def __init__(self, num_classes: int, **settings: Any) -> None:
        super().__init__(num_classes, head="bilinear", **settings)
        wide = num_classes * self.stride**2
        first = Conv2d(self.encoder.channels[-1], wide, 3, padding=1)
        self.score = nn.Sequential(first, nn.ReLU(), Conv2d(wide, num_classes, 1))


class Rows(nn.Module):
    """A network whose field is made by dilation alone: cut into 4×4 cells, six 3×3 convolutions, back by DUC.

    Args:
        num_classes: K.
        rates: dilation of each of the convolutions.
        width: channels.
        cell: side of a cell in pixels. Cells share no pixel, so what a unit reads is decided by the rates.
    """

    def __init__(self, num_classes: int, rates: tuple[int, ...], width: int = 32, cell: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv2d(3, width, cell, stride=cell), nn.BatchNorm2d(width), nn.ReLU())
        layers = [
            nn.Sequential(Conv2d(width, width, 3, padding=r, dilation=r), nn.BatchNorm2d(width), nn.ReLU())
            for r in rates
        ]
        self.layers = nn.Sequential(*layers)
        self.score = Conv2d(width, num_classes * cell**2, 1)
        self.shuffle = PixelShuffle(cell)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # N, width, H/4, W/4
        return self.shuffle(self.score(self.layers(x)))  # N, K, H, W


def converted(model: DUCHDC, output_stride: int) -> DUCHDC:
    """A trained network of stride 32 with its strides turned into dilation: the same weights, a finer map."""
    finer = copy.deepcopy(model)
    rate = model.stride // output_stride
    finer.encoder = dilate_strides(model.encoder, output_stride)  # type: ignore[assignment]
    finer.score.dilation = finer.score.padding = (rate, rate)  # it reads cells that have moved apart
    finer.stride = output_stride
    return finer


class FrontEnd(nn.Module):
    """VGG11 down to its third pooling, and a score for each cell: it sees 30×30 pixels."""

    def __init__(self, num_classes: int, width: int = 8, hidden: int = 64) -> None:
        super().__init__()
        layers = VGGEncoder(11, width, batch_norm=True).features
        third = [i for i, layer in enumerate(layers) if isinstance(layer, MaxPool2d)][2]
        self.features = layers[: third + 1]
        self.hidden = nn.Sequential(Conv2d(4 * width, hidden, 1), nn.BatchNorm2d(hidden), nn.ReLU())
        self.score = Conv2d(hidden, num_classes, 1)
        nn.init.constant_(self.score.bias, 1.0)  # type: ignore[arg-type]  # the module behind cuts off what is below 0

    def cells(self, x: Tensor) -> Tensor:
        return self.score(self.hidden(self.features(x)))  # N, K, H/8, W/8

    def forward(self, x: Tensor) -> Tensor:
        return enlarged(self.cells(x), 8)  # N, K, H, W


class GlobalPooling(nn.Module):
    """The largest field there is: the mean scores of the whole scene, through a small MLP, added to every cell."""

    def __init__(self, num_classes: int, hidden: int = 64) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(num_classes, hidden), nn.ReLU(), nn.Linear(hidden, num_classes))
        nn.init.zeros_(self.mlp[2].weight)
        nn.init.zeros_(self.mlp[2].bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(x.mean((2, 3)))[:, :, None, None]  # N, K, h, w


class Behind(nn.Module):
    """A front end that has been trained and stays as it is, and a module on its scores."""

    def __init__(self, front: nn.Module, module: nn.Module) -> None:
        super().__init__()
        self.front, self.module = front.requires_grad_(False), module

    def train(self, mode: bool = True) -> Behind:
        super().train(mode)
        self.front.eval()
        return self

    def cells(self, x: Tensor) -> Tensor:
        return self.module(self.front.cells(x))  # N, K, H/8, W/8

    def forward(self, x: Tensor) -> Tensor:
        return enlarged(self.cells(x), 8)  # N, K, H, W


def enlarged(scores: Tensor, factor: int) -> Tensor:
    return F.interpolate(scores, scale_factor=factor, mode="bilinear", align_corners=False)


def build(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    """The chapter's own networks by name, and segkit's."""
    name, options = model["name"], {k: v for k, v in model.items() if k not in ("name", "after", "from")}
    if name == "converted":
        return converted(base, options["stride"])  # type: ignore[arg-type]
    if name == "front end":
        return base or FrontEnd(num_classes, **options)
    if name == "global pooling":
        return Behind(base, GlobalPooling(num_classes))  # type: ignore[arg-type]
    if name == "module":
        module = ContextModule(num_classes)
        for layer, rate in zip([m for m in module if isinstance(m, nn.Conv2d)], options["rates"], strict=False):
            layer.dilation = layer.padding = (rate, rate)
        return Behind(base, module)  # type: ignore[arg-type]
    own = {"wide bilinear": WideBilinear, "rows": Rows}
    return own[name](num_classes, **options) if name in own else library.build(model, num_classes, base)
