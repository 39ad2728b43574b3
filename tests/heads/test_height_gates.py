"""HANet's gates: its count, its formula, and that rows and their height are all it knows."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from segkit.heads import HeightGates
from segkit.models import create
from tests.encoders.common import lively, parameters


def gates(channels: int = 6, out: int = 4) -> HeightGates:
    torch.manual_seed(0)
    return lively(HeightGates(channels, out, 2)).double()


def maps(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    make = torch.Generator().manual_seed(seed)
    return (torch.randn(2, 6, 9, 7, generator=make, dtype=torch.float64),
            torch.randn(2, 4, 33, 10, generator=make, dtype=torch.float64))  # fmt: skip


def test_parameters_at_the_papers_size() -> None:
    """The authors count 544 more, a fixed table of 17 rows with 32 waves each."""
    assert parameters(HeightGates(2048, 256)) == 121_888 - 17 * 32


def test_the_formula() -> None:
    block, (x, other) = gates(), maps()
    rows = F.adaptive_avg_pool2d(x, (16, 1))[..., 0]  # N, C, 16
    first = block.first[1](F.conv2d(rows[..., None], block.first[0].weight)).relu()
    waves = torch.tensor([[f(row / 10000 ** (2 * i / 3)) for row in range(16)]
                          for i, f in ((0, math.sin), (0, math.cos), (1, math.sin))])  # fmt: skip
    second = first[..., 0] + waves
    for conv, norm in ((block.second[0], block.second[1]), (block.third, None)):
        second = F.conv1d(second, conv.weight[..., 0], conv.bias, padding=1)
        second = second if norm is None else norm(second[..., None]).relu()[..., 0]
    spread = F.interpolate(second.sigmoid(), size=33, mode="linear")
    torch.testing.assert_close(block(x, other), other * spread[..., None])


def test_a_gain_is_constant_along_rows_and_tells_rows_apart() -> None:
    block, (x, other) = gates(), maps()
    gain = block(x, other) / other
    torch.testing.assert_close(gain, gain[..., :1].expand_as(gain))
    torch.testing.assert_close(block(x.flip(3), other), block(x, other))
    assert not torch.allclose(gain[:, :, 0], gain[:, :, 20])


def test_the_height_is_heard_where_all_rows_are_alike() -> None:
    block, (_, other) = gates(), maps()
    gain = block(torch.ones(2, 6, 9, 7).double(), other) / other
    middle = gain[0, :, 8:24, 0]  # away from the borders, where padding tells rows apart
    assert (middle.amax(1) - middle.amin(1)).min() > 1e-4
    block.height.zero_()
    gain = block(torch.ones(2, 6, 9, 7).double(), other) / other
    torch.testing.assert_close(gain[0, :, 8:24], gain[0, :, 8:9].expand(-1, 16, -1))


@pytest.mark.parametrize("decoder", [True, False])
def test_deeplab_v3plus_with_them(decoder: bool) -> None:
    """They are the only difference, and every one of their weights learns."""
    options = {"encoder": "resnet18", "width": 4, "decoder": decoder}
    plain, gated = create("deeplab_v3plus", 3, **options), create("deeplab_v3plus", 3, height_gates=True, **options)
    assert parameters(gated) - parameters(plain) == parameters(HeightGates(32, 16, 4))
    x = torch.randn(2, 3, 40, 33)
    gated(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in gated.gates.parameters())
    gated.eval(), plain.eval()
    plain.load_state_dict(gated.state_dict(), strict=False)
    with torch.no_grad():
        assert not torch.allclose(plain(x), gated(x))
        torch.nn.init.zeros_(gated.gates.third.weight)
        torch.nn.init.constant_(gated.gates.third.bias, 50.0)
        torch.testing.assert_close(plain(x), gated(x))


@pytest.mark.parametrize("wrong", [{"channels": 0}, {"out": 0}, {"reduction": 0}, {"out": 2.5}])
def test_what_cannot_be_is_named(wrong: dict) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises((TypeError, ValueError), match=f"{name}={value}"):
        HeightGates(**{"channels": 4, "out": 4, **wrong})
