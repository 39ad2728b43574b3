"""AttentionExplorer: shares are attention's, masks close what they say, and the bill is what the modules cost."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from segkit.analysis import cost
from segkit.data import VOID
from segkit.data.twins import TILE, Twins
from segkit.explore import AttentionExplorer
from segkit.explore.attention import ANCHORS, KEY, MASKS, VALUE, anchors, bill, cells_of, hear, shares_of
from segkit.heads import CrissCross, PositionAttention


def dark_windows(front):
    return (front.labels[::TILE, ::TILE] != VOID).nonzero().tolist()


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("twins", ["row", "apart"])
def test_whoever_hears_the_twin_is_right_and_nobody_else_knows(mask, twins):
    front = Twins("val", twins=twins)[0]
    knows = mask == "every window" or (twins == "row" and mask in ("row", "row and column"))
    right = []
    for row, column in dark_windows(front):
        found = hear(front, mask, 1, 100.0, row, column)
        assert abs(found.shares.sum() - 1) < 1e-5 and found.truth == int(front.labels[TILE * row, TILE * column])
        assert mask == "110 means" or not found.shares[~found.allowed].any(), "only those who may be heard are"
        assert found.allowed[found.twin] == (knows or mask == "110 means")
        right.append(found.answer == found.truth)
    assert all(right) if knows else sum(right) < 0.6 * len(right)


def test_shares_are_torchs_attention_and_two_rounds_are_their_square():
    front = Twins("val", twins="apart")[1]
    frame, _ = cells_of(front)
    near = -torch.cdist(frame, frame).square()  # the frame's own length makes no difference in a softmax
    expected = (20 * near).softmax(1)
    torch.testing.assert_close(shares_of(frame, 12, "every window", 20.0), expected, rtol=1e-3, atol=1e-5)
    row, column = dark_windows(front)[3]
    twice = hear(front, "every window", 2, 20.0, row, column).shares
    torch.testing.assert_close(
        torch.tensor(twice).flatten(), (expected @ expected)[12 * row + column], rtol=1e-3, atol=1e-5
    )


def test_anchors_are_the_pyramids_means():
    x = torch.randn(1, 2, 12, 12)
    expected = torch.cat([F.adaptive_avg_pool2d(x, b).flatten(2) for b in ANCHORS], 2)[0].T
    torch.testing.assert_close(anchors(12) @ x[0].flatten(1).T, expected)


def test_the_bill_is_the_modules_less_their_convolutions():
    with torch.device("meta"):
        full, cross = PositionAttention(VALUE, KEY), CrissCross(VALUE, KEY)
    convolutions = 24 * 24 * (2 * VALUE * KEY + VALUE * VALUE)
    assert bill("every window", 24, 1)[0] == cost(full, (VALUE, 24, 24)).macs - convolutions
    products = cost(cross, (VALUE, 24, 24)).macs - 2 * convolutions
    assert 0 < products - bill("row and column", 24, 2)[0] <= 2 * 24 * 24 * (KEY + VALUE), "the cell itself, twice"


def test_a_click_marks_a_window_and_the_caption_says_what_it_hears():
    explorer = AttentionExplorer()
    assert "its twin not among them" in explorer.caption.value and "23 of 144" in explorer.caption.value
    explorer.controls["mask"].value = "every window"
    assert "50% its twin" in explorer.caption.value and "which is right" in explorer.caption.value
    explorer.controls["sharpness"].value = 0
    assert len(set(explorer.results.shares.round(6).flatten().tolist())) == 1, "everyone alike"
    axes = explorer.canvas.figure.axes[0]
    explorer.picture.x, explorer.picture.y = explorer.canvas.point(axes, 4.5, 9.5)
    assert (explorer["row"], explorer["column"]) == (9, 4)
    explorer.picture.x, explorer.picture.y = explorer.canvas.point(explorer.canvas.figure.axes[2], 8, 2)
    assert (explorer["row"], explorer["column"]) == (9, 4), "the chart of costs is no front"
