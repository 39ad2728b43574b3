"""UnpoolExplorer: the five ways back, on numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from segkit.explore import UnpoolExplorer
from segkit.explore.unpool import METHODS, NUMBERS, unpool

BEFORE = torch.tensor(NUMBERS, dtype=torch.float32)
AFTER = {
    "max-unpooling": [[0, 0, 6, 0], [0, 5, 0, 0], [0, 0, 0, 0], [7, 0, 0, 8]],
    "bed of nails": [[5, 0, 6, 0], [0, 0, 0, 0], [7, 0, 8, 0], [0, 0, 0, 0]],
    "nearest": [[5, 5, 6, 6], [5, 5, 6, 6], [7, 7, 8, 8], [7, 7, 8, 8]],
    "concatenation": [[5, 5, 6, 6], [5, 5, 6, 6], [7, 7, 8, 8], [7, 7, 8, 8]],
}


@pytest.mark.parametrize("method", AFTER)
def test_by_hand(method: str) -> None:
    u = unpool(BEFORE, 2, method)
    assert u.pooled.tolist() == [[5, 6], [7, 8]] and u.indices.tolist() == [[5, 2], [12, 15]]
    assert u.after.tolist() == AFTER[method]
    assert u.error == pytest.approx(float((torch.tensor(AFTER[method]) - BEFORE).abs().mean()))
    two = unpool(BEFORE, 2, method, done=2).after
    assert two[:2].tolist() == AFTER[method][:2] and not two[2:].any()


def test_bilinear_by_hand() -> None:
    """Half-pixel centres: shares of ¾ and ¼ inside, the outermost value itself beyond the outermost centre."""
    rows = torch.tensor([[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    u = unpool(BEFORE, 2, "bilinear")
    assert torch.allclose(u.after, rows @ u.pooled @ rows.T)
    assert torch.allclose(unpool(BEFORE, 2, "bilinear", done=1).after, 5 * rows[:, :1] @ rows[:, :1].T)


def test_what_is_kept_and_what_it_costs() -> None:
    """SegNet keeps 2 bits for a window of four pixels, U-Net all four numbers, interpolation nothing."""
    kept = {method: unpool(BEFORE, 2, method) for method in METHODS}
    assert kept["max-unpooling"].kept.nonzero().tolist() == [[0, 2], [1, 1], [3, 0], [3, 3]]
    assert kept["concatenation"].kept.equal(BEFORE)
    assert {m: u.bits for m, u in kept.items() if u.bits} == {"max-unpooling": 0.5, "concatenation": 32.0}
    assert unpool(torch.rand(8, 8), 8, "max-unpooling").bits == 6 / 64
    assert not any(kept[m].kept.any() for m in ("bed of nails", "nearest", "bilinear"))
    for part in (1, 2, 3):  # what is kept does not wait for cells to come back
        assert unpool(BEFORE, 2, "max-unpooling", part).kept.equal(kept["max-unpooling"].kept)


def test_scene_ghost_and_reset() -> None:
    e = UnpoolExplorer()
    first = e.results
    assert not len(e.parts["ghost"].get_xdata())
    e.controls["scene"].value = 1
    assert not e.results[1].before.equal(first[1].before)
    assert e.parts["ghost"].get_xdata() == [first[1].error]
    e.controls["step"].value = 1
    ghost = e.parts["grids"][1].ghost.get_bbox().bounds
    assert ghost == (-0.5, 0.5, 1, 1)  # the third cell, which was the last to come back
    e.controls["method"].value = "concatenation"
    assert e.parts["names"][0].get_text() == "kept: the map itself" and "32 bits" in e.caption.value
    e.reset()
    assert (e["method"], e["step"], e["scene"]) == ("max-unpooling", 3, 0) and not len(e.parts["ghost"].get_xdata())
    assert e.results[1].after.equal(first[1].after)


def test_own_pictures() -> None:
    two = [torch.rand(3, 17, 25), torch.rand(3, 17, 25)]
    e = UnpoolExplorer(two)
    e.controls["scene"].value = 1
    assert e.results[1].before.equal(two[1].mean(0)[:16, :24])
    with pytest.raises(ValueError, match="16×24, 8×8; give at least one, all of one size"):
        UnpoolExplorer([two[0], torch.rand(8, 8)])
    with pytest.raises(ValueError, match="choose from: none"):
        UnpoolExplorer([])


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
    before, pooled, *_ = e.parts["grids"]
    e.picture.x, e.picture.y = e.canvas.point(pooled.axes, 0, 1)
    assert e["step"] == 3
    e.picture.x, e.picture.y = e.canvas.point(before.axes, 3, 0)
    assert e["step"] == 2


def test_refuses() -> None:
    with pytest.raises(ValueError, match="one of max-unpooling"):
        unpool(BEFORE, 2, "bicubic")
    with pytest.raises(ValueError, match=r"does not split into windows of 3×3"):
        unpool(BEFORE, 3, "nearest")
    with pytest.raises(ValueError, match="smaller than one"):
        UnpoolExplorer(torch.rand(3, 5, 40))
    with pytest.raises(ValueError, match="4×4"):
        UnpoolExplorer(torch.rand(8, 8), numbers=[[1, 2], [3, 4]])
