"""GriddingExplorer: levels, counts, the verdict in words, clicks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from segkit.explore import GriddingExplorer
from segkit.explore.gridding import reach


@pytest.mark.parametrize(
    ("rates", "kernel"), [([1, 2, 5], 3), ([2, 2, 2], 3), ([3, 1], 2), ([1, 4, 2, 2], 4), ([7], 5)]
)
def test_levels_are_the_places_that_lead_to_the_unit(rates: list[int], kernel: int) -> None:
    found = reach(rates, kernel)
    assert len(found.levels) == len(rates) + 1 and len(found.levels[-1]) == 1
    for level in range(len(rates)):
        rate = rates[level]
        below = {p + (t - (kernel - 1) / 2) * rate for p in found.levels[level + 1] for t in range(kernel)}
        assert sorted(below) == found.levels[level].tolist(), "each level holds the taps of the level above"
    paths = itertools.product(*[[(t - (kernel - 1) / 2) * r for t in range(kernel)] for r in rates])
    ends = [found.levels[-1][0] + sum(path) for path in paths]
    assert [ends.count(i) for i in range(found.counted.field)] == found.counted.line.tolist()


def test_the_chosen_input() -> None:
    middle = reach([2, 2, 2])
    assert (middle.row, middle.column, middle.paths) == (6, 6, 49)
    assert reach([2, 2, 2], 3, 1, 0).paths == 0 and reach([2, 2, 2], 3, -6, 6).paths == 1
    assert (reach([1], 3, -9, 9).row, reach([1], 3, -9, 9).column) == (0, 2), "outside the field: the nearest inside"


def test_sliders_give_these_numbers() -> None:
    e = GriddingExplorer()
    assert (
        e.results.counted.holes == 6 and "share the factor 2" in e.caption.value and "over 49 paths" in e.caption.value
    )
    with e.together():
        e.controls["rate_1"].value, e.controls["rate_3"].value = 1, 5
    assert e.results.counted.holes == 0 and "all 17 inputs" in e.caption.value and "over 1 path." in e.caption.value
    e.controls["groups"].value = 2
    assert e.results.counted.field == 33 and "repeats 2 times" in e.caption.value
    e.controls["kernel"].value = 2
    assert e.results.counted.field == 17 and e.results.verdict.kernel == 2
    e.controls["row"].value = 30
    assert (e["row"], e.results.row) == (8, 16), "the sliders end where the field does"


def test_marks_reach_every_input_and_only_those() -> None:
    e = GriddingExplorer(rates=(10, 10, 10), kernel=5, groups=2)
    assert e.results.counted.field == 241 and (e.controls["row"].min, e.controls["row"].max) == (-120, 120)
    e.picture.x, e.picture.y = e.canvas.point(e.parts["plane"], 0.5 / 241, 240.5 / 241)
    assert (e["row"], e["column"], e.results.paths) == (120, -120, 1)
    e.controls["kernel"].value = 2
    assert (e["row"], e["column"], e.results.counted.field) == (30, -30, 61)
    e.controls["groups"].value = 1
    assert (e.controls["row"].min, e.controls["row"].max) == (-15, 15) and (e.results.row, e.results.column) == (30, 0)


def test_the_last_row_stays_as_a_ghost() -> None:
    e = GriddingExplorer()
    assert len(e.parts["ghost"].get_paths()) == 0
    e.controls["rate_1"].value = 1
    assert len(e.parts["ghost"].get_paths()) == 13 and len(e.parts["counts"].get_paths()) == 11
    e.controls["column"].value = 2
    assert len(e.parts["ghost"].get_paths()) == 0, "the mark alone has moved"
    e.reset()
    assert len(e.parts["ghost"].get_paths()) == 0


def test_the_picture_shows_holes_and_counts() -> None:
    e = GriddingExplorer(rates=(2, 2, 2))
    image = np.asarray(e.parts["image"].get_array())
    hole, used, most = image[5, 6], image[0, 0], image[6, 6]
    assert hole[0] > hole[2] and used[2] > used[0], "holes are orange, inputs that contribute blue"
    assert most.sum() < used.sum(), "and the darker the more often"
    assert len(e.parts["holes"].get_paths()) == 6 and len(e.parts["counts"].get_paths()) == 13
    assert [t.get_text().strip() for t in e.parts["names"]] == ["rate 2"] * 3 + [""] * 3


def test_clicks_mark_an_input() -> None:
    e = GriddingExplorer()
    e.picture.x, e.picture.y = e.canvas.point(e.parts["plane"], 0.5 / 13, 5.5 / 13)
    assert (e["row"], e["column"]) == (-1, -6) and "by no path" in e.caption.value
    e.picture.x, e.picture.y = e.canvas.point(e.parts["bars"], 2.2 / 7.2, 0.5)
    assert (e["row"], e["column"]) == (-1, 2)
    e.picture.x, e.picture.y = e.canvas.point(e.parts["tree"], -3.8 / 7.2, 0.5)
    assert e["column"] == -4


def test_refuses() -> None:
    for settings, words in [(((0, 1, 1),), r"rates\[0\]=0"), (((1, 1, 1), 0), r"kernel\[0\]=0")]:
        with pytest.raises(ValueError, match=words):
            GriddingExplorer(*settings)
