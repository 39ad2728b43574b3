"""The layers are torch.nn's in everything but the engine that computes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import segkit
from segkit import layers

X = torch.randn(2, 4, 11, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

# name, arguments by position, others; all take X
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Conv2d", (4, 6, 3), {}),
    ("Conv2d", (4, 6, (3, 2)), {"stride": 2, "padding": (1, 0), "groups": 2}),
    ("Conv2d", (4, 4, 3), {"padding": "same", "dilation": 2, "bias": False}),
    ("Conv2d", (4, 4, 2), {"padding": "valid"}),
    ("Conv2d", (4, 4, 4), {"padding": "same", "padding_mode": "circular"}),
    ("Conv2d", (4, 4, 3), {"padding": (2, 1), "padding_mode": "reflect"}),
    ("Conv2d", (4, 4, 3), {"padding": 1, "padding_mode": "replicate"}),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "output_padding": (1, 0)}),
    ("ConvTranspose2d", (4, 4, 4), {"padding": 1, "groups": 4, "dilation": 2}),
    ("MaxPool2d", (3, 2, 1), {"ceil_mode": True}),
    ("MaxPool2d", (2,), {"return_indices": True}),
    ("AvgPool2d", (3, 2, 1), {"count_include_pad": False}),
    ("AvgPool2d", (2,), {"divisor_override": 3}),
    ("AdaptiveAvgPool2d", ((None, 3),), {}),
    ("AdaptiveMaxPool2d", ((None, 3),), {}),
    ("AdaptiveMaxPool2d", (4,), {"return_indices": True}),
    ("Upsample", (), {"scale_factor": 2}),
    ("Upsample", ((20, 7),), {"mode": "bilinear", "align_corners": True}),
    ("Upsample", (), {"scale_factor": (1.3, 2.6), "mode": "bilinear", "recompute_scale_factor": True}),
    ("PixelShuffle", (2,), {}),
    ("ChannelShuffle", (2,), {}),
    ("PReLU", (), {}),
    ("PReLU", (4, 0.1), {}),
]
NAMES = [f"{name} {i}" for i, (name, *_) in enumerate(CASES)]


def outcome(layer: nn.Module, *inputs: Any, **keywords: Any) -> list[Tensor]:
    """Outputs, and gradients by the input and every parameter, for a gradient from above that is all different."""
    x = inputs[0].clone().requires_grad_()
    answer = layer(x, *inputs[1:], **keywords)
    outputs = list(answer) if isinstance(answer, tuple) else [answer]
    above = torch.linspace(-1, 1, outputs[0].numel(), dtype=outputs[0].dtype).view_as(outputs[0])
    return [*outputs, *torch.autograd.grad(outputs[0], [x, *layer.parameters()], above)]


def everywhere_equal(ours: nn.Module, theirs: nn.Module, *inputs: Any, **keywords: Any) -> None:
    expected = outcome(theirs, *inputs, **keywords)
    for engine in ("native", "scratch"):
        with segkit.use_engine(engine):
            got = outcome(ours, *inputs, **keywords)
        for a, b in zip(got, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "arguments", "others"), CASES, ids=NAMES)
def test_both_engines_give_torchs_values_and_gradients(
    name: str, arguments: tuple[Any, ...], others: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    ours = getattr(layers, name)(*arguments, **others).double()
    torch.manual_seed(0)
    theirs = getattr(nn, name)(*arguments, **others).double()
    assert isinstance(ours, type(theirs)) and repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):  # the same initialisation from the same seed
        assert torch.equal(a, b)
    everywhere_equal(ours, theirs, X)
    if name not in ("ChannelShuffle", "PReLU", "PixelShuffle", "Upsample"):
        everywhere_equal(ours, theirs, X[0])


def test_pixel_unshuffle() -> None:
    everywhere_equal(layers.PixelUnshuffle(2), nn.PixelUnshuffle(2), X[:, :, :10])


def test_max_unpool_goes_back_to_the_size_asked_for() -> None:
    values, indices = nn.functional.max_pool2d(X, 2, return_indices=True)
    everywhere_equal(layers.MaxUnpool2d(2), nn.MaxUnpool2d(2), values, indices, output_size=(11, 10))
    everywhere_equal(layers.MaxUnpool2d(2), nn.MaxUnpool2d(2), values[:, :, :, :4], indices[:, :, :, :4].clamp(max=79))


def test_transposed_convolution_finds_the_output_padding_of_a_size() -> None:
    torch.manual_seed(0)
    ours = layers.ConvTranspose2d(4, 3, 3, stride=2, padding=1).double()
    theirs = nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1).double()
    theirs.load_state_dict(ours.state_dict())
    for size in ((21, 19), [22, 20], torch.Size((2, 3, 22, 19))):
        everywhere_equal(ours, theirs, X, output_size=size)
        assert ours(X, output_size=size).shape[-2:] == tuple(size)[-2:]
    with pytest.raises(ValueError, match="output size"):
        ours(X, output_size=(30, 30))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", ["Conv2d", "ConvTranspose2d"])
def test_a_relu_in_place_may_follow(name: str, stride: int, groups: int) -> None:
    """Without a bias the convolution's own output is overwritten: on large maps and small ones, cropped or not."""
    layer = getattr(layers, name)(4, 8 if groups == 2 else 4, 3, stride, groups=groups, bias=False).double()
    for x in (X, torch.cat([X, X, X, X], 2)):
        everywhere_equal(nn.Sequential(layer, nn.ReLU(inplace=True)), nn.Sequential(layer, nn.ReLU()), x)


def test_transposed_convolution_pads_with_zeros_only() -> None:
    with pytest.raises(ValueError, match="zeros"):
        layers.ConvTranspose2d(4, 3, 3, padding_mode="reflect")


@pytest.mark.parametrize("engine", ["native", "scratch"])
def test_layers_ask_the_engine_at_every_call(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at construction: a network made under one engine runs under the other."""
    with segkit.use_engine(engine):
        module = segkit.engine()
    calls: list[str] = []
    layer = layers.Conv2d(4, 4, 3).double()

    def spy(*args: Any) -> Tensor:
        calls.append(engine)
        return real(*args)

    real: Callable[..., Tensor] = module.conv2d
    monkeypatch.setattr(module, "conv2d", spy)
    layer(X)
    with segkit.use_engine(engine):
        layer(X)
    assert calls == [engine] * (2 if engine == "native" else 1)


def test_a_small_network_learns_the_same_under_both_engines() -> None:
    """Five steps of gradient descent through most layers at once, with BatchNorm and a skip."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = layers.Conv2d(3, 8, 3, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.pool = layers.MaxPool2d(2, return_indices=True)
            self.deep = layers.Conv2d(8, 16, 3, stride=2, padding=1)
            self.up = layers.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
            self.unpool = layers.MaxUnpool2d(2)
            self.shuffle = layers.PixelShuffle(2)
            self.score = layers.Conv2d(10, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            stem = self.norm(self.stem(x)).relu()
            small, indices = self.pool(stem)
            up = self.up(self.deep(small).relu())
            return self.score(torch.cat([self.unpool(up, indices) + stem, self.shuffle(small)], 1))

    weights = {}
    for engine in ("native", "scratch"):
        torch.manual_seed(0)
        net = Net().double()
        x, target = torch.randn(2, 3, 16, 24, dtype=torch.float64), torch.randint(0, 4, (2, 16, 24))
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        with segkit.use_engine(engine):
            for _ in range(5):
                optimiser.zero_grad()
                nn.functional.cross_entropy(net(x), target).backward()
                optimiser.step()
        weights[engine] = net.state_dict()
    for name, value in weights["native"].items():
        torch.testing.assert_close(weights["scratch"][name], value, rtol=1e-8, atol=1e-8)
