"""Networks of chapter 15's experiments: one idea of each switched off, and trained ones asked in another way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import mock

import torch
from library import build
from torch import Tensor, nn

from segkit.encoders import create as encoder
from segkit.heads import FPN, FPNHead, enlarge
from segkit.inference import MultiScale
from segkit.layers.borders import cut
from segkit.models import HMSA, PointRend, pointrend


class Asking(nn.Module):
    """PointRend's answer if it may ask another number of points in each step, the most uncertain ones or any.

    Args:
        network: a trained PointRend.
        points: 0 takes its scores as they are, enlarged.
        anywhere: points drawn at random.
    """

    def __init__(self, network: PointRend, points: int, anywhere: bool = False) -> None:
        super().__init__()
        self.network, self.points, self.anywhere = network, points, anywhere

    def forward(self, x: Tensor) -> Tensor:
        net = self.network
        maps = net.pyramid(net.encoder(x)[1:])
        score = net.coarse(maps)  # N, K, H/4, W/4
        if not self.points:
            return cut(enlarge(score, 4, corner_aligned=True), *x.shape[-2:])
        net.points, doubt = self.points, _any if self.anywhere else pointrend.uncertainty
        with mock.patch.object(pointrend, "uncertainty", doubt):
            return net.subdivided(maps[0], score, *x.shape[-2:])[0]


def _any(scores: Tensor) -> Tensor:
    """No place is more uncertain than another."""
    return torch.rand(scores[:, 0].shape, generator=torch.Generator().manual_seed(0))


class Dense(nn.Module):
    """PointRend's network without points, and its pyramid as wide as the same multiply-adds allow.

    Args:
        num_classes: K.
        wide: channels of the pyramid.
    """

    def __init__(self, num_classes: int, wide: int) -> None:
        super().__init__()
        self.encoder = encoder("resnet18", 3, 32, 16)
        self.pyramid = FPN(self.encoder.channels[1:], wide)
        self.coarse = FPNHead(wide, 4, wide // 2, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        score = self.coarse(self.pyramid(self.encoder(x)[1:]))  # N, K, H/4, W/4
        return cut(enlarge(score, 4, corner_aligned=True), *x.shape[-2:])


class Unmoved(nn.Module):
    """No flow: all of the map is body, and the edge is left to the map of stride 4."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, torch.zeros_like(x)


class Half(nn.Module):
    """Both scales are believed alike."""

    def forward(self, cells: Tensor) -> Tensor:
        return torch.full_like(cells[:, :1], 0.5)


def built(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    own = dict(model)
    if own["name"] == "dense":
        return Dense(num_classes, own["wide"])
    moves = own.pop("moves", True)
    network = build(own, num_classes, base)
    if not moves:
        network.split = Unmoved()
    return network


def asked(network: nn.Module, model: Mapping[str, Any]) -> nn.Module:
    """The network as the arm asks it."""
    after = model.get("after", {})
    if "points" in after:
        return Asking(network, **after)  # type: ignore[arg-type]
    if isinstance(network, HMSA) and after:
        network = network.at_scales(after["scales"])
        if not after.get("attention", True):
            network.alpha = Half()  # type: ignore[assignment]
        return network
    return MultiScale(network, after["scales"], flip=False) if after else network
