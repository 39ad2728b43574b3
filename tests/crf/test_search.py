"""segkit.crf.search: planted widths are found, every row is what the CRF gives, and bad input ends at the door."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segkit.crf import DenseCRF, Found, search
from segkit.crf.grid import checked_grid, combinations, finer
from segkit.crf.search import drawn, in_words
from segkit.metrics import ConfusionMatrix, TrimapIoU

H, W, K = 24, 32, 2
Pictures = list[tuple[Tensor, Tensor]]


class Split(list[Any]):
    """Pictures that say which split they are of."""

    split = "val"


def planted(step: float, count: int = 3) -> tuple[Pictures, list[Tensor]]:
    """Two halves that differ by `step` grey levels, noise of 4, and scores with a blurred edge, off by 3 pixels."""
    rng = torch.Generator().manual_seed(0)
    pictures, scores = [], []
    for n in range(count):
        edge = 13 + 2 * n
        labels = (torch.arange(W) >= edge).long().expand(H, W).clone()
        image = 100 + step * labels + 4 * torch.randn(H, W, generator=rng)
        ramp = ((torch.arange(W) - edge - 3) / 6).clamp(-1, 1).expand(H, W)
        pictures.append(((image / 255).clamp(0, 1).expand(3, H, W).clone(), labels))
        scores.append(torch.stack((-ramp, ramp)) + 0.6 * torch.randn(K, H, W, generator=rng))
    return pictures, scores


@pytest.mark.parametrize(("step", "best"), [(40, 20), (120, 60)])
def test_finds_the_planted_width_of_colours(step: float, best: float) -> None:
    pictures, scores = planted(step)
    found = search(scores, pictures, {"bilateral_srgb": (0.5, best, 500)}, bilateral_sxy=12, quiet=True)
    assert found.best == {"bilateral_srgb": best} and not found.border
    assert found.rows[0][found.metric] > found.without[found.metric] + 0.1
    assert [row["bilateral_srgb"] for row in found.rows].count(0.5) == 1


def test_takes_the_colours_away_and_their_width_no_longer_matters() -> None:
    pictures, scores = planted(40)
    grey = [(torch.full_like(image, 0.5), labels) for image, labels in pictures]
    found = search(scores, grey, {"bilateral_srgb": (0.5, 20, 500)}, bilateral_sxy=12, quiet=True)
    assert len({row[found.metric] for row in found.rows}) == 1


def test_each_row_is_what_a_crf_with_this_setting_gives() -> None:
    pictures, scores = planted(40)
    grid = {"bilateral_sxy": (3, 10), "bilateral_compat": (0, 4)}
    found = search(scores, pictures, grid, bilateral_srgb=20, iterations=3, quiet=True)
    assert len(found.rows) == 4 and found.rows == sorted(found.rows, key=lambda row: -row["trimap_iou_2px"])
    for row in found.rows:
        setting = {name: row[name] for name in grid}
        crf = DenseCRF(bilateral_srgb=20, iterations=3, picture_max=1, **setting)  # type: ignore[arg-type]
        everywhere, near = ConfusionMatrix(K), TrimapIoU(K, 2)
        for (image, labels), logits in zip(pictures, scores, strict=True):
            for counter in (everywhere, near):
                counter.update(crf(logits[None], image[None]).argmax(1), labels[None])
        assert row["mean_iou"] == everywhere.mean_iou() and row["trimap_iou_2px"] == near.mean_iou()
        assert row["pixel_accuracy"] == everywhere.pixel_accuracy()
    alone = ConfusionMatrix(K)
    for (_, labels), logits in zip(pictures, scores, strict=True):
        alone.update(logits.argmax(0), labels)
    assert found.without["mean_iou"] == alone.mean_iou()
    best = DenseCRF(**found.options)
    assert best.iterations == 3 and best.kernels.bilateral_srgb == 20 and best.kernels.picture_max == 1


def test_later_stages_look_closer_and_try_nothing_twice() -> None:
    pictures, scores = planted(40)
    grid = {"bilateral_srgb": (2, 8, 128)}
    coarse, fine = (search(scores, pictures, grid, stages=stages, bilateral_sxy=12, quiet=True) for stages in (1, 3))
    values = [row["bilateral_srgb"] for row in fine.rows]
    assert len(values) == len(set(values)) > 3 and {4, 8, 32} <= set(values)
    assert fine.rows[0][fine.metric] >= coarse.rows[0][coarse.metric]


def test_finer_goes_halfway_in_ratio_and_past_the_border() -> None:
    assert finer([2, 8, 32], 8) == [4, 8, 16] and finer([2, 4, 8], 8) == [5.66, 8, 11.3]
    assert finer([2, 4, 8], 2) == [1.41, 2, 2.83] and finer([3], 3) == [3]
    assert finer([0, 4], 0) == [0, 2] and finer([0, 4], 4) == [2, 4, 5.66]


def test_the_border_of_the_grid_is_said() -> None:
    pictures, scores = planted(40)
    found = search(scores, pictures, {"bilateral_srgb": (0.5, 20)}, bilateral_sxy=12, quiet=True)
    assert found.border == ("bilateral_srgb",) and "a wider grid" in str(found)


def test_the_seed_draws_the_pictures() -> None:
    many = list(range(40))
    assert drawn(many, 5, 1) == drawn(many, 5, 1) == sorted(set(drawn(many, 5, 1))) != drawn(many, 5, 2)
    assert drawn(many, None, 0) == drawn(many, 100, 0) == many
    pictures, scores = planted(40)
    found = search(scores, pictures, {"bilateral_compat": (4,)}, most=1, seed=3, quiet=True)
    (n,) = drawn(pictures, 1, 3)
    alone = search(scores[n : n + 1], pictures[n : n + 1], {"bilateral_compat": (4,)}, quiet=True)
    assert found.rows == alone.rows and found.pictures == 1


class Network(nn.Module):
    """Says what is bright, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def forward(self, x: Tensor) -> Tensor:
        self.asked += 1
        grey = 20 * (x.mean(1) - 120 / 255)
        return torch.stack((-grey, grey), 1)


def test_a_model_is_asked_anew_each_time_and_gives_what_its_scores_give() -> None:
    pictures, _ = planted(40)
    network = Network().eval()
    grid = {"bilateral_srgb": (5, 20)}
    first = search(network, pictures, grid, quiet=True)
    asked = network.asked
    again = search(network, pictures, grid, quiet=True)
    assert network.asked == 2 * asked and first.rows == again.rows, "nothing is kept from the first time"
    with torch.no_grad():
        scores = [network(image[None])[0] for image, _ in pictures]
    assert search(scores, pictures, grid, quiet=True).rows == first.rows


def test_the_test_split_is_refused_before_a_picture_is_read() -> None:
    class Test(Split):
        split = "test"

        def __getitem__(self, i: Any) -> Any:
            raise AssertionError("a test picture was read")

    with pytest.raises(ValueError, match="test split"):
        search(Network().eval(), Test([0, 1]), quiet=True)


def test_words_and_table() -> None:
    said = in_words({"gaussian_sxy": 3, "bilateral_srgb": 20, "bilateral_compat": 8, "bilateral_sxy": (3, 4)})
    assert len(said) == 3, "two widths have no words"
    assert "61 % at 3, 14 % at 6, 1 % at 9 pixels" in said[0] and "11.5 grey levels" in said[1]
    assert math.exp(-((11.547 * math.sqrt(3) / 20) ** 2) / 2) == pytest.approx(0.61, abs=0.01)
    pictures, scores = planted(40)
    found = search(scores, pictures, {"bilateral_compat": (2, 4)}, quiet=True)
    lines = found.table().splitlines()
    assert lines[0].split() == ["bilateral_compat", "trimap_iou_2px", "mean_iou", "pixel_accuracy"]
    assert lines[1].split()[0] == "–" and len(lines) == 4 and isinstance(found, Found)
    assert len({len(line) for line in lines}) == 1


def test_a_weight_is_about_what_a_score_gains_where_all_agree() -> None:
    kernel = DenseCRF(bilateral_sxy=5).kernels.bilateral(torch.full((3, 40, 40), 128.0))
    gain = kernel.filter(torch.ones(40 * 40))
    assert gain.mean().item() == pytest.approx(1, abs=0.05), "times the weight"


def flat() -> Pictures:
    return [(torch.zeros(3, H, W), torch.zeros(H, W, dtype=torch.long))]


def void() -> Pictures:
    return [(torch.zeros(3, H, W), torch.full((H, W), 255))]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grid": {}}, "empty grid"),
        ({"grid": {"bilateral_srgb": ()}}, "no values for bilateral_srgb"),
        ({"grid": {"sigma": (1, 2)}}, "'sigma' in the grid; it takes gaussian_sxy"),
        ({"grid": {"bilateral_srgb": (0, 2)}}, "bilateral_srgb=0"),
        ({"grid": {"bilateral_compat": (-1,)}}, "from 0 up"),
        ({"grid": {"bilateral_sxy": (1,)}, "bilateral_sxy": 3}, "give one of the two"),
        ({"samples": []}, "no pictures"),
        ({"samples": void()}, "without a labelled pixel"),
        ({"samples": flat()}, "no labelled pixel within 2 px of an edge"),
        ({"samples": [(torch.zeros(3, H, W), torch.full((H, W), 7))]}, "from 7 to 7 in picture 0 and scores of 2"),
        ({"scores": [torch.zeros(K, H, W)] * 2}, "2 logits for 1 pictures"),
        ({"scores": [torch.zeros(K, 5, 5)]}, r"scores \(1, 2, 5, 5\) for labels \(24, 32\)"),
        ({"scores": [torch.full((K, H, W), math.nan)]}, "NaN"),
        ({"scores": Network()}, "training mode"),
        ({"stages": 0}, "stages=0"),
        ({"band": 0}, "band=0"),
        ({"most": 0}, "most=0"),
    ],
)
def test_refuses(change: dict[str, Any], words: str) -> None:
    pictures, scores = planted(40, 1)
    told: dict[str, Any] = {"scores": scores, "samples": pictures, "grid": {"bilateral_srgb": (5, 20)}, **change}
    if change.get("samples"):
        told["scores"] = [torch.zeros(K, H, W)]
    with pytest.raises(ValueError, match=words):
        search(**told, quiet=True)


def test_refuses_types() -> None:
    for grid in ([1, 2], {"bilateral_srgb": 5}, {"bilateral_srgb": "5"}, {"bilateral_srgb": ("5",)}):
        with pytest.raises(TypeError, match="search got"):
            checked_grid(grid, {})
    assert combinations({"a": [1, 2], "b": [3, 4]})[1] == {"a": 1, "b": 4}
