"""ReceptiveFieldExplorer: its fields are those of segkit.analysis; networks, layers, clicks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from segkit.analysis import effective_field, receptive_field
from segkit.explore import ReceptiveFieldExplorer


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
    assert e.probe("chain").layers == ["0", "2", "3", "5"], "layers that see no more than the one before are left out"
    table = receptive_field(model, (40, 52))
    for layer in e.probe("chain").layers:
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


def test_default_networks() -> None:
    state = torch.get_rng_state()
    e = ReceptiveFieldExplorer()
    assert torch.equal(state, torch.get_rng_state()), "it does not disturb the reader's random numbers"
    last = e.probe("VGG16").layers[-1]
    e.controls["layer"].value = last
    assert e.results.row.receptive_field == (212, 212) and e.results.row.stride == (32, 32)
    e.controls["network"].value = "dilated"
    e.controls["layer"].value = e.probe("dilated").layers[-1]
    assert e.results.row.receptive_field == (67, 67)
    assert e.controls["layer"].options[0][0] == "0 Conv2d"
    e.controls["network"].value = "AlexNet"
    assert e["layer"] == e.probe("AlexNet").layers[-1], "the same depth in another network"
    assert e.results.row.receptive_field == (195, 195)


def test_clicks() -> None:
    e = ReceptiveFieldExplorer({"chain": chain()}, PICTURE)
    e.picture.x, e.picture.y = e.canvas.point(e.parts["seen"], 44, 9)
    assert (e["row"], e["column"]) == (9, 44)
    e.picture.x, e.picture.y = e.canvas.point(e.parts["alone"], 3, 30)
    assert (e["row"], e["column"]) == (30, 3)
    e.picture.x, e.picture.y = e.canvas.point(e.parts["sizes"], 0, 2)
    assert e["layer"] == "0"


def test_the_frame_is_where_the_field_is() -> None:
    e = ReceptiveFieldExplorer({"chain": chain()}, PICTURE)
    e.controls["layer"].value = "2"
    e.controls["row"].value, e.controls["column"].value = 20, 30
    box, frame = e.results.theoretical, e.parts["boxes"][0]
    assert (frame.get_x(), frame.get_y(), frame.get_width(), frame.get_height()) == (28.5, 18.5, 4, 4)
    assert box == (19, 23, 29, 33)
    glow = e.parts["glow"].get_array()[..., 3]
    assert glow[19:23, 29:33].max() > 0.8 and glow.sum() == pytest.approx(glow[19:23, 29:33].sum())


def test_refuses() -> None:
    with pytest.raises(ValueError, match="takes one, 3×H×W"):
        ReceptiveFieldExplorer({"chain": chain()}, torch.rand(40, 52))
    with pytest.raises(TypeError, match="list of layers"):
        ReceptiveFieldExplorer({"chain": "vgg16"}, PICTURE)  # type: ignore[dict-item]
