"""UnpoolExplorer: the three ways back, on numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from segkit.explore import UnpoolExplorer
from segkit.explore.unpool import NUMBERS, unpool

BEFORE = torch.tensor(NUMBERS, dtype=torch.float32)
AFTER = {
    "max-unpooling": [[0, 0, 6, 0], [0, 5, 0, 0], [0, 0, 0, 0], [7, 0, 0, 8]],
    "bed of nails": [[5, 0, 6, 0], [0, 0, 0, 0], [7, 0, 8, 0], [0, 0, 0, 0]],
    "nearest": [[5, 5, 6, 6], [5, 5, 6, 6], [7, 7, 8, 8], [7, 7, 8, 8]],
}


@pytest.mark.parametrize("method", AFTER)
def test_by_hand(method: str) -> None:
    u = unpool(BEFORE, 2, method)
    assert u.pooled.tolist() == [[5, 6], [7, 8]] and u.indices.tolist() == [[5, 2], [12, 15]]
    assert u.after.tolist() == AFTER[method]
    assert u.error == pytest.approx(float((torch.tensor(AFTER[method]) - BEFORE).abs().mean()))
    two = unpool(BEFORE, 2, method, done=2).after
    assert two[:2].tolist() == AFTER[method][:2] and not two[2:].any()


def test_step_method_and_factor() -> None:
    e = UnpoolExplorer()
    e.controls["step"].value = 4
    small, large = e.results
    assert small.after.tolist() == AFTER["max-unpooling"] and large.pooled.shape == (24, 32)
    e.controls["step"].value = 1
    assert e.results[0].after.nonzero().tolist() == [[1, 1]]
    e.controls["method"].value = "bed of nails"
    assert e.results[0].after.nonzero().tolist() == [[0, 0]]
    e.controls["factor"].value = 8
    assert e.results[1].pooled.shape == (12, 16)
    assert e.results[1].after[::8, ::8].equal(e.results[1].pooled)


def test_a_click_on_a_cell_steps_to_it() -> None:
    e = UnpoolExplorer()
    before, pooled, _ = e.parts["grids"]
    e.picture.x, e.picture.y = e.canvas.point(pooled.axes, 0, 1)
    assert e["step"] == 3
    e.picture.x, e.picture.y = e.canvas.point(before.axes, 3, 0)
    assert e["step"] == 2


def test_refuses() -> None:
    with pytest.raises(ValueError, match="one of max-unpooling"):
        unpool(BEFORE, 2, "bilinear")
    with pytest.raises(ValueError, match=r"does not split into windows of 3×3"):
        unpool(BEFORE, 3, "nearest")
    with pytest.raises(ValueError, match="smaller than one"):
        UnpoolExplorer(torch.rand(3, 5, 40))
    with pytest.raises(ValueError, match="4×4"):
        UnpoolExplorer(torch.rand(8, 8), numbers=[[1, 2], [3, 4]])
