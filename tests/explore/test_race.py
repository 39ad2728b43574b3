"""RaceExplorer: its front and winner are those of the figures, every name is readable, and what it refuses."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest

from segkit.explore import RaceExplorer
from segkit.explore.race_entrants import number, quantity
from tests.explore.races import DATA, FIGURES, made_up

LINEAGE = Path(__file__).resolve().parents[2] / "course" / "results" / "lineage.json"


def grid(seed: int) -> dict[str, Any]:
    """Fourteen more networks on the streets of the lineage, in the same corner of the chart."""
    r = random.Random(seed)
    names = [
        f"{a}, {b}" for a in ("VGG16", "ResNet-18", "MobileNet", "ShuffleNet") for b in ("skip", "U-Net", "dilation")
    ]
    figures = {n: ((r.uniform(0.4, 0.65),) * 3, r.random(), r.uniform(2, 7), r.uniform(1e7, 2e8))
               for n in (*names, "ENet", "ICNet")}  # fmt: skip
    found = made_up("realtime_grid", figures)
    data = next(iter(json.loads(LINEAGE.read_text(encoding="utf-8"))["arms"].values()))["data"]
    return {**found, "arms": {arm: {"data": data} for arm in found["arms"]}}


def names_of(e: RaceExplorer) -> list[Any]:
    return [text for text in e.parts["chart"].texts if text.get_text()]


def test_the_front_and_the_winner() -> None:
    e = RaceExplorer(made_up())
    assert e.results.front == ["quick", "slow"] and e.results.winner == "slow"
    assert e.results.places["slow"][0] == 8 and e.results.places["slow"][1] == pytest.approx((71, 2**0.5))
    assert "3 networks; beaten by no other in both cost and score: quick; slow." in e.caption.value
    assert "Without a limit: slow wins, mean IoU 71.0 ± 1.4 % for 8 ms, 90 million multiply-adds" in e.caption.value
    assert "next is quick, 11.0 points behind" in e.caption.value
    assert [c.get_text() for c in e.parts["columns"]] == ["quick\nslow", "2\n8", "60.0 %\n71.0 %"]
    assert e.parts["winner"].get_text().split("\n")[1:4] == ["slow wins:", "71.0 ± 1.4 %", "8 ms"]
    assert [x[0] for x in e.parts["ring"].get_data()] == pytest.approx([8, 71])


def test_the_budget_decides_who_wins() -> None:
    e = RaceExplorer(made_up())
    with e.picture.hold_trait_notifications():  # as from a browser
        e.picture.x, e.picture.y = e.canvas.point(e.parts["chart"], 4.2, 60)
    assert 4 <= e["budget"] < 4.5 and e.results.winner == "quick" and "2 fit: quick wins" in e.caption.value
    assert e.parts["line"].get_visible() and e.parts["line"].get_xdata()[0] == e["budget"]
    assert [x[0] for x in e.parts["before"].get_data()] == pytest.approx([8, 71]), "who won before"
    e.controls["budget"].value = e.controls["budget"].options[0][1]
    assert e.results.winner is None and "nothing is that cheap; control" not in e.caption.value
    assert "nothing is that cheap; quick takes 2 ms." in e.caption.value
    assert "nothing is that cheap" in e.parts["winner"].get_text() and not len(e.parts["ring"].get_xdata())
    e.picture.x, e.picture.y = e.canvas.point(e.parts["chart"], 8.3, 60)
    assert e["budget"] == float("inf") and not e.parts["line"].get_visible()


def test_of_equals_the_cheaper_wins() -> None:
    twins = {"dear": FIGURES["slow"], "cheap": (*FIGURES["slow"][:2], 7.0, 95e6)}
    assert RaceExplorer(made_up(figures=twins)).results.winner == "cheap"


def test_other_axes() -> None:
    e = RaceExplorer(made_up())
    assert [value for _, value in e.controls["score"].options] == ["mean_iou", "IoU of thing"], "a loss is no score"
    assert [value for _, value in e.controls["cost"].options] == ["ms", "macs"], "threads cost nothing"
    e.controls["budget"].value = e.controls["budget"].options[3][1]
    e.controls["cost"].value = "macs"
    assert e["budget"] == float("inf") and e.results.places["quick"][0] == 40 and not len(e.parts["ghost"].get_xdata())
    e.controls["score"].value = "IoU of thing"
    assert e.results.front == ["quick", "beaten"] and e.parts["chart"].get_ylabel() == "IoU of thing, %"
    assert sorted(e.parts["ghost"].get_ydata()) == pytest.approx([56, 60, 71]), "where the points were"
    assert e.parts["chart"].get_xscale() == "log"
    e.controls["axis"].value = "linear"
    assert e.parts["chart"].get_xscale() == "linear" and not len(e.parts["ghost"].get_xdata())


def test_families_are_ticked_and_controls_begin_without() -> None:
    e = RaceExplorer(made_up(), made_up("others", {"other": ((0.9,), 0.1, 9.0, 1e6)}), families={"slow": "long"})
    assert e.families == ["long", "of a day", "of a day, controls", "others"]
    assert set(e.results.places) == {"slow", "quick", "beaten", "other"}
    assert "These times come from 2 files: compare only those of one." in e.caption.value
    limits = e.parts["chart"].get_xlim()
    e.controls["show of a day, controls"].value = True
    assert e.results.front[0] == "control" and {t.get_text() for t in names_of(e)} == set(e.results.places)
    e.controls["show others"].value = False
    assert "files" not in e.caption.value and e.parts["chart"].get_xlim() == limits
    assert list(e.parts["ghost"].get_xdata()) == [9], "gone with the last move"
    for family in e.families:
        e.controls[f"show {family}"].value = False
    assert 'role="alert"' in e.caption.value and "tick at least one" in e.caption.value


def test_costs_that_were_just_measured() -> None:
    e = RaceExplorer(made_up(), costs={"ms, here": {"quick": 3.0, "beaten": 1.0}})
    assert e["cost"] == "ms, here" and set(e.results.places) == {"quick", "beaten"}
    assert "for 3 ms, here, 40 million multiply-adds; next is beaten" in e.caption.value, "no time of another machine"
    assert "Not measured: slow." in e.caption.value
    e = RaceExplorer(made_up(), costs={"ms, here": {"control": 3.0}})
    assert 'role="alert"' in e.caption.value and "has both ms, here and mean IoU; choose other axes" in e.caption.value


@pytest.mark.parametrize("axis", ["logarithmic", "linear"])
@pytest.mark.parametrize("seed", range(4))
def test_no_name_covers_another(seed: int, axis: str) -> None:
    e = RaceExplorer(LINEAGE, grid(seed))
    e.controls["axis"].value = axis
    for family in e.families:
        e.controls[f"show {family}"].value = True
    for cost in ("ms", "macs"):
        e.controls["cost"].value = cost
        texts = names_of(e)
        assert {t.get_text() for t in texts} | set(e.results.unnamed) == set(e.results.places)
        assert len(e.results.places) == 32 and len(texts) > 29
        boxes = {t.get_text(): t.get_window_extent(e.canvas.agg.get_renderer()) for t in texts}
        assert not [pair for pair in itertools.combinations(boxes, 2) if boxes[pair[0]].overlaps(boxes[pair[1]])]


def test_a_file_of_the_benchmark(tmp_path: Path) -> None:
    scores = {"ms": [3.0], "ms_low": [2.9], "macs": [2e6], "peak_bytes": [5e6], "mean_iou": [0.5], "pictures": [4]}
    rows = {f"{name}, 32×32, batch 1, cpu, 1 thread": name for name in ("one", "two")}
    runs = [{"arm": row, "seed": 0, "at": [1.0], "scores": scores, "iou": None} for row in rows]
    arms = {row: {"model": {}, "data": DATA, "recipe": {}} for row in rows}
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(made_up("bench", arms=arms, runs=runs, extra={})), encoding="utf-8")
    e = RaceExplorer(file)
    assert list(e.results.places) == ["one", "two"] and e.results.front == ["one", "two"]
    assert [value for _, value in e.controls["cost"].options] == ["ms", "macs", "peak_bytes"]
    assert "mean IoU 50.0 % for 3 ms, 2 million multiply-adds, 5 MB at the peak" in e.caption.value
    again = {f"one, 32×32, batch {n}, cpu, 1 thread": arms[next(iter(rows))] for n in (1, 2)}
    both = [{**runs[0], "arm": row} for row in again]
    assert set(RaceExplorer(made_up("bench", arms=again, runs=both, extra={})).entrants) == set(again)


def test_figures_in_words() -> None:
    assert [number(v) for v in (0.01234, 3.0, 44.59, 99.97, 1257.7)] == ["0.0123", "3", "44.6", "100", "1,258"]
    assert quantity("bytes_stored").said(2_500_000) == "2.5 MB stored" and quantity("wait").said(2) == "2 wait"


def test_a_long_caption_is_whole_on_a_still_page() -> None:
    more = {f"a network with the number {i}": ((0.5 + i / 50,), 0.1, 1.0 + i, 1e6) for i in range(20)}
    e = RaceExplorer(made_up(figures=more))
    figure = e.static()
    text = figure.texts[0].get_window_extent()
    assert text.height > 35 and text.y0 >= 0 and figure.bbox.height > e.canvas.figure.bbox.height + 35


def test_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no results; give a file"):
        RaceExplorer()
    with pytest.raises(FileNotFoundError, match=r"no results in .*none\.json; RaceExplorer takes a file"):
        RaceExplorer(tmp_path / "none.json")
    (tmp_path / "other.json").write_text("[1", encoding="utf-8")
    with pytest.raises(ValueError, match=r"other\.json, which holds no results; it takes a file"):
        RaceExplorer(tmp_path / "other.json")
    with pytest.raises(ValueError, match="got a list, which holds no results"):
        RaceExplorer([])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="two networks called 'slow'"):
        RaceExplorer(made_up(), made_up("again"))
    elsewhere = {"other": {"data": {**DATA, "size": [64, 64]}}}
    with pytest.raises(ValueError, match=r"different pictures: slow on \{.*32.*\}, other on .*64.*one test set"):
        RaceExplorer(made_up(), made_up("b", {"other": FIGURES["slow"]}, arms=elsewhere))
    with pytest.raises(ValueError, match="no network with both a score and a cost"):
        RaceExplorer(made_up(extra={}))
    with pytest.raises(ValueError, match="'ms, here' of 'swift'; the networks are slow, quick, beaten, control"):
        RaceExplorer(made_up(), costs={"ms, here": {"swift": 1.0}})
    with pytest.raises(ValueError, match="'ms, here'=0 of 'slow'; a cost is above 0"):
        RaceExplorer(made_up(), costs={"ms, here": {"slow": 0}})
    with pytest.raises(ValueError, match="a family for 'swift'; the networks are"):
        RaceExplorer(made_up(), families={"swift": "fast"})
