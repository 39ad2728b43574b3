"""Places that a network computes: exact in every type; labels there; and a region of its own for each class."""

from __future__ import annotations

import pytest
import torch

import segkit
from segkit.models import create
from segkit.models.decouple import moved
from segkit.models.pointrend import read_at
from segkit.models.sfsegnet import warp
from segkit.training.points import labels_at


@pytest.mark.parametrize("engine", ["native", "scratch"])
def test_places_keep_their_digits_whatever_the_type_of_the_map(engine: str) -> None:
    """bfloat16 counts whole numbers up to 256 only; a flow of zeros, or a pixel beyond, is still what it was."""
    x = torch.randn(1, 2, 3, 700, dtype=torch.bfloat16)
    near = {"rtol": 2**-7, "atol": 1e-3}  # a rounded answer; no place is off by more than 1/1000 of a cell
    none = torch.zeros(1, 2, 3, 700, dtype=torch.bfloat16)
    with segkit.use_engine(engine):
        torch.testing.assert_close(moved(x, none), x, **near)
        torch.testing.assert_close(warp(x[:, :, ::2, ::2], none)[..., ::2, ::2], x[:, :, ::2, ::2], **near)
        places = torch.tensor([[[4 * 601, 4], [4 * 698, 8]]])
        found = read_at(x, 4, places)[..., 0]
        torch.testing.assert_close(found, torch.stack([x[:, :, 1, 601], x[:, :, 2, 698]], -1), **near)
    net = create("pointrend", 5, encoder="resnet18", width=4, points=10**6).bfloat16().eval()
    points = net.outputs(torch.randn(1, 3, 5, 300, dtype=torch.bfloat16))["points"][0, 0, :, 0]
    assert sorted(points.tolist()) == sorted(5 * list(range(300)))


def test_labels_at_points() -> None:
    labels = torch.arange(12).view(1, 3, 4)
    points = torch.tensor([[[0.0, 2.6, -9.0, 3.4], [0.0, 0.4, 1.0, 99.0]]])[..., None]
    assert labels_at(labels, points)[0, :, 0].tolist() == [0, 3, 4, 11]
    for wrong in (points[..., 0], points.mT, points[:, :1], points.expand(2, -1, -1, -1)):
        with pytest.raises(ValueError, match=r"labels_at got labels of shape .* and points of shape"):
            labels_at(labels, wrong)
    with pytest.raises(TypeError, match=r"labels of torch.float32; they are whole numbers \(labels.long"):
        labels_at(labels.float(), points)
    with pytest.raises(ValueError, match="points with NaN"):
        labels_at(labels, points / 0)


@pytest.mark.parametrize("name", ["hrnet_ocr", "hmsa", "ocrnet"])
def test_one_region_of_one_picture_has_no_variance(name: str) -> None:
    options = {"encoder": "resnet18"} if name == "ocrnet" else {"base": 18}
    net = create(name, 1, width=8, **options).train()
    with pytest.raises(ValueError, match=r"RegionContext, of one region, .* at least 2 pictures per step"):
        net(torch.zeros(1, 3, 65, 97))
    assert net(torch.randn(2, 3, 65, 97)).shape == (2, 1, 65, 97)
