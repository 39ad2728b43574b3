"""MetricsExplorer: spoiling a prediction, and what the metrics make of it."""

from __future__ import annotations

import pytest
import torch

from segkit.data.sample import Sample
from segkit.explore import MetricsExplorer
from segkit.explore.metrics import NAMES, score
from segkit.explore.spoiling import EVERYTHING, bordered, spoil

SQUARE = torch.zeros(12, 16, dtype=torch.int64)
SQUARE[4:8, 5:11] = 1


def test_dilation_and_erosion() -> None:
    grown = torch.zeros_like(SQUARE)
    grown[2:10, 3:13] = 1
    assert spoil(SQUARE, 1, grow=2).equal(grown)
    shrunk = torch.zeros_like(SQUARE)
    shrunk[5:7, 6:10] = 1
    assert spoil(SQUARE, 1, grow=-1).equal(shrunk)
    assert not spoil(SQUARE, 1, grow=-2).any(), "nothing is left of four rows"
    assert spoil(SQUARE, 0, grow=1).equal(shrunk), "when the ground grows the square shrinks"


def test_shift_and_merge() -> None:
    moved = torch.zeros_like(SQUARE)
    moved[5:9, 3:9] = 1
    assert spoil(SQUARE, 1, down=1, right=-2).equal(moved)
    assert (spoil(SQUARE, 1, merge=1, into=2) == 2 * SQUARE).all()
    assert (spoil(SQUARE, 1, merge=EVERYTHING, into=0) == 0).all()


def test_void_is_predicted_as_what_stands_left_of_it() -> None:
    labels = SQUARE.clone()
    labels[5, 8:13] = 255
    labels[0, 0:2] = 255
    prediction = spoil(labels, 1)
    assert prediction[5, 8:13].tolist() == [1] * 5 and prediction.max() == 1
    assert score(prediction, labels, 2)["pixel accuracy"] == 1, "and does not count"


def test_scores_by_hand() -> None:
    """A square of 4×6 in 12×16 moves by three: 12 of its pixels are missed, 12 of the ground are called square."""
    s = score(spoil(SQUARE, 1, right=-3), SQUARE, 3)
    assert s["pixel accuracy"] == pytest.approx(168 / 192)
    assert s["mean accuracy"] == pytest.approx((12 / 24 + 156 / 168) / 2)
    assert s.iou[1] == pytest.approx(12 / 36) and s.iou[0] == pytest.approx(156 / 180) and s.iou[2].isnan()
    assert s["mean IoU"] == pytest.approx((12 / 36 + 156 / 180) / 2)
    assert s["freq. weighted IoU"] == pytest.approx((24 * 12 / 36 + 168 * 156 / 180) / 192)
    assert s["mean Dice"] == pytest.approx((24 / 48 + 312 / 336) / 2)
    perfect = score(SQUARE, SQUARE, 3)
    assert perfect.figures == (1.0,) * len(NAMES)


def test_void_around_edges() -> None:
    truth = bordered(SQUARE, 1)
    assert (truth == 255).sum() == 6 * 8 - 2 * 4, "one pixel on each side of the outline"
    assert truth[5, 7] == 1 and truth[0, 0] == 0 and bordered(SQUARE, 0) is SQUARE


def test_explorer_shows_what_the_metrics_say() -> None:
    e = MetricsExplorer()
    assert e.results.bars == (1.0,) * 8 and "0 pixels wrong" in e.caption.value
    e.controls["right"].value = 2
    r = e.results
    assert r.prediction.equal(spoil(e.labels, e["target"], right=2))
    assert r["Boundary IoU"] < r["mean IoU"] < r["pixel accuracy"] < 1, "edges notice first"
    assert [text.get_text() for text in e.parts["texts"]] == [f"{v:.3f}" for v in r.bars]
    assert [bar.get_width() for bar in e.parts["bars"]] == list(r.bars)
    e.controls["right"].value = 0
    e.controls["merge"].value = EVERYTHING
    only = e.results
    assert only["pixel accuracy"] == pytest.approx(float((e.labels == e["into"]).float().mean()))
    assert only["mean IoU"] < only["pixel accuracy"] / 2, "the largest class pays in pixel accuracy only"


def test_the_last_bar_is_of_all_scenes_under_a_convention() -> None:
    e = MetricsExplorer()
    for i in range(len(e.samples)):
        e.controls["scene"].value = i
        assert e.results.pooled == 1 and e.labels.equal(e.samples[i].labels)
    e.controls["void"].value = 1
    assert e.results.bars == (1.0,) * 8, "a perfect prediction stays perfect, whatever is void"
    perfect = {}
    for name in ("over pictures, absent as 0", "void as false positive", "smp macro", "torchmetrics MeanIoU"):
        e.controls["convention"].value = name
        perfect[name] = e.results.pooled
        assert name in e.parts["names"][-1].get_text()
    assert perfect["smp macro"] == 1 and max(v for k, v in perfect.items() if k != "smp macro") < 0.8


def test_an_undefined_mean_is_said_not_drawn() -> None:
    e = MetricsExplorer(Sample(torch.zeros(3, 12, 16), SQUARE), classes=("ground", "square", "absent"))
    e.controls["convention"].value = "VOC"
    assert e.parts["texts"][-1].get_text() == "undefined" and e.parts["bars"][-1].get_width() == 0


def test_ghosts_mark_the_figures_before_the_last_move() -> None:
    e = MetricsExplorer()
    assert not len(e.parts["ghosts"].get_xdata())
    e.controls["right"].value = 1
    assert list(e.parts["ghosts"].get_xdata()) == [1.0] * 8
    before = e.results.bars
    e.controls["width"].value = 4
    assert list(e.parts["ghosts"].get_xdata()) == list(before[5:7]), "only the figures at the edges have moved"
    assert e.parts["names"][6].get_text() == "Boundary IoU, 4 px"
    e.reset()
    assert not len(e.parts["ghosts"].get_xdata()) and e["right"] == 0 and e["width"] == 2


def test_a_click_chooses_the_class() -> None:
    sample = Sample(torch.zeros(3, 12, 16), SQUARE)
    e = MetricsExplorer(sample, classes=("ground", "square"))
    assert e["target"] == 0
    for image in e.parts["pictures"]:
        before = e.picture.value
        e.picture.x, e.picture.y = e.canvas.point(image.axes, 6, 5)
        assert e["target"] == 1 and e.picture.value != before, "and the picture says so"
        e.picture.x, e.picture.y = e.canvas.point(image.axes, 1, 1)
        assert e["target"] == 0


def test_refuses() -> None:
    sample = Sample(torch.zeros(3, 12, 16), SQUARE)
    with pytest.raises(ValueError, match="together with the names"):
        MetricsExplorer(sample)
    with pytest.raises(ValueError, match="no samples"):
        MetricsExplorer([], classes=("ground", "square"))
    with pytest.raises(ValueError, match="do not fit 1 classes"):
        MetricsExplorer(sample, classes=("ground",))


def test_into_waits_for_a_merge() -> None:
    explorer = MetricsExplorer(Sample(torch.zeros(3, 12, 16), SQUARE), classes=("ground", "square", "other"))
    assert explorer.controls["into"].disabled
    explorer.controls["merge"].value = 1
    assert not explorer.controls["into"].disabled
