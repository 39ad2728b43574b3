"""Pyramid pooling by hand, at maps smaller than its grids, and what it sees."""

import pytest
import torch
import torch.nn.functional as F

import segkit
from segkit.analysis import receptive_field
from segkit.heads import FCNHead, PyramidPooling, to_picture
from segkit.layers import Conv2d


def lively(**options):
    torch.manual_seed(0)
    return PyramidPooling(**{"channels": 8, **options}).double().eval()


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("size", [(13, 9), (6, 6), (2, 5), (1, 1)])
def test_it_pools_reduces_and_enlarges(mode, size):
    module, x = lively(mode=mode), torch.randn(2, 8, *size, dtype=torch.float64)
    pool = F.adaptive_avg_pool2d if mode == "avg" else F.adaptive_max_pool2d
    parts = [x]
    for cells, branch in zip((1, 2, 3, 6), module.branches, strict=True):
        y = F.relu(F.conv2d(pool(x, cells), branch[0].weight) / (1 + 1e-5) ** 0.5)  # a BatchNorm that saw nothing yet
        parts.append(F.interpolate(y, size, mode="bilinear", align_corners=True))
    for engine in ("native", "scratch"):
        with segkit.use_engine(engine):
            torch.testing.assert_close(module(x), torch.cat(parts, 1), rtol=1e-9, atol=1e-12)


def test_without_reduction_a_pooled_map_stands_beside_it():
    """One grid of one cell, no convolution: the mean of the picture beside every cell."""
    module, x = lively(bins=(1,), reduction=False), torch.randn(1, 8, 5, 7, dtype=torch.float64)
    found = module(x)
    assert module.out_channels == 16 and not list(module.parameters())
    torch.testing.assert_close(found[:, 8:], x.mean((2, 3), keepdim=True).expand_as(x))


def test_a_grid_of_no_cells_sees_nothing_but_its_own_cell():
    module = lively(bins=(0,))
    x = torch.zeros(1, 8, 5, 7, dtype=torch.float64)
    before = module(x)
    x[..., 2, 3] = 1
    changed = (module(x) != before).any(1)[0]
    assert changed.nonzero().tolist() == [[2, 3]]


def test_what_it_sees():
    """A grid with one cell: the whole picture; two and three: a part of it, further than the map's own cells."""
    fields = {}
    for bins in ((1,), (2,), (3,)):
        network = torch.nn.Sequential(Conv2d(3, 8, 3, padding=1), PyramidPooling(8, bins))
        row = receptive_field(network, (24, 36))["1"]
        fields[bins] = row.box(0, 0)
    assert fields[(1,)] == (0, 24, 0, 36)
    assert fields[(2,)] == (0, 13, 0, 19) and fields[(3,)] == (0, 9, 0, 13)


def test_half_pixel_centres_are_torchvisions_and_the_encoders_are_exact():
    encoder = segkit.encoders.create("resnet18", width=2, output_stride=8)
    score = torch.arange(12.0).view(1, 1, 3, 4)
    for size in ((17, 25), (20, 31)):
        half = to_picture(score, encoder, *size, align_corners=False)
        torch.testing.assert_close(half, F.interpolate(score, size, mode="bilinear", align_corners=False))
        exact = to_picture(score, encoder, *size)
        assert torch.equal(exact[..., :17:8, :25:8], score)


def test_the_plain_head():
    head = FCNHead(8, 5)
    assert [type(layer).__name__ for layer in head] == ["Conv2d", "BatchNorm2d", "ReLU", "Dropout", "Conv2d"]
    assert head[0].out_channels == 2 and head(torch.randn(2, 8, 3, 4)).shape == (2, 5, 3, 4)
    assert FCNHead(2, 5)[0].out_channels == 1 and FCNHead(8, 5, hidden=7)[0].out_channels == 7


def test_bad_arguments_are_named():
    for wrong, message in (
        ({"mode": "sum"}, "mode='sum'; it takes 'avg', 'max'"),
        ({"bins": (1.5,)}, r"bins=\(1\.5,\)"),
        ({"reduction": -1}, "reduction=-1"),
        ({"channels": 0}, "channels=0"),
    ):
        with pytest.raises(ValueError, match=message):
            PyramidPooling(**{"channels": 8, **wrong})


def test_summed_grids_keep_the_channels():
    """ICNet's pyramid: the map, and its means over 1×1, 2×2, 3×3 and 6×6 regions, enlarged and added."""
    module, x = lively(reduction=False, join="sum"), torch.randn(2, 8, 7, 9, dtype=torch.float64)
    parts = [F.interpolate(F.adaptive_avg_pool2d(x, b), (7, 9), mode="bilinear", align_corners=True)
             for b in (1, 2, 3, 6)]  # fmt: skip
    assert module.out_channels == 8 and not list(module.parameters())
    torch.testing.assert_close(module(x), x + sum(parts))
    assert torch.equal(lively(bins=(), reduction=False, join="sum")(x), x)
    with pytest.raises(ValueError, match=r"join='sum' with reduction=True.*give reduction=False"):
        lively(join="sum")
    with pytest.raises(ValueError, match="join='mean'"):
        lively(join="mean")
