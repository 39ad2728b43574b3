"""ESPNetv2: the classifier's and the network's sizes, the unit written without groups, what fusion and gates do."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.analysis import cost
from segkit.encoders import Classifier
from segkit.encoders.espnetv2 import EESP, ESPNetv2Encoder, StridedEESP, rates_within
from segkit.models import create
from segkit.models.espnetv2 import GatedSkip, SizePyramid


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def lively(module: nn.Module) -> nn.Module:
    """In float64 and evaluation, with norms and slopes that are not those of the start."""
    torch.manual_seed(0)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.PReLU):
            for tensor in (*layer.parameters(), *layer.buffers()):
                if tensor.is_floating_point():
                    tensor.data.uniform_(0.5, 1.5)
    return module.double().eval()


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize(
    ("width", "channels", "parameters", "giga"),
    [
        (32, (16, 32, 64, 128, 256), 1_241_332, 0.03),
        (64, (32, 64, 128, 256, 512), 1_670_072, 0.09),
        (96, (32, 96, 192, 384, 768), 2_314_856, 0.17),
        (128, (32, 128, 256, 512, 1024), 3_498_136, 0.29),
    ],
)
def test_classifiers_of_the_paper(width: int, channels: tuple[int, ...], parameters: int, giga: float) -> None:
    """The released count, less what nothing reads: layers for the picture at level 5, slopes of the strided EESPs."""
    with torch.device("meta"):
        encoder = ESPNetv2Encoder(width, expand=True)
        network = Classifier(encoder, 1000, 0.2).eval()
    assert encoder.channels == (*channels[:4], 1280 if width == 128 else 1024)
    picture = 9 * 3 * 3 + 2 * 3 + 3 + 3 * channels[-1] + 2 * channels[-1]
    slopes = channels[-1] - channels[0]
    assert count(network) + picture + slopes == parameters
    assert round(cost(network, (3, 224, 224)).macs / 1e9, 2) == giga


@pytest.mark.parametrize(
    ("classes", "size", "parameters", "millions"),
    [
        (21, (256, 256), 788_773, 337.58),
        (21, (384, 384), 788_773, 759.52),
        (20, (256, 512), 788_762, 674.78),
        (20, (512, 1024), 788_762, 2699.05),
    ],
)
def test_the_network_of_the_paper(classes: int, size: tuple[int, int], parameters: int, millions: float) -> None:
    """The authors' table: 0.79 million, and multiply-adds, of which theirs count a few of the poolings too."""
    with torch.device("meta"):
        model = create("espnetv2", classes).eval()
    assert count(model) == parameters
    assert cost(model, (3, *size)).macs / 1e6 == pytest.approx(millions, rel=1e-3)


def test_rates_stay_within_a_level_s_limit() -> None:
    assert [rates_within(limit) for limit in (13, 9, 7, 5, 3)] == [
        (1, 2, 3, 4),
        (1, 2, 3, 4),
        (1, 1, 2, 3),
        (1, 1, 1, 2),
        (1, 1, 1, 1),
    ]
    rates = [{b.dilation[0] for b in units[-1].branches} for units in list(ESPNetv2Encoder(8).levels)[1:]]
    assert rates == [{1, 2, 3, 4}, {1, 2, 3}, {1, 2}]


def full(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution in groups as one without: zeros stand between the groups."""
    weight = torch.zeros(conv.out_channels, conv.in_channels, *conv.kernel_size, dtype=conv.weight.dtype)
    outs, ins = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    for g in range(conv.groups):
        weight[g * outs : (g + 1) * outs, g * ins : (g + 1) * ins] = conv.weight[g * outs : (g + 1) * outs]
    return F.conv2d(x, weight, None, conv.stride, conv.padding, conv.dilation)


@torch.no_grad()
@pytest.mark.parametrize("hff", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_unit_without_groups(hff: bool, stride: int) -> None:
    """The same with plain convolutions: each branch is what it sees, and with fusion all that finer ones see too."""
    unit, x = lively(EESP(16, 16, (1, 2, 3, 4), stride, hff)), normal(2, 16, 11, 14)
    assert [layer.groups for layer in unit.modules() if isinstance(layer, nn.Conv2d)] == [4, 4, 4, 4, 4, 4]
    few = unit.reduce[1:](full(unit.reduce[0], x))
    alone = [full(branch, few) for branch in unit.branches]
    seen = [sum(alone[: i + 1]) for i in range(4)] if hff else alone
    merged = unit.merge[1](full(unit.merge[0], unit.joined(torch.cat(seen, 1))))
    expected = unit.act(merged + x) if stride == 1 else merged
    assert expected.shape == (2, 16, -(-11 // stride), -(-14 // stride))
    torch.testing.assert_close(unit(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("hff", "cells"), [(True, (9, 17, 25, 33)), (False, (9, 9, 9, 9))])
def test_fusion_fills_the_holes_of_each_branch(hff: bool, cells: tuple[int, ...]) -> None:
    unit, x = lively(EESP(16, 16, hff=hff)), normal(1, 16, 11, 11).requires_grad_()
    unit.residual, found = False, []
    for branch in range(4):  # the merge is in groups: each reads one branch
        (slope,) = torch.autograd.grad(unit(x)[0, 4 * branch : 4 * branch + 4, 5, 5].sum(), x)
        found.append(int((slope.abs().sum((0, 1)) > 0).sum()))
    assert tuple(found) == cells


@torch.no_grad()
def test_a_strided_unit_adds_the_picture() -> None:
    unit, x, picture = lively(StridedEESP(8, 20, (1, 1, 2, 3))), normal(2, 8, 9, 12), normal(2, 3, 5, 6)
    joined = torch.cat([F.avg_pool2d(x, 3, 2, 1), unit.eesp(x)], 1)
    torch.testing.assert_close(unit(x, picture), unit.act(joined + unit.reinforce(picture)))
    unit.reinforce = None
    torch.testing.assert_close(unit(x, picture), unit.act(joined))


@torch.no_grad()
@pytest.mark.parametrize("size", [(13, 17), (3, 60)])
def test_a_pyramid_looks_at_five_sizes(size: tuple[int, int]) -> None:
    """Each branch against torch's own functions; without the others, the depthwise 3×3 on the map itself is left."""
    unit, x = lively(SizePyramid(6, 3, 5)), normal(2, 6, *size)
    few, seen = unit.reduce(x), []
    for scale, look in zip((2, 1.5, 1, 0.5, 0.1), unit.looks, strict=True):
        sides = [max(-int(-scale * n // 1), 5) for n in size]
        if scale > 1:
            large = F.interpolate(few, sides, mode="bilinear", align_corners=True)
            seen.append(F.adaptive_avg_pool2d(full(look, large), size))
        elif scale < 1:
            small = full(look, F.adaptive_avg_pool2d(few, sides))
            seen.append(F.interpolate(small, size, mode="bilinear", align_corners=True))
        else:
            seen.append(full(look, few))
    norm, act = unit.together[0]
    by_channel = torch.arange(15).view(5, 3).T.flatten()  # the shuffle: five sizes of the first, of the second, …
    for others in (1, 0):
        joined = torch.cat([s if i == 2 else s * others for i, s in enumerate(seen)], 1)
        joined = F.prelu(norm(joined), act.weight)[:, by_channel]
        expected = unit.act(unit.out(unit.mix[1:](full(unit.mix[0], joined))))
        torch.testing.assert_close(unit(x), expected, rtol=1e-12, atol=1e-12)
        for i in (0, 1, 3, 4):
            nn.init.zeros_(unit.looks[i].weight)


@torch.no_grad()
def test_a_gate_without_weights_halves() -> None:
    unit, x = lively(GatedSkip(4, 6)), normal(2, 4, 5, 7)
    gate = torch.sigmoid(x.mean((2, 3)) @ unit.gate.weight[:, :, 0, 0].T)
    open_ = unit.conv[1:](full(unit.conv[0], x))
    torch.testing.assert_close(unit(x), open_ * gate[..., None, None])
    nn.init.zeros_(unit.gate.weight)
    torch.testing.assert_close(unit(x), open_ / 2)


@torch.no_grad()
def test_maps_of_any_size() -> None:
    encoder = ESPNetv2Encoder(10, in_channels=1, expand=True).eval()
    assert encoder.channels == (8, 16, 32, 64, 1024) and encoder.strides == (2, 4, 8, 16, 32)
    for H, W in ((1, 1), (33, 50), (70, 31)):
        maps = encoder(torch.rand(1, 1, H, W))
        assert [m.shape[1:] for m in maps] == [
            (c, -(-H // s), -(-W // s)) for c, s in zip(encoder.channels, encoder.strides, strict=True)
        ]


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match="levels=6"):
        ESPNetv2Encoder(8, levels=6)
    with pytest.raises(ValueError, match=r"expand=True and levels=4"):
        ESPNetv2Encoder(8, levels=4, expand=True)
    with pytest.raises(ValueError, match="decoder=0"):
        create("espnetv2", 3, width=8, decoder=0)
