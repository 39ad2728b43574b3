"""What the page counts on pictures, and what it looks up, is what Python computes; and it starts as the chapters do."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
import torch

from segkit.explore.pyramid import heard
from segkit.explore.unpool import unpool
from segkit.metrics import CONVENTIONS, boundary_iou, mean_iou_as, picture_counts
from tests.site.alive import HOW_TO_GET_NODE, NODE, ROOT, answers, exported, offered, random_states, said

import explorers  # isort: skip
from live import counted, pictured, raced  # isort: skip

pytestmark = [pytest.mark.skipif(NODE is None, reason=HOW_TO_GET_NODE), pytest.mark.xdist_group("live")]
CHAPTERS = sorted((ROOT / "course").glob("*.ipynb"))


def shown(chapter: Any) -> list[str]:
    """What a chapter's stored outputs say of its explorers: class and controls as they stand."""
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(o.get("data", {}).get("text/plain", "")) for c in cells for o in c.get("outputs", [])]
    return [text for text in texts if re.match(r"\w+Explorer\(", text)]


def test_metrics_are_counted_as_in_python() -> None:
    live = pictured.metrics()
    states = random_states(live, 12)
    for state, answer in zip(states, answers(live, states, ["figures", "pooled"]), strict=True):
        results, caption = said(live.explorer, state)
        assert answer["figures"] == pytest.approx(results.figures, abs=1e-6), state
        assert answer["pooled"] == pytest.approx(results.pooled, abs=1e-6, nan_ok=True), state
        assert answer["caption"].startswith(caption), state


def test_every_convention_judges_as_in_python() -> None:
    live = pictured.metrics()
    states = [{"convention": name, "right": 2, "merge": 5, "void": 1} for name in CONVENTIONS]
    for state, answer in zip(states, answers(live, states, ["pooled"]), strict=True):
        assert answer["pooled"] == pytest.approx(said(live.explorer, state)[0].pooled, abs=1e-6, nan_ok=True), state


@pytest.mark.parametrize("make", [counted.unpool, counted.unpool_edges])
def test_unpooling_is_the_same_as_in_python(make: Any) -> None:
    live = make()
    states = random_states(live, 12)
    for state, answer in zip(states, answers(live, states, ["large"]), strict=True):
        grey = live.explorer.greys[state["scene"]]
        ours, theirs = answer["large"], unpool(grey, state["factor"], state["method"])
        assert np.allclose(ours["after"], theirs.after.flatten(), atol=1e-5), state
        assert np.allclose(ours["kept"], theirs.kept.flatten(), atol=1e-6), state
        assert answer["caption"] == said(live.explorer, state)[1], state


def test_a_pyramid_tells_its_cells_the_same_as_in_python() -> None:
    live = counted.pyramid()
    states = random_states(live, 12)
    for state, answer in zip(states, answers(live, states, ["beside"]), strict=True):
        cells = live.explorer.cells[state["scene"]]
        place = state["mode"], state["rate"], state["row"], state["column"]
        expected = heard(cells, state["bins"], *place).beside.flatten()
        assert np.allclose(answer["beside"], expected, atol=1e-5), state
        assert answer["caption"].startswith(said(live.explorer, state)[1]), state


def test_a_race_is_won_by_the_same_network_as_in_python() -> None:
    live = raced.race()
    assert live is not None
    states, won = random_states(live, 24), 0
    stops = live.data["stops"]
    for number, state in enumerate(states):
        state["budget"] = stops[state["cost"]][number % len(stops[state["cost"]])] if number % 4 else "no limit"
    for state, answer in zip(states, answers(live, states), strict=True):
        python = {name: value for name, value in state.items() if name != "budget"}
        results, caption = said(live.explorer, python)  # a new cost brings stops of its own
        if results is not None:
            budget = math.inf if state["budget"] == "no limit" else state["budget"]
            results, caption = said(live.explorer, {"budget": budget})
        caption = caption.split(" No room for the name")[0]
        assert answer.get("refused", answer.get("caption", "")).startswith(caption), state
        won += results is not None and results.winner is not None
    assert won > 8


@pytest.mark.parametrize(
    ("key", "make"),
    [
        ("SkipExplorer", pictured.skip_explorer),
        ("CrfExplorer", pictured.crf_explorer),
        ("LineageExplorer", pictured.lineage_explorer),
    ],
)
def test_tables_say_what_networks_say(key: str, make: Any) -> None:
    explorer, states = make(), random_states(key, 5)
    for state, answer in zip(states, answers(key, states), strict=True):
        _, caption = said(explorer, state)
        where = f"In the ring (row {state['row']}, column {state['column']}):"
        assert answer["caption"].startswith(caption.replace("In the ring:", where)), state


def test_fields_are_those_of_the_explorer() -> None:
    from segkit.explore import ReceptiveFieldExplorer

    explorer = ReceptiveFieldExplorer()
    states = random_states("ReceptiveFieldExplorer", 3)
    for answer in answers("ReceptiveFieldExplorer", states, ["map", "left", "step"]):
        results, caption = said(explorer, answer["state"])  # the layers that there are depend on the network
        assert answer["caption"].startswith(caption)
        root = results.effective.map.float().sqrt()
        assert sum(answer["map"]) * answer["step"] ** 2 / 31 == pytest.approx(
            float(root.sum() / root.max()), rel=0.1, abs=2
        )


def test_pages_start_where_their_chapters_do() -> None:
    """Class and controls of the page's still are those of the notebook's stored output."""
    figures = exported()
    for chapter in CHAPTERS:
        for text in shown(chapter):
            kind = text.split("(")[0]
            key = kind if kind in figures else f"{chapter.name[:2]} {kind}"
            assert key in figures, f"{chapter.name} shows a {kind}, and the site has none"
            for control in offered(key):
                value = control["values"][control["start"]]
                expected = f"{control['name']}={value!r}"
                if kind != "RaceExplorer":  # its times are measured where the notebook runs
                    assert re.search(rf"[(, ]{re.escape(expected)}[,)]", text), f"{key}: {expected} is not in {text}"
    assert set(figures) <= set(explorers.EXPLORERS)


def test_scripts_agree_with_python_about_edges() -> None:
    """A planted picture with void, which ends a mask in truth and in prediction alike."""
    make = torch.Generator().manual_seed(3)
    truth = torch.randint(0, 4, (12, 16), generator=make).repeat_interleave(8, 0).repeat_interleave(8, 1)
    live = pictured.metrics()
    truth[20:40, 30:60] = 255
    live.data["labels"] = pictured.bytes_of([truth])
    explorer = type(live.explorer)([pictured.Sample(torch.zeros(3, 96, 128), truth)], live.explorer.classes)
    state = {"scene": 0, "target": 0, "right": 3, "width": 2}
    (answer,) = answers(live, [state], ["figures", "pooled"])
    results, _ = said(explorer, {**state, "into": 0})
    assert answer["figures"] == pytest.approx(results.figures, abs=1e-6)
    counts = picture_counts([results.prediction], [truth], len(explorer.classes))
    assert answer["pooled"] == pytest.approx(mean_iou_as(CONVENTIONS["data set"], counts), abs=1e-6)
    assert answer["figures"][6] == pytest.approx(boundary_iou(results.prediction, truth, 13, width=2), abs=1e-6)


def test_points_are_asked_as_in_python() -> None:
    live = pictured.points()
    states = random_states(live, 16)
    wanted = ["before", "after", "points", "curves", "wrong"]
    for state, answer in zip(states, answers(live, states, wanted), strict=True):
        results, caption = said(live.explorer, state)
        assert answer["caption"] == caption, state
        assert answer["points"] == results.points.tolist() and answer["wrong"] == list(results.wrong), state
        for name in ("before", "after"):
            assert answer[name] == getattr(results, name).flatten().tolist(), state
        for way, line in results.curves.items():
            assert np.allclose(answer["curves"][way], line, atol=1e-9), state
