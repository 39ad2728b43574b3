"""AsppExplorer: valid weights on a map, the rate that follows the output stride, clicks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from segkit.explore import AsppExplorer
from segkit.explore.aspp import validity


@pytest.mark.parametrize(("pixels", "stride", "rate"), [(513, 16, 18), (129, 8, 6), (257, 32, 12), (65, 16, 36)])
def test_counts_are_those_of_a_convolution_of_ones(pixels: int, stride: int, rate: int) -> None:
    found = validity(pixels, stride, rate, True, 0.25, 0.75)
    n, r = found.side, found.rate
    assert n == (pixels - 1) // stride + 1 and r * stride == rate * 16
    counted = F.conv2d(torch.ones(1, 1, n, n), torch.ones(1, 1, 3, 3), padding=r, dilation=r)[0, 0]
    assert torch.equal(found.counted.map.float(), counted)
    assert int(found.inside.sum()) == counted[found.cell] == found.counted.map[found.cell]


def test_controls_and_clicks() -> None:
    e = AsppExplorer()
    assert "33×33 cells, rate 18" in e.caption.value and "spans 577 pixels of 513" in e.caption.value
    e.controls["stride"].value = 8
    assert "65×65 cells, rate 36" in e.caption.value and e.last.side == 33
    e.controls["follow"].value = False
    assert "65×65 cells, rate 18" in e.caption.value
    e.picture.x, e.picture.y = e.canvas.point(e.parts["lines"], 9.2, 3)
    assert e["rate"] == 9
    with e.together():
        e.controls["follow"].value, e.controls["stride"].value = True, 32
    assert 'role="alert"' in e.caption.value and "(9,)" in e.caption.value, "9 cannot be halved"
    e.controls["rate"].value = 8
    assert "17×17 cells, rate 4" in e.caption.value
    e.picture.x, e.picture.y = e.canvas.point(e.parts["cells"], 0.0, 1.0)
    assert (e["across"], e["down"]) == (0.0, 1.0) and "(row 16, column 0) uses 4" in e.caption.value
