"""MixedChain: its table prices what it finds, and what it finds is a smaller network of the same values."""

from __future__ import annotations

import copy
import pickle
from itertools import count, product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import segkit
from segkit.search import Mixed, MixedChain, Zoomed, expected_latency, path_latency


def chain(layers: int = 3, **settings) -> MixedChain:
    torch.manual_seed(0)
    found = MixedChain(3, (2, 4, 5), layers, **settings).eval()
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return found


def decide(net: MixedChain, path: list[int]) -> None:
    for logits, option in zip(net.logits(), path, strict=True):
        logits.data = 1000 * F.one_hot(torch.tensor(option), len(logits)).float()


@pytest.mark.parametrize("path", [[1, 0, 2, 1, 0, 2], [2, 2, 1, 1, 1, 0], [0, 1, 0, 0, 2, 1]])
@pytest.mark.parametrize("way", ["softmax", "gumbel"])
def test_what_is_cut_out_gives_what_the_decided_mixture_gives(path, way):
    net = chain(mixing=(way, way))
    decide(net, path)
    small, before = net.cut().eval(), 3
    for layer, block, (_, width) in zip(small, net.layers, net.found(), strict=True):
        wide = block.blocks[int(block.block_logits.argmax())]
        pairs = zip(layer.state_dict().items(), wide.state_dict().values(), strict=True)
        cut = {name: big[tuple(map(slice, mine.shape))] for (name, mine), big in pairs}
        assert all(big.shape[:2] == (width, before) for big in cut.values() if big.ndim == 4)
        layer.load_state_dict(cut)
        before = width
    x = torch.randn(2, 3, 7, 6)
    y = net(x)
    torch.testing.assert_close(small(x), y[:, :before])
    assert not y[:, before:].any()


def test_the_table_prices_each_layer_by_its_block_and_both_widths():
    """Read by a clock that goes on by another step each time, every entry is another; the sum over paths is ours."""
    reads = count()
    net = chain(2)
    for logits in net.logits():
        nn.init.normal_(logits)
    table = net.table((6, 5), rounds=1, clock=lambda: float(next(reads) ** 2))
    assert [term.latency.shape for term in table] == [(3, 3), (3, 3, 3)]
    assert [term.choices for term in table] == [(0, 1), (2, 1, 3)]
    assert len({float(t) for term in table for t in term.latency.flatten()}) == 9 + 27
    shares, total = [logits.detach().softmax(0) for logits in net.logits()], 0.0
    for path in product(range(3), repeat=4):
        total += float(torch.stack([s[o] for s, o in zip(shares, path, strict=True)]).prod()) * path_latency(
            path, table
        )
    assert expected_latency(net.logits(), table).item() == pytest.approx(total, rel=1e-5)
    b0, w0, b1, w1 = path = (2, 0, 1, 2)
    assert path_latency(path, table) == table[0].latency[b0, w0] + table[1].latency[b1, w0, w1]


def test_logits_and_weights_are_all_parameters_and_both_learn():
    net = chain(2, mixing=("softmax", "softmax")).train()
    logits, weights = net.logits(), net.weights()
    assert len(logits) == 4 and {id(p) for p in (*logits, *weights)} == {id(p) for p in net.parameters()}
    assert not {id(p) for p in logits} & {id(p) for p in weights}
    net(torch.randn(2, 3, 8, 8)).square().sum().backward()
    assert all(p.grad.any() for p in logits) and all(p.grad is not None for p in weights)


def test_a_price_on_latency_narrows_what_is_found():
    net = chain(2)
    table = net.table(8, rounds=1, clock=lambda: 0.0)
    for term in table:  # by hand: a wide layer takes longer, a 3×3 too
        width = torch.tensor([1.0, 2.0, 3.0])
        block = torch.tensor([1.0, 9.0, 4.0])
        term.latency[:] = (block[:, None] * width).view(3, *(1,) * (term.latency.ndim - 2), 3)
    optimizer = torch.optim.Adam(net.logits(), 0.1)
    for _ in range(40):
        optimizer.zero_grad()
        expected_latency(net.logits(), table).backward()
        optimizer.step()
    assert net.found() == [("1×1", 2)] * 2 and net.path() == [0, 0, 0, 0]


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (1, 3), (2, 1)])
def test_zoomed_is_a_convolution_between_two_resizings(size):
    torch.manual_seed(0)
    layer, x = Zoomed(3, 4).eval(), torch.randn(2, 3, *size)
    nn.init.normal_(layer.norm.bias)
    half = [max(n // 2, 1) for n in size]
    y = F.conv2d(F.interpolate(x, half, mode="bilinear", align_corners=True), layer.conv.weight, padding=1)
    y = F.batch_norm(y, layer.norm.running_mean, layer.norm.running_var, layer.norm.weight, layer.norm.bias)
    expected = F.interpolate(y, size, mode="bilinear", align_corners=True).relu()
    torch.testing.assert_close(layer(x), expected)
    with segkit.use_engine("scratch"):
        torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"widths": ()}, r"widths=\(\) and the blocks"),
        ({"widths": (4, 2)}, "rising order"),
        ({"layers": 0}, "layers=0"),
        ({"inputs": 0}, "inputs=0"),
        ({"inputs": 1.5}, "inputs=1.5"),
        ({"blocks": {}}, "no blocks"),
        ({"blocks": {"a": 3}}, r"the blocks \['a'\]"),
        ({"mixing": ("hard", "gumbel")}, "mixing='hard'"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises((TypeError, ValueError), match=said):
        MixedChain(**{"inputs": 3, "widths": (2, 4), "layers": 2, **wrong})


def test_a_chain_can_be_copied_and_written_whole():
    chain, x = MixedChain(3, (2, 4), 2).eval(), torch.randn(2, 3, 6, 5)
    for twin in (copy.deepcopy(chain), pickle.loads(pickle.dumps(chain))):
        assert torch.equal(twin(x), chain(x))
        assert isinstance(twin.cut(), nn.Sequential)


def test_maps_that_do_not_fit_are_refused():
    chain = MixedChain(3, (2, 4), 2).train()
    for wrong in ([1.0], torch.zeros(3, 6, 5), torch.zeros(1, 4, 6, 5)):
        with pytest.raises(TypeError, match=r"MixedChain got .*; it takes maps N×3×H×W"):
            chain(wrong)
    for layer in (Mixed({"a": nn.Identity()}), Zoomed(3, 4)):
        with pytest.raises(TypeError, match=r"(Mixed|Zoomed) got .*; it takes maps N×C×H×W"):
            layer([1.0])
    with pytest.raises(ValueError, match=r"MixedChain pools one picture .* at least 2 pictures"):
        chain(torch.zeros(1, 3, 1, 1))
    with pytest.raises(ValueError, match=r"Zoomed, at 3×2 cells, pools one picture to one cell"):
        chain(torch.zeros(1, 3, 3, 2))
    assert chain(torch.zeros(2, 3, 1, 1)).shape == chain.eval()(torch.zeros(2, 3, 1, 1)).shape
