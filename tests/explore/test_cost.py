"""CostExplorer: its counts are those of the layers, a time is kept until it is measured again, clicks."""

from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from segkit import analysis
from segkit.explore import CostExplorer
from segkit.explore.cost import FORMS, count, forms, seconds
from segkit.layers import AsymmetricConv2d, Conv2d, InvertedResidual, SeparableConv2d


@pytest.mark.parametrize(
    ("kernel", "groups", "expansion", "stride", "rate"),
    [(3, 3, 6, 1, 1), (5, 4, 1, 2, 1), (3, 12, 2, 1, 6), (7, 2, 4, 2, 2)],
)
@pytest.mark.parametrize("side", [7, 14])
def test_counts_are_those_of_the_layers(
    kernel: int, groups: int, expansion: int, stride: int, rate: int, side: int
) -> None:
    C, pad = 12, rate * (kernel // 2)
    settings = {"kernel_size": kernel, "stride": stride, "padding": pad, "dilation": rate, "bias": False}
    layers: list[nn.Module] = [
        Conv2d(C, C, **settings),
        SeparableConv2d(C, C, **settings),
        Conv2d(C, C, **settings, groups=groups),
        AsymmetricConv2d(C, C, **settings),
        InvertedResidual(C, C, stride, expansion, kernel, rate),
    ]
    for (name, steps), layer in zip(forms(C, kernel, groups, expansion, stride, rate).items(), layers, strict=True):
        found = analysis.cost(layer, (C, side, side)).of("Conv2d")
        assert count(steps, (side, side)) == (found.parameters, found.macs, found.moved), name


def test_the_shares_that_the_formulas_say() -> None:
    plain, cheap, grouped, asymmetric, inverted = (count(s, (14, 14))[1] for s in forms(48, 3, 4, 6, 1, 1).values())
    assert cheap / plain == pytest.approx(1 / 48 + 1 / 9) and grouped / plain == 1 / 4
    assert asymmetric / plain == pytest.approx(2 / 3)
    assert inverted / plain == pytest.approx((2 * 6 * 48 + 6 * 9) / (9 * 48))


def test_a_time_is_kept() -> None:
    steps = forms(12, 3, 2, 2, 1, 1)["plain"]
    first = seconds(steps, (7, 7))
    assert 0 < first < 1 and seconds(steps, (7, 7)) == first


def test_controls_and_clicks() -> None:
    e = CostExplorer()
    assert [form.name for form in e.results] == list(FORMS) and e.last is None
    text = e.caption.value
    assert "96 channels to 96 on 28×28 cells, 3×3" in text and "12 % of the weights, 12 % of the multiply-adds" in text
    shares = [bar.get_width() + bar.get_x() for bar in e.parts["bars"]]
    assert shares[0] == 1 and shares[1] == pytest.approx(1 / 96 + 1 / 9) and shares[2] == pytest.approx(1 / 3)
    e.controls["kernel"].value = 7
    assert e.last[0].macs * 49 == e.results[0].macs * 9 and "7×7" in e.caption.value
    ghost = np.asarray(e.parts["ghosts"][1].get_xdata())
    assert ghost[0] == pytest.approx(9 / 49), "where it was, beside the plain form as it is now"
    before = seconds.cache_info().misses
    e.picture.x, e.picture.y = e.canvas.point(e.parts["columns"][0], 1, 2)
    assert seconds.cache_info().misses == before and e["form"] == "grouped" and "grouped has 33 %" in e.caption.value
    colours = [bar.get_facecolor() for bar in e.parts["bars"][: len(FORMS)]]
    assert colours[2] not in colours[:2] and colours[1] == colours[3]
    e.picture.x, e.picture.y = e.canvas.point(e.parts["columns"][0], 1, 0)
    assert e["form"] == "grouped", "the plain form is not compared with itself"
    e.picture.x, e.picture.y = e.canvas.point(e.parts["columns"][-1], 1, 2)
    assert seconds.cache_info().misses == len(FORMS), "measured again"


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rate", [1, 12])
def test_every_end_of_the_sliders(stride: int, rate: int) -> None:
    e = CostExplorer(channels=12, side=7)
    with e.together():
        e.controls["stride"].value, e.controls["rate"].value, e.controls["expansion"].value = stride, rate, 1
    assert "alert" not in e.caption.value and f"stride {stride}, rate {rate}" in e.caption.value
    assert all(0.01 <= bar.get_x() + bar.get_width() <= 40 for bar in e.parts["bars"])
