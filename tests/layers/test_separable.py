"""Separable, asymmetric and inverted-residual layers: what they compute, on both engines, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import mobilenetv2

import segkit
from segkit import layers, ops
from segkit.analysis import cost
from segkit.layers import AsymmetricConv2d, InvertedResidual, SeparableConv2d


def on_both_engines(layer: nn.Module, x: Tensor) -> Tensor:
    """Its output, after value and every gradient were seen to be the same."""
    found = []
    for engine in ("native", "scratch"):
        given = x.clone().requires_grad_()
        with segkit.use_engine(engine):
            y = layer(given)
        above = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
        found.append([y, *torch.autograd.grad(y, [given, *layer.parameters()], above)])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    return found[0][0].detach()


def picture(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


SETTINGS: list[dict[str, Any]] = [
    {"padding": 1},
    {"kernel_size": 5, "stride": 2, "padding": 2, "bias": False},
    {"kernel_size": (3, 5), "stride": (1, 2), "padding": "valid"},
    *({"padding": rate, "dilation": rate} for rate in (2, 6, 12)),
    {"stride": 2, "padding": 2, "dilation": 2},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_bare_separable_layer_is_the_operator(settings: dict[str, Any]) -> None:
    layer, x = SeparableConv2d(4, 6, **settings).double(), picture(2, 4, 13, 11)
    y = on_both_engines(layer, x)
    arguments = {name: settings[name] for name in ("stride", "padding", "dilation") if name in settings}
    expected = ops.separable_conv2d(
        x, layer.depthwise.weight, layer.pointwise.weight, layer.pointwise.bias, **arguments
    )
    torch.testing.assert_close(y, expected)


@pytest.mark.parametrize("between", ["", "norm", "relu", "norm relu"])
@pytest.mark.parametrize("after", ["", "norm", "relu", "norm relu"])
def test_what_stands_between_and_after(between: str, after: str) -> None:
    layer, x = SeparableConv2d(4, 6, padding=1, between=between, after=after, eps=1e-3).double(), picture(2, 4, 9, 8)
    y = on_both_engines(layer, x)

    def follow(y: Tensor, steps: str) -> Tensor:
        y = F.batch_norm(y, None, None, training=True, eps=1e-3) if "norm" in steps else y
        return y.relu() if "relu" in steps else y

    expected = follow(F.conv2d(x, layer.depthwise.weight, padding=1, groups=4), between)
    expected = follow(F.conv2d(expected, layer.pointwise.weight, layer.pointwise.bias), after)
    torch.testing.assert_close(y, expected)
    assert (layer.pointwise.bias is None) == ("norm" in after) and layer.depthwise.bias is None


@pytest.mark.parametrize(
    "settings",
    [{"padding": 1}, {"kernel_size": 5, "padding": 2, "stride": 2}, {"padding": (2, 1), "dilation": (2, 1)}],
    ids=str,
)
def test_asymmetric_is_the_square_kernel_of_its_two_factors(settings: dict[str, Any]) -> None:
    layer, x = AsymmetricConv2d(4, 6, **settings).double(), picture(2, 4, 13, 12)
    y = on_both_engines(layer, x)
    square = torch.einsum("mci,omj->ocij", layer.vertical.weight[..., 0], layer.horizontal.weight[:, :, 0])
    arguments = {name: settings[name] for name in ("stride", "padding", "dilation") if name in settings}
    torch.testing.assert_close(y, F.conv2d(x, square, layer.horizontal.bias, **arguments))


def test_asymmetric_with_norms_and_its_arithmetic() -> None:
    layer = AsymmetricConv2d(8, 8, 7, padding=3, between="norm relu", after="norm relu").double()
    assert on_both_engines(layer, picture(2, 8, 9, 10)).min() == 0
    plain = layers.Conv2d(8, 8, 7, padding=3)
    assert cost(layer.float(), (8, 16, 16)).macs * 7 == cost(plain, (8, 16, 16)).macs * 2


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("expansion", [1, 6])
@pytest.mark.parametrize("channels", [(8, 8), (8, 12)])
def test_inverted_residual_is_torchvisions(stride: int, expansion: int, channels: tuple[int, int]) -> None:
    theirs = mobilenetv2.InvertedResidual(*channels, stride, expansion).double()
    ours = InvertedResidual(*channels, stride, expansion).double()
    x = picture(2, 8, 11, 10)
    for mode in (True, False):
        ours.load_state_dict(theirs.state_dict())
        torch.testing.assert_close(on_both_engines(ours.train(mode), x), theirs.train(mode)(x))


def test_inverted_residual_by_option() -> None:
    x = picture(2, 4, 9, 9)
    bent, straight = (InvertedResidual(4, 4, residual=False, linear=linear).double() for linear in (False, True))
    bent.load_state_dict(straight.state_dict())
    y = on_both_engines(straight, x)
    torch.testing.assert_close(on_both_engines(bent, x), y.clamp(0, 6))
    summed = InvertedResidual(4, 4, linear=False).double()
    summed.load_state_dict(straight.state_dict())
    torch.testing.assert_close(on_both_engines(summed, x), x + y.clamp(0, 6))
    assert on_both_engines(InvertedResidual(4, 4, kernel_size=5, dilation=3).double(), x).shape == x.shape


@pytest.mark.parametrize("build", [SeparableConv2d, AsymmetricConv2d, InvertedResidual])
def test_what_is_refused(build: type[nn.Module]) -> None:
    name = build.__name__
    for bad in (0, -1, 2.5, True, "3"):
        for place in ((bad, 4), (4, bad)):
            with pytest.raises(ValueError, match=f"{name} got (in|out)_channels={bad!r}"):
                build(*place)
        for setting in ("kernel_size", "stride", "dilation"):
            with pytest.raises(ValueError, match=f"{name} got {setting}={bad!r}"):
                build(4, 4, **{setting: bad})
    if build is InvertedResidual:
        with pytest.raises(ValueError, match="kernel_size=4; an even kernel"):
            build(4, 4, kernel_size=4)
    else:
        with pytest.raises(ValueError, match=f"{name} got between='bn'; it takes '', 'norm', 'relu', 'norm relu'"):
            build(4, 4, between="bn")
        with pytest.raises(ValueError, match=f"{name} got padding=-1"):
            build(4, 4, padding=-1)
