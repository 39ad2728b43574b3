"""UpsampleExplorer: the counts, the rule, clicks."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv_transpose2d

from segkit.explore import UpsampleExplorer
from segkit.explore.upsample import coverage


@pytest.mark.parametrize(
    ("kernel", "stride", "plane"),
    [(3, 2, {1, 2, 4}), (5, 2, {4, 6, 9}), (5, 3, {1, 2, 4}), (2, 2, {1}), (4, 2, {4}), (6, 3, {4}), (64, 32, {4})],
)
def test_interior_counts(kernel: int, stride: int, plane: set[int]) -> None:
    """Odena et al. 2016; the counts of the plane are products of those of the line."""
    c = coverage(kernel, stride, inputs=7)
    assert {a * b for a in c.interior for b in c.interior} == plane
    assert c.uniform == (kernel % stride == 0)
    inner = c.plane[kernel:-kernel, kernel:-kernel]
    assert not inner.size or set(inner.flatten().tolist()) == plane


@pytest.mark.parametrize(
    "settings", [(3, 2, 0, 0, 4), (3, 2, 1, 1, 5), (5, 3, 2, 2, 3), (1, 4, 0, 3, 4), (7, 1, 3, 0, 6)]
)
def test_coverage_is_a_transposed_convolution(settings: tuple[int, ...]) -> None:
    kernel, stride, padding, output_padding, inputs = settings
    c = coverage(*settings)
    ones = torch.ones(1, 1, inputs, inputs)
    expected = conv_transpose2d(ones, torch.ones(1, 1, kernel, kernel), None, stride, padding, output_padding)[0, 0]
    assert torch.equal(torch.from_numpy(c.plane), expected.int()) and c.size == expected.shape[0]
    stamped = [sum(s <= place < s + kernel for s in c.starts) for place in range(c.size)]
    assert c.line.tolist() == stamped


def test_sliders_give_these_numbers() -> None:
    e = UpsampleExplorer(kernel=3, stride=2)
    assert e.results.interior == (1, 2) and "unevenly" in e.caption.value and "2 does not divide 3" in e.caption.value
    e.controls["kernel"].value = 4
    assert e.results.interior == (2,) and "evenly" in e.caption.value and e.results.size == 12
    e.controls["padding"].value = 1
    assert e.results.size == 10 and e.results.starts == (-1, 1, 3, 5, 7)


def test_the_last_counts_stay_as_a_ghost() -> None:
    e = UpsampleExplorer(kernel=3, stride=2, inputs=3)
    assert not len(e.parts["ghost"].get_xdata())
    e.controls["kernel"].value = 4
    assert e.parts["ghost"].get_ydata().tolist() == [0, 1, 1, 2, 1, 2, 1, 1, 0]
    e.reset()
    assert e["kernel"] == 3 and not len(e.parts["ghost"].get_xdata())


def test_clicks_choose_a_stamp() -> None:
    e = UpsampleExplorer()
    e.picture.x, e.picture.y = e.canvas.point(e.parts["stamps"], 8, 4)
    assert e["column"] == 4
    e.picture.x, e.picture.y = e.canvas.point(
        e.parts["plane"], 1.5 / 11, 7.5 / 11
    )  # stamps 0 and 3 are centred at pixels 1 and 7
    assert (e["row"], e["column"]) == (3, 0)


def test_refuses() -> None:
    for settings, words in [
        ((0, 1), "kernel=0"),
        ((3, 0), "stride=0"),
        ((3, 2, 0, 2), "from 0 to 1"),
        ((1, 1, 3), "lower"),
    ]:
        with pytest.raises(ValueError, match=words):
            coverage(*settings)
