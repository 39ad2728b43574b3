"""Effective fields: Luo's uniform chain exactly, Gaussian shape, gradients of a real picture, what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from segkit.analysis import effective_field, receptive_field


def uniform(layers: int) -> list[nn.Module]:
    """Layers of one channel that average three neighbours along a row."""
    chain = [nn.Conv2d(1, 1, (1, 3), padding=(0, 1), bias=False).double() for _ in range(layers)]
    for layer in chain:
        nn.init.constant_(layer.weight, 1 / 3)
    return chain


@pytest.mark.parametrize(("n", "share"), [(5, 0.664), (10, 0.492), (20, 0.356), (40, 0.255)])
def test_uniform_chain(n: int, share: float) -> None:
    """Luo et al. 2016: σ = √(2n/3) exactly, so 4σ fills a shrinking share of 2n + 1."""
    field = effective_field(uniform(n), (1, 2 * n + 5), position=(0, n + 2), samples=1)
    assert field.row.receptive_field == (1, 2 * n + 1)
    assert field.sigma == (0.0, pytest.approx(math.sqrt(2 * n / 3), rel=1e-9))
    assert field.width_ratio[1] == pytest.approx(share, abs=5e-4)
    assert field.size == (0.0, pytest.approx(4 * field.sigma[1]))
    assert field.center == (0.0, pytest.approx(n + 2, abs=1e-9))
    assert field.box == (0, 1, 2, 2 * n + 3)


def test_the_map_is_the_gradient() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1)).double()
    picture = torch.rand(3, 9, 11, dtype=torch.float64)
    x = picture.clone().requires_grad_()
    model(x[None])[0, 1, 4, 5].backward()
    expected = x.grad.abs().sum(0)
    field = effective_field(model, picture, position=(4, 5), channel=1)
    torch.testing.assert_close(field.map, expected / expected.sum())
    outside = torch.ones(9, 11, dtype=torch.bool)
    outside[field.box.top : field.box.bottom, field.box.left : field.box.right] = False
    assert not field.map[outside].any() and field.map.sum() == pytest.approx(1)


def test_layer_uses_position_and_seed() -> None:
    torch.manual_seed(0)
    relu = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), relu, nn.Conv2d(8, 8, 5, 2, 2), relu, nn.Conv2d(8, 2, 1))
    model.train()
    table = receptive_field(model, 24)
    field = effective_field(model, 24, "2", (5, 6), table=table)
    assert field.row is table["2"] and field.box == (7, 14, 9, 16)
    again = effective_field(model, 24, "2", (5, 6), samples=8)
    assert torch.equal(field.map, again.map)
    assert not torch.equal(field.map, effective_field(model, 24, "2", (5, 6), seed=1).map)
    first, second = (effective_field(model, 24, name, (5, 6)) for name in ("1", "1 (2)"))  # one ReLU, used twice
    assert first.box == (4, 7, 5, 8) and second.box == field.box
    assert model.training and all(p.grad is None for p in model.parameters())


def test_effective_share_shrinks_with_depth() -> None:
    """Random 3×3 layers: the deeper, the smaller the share of the field that matters."""
    torch.manual_seed(0)
    shares = []
    for n in (2, 6, 14):
        chain = [nn.Conv2d(1 if i == 0 else 8, 8, 3, padding=1) for i in range(n)]
        shares.append(max(effective_field(chain, (1, 41, 41), samples=4).width_ratio))
    assert shares[0] > shares[1] + 0.1 and shares[1] > shares[2] + 0.1


def test_a_unit_that_sees_nothing() -> None:
    layer = nn.ConvTranspose2d(3, 2, 1, 3)
    field = effective_field(layer, 5, position=(1, 1))
    assert field.box is None and field.size == (0, 0) and not field.map.any()


def test_bad_input() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3))
    with pytest.raises(ValueError, match=r"no layer 'conv1'.*choose one of 0"):
        effective_field(model, 16, "conv1")
    with pytest.raises(ValueError, match=r"no unit \(14, 0\).*14×14"):
        effective_field(model, 16, "0", (14, 0))
    with pytest.raises(ValueError, match="2 channels; there is no channel 2"):
        effective_field(model, 16, "0", channel=2)
    with pytest.raises(ValueError, match="it takes one"):
        effective_field(model, torch.zeros(2, 3, 16, 16))
