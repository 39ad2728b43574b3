"""Several scales and mirrors: cells that coincide, fusion, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segkit.inference import MultiScale, Normalised, corner_aligned, multi_scale, tiled
from segkit.inference.network import innermost
from segkit.models import create, save
from tests.inference.common import Cells, Sampled, picture, ramp


def test_one_scale_without_a_mirror_is_the_network_alone():
    network, x = create("unet", 3, width=2, levels=3).eval(), picture(45, 52)
    with torch.no_grad():
        alone = network(x).softmax(1)
    for fuse in ("mean", "max"):
        torch.testing.assert_close(multi_scale(network, x, (1,), flip=False, fuse=fuse), alone)


@pytest.mark.parametrize("fuse", ["mean", "max"])
@pytest.mark.parametrize("corners", [True, False])
def test_probabilities_that_turn_with_the_picture(corners, fuse):
    network, x = Cells(corners), picture(61, 84)
    found = multi_scale(network, x, (0.5, 1, 1.3), flip=True, fuse=fuse)
    assert found.shape == (1, 5, 61, 84) and not found.requires_grad
    torch.testing.assert_close(found.sum(1), torch.ones(1, 61, 84))
    mirrored = multi_scale(network, x.flip(-1), (0.5, 1, 1.3), flip=True, fuse=fuse)
    torch.testing.assert_close(mirrored.flip(-1), found, atol=1e-5, rtol=0)


def test_fusion_by_hand():
    network, x = Cells().eval(), picture(33, 41)
    with torch.no_grad():
        one, other = network(x), network(x.flip(-1)).flip(-1)
    mean = (one.softmax(1) + other.softmax(1)) / 2
    torch.testing.assert_close(multi_scale(network, x, (1,), True, "mean"), mean)
    torch.testing.assert_close(multi_scale(network, x, (1,), True, "max"), torch.maximum(one, other).softmax(1))


@pytest.mark.parametrize("scale", [2, 0.5, 1.5])
def test_cells_on_corners_stay_where_they_are(scale):
    """On a slope every score says where it thinks it is; H = 16n + 1, so that all three sizes end on a cell."""
    x = ramp(65, 97)
    found = multi_scale(Sampled(True), x, (scale,), flip=True, fuse="max")
    inside = (..., slice(16, -16), slice(16, -16)) if scale < 1 else ...  # a mean at the border lies further in
    torch.testing.assert_close(found[inside], x.softmax(1)[inside], atol=2e-4, rtol=0)


def test_at_twice_the_size_every_second_cell_coincides():
    """What a network on corners sees at its cells at scale 2 holds the picture's own values at scale 1."""
    seen = []

    class Looks(Sampled):
        def forward(self, x):
            seen.append(x[..., ::8, ::8])
            return x

    x = picture(49, 65, 2)
    multi_scale(Looks(True), x, (1, 2), flip=False)
    torch.testing.assert_close(seen[1][..., ::2, ::2], seen[0], atol=1e-5, rtol=0)
    seen.clear()
    multi_scale(Looks(False), x, (1, 2), flip=False)
    assert (seen[1][..., ::2, ::2][..., :7, :9] - seen[0]).abs().max() > 0.01


def test_cells_in_the_middle_stay_where_they_are():
    x = ramp(64, 96)
    for scale in (0.5, 2):
        found = multi_scale(Sampled(False), x, (scale,), flip=True, fuse="max")
        inside = (..., slice(16, -16), slice(16, -16))
        torch.testing.assert_close(found[inside], x.softmax(1)[inside], atol=2e-4, rtol=0)


def test_in_tiles_it_is_the_same():
    """But for the rounding of sizes: a tile of 104 pixels at scale ½ is 52 pixels rather than 52½."""
    network, x = Cells(), picture(120, 150)
    several = MultiScale(network, (0.5, 1.0), flip=True)
    assert several.tile_stride == 8
    whole, parts = several(x), tiled(several, x, 104, 88, scores=True)
    torch.testing.assert_close(parts, whole, atol=1e-2, rtol=0)
    assert MultiScale(Cells(), (0.75, 1.25), True).tile_stride == 16


def test_a_normalised_network_is_the_network_on_the_normalised_picture():
    network, x = create("fcn8s", 3, width=2, hidden=4, encoder="vgg11").eval(), picture(40, 48)
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    wrapped = Normalised(network, mean, deviation)
    with torch.no_grad():
        expected = network((x - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None])
        torch.testing.assert_close(wrapped(x), expected)
    assert corner_aligned(wrapped) == network.encoder.corner_aligned and set(wrapped.state_dict()) == {
        f"module.{key}" for key in network.state_dict()
    }
    assert innermost(torch.compile(MultiScale(wrapped, (0.5, 1.0)), backend="eager")) is network
    with pytest.raises(ValueError, match="save got a Normalised"):  # never the network alone, whose answers are others
        save(wrapped, "never.safetensors")
    for wrong in (((0.5,), (0.2,)), (mean, (0.2, 0.2, 0.0)), ((0.5, 0.5, float("nan")), deviation)):
        with pytest.raises(ValueError, match="Normalised got"):
            Normalised(network, *wrong)


def test_torchvisions_way_of_enlarging_counts_as_cells_in_the_middle():
    fitting = {"encoder": "resnet18", "width": 2}
    assert corner_aligned(create("fcn_resnet", 2, **fitting))
    assert not corner_aligned(create("fcn_resnet", 2, align_corners=False, **fitting))
    assert not corner_aligned(create("fcn8s", 2, width=2)) and not corner_aligned(lambda x: x)


def test_what_cannot_be_is_refused():
    network, x = Cells(), picture(20, 20)
    for scales in ((0,), (-1.0,), (1, float("nan")), (0.01,), (100,)):
        with pytest.raises(ValueError, match="a scale is a number from 1/16 to 16"):
            multi_scale(network, x, scales)
    for scales in ((), 1.0, "1", ("1",), (True,)):
        with pytest.raises(TypeError, match="scale"):
            multi_scale(network, x, scales)
    with pytest.raises(ValueError, match="fuse='sum'; it takes 'mean', 'max'"):
        multi_scale(network, x, fuse="sum")
    with pytest.raises(ValueError, match="multi_scale got a tensor of shape"):
        multi_scale(network, picture(20, 20, 1))
    nan = nn.Conv2d(3, 2, 1)
    nn.init.constant_(nan.bias, float("nan"))
    with pytest.raises(ValueError, match="multi_scale: Conv2d gives scores that are NaN"):
        multi_scale(nan, x)
