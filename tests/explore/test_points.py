"""PointExplorer: its coarse answer is an average, its orders are what they are called, and its figures the metrics'."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.analysis import cost
from segkit.data.sample import VOID
from segkit.explore import PointExplorer
from segkit.explore.asked_again import WAYS, Coarse, asked, curve, macs_per_point, stops
from segkit.explore.labelled import streets
from segkit.metrics import boundary_iou
from segkit.models.pointrend import PointHead, uncertainty

K = 13


@pytest.fixture(scope="module")
def truth() -> Tensor:
    labels = streets(1)[0].labels.clone()
    labels[10:14, 20:60] = VOID
    return labels


@pytest.mark.parametrize("stride", [4, 8, 16])
def test_the_coarse_answer_is_the_average_enlarged(truth: Tensor, stride: int) -> None:
    coarse = Coarse(truth, stride, K)
    known = torch.stack([truth == k for k in range(K)]).double()
    cells = known.unflatten(1, (-1, stride)).unflatten(3, (-1, stride)).mean((2, 4))
    expected = F.interpolate(cells[None], size=truth.shape, mode="bilinear")[0]
    assert torch.equal(coarse.shares, expected) and torch.equal(coarse.labels, expected.argmax(0))
    assert torch.equal(-coarse.margin, uncertainty(expected[None])[0]), "as PointRend has it"
    assert torch.equal(coarse.shares * 2**20, (coarse.shares * 2**20).round()), "exact on every machine"


@pytest.mark.parametrize("way", WAYS)
def test_an_order_holds_every_pixel_once_and_the_first_are_what_it_says(truth: Tensor, way: str) -> None:
    coarse = Coarse(truth, 8, K)
    order = coarse.order(way)
    assert torch.equal(order.sort().values, torch.arange(truth.numel()))
    if way == "the most uncertain":
        assert (coarse.margin.flatten()[order].diff() >= 0).all()
    elif way == "nearest to borders":
        beside = torch.zeros_like(coarse.labels, dtype=torch.bool)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                a, b = coarse.labels[1:-1, 1:-1], coarse.labels.roll((dy, dx), (0, 1))[1:-1, 1:-1]
                beside[1:-1, 1:-1] |= a != b
        inside = beside[1:-1, 1:-1].sum()
        first = torch.zeros(truth.numel(), dtype=torch.bool).index_fill(0, order[: int(inside)], True)
        assert (first.view_as(truth) & beside)[1:-1, 1:-1].sum() > 0.9 * inside
    else:
        half = order[: truth.numel() // 2]
        assert 0.45 < (half < truth.numel() // 2).double().mean() < 0.55


def test_uncertain_points_are_worth_more_than_near_ones_and_those_more_than_random_ones() -> None:
    for sample in streets(4):
        coarse = Coarse(sample.labels, 4, K)
        sharp, near, chance = (curve(coarse, coarse.answers(1.0), way, 1) for way in WAYS)
        at = stops(sample.labels.numel()).index(1024)
        assert sharp[at][1] > near[at][1] + 0.05 > chance[at][1] + 0.1
        assert sharp[0] == near[0] == chance[0] and sharp[-1] == near[-1] == chance[-1] == (1.0, 1.0)


def test_whoever_answers_is_right_as_often_as_it_says(truth: Tensor) -> None:
    coarse, known = Coarse(truth, 8, K), truth != VOID
    for right in (0.0, 0.35, 1.0):
        said = coarse.answers(right)
        share = (said == truth)[known].double().mean()
        assert abs(float(share) - right) < 0.01
        off = known & (said != truth)
        assert (coarse.labels == said)[off & (coarse.labels != truth)].all(), "a wrong answer is the likeliest other"
        assert torch.equal(said[~known], coarse.labels[~known]), "void has no truth"
    few = asked(coarse, coarse.answers(1.0), coarse.order("random"), 77)
    assert int((few != coarse.labels).sum()) <= 77


def test_the_bill_is_the_heads() -> None:
    with torch.device("meta"):
        head = PointHead(256, K)
        layers = torch.nn.Sequential(*head.layers, head.score)
    assert cost(layers, (256 + K, 5, 7)).macs == 35 * macs_per_point(K)


def test_caption_curves_and_clicks() -> None:
    e = PointExplorer(stride=4, count=512, way="random")
    coarse = e.coarse(0, 4)
    expected = boundary_iou(e.results.after, coarse.truth, K)
    assert e.results.figures[1] == pytest.approx(expected) and f"Boundary IoU {expected:.3f}. The" in e.caption.value
    assert "a ceiling" in e.caption.value and "Asked again are 512 of 12288 pixels (random)" in e.caption.value
    assert list(e.parts["lines"]["random"].get_ydata())[e.results.at] == pytest.approx(expected)
    assert len(e.parts["ghost"].get_xdata()) == 0
    e.controls["right"].value = 0.8
    assert "right at 80% of all pixels" in e.caption.value and e.results.figures[1] < expected
    assert list(e.parts["ghost"].get_ydata()) == pytest.approx([expected])
    e.controls["way"].value = "the most uncertain"
    row, column = divmod(int(e.results.points[0]), 128)
    pictures = e.parts["pictures"]
    e.picture.x, e.picture.y = e.canvas.point(pictures["errors after"].axes, column, row)
    assert (e["row"], e["column"]) == (row, column) and "asked again, it is now" in e.caption.value
    at = pictures["asked again (orange)"].get_array()[row, column]
    assert at.tolist() == [230, 159, 0]


def test_every_control_moves_something() -> None:
    e = PointExplorer()
    for name, value in (("scene", 2), ("stride", 16), ("count", 64), ("way", "random"), ("right", 0.5), ("width", 1)):
        before = e.picture.value, e.caption.value
        e.controls[name].value = value
        assert before[0] != e.picture.value and before[1] != e.caption.value, name
        e.reset()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stride": 5}, "stride=5; it takes 4, 8, 16"),
        ({"count": 100}, "count=100; it takes 0, 32, 64"),
        ({"way": "all"}, "way='all'; it takes 'the most uncertain', 'nearest to borders', 'random'"),
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match="PointExplorer got") as error:
        PointExplorer(**wrong)  # type: ignore[arg-type]
    assert said in str(error.value)


def test_cells_must_be_whole() -> None:
    with pytest.raises(ValueError, match="multiples of 8"):
        Coarse(torch.zeros(12, 16, dtype=torch.int64), 8, 2)
