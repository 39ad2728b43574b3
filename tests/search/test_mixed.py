"""Mixed: what it gives is the sum over all that it may become, a draw is torch's, and narrow layers are narrow."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from segkit.search import Mixed


def blocks(channels: int = 6) -> dict[str, nn.Module]:
    wide = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
    return {"3×3": wide, "1×1": nn.Conv2d(3, channels, 1)}


def mixed(**settings) -> Mixed:
    torch.manual_seed(0)
    found = Mixed(blocks(), (2, 3, 6), **settings)
    for logits in (found.block_logits, found.width_logits):
        nn.init.normal_(logits)
    return found


@pytest.mark.parametrize("training", [False, True])
def test_the_soft_mixture_is_the_sum_over_all_choices_in_value_and_gradient(training):
    layer, x = mixed(mixing=("softmax", "softmax")).double().train(training), torch.randn(2, 3, 5, 4).double()
    p, q = layer.block_logits.softmax(0), layer.width_logits.softmax(0)
    expected = torch.zeros(2, 6, 5, 4).double()
    for (o, block), (w, width) in product(enumerate(layer.blocks), enumerate(layer.widths)):
        y = block(x)
        expected = expected + p[o] * q[w] * torch.cat([y[:, :width], torch.zeros_like(y[:, width:])], 1)
    torch.testing.assert_close(layer(x), expected)
    seeds, found = torch.randn_like(expected), layer(x)
    ours, theirs = (
        torch.autograd.grad((y * seeds).sum(), list(layer.parameters()), retain_graph=True) for y in (found, expected)
    )
    torch.testing.assert_close(ours, theirs)


def test_channels_open_with_the_probability_that_the_width_is_above_them():
    layer = Mixed({"as it is": nn.Identity()}, (1, 3), ("softmax", "softmax"))
    layer.width_logits.data = torch.tensor([0.75, 0.25]).log()
    assert layer(torch.ones(1, 3, 1, 1)).flatten().tolist() == pytest.approx([1, 0.25, 0.25])


def test_equal_at_first_and_nothing_narrow_without_widths():
    layer, x = Mixed(blocks()), torch.randn(1, 3, 4, 4)
    expected = sum(block(x) for block in layer.blocks) / 2
    torch.testing.assert_close(layer(x), expected)
    assert layer.found() == ("3×3", None) and not layer.width_logits.numel()


def test_a_draw_is_one_of_them_as_often_as_its_probability_says():
    layer = mixed(mixing=("gumbel", "gumbel"), temperature=0.5)
    torch.manual_seed(1)
    draws = torch.stack([layer.shares(layer.width_logits, "gumbel") for _ in range(4000)])
    assert torch.allclose(draws.max(1).values, torch.ones(4000)) and draws.sort(1).values[:, :-1].abs().max() < 1e-6
    p = layer.width_logits.softmax(0)
    assert ((draws.mean(0) - p).abs() < 4 * (p * (1 - p) / 4000).sqrt()).all(), "within four standard errors"


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_a_draw_and_its_gradient_are_torchs(temperature):
    layer = mixed(temperature=temperature)
    found = []
    for draw in (lambda z: layer.shares(z, "gumbel"), lambda z: F.gumbel_softmax(z, temperature, hard=True)):
        torch.manual_seed(7)
        shares = draw(layer.width_logits)
        found.append([shares, *torch.autograd.grad((shares * torch.arange(3.0)).sum(), layer.width_logits)])
    torch.testing.assert_close(found[0], found[1])
    assert found[0][1].abs().max() > 0


def test_in_evaluation_the_most_probable_is_taken_and_nothing_is_drawn():
    layer = mixed(mixing=("gumbel", "gumbel")).eval()
    x = torch.randn(1, 3, 4, 4)
    name, width = layer.found()
    y = layer.blocks[layer.names.index(name)](x)
    assert torch.equal(layer(x)[:, :width], y[:, :width]) and not layer(x)[:, width:].any()
    assert (name, width) == (layer.names[layer.block_logits.argmax()], (2, 3, 6)[layer.width_logits.argmax()])


def test_a_narrow_layer_is_a_smaller_network_to_the_end():
    """Cut to the width that was found, a layer and the one that reads it give what the mixture gives."""
    layer = mixed(mixing=("gumbel", "gumbel")).eval()
    layer.block_logits.data = torch.tensor([9.0, 0.0])
    layer.width_logits.data = torch.tensor([0.0, 9.0, 0.0])
    after, x = nn.Conv2d(6, 4, 3, padding=1), torch.randn(2, 3, 5, 5)
    conv, norm, _ = layer.blocks[0]
    nn.init.normal_(norm.bias)
    small = F.relu(F.batch_norm(F.conv2d(x, conv.weight[:3], padding=1), norm.running_mean[:3], norm.running_var[:3],
                                norm.weight[:3], norm.bias[:3]))  # fmt: skip
    torch.testing.assert_close(F.conv2d(small, after.weight[:, :3], after.bias, padding=1), after(layer(x)))


def test_logits_learn_which_block_is_right():
    torch.manual_seed(0)
    layer = Mixed({"wrong": nn.Conv2d(3, 3, 1), "right": nn.Identity()}, mixing=("softmax", "softmax"))
    layer.blocks[0].requires_grad_(False)
    optimizer = torch.optim.Adam([layer.block_logits], 0.1)
    for _ in range(60):
        x = torch.randn(2, 3, 4, 4)
        optimizer.zero_grad()
        F.mse_loss(layer(x), x).backward()
        optimizer.step()
    assert layer.found() == ("right", None) and layer.block_logits.softmax(0)[1] > 0.9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"blocks": {}}, "no blocks"),
        ({"blocks": {"a": 3}}, r"none: \['a'\]; give modules by name"),
        ({"blocks": [nn.Identity()]}, "blocks"),
        ({"widths": (3, 2)}, "rising order"),
        ({"widths": (2, 2)}, "each once"),
        ({"widths": (0, 3)}, "whole number from 1 up"),
        ({"mixing": ("softmax", "hard")}, "mixing='hard'; it takes 'softmax', 'gumbel'"),
        ({"mixing": "softmax"}, "mixing"),
        ({"temperature": 0.0}, "temperature=0"),
        ({"temperature": math.nan}, "temperature"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises((TypeError, ValueError), match=said):
        Mixed(**{"blocks": {"a": nn.Identity()}, **wrong})


def test_maps_that_differ_are_named():
    layer = Mixed({"same": nn.Identity(), "half": nn.AvgPool2d(2)})
    with pytest.raises(ValueError, match=r"'half': \(1, 3, 2, 2\)"):
        layer(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"widths=\(2, 4\); all have one shape"):
        Mixed({"same": nn.Identity()}, (2, 4))(torch.zeros(1, 3, 4, 4))


def test_weights_are_saved_without_the_mask_and_it_compiles_into_one_graph():
    layer, x = mixed(mixing=("softmax", "softmax")), torch.randn(1, 3, 4, 4)
    assert not [name for name in layer.state_dict() if "kept" in name]
    exported = torch.export.export(layer.eval(), (x,)).module()
    torch.testing.assert_close(exported(x), layer(x))
