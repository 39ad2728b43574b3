"""Every recorded result keeps the rules of evidence, with every claim that rests on it."""

from __future__ import annotations

import copy
import functools
import json
import math
import re
import subprocess
import sys

import pytest

from tests.course.evidence import ROOT, Offence, Result, form, offences

TABLES = sorted((ROOT / "course" / "results").glob("bench*.json"))  # made by `segkit bench`, with nothing trained
FILES = [path for path in sorted((ROOT / "course" / "results").glob("*.json")) if path not in TABLES]


def of(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_form(path):
    assert form(of(path)) == []
    assert of(path)["experiment"] == path.stem


@pytest.mark.parametrize("path", TABLES, ids=lambda p: p.stem)
def test_form_of_tables(path):
    """Whole, from one machine, and made as a reader would make it."""
    found = of(path)
    assert form(found) == [] and found["experiment"] == "bench" and found["extra"]["failed"] == {}
    rows = [found["provenance"], *(run["provenance"] for run in found["runs"])]
    assert all(row["command"].startswith("segkit bench ") and path.name in row["command"] for row in rows)
    assert len({(row["device"], json.dumps(row["versions"])) for row in rows}) == 1


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_rules_of_evidence(path):
    found = {(o.rule, o.subject): o.figures for o in offences(Result(of(path)))}
    assert not found, "against the rules of evidence: train on, add seeds, or take the claim back"


def test_every_chapter_that_reads_results_has_claims():
    claimed = {claim["chapter"] for path in FILES for claim in of(path)["claims"]}
    books = {p.name[:2] for p in (ROOT / "course").glob("*.ipynb") if "results.load(" in p.read_text(encoding="utf-8")}
    assert claimed == books


HELP = """
import contextlib, runpy, sys
for sys.argv in ([script, "--help"] for script in sys.argv[1:]):
    sys.path[0] = sys.argv[0].rpartition("/")[0]
    with contextlib.suppress(SystemExit):
        runpy.run_path(sys.argv[0], run_name="__main__")
"""


@functools.cache
def experiments():
    """The experiments that the scripts of the course say they have, all asked in one Python."""
    scripts = sorted({Result(of(path)).provenance["command"].split()[1] for path in FILES})
    run = [sys.executable, "-c", HELP, *scripts]
    answer = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8")
    named = re.findall(r"(?ms)^usage: (\S+).*?\[\{([^}]*)\}\]", answer.stdout)
    assert [name for name, _ in named] == [script.rpartition("/")[2] for script in scripts], answer.stdout
    return {script: re.sub(r"\s", "", words).split(",") for script, (_, words) in zip(scripts, named, strict=True)}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_command_that_makes_a_file_is_there(path):
    """Its script knows the experiment, whatever the script was called when the file was recorded."""
    python, script, experiment, *others = Result(of(path)).provenance["command"].split()
    assert python == "python" and not any(word.startswith(("--steps", "--scale")) for word in others), "a trial"
    assert experiment in experiments()[script]


# The checker itself: one good file, and each fault planted in it.
DATA = {"set": "street", "train": 10, "test": 5}


def good():
    """Two arms, the first five points ahead of the second at every share and with every seed, both far from chance."""
    arms = {name: {"model": {"name": name}, "data": DATA, "recipe": {"steps": 100}} for name in ("a", "b")}
    at = [0.25, 0.5, 1.0]
    runs = [
        {"arm": name, "seed": s, "at": at, "scores": {"mean_iou": [base + 0.001 * s + 0.1 * share for share in at]},
         "iou": [0.5, 0.4]}
        for name, base in (("a", 0.45), ("b", 0.40 - 0.002)) for s in range(3)
    ]  # fmt: skip
    runs[0]["scores"]["mean_iou"] = [v + 0.002 for v in runs[0]["scores"]["mean_iou"]]  # so that there is a spread
    prior = {"kind": "prior", "data": DATA, "weights": "none", "scores": {"mean_iou": 0.2}, "iou": [0.4, 0.0]}
    facts = {"command": "c", "date": "d", "commit": "abc", "device": "CPU", "versions": {"torch": "2"}}
    claim = {"chapter": "99", "metric": "mean_iou", "better": "a", "worse": "b", "margin": 0.03}
    return {
        "experiment": "good", "classes": ["x", "y"], "arms": arms, "runs": runs,
        "baselines": {"position prior": prior}, "claims": [claim], "extra": {}, "provenance": facts,
    }  # fmt: skip


def scores(found, arm, change):
    for run in found["runs"]:
        if run["arm"] == arm:
            run["scores"]["mean_iou"] = change(run["scores"]["mean_iou"], run["seed"])


PLANTED = {
    ("prior", "b"): lambda f: f["baselines"]["position prior"]["scores"].update(mean_iou=0.46),
    ("baselines", "a"): lambda f: f["arms"]["a"]["recipe"].update(class_weights="log"),
    ("half budget", "not recorded"): lambda f: [
        r.update(at=[1.0], scores={"mean_iou": r["scores"]["mean_iou"][-1:]}) for r in f["runs"]
    ],
    ("order", "mean_iou: a > b by 0.03"): lambda f: scores(f, "a", lambda v, s: [v[0], v[1] - 0.06, v[2]]),
    ("margin", "mean_iou: a > b by 0.03"): lambda f: scores(f, "a", lambda v, s: [*v[:2], v[2] - 0.025]),
    ("provenance", "missing"): lambda f: f["provenance"].update(commit="unknown"),
    ("seeds", "a"): lambda f: f["runs"].pop(0),
    ("seeds", "mean_iou: a > b by 0.03"): lambda f: [
        r.update(seed=r["seed"] + 1) for r in f["runs"] if r["arm"] == "a"
    ],
    ("five seeds", "mean_iou: a > b by 0.03"): lambda f: scores(f, "a", lambda v, s: [x - 0.035 for x in v]),
}


def test_a_good_result_passes():
    assert form(good()) == [] and list(offences(Result(good()))) == []


@pytest.mark.parametrize("planted", PLANTED, ids=lambda p: p[0])
def test_planted_faults_are_found(planted):
    found = good()
    PLANTED[planted](found)
    assert form(found) == []
    assert planted in {(o.rule, o.subject) for o in offences(Result(found))}


def test_a_margin_must_be_beyond_two_standard_errors():
    found = good()
    scores(found, "a", lambda v, s: [*v[:2], v[2] + (0.1, -0.06, 0.02)[s]])  # the mean grows, and so does the doubt
    assert [o.rule for o in offences(Result(found))] == ["margin"]
    found["runs"] = [r for r in found["runs"] if r["seed"] == 0]  # one seed has no spread: nothing is certain
    assert {o.rule for o in offences(Result(found))} == {"margin", "seeds"}


def test_fewer_is_better_where_the_claim_says_so():
    found = good()
    found["claims"][0] |= {"lower": True, "margin": 0}
    assert {o.rule for o in offences(Result(found))} == {"order", "margin"}
    found["claims"][0] |= {"better": "b", "worse": "a"}
    assert list(offences(Result(found))) == []


CONTROL = {
    "a control": ({}, lambda f: None, True),
    "no control": ({"control": False}, lambda f: None, False),
    "not far behind": ({"margin": 0.1}, lambda f: None, False),
    "not behind": ({"better": "b", "worse": "a", "margin": -0.5}, lambda f: None, False),
    "trained in another way": ({}, lambda f: f["arms"]["b"]["recipe"].update(steps=10), False),
    "ahead in another claim": (
        {},
        lambda f: f["claims"].append({**f["claims"][0], "better": "b", "worse": "a"}),
        False,
    ),
}


@pytest.mark.parametrize("case", CONTROL)
def test_only_a_control_far_behind_may_stay_at_chance(case):
    claim, change, passes = CONTROL[case]
    found = good()
    scores(found, "b", lambda v, s: [0.2, 0.21, 0.22])
    found["claims"][0] |= {"margin": 0.2, "control": True, **claim}
    change(found)
    assert (("prior", "b") not in {(o.rule, o.subject) for o in offences(Result(found))}) == passes


@pytest.mark.parametrize(("margin", "passes"), [(-0.06, True), (-0.05, False), (-0.04, False)])
def test_no_further_behind_than(margin, passes):
    found = good()
    found["claims"] = [{"chapter": "99", "metric": "mean_iou", "better": "b", "worse": "a", "margin": margin}]
    assert (list(offences(Result(found))) == []) == passes


@pytest.mark.parametrize(("within", "passes"), [(0.06, True), (0.053, False), (0.01, False)])
def test_no_difference_needs_an_interval(within, passes):
    found = good()
    found["claims"] = [{"chapter": "99", "metric": "mean_iou", "same": ["a", "b"], "within": within}]
    assert ("margin" in {o.rule for o in offences(Result(found))}) != passes


FORMLESS = {
    "no 'claims'": lambda f: f.pop("claims"),
    "lacks one of": lambda f: f["arms"]["a"].pop("recipe"),
    "no such arm": lambda f: f["runs"][0].update(arm="c"),
    "there twice": lambda f: f["runs"].append(copy.deepcopy(f["runs"][0])),
    "does not rise to 1": lambda f: f["runs"][0].update(at=[0.25, 1.0, 0.5]),
    "values for 3 shares": lambda f: f["runs"][0]["scores"]["mean_iou"].pop(),
    "iou has 1 classes of 2": lambda f: f["runs"][0]["iou"].pop(),
    "which was not recorded": lambda f: f["claims"][0].update(metric="f1"),
}


@pytest.mark.parametrize("fault", FORMLESS)
def test_faults_of_form_are_found(fault):
    found = good()
    FORMLESS[fault](found)
    assert any(fault in complaint for complaint in form(found))


# The reader
def test_reader():
    result = Result(good())
    assert result.order() == ["a", "b"] and result.order(0.25) == ["a", "b"]
    assert result.values("b", "mean_iou") == pytest.approx([0.498, 0.499, 0.5])
    assert (result.mean("b", "mean_iou"), result.spread("b", "mean_iou")) == (0.499, 0.001)
    assert result.mean("b", "mean_iou", 0.25) == 0.424 and math.isnan(Result(one_seed()).spread("b", "mean_iou"))
    pair = result.paired("a", "b", "mean_iou")
    assert pair.differences == pytest.approx([0.054, 0.052, 0.052])
    assert pair.mean == pytest.approx(0.158 / 3) and pair.error == pytest.approx(0.002 / 3)  # s = 0.002/√3, n = 3
    assert result.iou("a") == pytest.approx({"x": 0.5, "y": 0.4})
    assert result.prior("a")["scores"] == {"mean_iou": 0.2}
    with pytest.raises(KeyError, match="no 'f1' of 'a' at 1"):
        result.values("a", "f1")


def one_seed():
    found = good()
    return {**found, "runs": [r for r in found["runs"] if r["seed"] == 0]}


def test_pairs_are_matched_by_seed_and_not_by_place():
    found = good()
    found["runs"].reverse()
    assert Result(found).paired("a", "b", "mean_iou").differences == pytest.approx([0.054, 0.052, 0.052])
    del found["runs"][0]  # b's seed 2
    assert Result(found).paired("a", "b", "mean_iou").differences == pytest.approx([0.054, 0.052])


def test_every_table_shows_the_baselines():
    lines = Result(good()).table({"mean_iou": "mean IoU (%)"}, more={"what": {"a": "first"}}).splitlines()
    assert [line.split() for line in lines] == [
        ["mean", "IoU", "(%)", "what"], ["a", "55.2", "±", "0.1", "first"], ["b", "49.9", "±", "0.1"],
        ["[position", "prior]", "20.0"],
    ]  # fmt: skip
    other = good()
    other["baselines"]["elsewhere"] = {**other["baselines"]["position prior"], "data": {"set": "cells"}}
    assert "elsewhere" not in Result(other).table({"mean_iou": "mean IoU (%)"}), "not a baseline of these arms"


@pytest.mark.parametrize(
    ("title", "cell"), [("mean IoU (%)", "55.2 ± 0.1"), ("mean IoU", "0.552 ± 0.001"), ("number of", "0.6 ± 0.0")]
)
def test_columns_say_how_they_are_printed(title, cell):
    assert cell in Result(good()).table({"mean_iou": title}).splitlines()[1]


def test_how_a_result_was_made_says_how_many_seeds_there_are():
    found = good()
    found["provenance"]["command"] = "python e.py good --seeds 3"
    assert Result(found).made_by() == "100 steps; CPU, torch 2, d\nmade by: python e.py good --seeds 3"
    found["runs"] += [{**run, "seed": run["seed"] + 3} for run in found["runs"] if run["arm"] == "b"][:2]
    assert Result(found).made_by().endswith("--seeds 3 (seeds for each network: 3 or 5)")
    assert Result(one_seed()).made_by().endswith("made by: c (seeds for each network: 1)"), "no number in the command"


def test_early_rounding_is_made_good():
    found = good()
    found["extra"]["means"] = {"a": {"mean_iou": [0.5, 0.25]}}
    result = Result(found)
    assert (result.mean("a", "mean_iou"), result.spread("a", "mean_iou")) == (0.5, 0.25)
    assert "50.0 ± 25.0" in result.table({"mean_iou": "%"}) and result.mean("a", "mean_iou", 0.5) == 0.5017


def test_an_offence_is_known_by_rule_and_subject():
    assert Offence("prior", "a", "x") != Offence("prior", "b", "x")
