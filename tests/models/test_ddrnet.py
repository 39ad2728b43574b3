"""DDRNet: the paper's sizes, its pyramid and its exchanges as torch writes them, and what the exchange does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.analysis import cost
from segkit.models import DDRNet, create
from segkit.models.ddrnet import DAPPM, Exchange
from tests.encoders.common import lively
from tests.models.by_hand import normal, same, wide


@pytest.mark.parametrize(
    ("base", "parameters", "giga"),
    [("23-slim", 5_695_987, 36.28), ("23", 20_148_947, 143.06), ("39", 32_360_275, 281.12)],
)
def test_the_papers_sizes(base: str, parameters: int, giga: float) -> None:
    with torch.device("meta"):
        found = cost(create("ddrnet", 19, base=base, aux=False).eval(), (3, 1024, 2048))
    assert found.parameters == parameters and abs(found.macs / 1e9 - giga) < 0.01


def test_the_pyramid_is_the_papers_sum() -> None:
    """y₁ = w₁(x); yᵢ = vᵢ(up(wᵢ(meanᵢ(x))) + yᵢ₋₁); all of them, mixed by a 1×1, beside the map itself."""
    pyramid, x = lively(DAPPM(6, 3, 4)).double(), normal(2, 6, 17, 33)
    means = [F.avg_pool2d(x, k, s, k // 2) for k, s in ((5, 2), (9, 4), (17, 8))] + [x.mean((2, 3), keepdim=True)]
    found = [pyramid.scales[0](x)]
    for scale, process, mean in zip(pyramid.scales[1:], pyramid.process, means, strict=True):
        found.append(process(wide(scale(mean), x) + found[-1]))
    same(pyramid(x), pyramid.compression(torch.cat(found, 1)) + pyramid.shortcut(x))


@pytest.mark.parametrize(("steps", "size"), [(1, (9, 17)), (2, (5, 9))])
def test_an_exchange_gives_each_what_the_other_knows(steps: int, size: tuple[int, int]) -> None:
    exchange, fine, coarse = lively(Exchange(4, 8, steps)).double(), normal(2, 4, 17, 33), normal(2, 8, *size)
    finer, coarser = exchange(fine, coarse)
    same(finer, fine + wide(exchange.compression(F.relu(coarse)), fine))
    same(coarser, coarse + exchange.down(F.relu(fine)))


def by_hand(net: DDRNet, x: Tensor, exchange: bool) -> Tensor:
    """The scores of the two branches behind the trunk, which tell each other what they know, or run alone."""
    fine = coarse = net.layer2(F.relu(net.layer1(net.conv1(x))))
    for i, (keep, deepen) in enumerate(zip(net.fine, net.coarse, strict=True)):
        fine, coarse = keep(F.relu(fine)), deepen(F.relu(coarse))
        if exchange:
            way = net.exchanges[i]
            fine, coarse = fine + wide(way.compression(F.relu(coarse)), fine), coarse + way.down(F.relu(fine))
    context = net.context(net.coarse_last(F.relu(coarse)))
    return net.head(net.fine_last(F.relu(fine)) + wide(context, fine))


@pytest.mark.parametrize("base", ["23-slim", "39"])
def test_without_exchange_there_are_two_networks(base: str) -> None:
    """Their sum is the answer; with the exchange it is another, and the auxiliary head hears of both branches."""
    options: dict[str, Any] = {"base": base, "width": 8}
    x = normal(1, 3, 129, 65)
    for exchange in (False, True):
        net = lively(create("ddrnet", 5, exchange=exchange, **options)).double()
        found = net.outputs(x)
        same(found["score"], by_hand(net, x, exchange))
        assert torch.allclose(found["score"], by_hand(net, x, False), rtol=1e-6, atol=1e-6) != exchange
        heard = torch.autograd.grad(found["aux"].square().sum(), list(net.coarse.parameters()), allow_unused=True)
        assert any(g is not None and bool(g.any()) for g in heard) == exchange
        assert bool(list(net.exchanges.parameters())) == exchange


def test_the_auxiliary_head_hears_nothing_of_the_last_stage() -> None:
    net = lively(create("ddrnet", 5, width=8)).double()
    aux = net.outputs(normal(1, 3, 64, 96))["aux"].square().sum()
    last: list[nn.Parameter] = [*net.fine[-1].parameters(), *net.coarse[-1].parameters()]
    assert torch.autograd.grad(aux, last, allow_unused=True) == (None,) * len(last)


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match=r"DDRNet got base='24'; it takes '23-slim', '23', '39'"):
        create("ddrnet", 3, base="24")
    with pytest.raises(ValueError, match="steps=0"):
        Exchange(4, 8, 0)
    with pytest.raises(ValueError, match="DAPPM pools one picture to one cell"):
        create("ddrnet", 3, width=8).train()(torch.zeros(1, 3, 130, 130))
