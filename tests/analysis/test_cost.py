"""What networks cost: by hand, against hooks on real layers, against published figures, and never by changing them."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models as tv

from segkit.analysis import cost
from segkit.layers import SeparableConv2d
from segkit.models import create


def test_by_hand() -> None:
    found = cost([nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(2)], (2, 6, 8))
    conv, relu, pool = found
    assert (conv.parameters, conv.macs, conv.activations) == (4 * 9 + 4, 4 * 6 * 8 * 9, 4 * 6 * 8 * 4)
    assert (relu.parameters, relu.macs, relu.activations) == (0, 0, 0)  # in place: nothing new
    assert (pool.macs, pool.activations) == (0, 4 * 3 * 4 * (4 + 8))  # its indices are new too
    picture, maps, small = 2 * 6 * 8 * 4, 4 * 6 * 8 * 4, 4 * 3 * 4
    assert conv.moved == picture + maps + 4 * conv.parameters and conv.intensity == conv.macs / conv.moved
    assert (relu.moved, pool.moved) == (2 * maps, maps + small * (4 + 8)), "in place: read and written"
    assert found.moved == conv.moved + relu.moved + pool.moved and "moved" in str(found)
    assert found.macs == conv.macs and found.activations == conv.activations + pool.activations
    assert math.isnan(found.seconds) and all(math.isnan(row.seconds) for row in found)


class Branches(nn.Module):
    """One convolution used twice, a transposed one, and a sum, a concatenation and a product outside of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.up = nn.Conv2d(3, 3, 3, padding=1), nn.ConvTranspose2d(3, 5, 2, 2)
        self.matrix = nn.Parameter(torch.ones(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(x + self.a(self.a(x)))
        return torch.cat([x, x[:, :3]], 1).permute(0, 2, 3, 1) @ self.matrix


def test_what_happens_between_layers_has_a_row_too() -> None:
    found = cost(Branches(), (3, 4, 6), batch_size=2)
    outside, a, up = found[""], found["a"], found["up"]
    assert a.macs == 2 * 2 * 3 * 24 * 27 and a.activations == 2 * 2 * 3 * 24 * 4
    assert up.macs == 2 * 3 * 24 * 5 * 4 and up.activations == 2 * 5 * 96 * 4
    assert outside.parameters == 16 and outside.macs == 2 * 96 * 8 * 2
    sums, joined, product = 2 * 3 * 24 * 4, 2 * 8 * 96 * 4, 2 * 2 * 96 * 4
    assert sums + joined + product <= outside.activations <= sums + 2 * joined + product  # a copy for the product
    assert found.inside("a", "up").macs == a.macs + up.macs and found.of("ConvTranspose2d").macs == up.macs
    assert "(outside layers)" in str(found) and "2×3×4×6" in found._repr_html_()


def test_views_move_nothing() -> None:
    moved = cost([nn.Flatten(), nn.Unflatten(1, (6, 8)), nn.Identity()], (1, 6, 8)).moved
    assert moved == 0
    assert cost([nn.Flatten(), nn.Linear(48, 2, bias=False)], (1, 6, 8)).moved == 4 * (48 + 96 + 2)


def test_the_arithmetic_that_summaries_of_separable_convolution_print() -> None:
    """12×12×3 → 8×8×256 by 5×5 kernels: 256·3·25·64 multiplications, against 3·25·64 and 256·3·64."""
    plain = cost(nn.Conv2d(3, 256, 5, bias=False), (3, 12, 12))
    separable = cost(SeparableConv2d(3, 256, 5, bias=False), (3, 12, 12))
    assert plain.macs == 1_228_800
    assert separable["depthwise"].macs == 4_800 and separable["pointwise"].macs == 49_152
    assert separable.macs == 53_952
    assert separable.macs / plain.macs == pytest.approx(1 / 256 + 1 / 25)
    assert (plain.parameters, separable.parameters) == (19_200, 843)
    sizes = {name: 4 * n for name, n in (("in", 432), ("between", 192), ("out", 16_384))}
    assert plain.moved == sizes["in"] + sizes["out"] + 4 * 19_200
    assert separable.moved == sizes["in"] + 2 * sizes["between"] + sizes["out"] + 4 * 843


def test_published_figures() -> None:
    """torchvision's tables state 15.47, 4.09 and 0.30 G multiply-adds, and the numbers of parameters."""
    for build, parameters, giga in (
        (tv.vgg16, 138357544, 15.47), (tv.resnet50, 25557032, 4.09), (tv.mobilenet_v2, 3504872, 0.30),
    ):  # fmt: skip
        with torch.device("meta"):
            found = cost(build(), 224)
        assert found.parameters == parameters and found.macs / 1e9 == pytest.approx(giga, abs=0.006)


@pytest.mark.parametrize("name", ["segnet", "unet", "enet", "fcn8s", "dilated_frontend"])
def test_our_models_against_hooks_on_a_real_run(name: str) -> None:
    model, counted = create(name, 3, width=8).train(), []

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        transposed = type(layer).__name__ == "ConvTranspose2d"
        counted.append((inputs[0] if transposed else output).numel() * layer.weight[0].numel())  # type: ignore

    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = cost(model, (45, 70))
    assert model.training and all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    layers = [m for m in model.modules() if type(m).__name__ in ("Conv2d", "ConvTranspose2d", "Linear")]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        model.eval()(torch.rand(1, 3, 45, 70))
    for hook in hooks:
        hook.remove()
    assert sum(row.macs for row in found if row.parameters) == sum(counted)
    assert found.parameters == sum(p.numel() for p in model.parameters())


def test_a_network_of_others_and_an_example() -> None:
    model = tv.segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    by_size, by_example = cost(model, 64), cost(model, torch.rand(1, 3, 64, 64))
    assert by_size.macs == by_example.macs > 0 and by_size.activations == by_example.activations
    assert by_size.names == by_example.names
    pair = (torch.rand(2, 3, 4), torch.rand(2, 5, 4))
    assert cost(Pair(), pair).macs == 2 * 4 * 3 * 5


class Pair(nn.Module):
    """Takes two tensors."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b.mT


def test_half_precision_maps_are_half_as_large() -> None:
    model = create("unet", 3, width=4)
    single, half = cost(model, 64), cost(model.half(), 64)
    assert single.macs == half.macs and single.activations > half.activations
    assert single.of("Conv2d").activations == 2 * half.of("Conv2d").activations


class Looks(nn.Module):
    """Decides by the values that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) if float(x.mean()) > 0 else F.relu(x)


def test_a_network_that_looks_at_values_runs_with_them() -> None:
    assert cost(Looks(), (4, 4)).macs == 16 * 6
    assert cost(Looks(), -torch.ones(1, 3, 4, 4)).macs == 0


def test_time() -> None:
    model = create("fcn8s", 3, width=4)
    found = cost(model, 64, repeats=2)
    assert found.seconds > 0 and all(row.seconds >= 0 for row in found) and model.training
    assert "ms" in str(found) and "ms" not in str(cost(model, 64))


def test_what_is_refused() -> None:
    layer = nn.Conv2d(3, 3, 3)
    with pytest.raises(TypeError, match="cost got str"):
        cost("vgg16", 224)  # type: ignore[arg-type]
    for settings, words in (({"repeats": -1}, "repeats=-1"), ({"batch_size": 0}, "batch_size=0")):
        with pytest.raises(ValueError, match=words):
            cost(layer, 8, **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="input_size"):
        cost(layer, 0)
    with torch.device("meta"), pytest.raises(ValueError, match="meta device"):
        cost(nn.Conv2d(3, 3, 3), 8, repeats=1)
    with pytest.raises(KeyError, match="no layer 'fc'; the layers are 0"):
        cost([layer], 8)["fc"]
    with pytest.raises(RuntimeError, match="channels"):  # the network's own message
        cost(layer, (4, 16, 16))
