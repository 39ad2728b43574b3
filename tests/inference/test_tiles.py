"""Tiles: where they lie, that they sum to the whole, what they refuse, and what their seams cost."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from segkit.inference import blend, cell_stride, evaluating, seam_differences, spans, strips, tiled
from segkit.models import create
from tests.inference.common import Cells, picture


@given(st.integers(1, 700), st.integers(1, 12), st.integers(0, 120), st.sampled_from([1, 4, 8, 32]))
def test_tiles_cover_a_side_on_cells_and_their_weights_sum_to_one(length, cells, overlap, stride):
    tile = cells * stride
    if -(-overlap // stride) > cells - 1:
        with pytest.raises(ValueError, match="overlap"):
            spans(length, tile, overlap, stride)
        return
    places = spans(length, tile, overlap, stride)
    assert places[0][0] == 0 and places[-1][1] == length
    assert all(start % stride == 0 and 0 < stop - start <= tile for start, stop in places)
    assert all(a[1] - b[0] >= overlap for a, b in pairwise(places))
    total, weights = torch.zeros(length), blend(places)
    for (start, stop), weight in zip(places, weights, strict=True):
        assert len(weight) == stop - start and weight.min() >= 0
        total[start:stop] += weight
    torch.testing.assert_close(total, torch.ones(length), atol=3e-7, rtol=0)


def test_the_outer_quarter_of_an_overlap_weighs_nothing():
    left, right = blend([(0, 100), (60, 160)])
    assert (right[:10] == 0).all() and right[11] > 0 and (left[-10:] == 0).all() and (left[:70] == 1).all()
    assert left[80 - 1] > 0.5 > left[80] and torch.equal(left, right.flip(0))


def test_one_tile_is_the_network_alone():
    network, x = create("deeplab_v1", 4, width=2, encoder="vgg11").eval(), picture(50, 70)
    with torch.no_grad():
        alone = network(x)
    assert torch.equal(tiled(network, x, 96, 32, scores=True), alone)
    labels = tiled(network, x, 96, 32)
    assert labels.dtype == torch.uint8 and torch.equal(labels.long(), alone.argmax(1))


@pytest.mark.parametrize("corner_aligned", [True, False])
@pytest.mark.parametrize("size", [(100, 133), (65, 300), (200, 64), (97, 97)])
def test_tiles_equal_the_whole_picture_where_the_overlap_is_wide_enough(corner_aligned, size):
    """A quarter of the overlap is the network's reach, so no score that counts has seen a tile's border."""
    network, x = Cells(corner_aligned), torch.cat([picture(*size), picture(*size, seed=1)])
    with torch.no_grad():
        whole = network(x)
    torch.testing.assert_close(tiled(network, x, 96, 4 * Cells.reach, scores=True), whole, atol=2e-6, rtol=0)
    assert torch.equal(tiled(network, x, (96, 72), 4 * Cells.reach).long(), whole.argmax(1))
    off = tiled(network, x, 90, 4 * Cells.reach, scores=True, stride=1)
    assert (off - whole).abs().max() > 1e-3, "tiles that start beside the cells have other cells"
    assert (tiled(network, x, 64, 0, scores=True) - whole).abs().max() > 1e-3, "without overlap the seams show"


def test_strips_come_from_the_top_and_only_a_row_of_tiles_is_held():
    network, x = Cells(), picture(300, 200)
    heights, tops, storages = [], [], set()
    for top, part in strips(network, x, 64, 16):
        tops.append(top), heights.append(part.shape[2]), storages.add(part.untyped_storage().data_ptr())
    assert sum(heights) == 300 and tops == [sum(heights[:i]) for i in range(len(heights))]
    assert len(storages) == 1 and part.untyped_storage().nbytes() == 4 * 5 * 64 * 200


def test_the_network_is_evaluated_and_gets_its_modes_back():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.9))
    network[1].eval()
    before = [m.training for m in network.modules()]
    mean = network[1].running_mean.clone()
    answer = tiled(network, picture(40, 40), 32, 0, scores=True)
    assert [m.training for m in network.modules()] == before and torch.equal(network[1].running_mean, mean)
    assert not answer.requires_grad and (answer != 0).any(1).all()
    with pytest.raises(RuntimeError), evaluating(network):
        raise RuntimeError
    assert [m.training for m in network.modules()] == before


def test_strides_of_models():
    strides = {"fcn8s": 32, "deeplab_v1": 8, "unet": 16, "enet": 32, "segnet": 32}
    assert {name: cell_stride(create(name, 2, width=4)) for name in strides} == strides
    assert cell_stride(lambda x: x) == 32 and cell_stride(create("unet", 2, width=2, levels=7)) == 64


def test_what_cannot_be_is_refused_at_the_door():
    network, x = Cells(), picture(100, 100)
    for words, tile, overlap in [
        ("tile=3 is smaller than the network's stride, 4", 3, 0),
        ("overlap=64 leaves a tile of 64 no step of 4 pixels.*at most 60", 64, 64),
        ("overlap=100", 64, 100),
        ("overlap=-1", 64, -1),
        ("tile=0", 0, 0),
        ("tile=64.0", 64.0, 0),
    ]:
        with pytest.raises(ValueError, match=words):
            tiled(network, x, tile, overlap)
    with pytest.raises(ValueError, match=r"tiled got a tensor of shape \(1, 4, 9, 9\); it takes N×3×H×W"):
        tiled(network, picture(9, 9, 4))
    with pytest.raises(ValueError, match=r"shape \(3, 9, 9\)"):
        tiled(network, picture(9, 9)[0])
    with pytest.raises(TypeError, match="uint8"):
        tiled(network, torch.zeros(1, 3, 9, 9, dtype=torch.uint8))
    with pytest.raises(TypeError, match="ndarray"):
        tiled(network, x.numpy())
    with pytest.raises(ValueError, match="256 classes; a label is one byte"):
        tiled(nn.Conv2d(3, 256, 1), x)
    with pytest.raises(ValueError, match=r"MaxPool2d gave \(1, 3, 50, 50\).*the pictures' size"):
        tiled(nn.MaxPool2d(2), x)


def test_scores_that_are_no_numbers_are_named():
    x = picture(70, 70)
    for bad in (float("nan"), float("inf")):
        network = Cells()
        with torch.no_grad():
            network.last.weight[0, 0, 0, 0] = bad
        with pytest.raises(ValueError, match=r"Cells gives scores that are NaN or infinite; 1 of its 6 .* last.weight"):
            tiled(network, x, 48, 8)
    x[0, 1, 60, 60] = float("nan")
    with pytest.raises(ValueError, match="the picture holds such values itself"):
        tiled(Cells(), x, 48, 8)
    with pytest.raises(ValueError, match="overflows"):
        tiled(lambda x: x.double().mul(1e308).mul(10), picture(9, 9))
    large = torch.full((1, 2, 9, 9), 3e38)
    assert torch.equal(tiled(lambda x: large, picture(9, 9), scores=True), large), "finite, whatever its sum"


def test_seams_are_measured_by_distance():
    network, x = Cells(), picture(160, 200)
    wide = seam_differences(network, x, 96, 4 * Cells.reach)
    none = seam_differences(network, x, 96, 0)
    assert sum(band.pixels for band in wide) == sum(band.pixels for band in none) == 160 * 200
    assert all(band.differ == 0 for band in wide)
    assert none[0].near == 0 and none[0].differ > 0.02 and none[-1].differ == 0
    assert seam_differences(network, x, 224, 0) == []
