"""HRNetV2, alone and with OCR: the papers' sizes, and what the exchange does."""

from __future__ import annotations

import pytest
import torch

from segkit.analysis import cost
from segkit.encoders.hrnet import HighResolutionModule
from segkit.models import create


@pytest.mark.parametrize(
    ("name", "base", "parameters", "giga"),
    [
        ("hrnet", 18, 9_641_119, 147.4),
        ("hrnet", 48, 65_859_379, 747.5),
        ("hrnet_ocr", 18, 12_080_818, 426.0),
        ("hrnet_ocr", 48, 70_372_678, 1297.9),
    ],
)
def test_the_papers_sizes(name: str, base: int, parameters: int, giga: float) -> None:
    with torch.device("meta"):
        found = cost(create(name, 19, base=base).eval(), (3, 1024, 2048))
    assert found.parameters == parameters and abs(found.macs / 1e9 - giga) < 0.1


def test_without_exchange_branches_are_networks_of_their_own() -> None:
    """With it each branch hears of the others, finer and coarser; without it only of itself."""
    torch.manual_seed(0)
    maps = [torch.randn(1, 4 * 2**i, 16 // 2**i, 16 // 2**i, dtype=torch.float64, requires_grad=True) for i in range(3)]
    for exchange in (True, False):
        module = HighResolutionModule((4, 8, 16), blocks=1, exchange=exchange).double().eval()
        for i, y in enumerate(module(maps)):
            assert y.shape == maps[i].shape
            heard = torch.autograd.grad(y.square().sum(), maps, retain_graph=True, allow_unused=True)
            assert [g is not None and bool(g.any()) for g in heard] == [exchange or i == j for j in range(3)]
        if not exchange:
            alone = [branch(x) for branch, x in zip(module.branches, maps, strict=True)]
            assert all(torch.equal(a, b) for a, b in zip(module(maps), alone, strict=True))


def test_with_ocr_the_first_guess_is_what_hrnet_says() -> None:
    """And the head hears the joined maps through it: the guess of another picture changes the scores."""
    torch.manual_seed(0)
    model, x = create("hrnet_ocr", 5, base=18, width=8).double().eval(), torch.rand(1, 3, 33, 47, dtype=torch.float64)
    alone = create("hrnet", 5, base=18, width=8).double().eval()
    kept = {key: value for key, value in model.state_dict().items() if not key.startswith("head.")}
    assert kept.keys() == alone.state_dict().keys()
    alone.load_state_dict(kept)
    found = model.outputs(x)
    assert torch.equal(found["aux"], alone.outputs(x)["score"])
    together = model.encoder.joined(model.encoder(x))
    assert torch.equal(model.head(together, found["aux"])[1], found["score"])
    assert not torch.equal(model.head(together, found["aux"].flip(1).cumsum(-1))[1], found["score"])


@pytest.mark.parametrize("name", ["hrnet", "hrnet_ocr", "hmsa"])
def test_fewer_modules_make_a_shallower_network(name: str) -> None:
    """As many in each stage as asked for, and the configuration keeps them."""
    model = create(name, 5, base=18, width=8, modules=(1, 2, 1))
    assert [len(model.encoder.get_submodule(f"stage{i}")) for i in (2, 3, 4)] == [1, 2, 1]
    again = create(**model.config)
    assert again.state_dict().keys() == model.state_dict().keys()
    with pytest.raises(ValueError, match="give three numbers"):
        create(name, 5, base=18, width=8, modules=(1, 1))
