"""ReceptiveFieldExplorer: its fields are those of segkit.analysis; networks, layers, clicks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from segkit.analysis import effective_field, receptive_field
from segkit.encoders.names import named
from segkit.explore import ReceptiveFieldExplorer
from segkit.explore.probe import against_depth, frames, profile
from segkit.explore.receptive import SIZE


def chain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(),
        nn.Conv2d(6, 4, 5, padding=4, dilation=2),
    )  # fmt: skip


PICTURE = torch.rand(3, 40, 52, generator=torch.Generator().manual_seed(0))


def test_both_fields_are_those_of_the_analysis() -> None:
    model = chain()
    e = ReceptiveFieldExplorer({"chain": model}, PICTURE)
    assert e.probe("chain", "picture").layers == ["0", "2", "3", "5"], (
        "layers that see no more than those before are left out"
    )
    table = receptive_field(model, (40, 52))
    for layer in e.probe("chain", "picture").layers:
        e.controls["layer"].value = layer
        for row, column in [(0, 0), (39, 51), (17, 30)]:
            e.controls["row"].value, e.controls["column"].value = row, column
            expected = table[layer]
            unit = expected.unit_at(row, column)
            assert e.results.unit == unit and e.results.theoretical == expected.box(*unit, clip=False)
            effective = effective_field(model, (PICTURE - 0.5) / 0.25, layer, unit, table=table)
            torch.testing.assert_close(e.results.effective.map, effective.map, rtol=1e-4, atol=1e-7)
            assert e.results.effective.box == effective.box
    assert e.results.row.receptive_field == (24, 24) and "24×24" in e.caption.value


@pytest.fixture(scope="module")
def shown() -> ReceptiveFieldExplorer:
    state = torch.get_rng_state()
    e = ReceptiveFieldExplorer()
    assert torch.equal(state, torch.get_rng_state()), "it does not disturb the reader's random numbers"
    return e


def test_default_networks(shown: ReceptiveFieldExplorer) -> None:
    e = shown
    e.reset()
    assert e.depth("VGG16").layers[:4] == ["conv1_1", "conv1_2", "pool1", "conv2_1"]
    assert e["layer"] == "conv4_3" and "VGG16, conv4_3" in e.caption.value
    e.controls["layer"].value = "pool5"
    assert e.results.row.receptive_field == (212, 212) and e.results.row.stride == (32, 32)
    assert not e.results.cut, "the picture is large enough for the widest field"
    e.controls["network"].value = "dilated"
    assert e["layer"] == "conv7, rate 1", "the same depth in another network"
    assert e.results.row.receptive_field == (67, 67)
    e.controls["network"].value = "AlexNet"
    assert e["layer"] == "pool5" and e.results.row.receptive_field == (195, 195)
    e.controls["network"].value = "13 convolutions"
    assert e["layer"] == "conv13" and e.results.row.receptive_field == (27, 27)


def test_scenes_and_reset(shown: ReceptiveFieldExplorer) -> None:
    e = shown
    e.reset()
    first = e.results
    e.controls["scene"].value = "random pixels"
    assert e.results.theoretical == first.theoretical and not torch.equal(e.results.effective.map, first.effective.map)
    e.controls["row"].value = 3
    assert e.results.cut and "cuts the field off" in e.caption.value
    e.reset()
    assert torch.equal(e.results.effective.map, first.effective.map) and "cuts" not in e.caption.value
    assert not e.parts["frames"]["ghost"][0].get_visible(), "nothing came before"
    e.controls["layer"].value = "pool4"
    ghost = e.parts["frames"]["ghost"][0]
    assert ghost.get_visible() and ghost.get_bbox().bounds == frames(first)["theoretical"]


def test_the_share_shrinks_with_depth_where_fields_fit(shown: ReceptiveFieldExplorer) -> None:
    """The course's law, by the same definition as in `segkit.analysis`."""
    depth = shown.depth("VGG16")
    shares = dict(zip(depth.layers, np.divide(depth.effective, depth.theoretical), strict=True))
    assert shares["pool1"] > shares["pool2"] + 0.05 and shares["pool3"] > shares["pool5"]
    assert shares["conv1_1"] > 1, "a flat field: its 4σ is wider than itself"
    pixels = torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(0))
    same = effective_field(shown.networks["VGG16"], pixels, "pool3", table=shown.table("VGG16"))
    assert depth.effective[depth.layers.index("pool3")] == pytest.approx(same.size[1], rel=1e-4)


def test_fields_that_do_not_fit_are_left_out() -> None:
    network = named([nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 9, padding=4)], ["near", "far"])
    depth = against_depth(network, receptive_field(network, (9, 30)))
    assert depth.layers == ["near", "far"] and depth.theoretical == [3, 11]
    assert not np.isnan(depth.effective[0]) and np.isnan(depth.effective[1])


def test_clicks() -> None:
    e = ReceptiveFieldExplorer({"chain": chain()}, PICTURE)
    e.picture.x, e.picture.y = e.canvas.point(e.parts["seen"], 44, 9)
    assert (e["row"], e["column"]) == (9, 44)
    e.picture.x, e.picture.y = e.canvas.point(e.parts["alone"], 3, 30)
    assert (e["row"], e["column"]) == (30, 3)
    e.picture.x, e.picture.y = e.canvas.point(e.parts["total"], 12, 0.5)
    assert e["column"] == 12
    e.picture.x, e.picture.y = e.canvas.point(e.parts["sizes"], 0, 2)
    assert e["layer"] == "0"


def test_the_frame_is_where_the_field_is() -> None:
    e = ReceptiveFieldExplorer({"chain": chain()}, PICTURE)
    e.controls["layer"].value = "2"
    e.controls["row"].value, e.controls["column"].value = 20, 30
    box, frame = e.results.theoretical, e.parts["frames"]["theoretical"][0]
    assert frame.get_bbox().bounds == (28.5, 18.5, 4, 4) and box == (19, 23, 29, 33)
    effective = e.results.effective
    left, top, width, height = frames(e.results)["effective"]
    assert (left + width / 2, top + height / 2) == pytest.approx(effective.center[::-1])
    assert (height, width) == pytest.approx([4 * s for s in effective.sigma])
    heat = e.parts["heat"].get_array().astype(int).sum(-1)
    dark = heat[0, 0]
    assert heat[19:23, 29:33].max() > 600 and (heat != dark).sum() == (heat[19:23, 29:33] != dark).sum()
    columns = profile(e.results)
    assert columns.max() == 1 and not columns[:29].any() and not columns[33:].any()
    shown = e.parts["image"].get_array()
    changed = (np.abs(shown.astype(int) - e.shown["picture"]) > 1).any(-1)
    assert changed[19:23, 29:33].any() and changed.sum() == changed[19:23, 29:33].sum()


def test_refuses() -> None:
    for pictures in (torch.rand(40, 52), {}, {"a": torch.rand(3, 40, 52), "b": torch.rand(3, 41, 52)}):
        with pytest.raises(ValueError, match="of one size, 3×H×W"):
            ReceptiveFieldExplorer({"chain": chain()}, pictures)
    with pytest.raises(TypeError, match="list of layers"):
        ReceptiveFieldExplorer({"chain": "vgg16"}, PICTURE)  # type: ignore[dict-item]
