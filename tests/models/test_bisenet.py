"""BiSeNet: the released sizes, its two gated blocks as sums, both paths as torch writes them, what is left without."""

from __future__ import annotations

import pytest
import torch

from segkit.analysis import cost
from segkit.encoders.xception39 import Xception39Encoder
from segkit.models import create
from segkit.models.bisenet import AttentionRefinement, FeatureFusion
from tests.encoders.common import lively
from tests.models.by_hand import normal, same, wide


@pytest.mark.parametrize(
    ("encoder", "parameters", "giga"), [("resnet18", 12_894_163, 58.34), ("xception39", 1_541_963, 15.62)]
)
def test_the_released_sizes(encoder: str, parameters: int, giga: float) -> None:
    with torch.device("meta"):
        found = cost(create("bisenet", 19, encoder=encoder, aux=False).eval(), (3, 768, 1536))
    assert found.parameters == parameters and abs(found.macs / 1e9 - giga) < 0.01


def test_attention_refinement_is_x_times_its_gate() -> None:
    block, x = lively(AttentionRefinement(5, 4)).double(), normal(2, 5, 6, 7)
    y = block.conv(x)
    weight, norm = block.gate[0].weight[:, :, 0, 0], block.gate[1]
    score = (y.mean((2, 3)) @ weight.T - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    gate = 1 / (1 + torch.exp(-(score * norm.weight + norm.bias)))
    same(block(x), y * gate[:, :, None, None])
    block.gate = None
    same(block(x), y)


def test_feature_fusion_adds_what_its_gate_lets_through() -> None:
    block, maps = lively(FeatureFusion(5, 4)).double(), (normal(2, 3, 6, 7), normal(2, 2, 6, 7))
    y = block.mix(torch.cat(maps, 1))
    first, second = (block.gate[i].weight[:, :, 0, 0] for i in (0, 2))
    gate = torch.sigmoid((y.mean((2, 3)) @ first.T).clamp(min=0) @ second.T)[:, :, None, None]
    assert bool(gate.std() > 0.01)
    same(block(*maps), y + y * gate)
    block.gate = None
    same(block(*maps), y)


@pytest.mark.parametrize("encoder", ["resnet18", "xception39"])
def test_the_paths_meet_as_the_authors_have_it(encoder: str) -> None:
    """On 32k + 1 pixels, where enlarging with corners aligned leaves each cell where it stands."""
    net, x = lively(create("bisenet", 5, encoder=encoder, width=8)).double(), normal(2, 3, 65, 97)
    *_, fine, third, last = net.encoder(x)
    mean = net.mean(last.mean((2, 3), keepdim=True))
    sixteen = net.refines[0](wide(net.arms[0](last) + mean, third))
    eight = net.refines[1](wide(net.arms[1](third) + sixteen, fine))
    found = net.outputs(x)
    same(found["score_16"], net.guides[0](sixteen))
    same(found["score_8"], net.guides[1](eight))
    same(found["score"], net.head(net.fusion(net.spatial(x), eight)))
    same(found["logits"], wide(found["score"], x))


def test_without_the_spatial_path_all_comes_through_the_trunk() -> None:
    """Where the trunk is silent, two pictures have one answer; the spatial path still tells them apart."""
    for spatial in (True, False):
        net = lively(create("bisenet", 5, width=8, spatial=spatial)).double()
        for p in net.encoder.parameters():
            p.data.zero_()
        one, other = net(normal(2, 3, 64, 96))
        assert torch.equal(one, other) != spatial


def test_xception39_blocks_add_to_their_input() -> None:
    """With branches that are silent a stage's later blocks only rectify: what the first one made goes through."""
    encoder, x = lively(Xception39Encoder(8)).double(), normal(1, 3, 64, 64)
    assert [tuple(m.shape[1:]) for m in encoder(x)] == [(1, 32, 32), (1, 16, 16), (8, 8, 8), (16, 4, 4), (32, 2, 2)]
    first = encoder.layer1[0](encoder.maxpool(encoder.conv1(x)))
    assert not torch.allclose(encoder(x)[2], first)
    for block in encoder.layer1[1:]:
        for p in block.branch[-1].after.parameters():
            p.data.zero_()
    same(encoder(x)[2], first)


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match=r"BiSeNet got encoder='vgg16'; it takes 'xception39', or resnet18"):
        create("bisenet", 3, encoder="vgg16")
    assert create("bisenet", 3, width=4, spatial=2).fusion.mix[0].in_channels == 16  # any true value is one path
    with pytest.raises(ValueError, match="before, channels=0"):
        FeatureFusion(4, 0)
    for options in ({}, {"attention": False}):
        with pytest.raises(ValueError, match="BiSeNet pools one picture to one cell"):
            create("bisenet", 3, width=4, **options).train()(torch.zeros(1, 3, 65, 65))
