"""Assignment 12, the race: equal to the package, reports measured anew, and slips that nobody planted."""

from __future__ import annotations

import copy
import random
import re

import numpy as np
import pytest
import torch

from segkit import analysis
from segkit.analysis.timing import quartiles
from segkit.grading import check, grade_notebook
from segkit.grading.asked import Told, settled
from segkit.grading.assignments import read_notebook, source_path, write_notebook
from segkit.grading.exercise import find
from segkit.grading.exercises import trade_off_measured as truth
from segkit.grading.exercises.trade_off_judged import COLUMNS
from segkit.grading.exercises.trade_off_messages import MESSAGES
from segkit.grading.observers import Machine, written
from segkit.grading.outcome import Outcome
from segkit.grading.values import Leaf, Unusable, unchanged
from segkit.grading.verdict import PARTLY
from segkit.models import shipped
from tests.grading.mistakes.ch12_race import OURS, WRONG, front_pairs, latency_loop, measured, report, row


def right(exercise, *args):
    return find(exercise).reference(*args)


# the right answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_the_packages(seed, rate):
    rng = np.random.default_rng(seed)
    entrants = [(40 - n, float(c), float(a)) for n, (c, a) in enumerate(rng.integers(0, 9, (20, 2)))]
    places = analysis.pareto_front([-c if rate else c for _, c, _ in entrants], [a for _, _, a in entrants])
    assert right("pareto_front", entrants, rate) == [entrants[place][0] for place in places]


@pytest.mark.parametrize(("warmup", "repeats"), [(0, 1), (1, 4), (3, 7)])
def test_the_latency_is_what_the_package_measures_on_a_machine_that_waits(warmup, repeats):
    work = tuple(random.Random(warmup).uniform(0.01, 0.1) for _ in range(12))
    machine = Machine(work, waits=True)
    times = analysis.in_turns({"one": lambda: machine.run([])}, repeats, warmup, clock=machine.clock)["one"]
    expected = [1000 * seconds / 4 for seconds in quartiles(times)]
    assert right("median_latency", Machine(work, waits=True), 4, warmup, repeats) == pytest.approx(expected)


def test_a_machine_runs_ahead_or_waits():
    """Handing over takes its time; copies and calls are done one after the other; only synchronise waits for them."""
    for waits in (False, True):
        machine = Machine((0.4, 0.1), loading=0.01, copying=0.05, handing=0.002, waits=waits)
        seen = [machine.clock()]
        batch = machine.load(3)
        seen.append(machine.clock())
        for other in (batch, [7, 8, 9]):
            machine.run(other)
            seen.append(machine.clock())
        machine.synchronise()
        seen.append(machine.clock())
        ahead, done = [0.01, 0.012, 0.014, 0.56], [0.06, 0.462, 0.564, 0.564]
        assert [t - seen[0] for t in seen[1:]] == pytest.approx(done if waits else ahead) and len(batch) == 3


def test_a_machine_is_slow_at_each_size_anew_and_fast_with_what_it_has_had():
    machine, taken = Machine((0.4, 0.1), waits=True), []
    one = machine.load(1)
    for batch in (one, one, machine.load(1), machine.load(2), machine.load(2)):
        began = machine.clock()
        machine.run(batch)
        taken.append(machine.clock() - began)
    assert taken == pytest.approx([0.4, 0.05, 0.1, 0.4, 0.1])


def test_a_machine_that_was_used_is_the_same_argument_and_travels_as_plain_data():
    machine = Machine((0.2, 0.1), copying=0.3)
    used = copy.deepcopy(machine)
    used.run(used.load(1))
    assert unchanged(machine, used) and not unchanged(machine, Machine((0.2, 0.1), copying=0.4))
    (first, *_) = Told(find("median_latency").plain()).all_cases()[0].args
    assert first == find("median_latency").all_cases()[0].args[0] and first.clock() == Machine((0.0,)).clock()


def test_nan_among_the_arguments_is_left_alone_and_a_change_is_told():
    assert unchanged([(1, float("nan"))], [(1, float("nan"))]) and not unchanged([1.0], [float("nan")])

    def student(entrants, rate):
        entrants.sort(key=lambda one: one[0])
        return front_pairs(entrants, rate)

    result = check("pareto_front", student, quiet=True)
    assert "input-changed" in [told.code for told in result.diagnoses]


def test_networks_are_measured_anew_as_the_packages_tools_measure_them():
    for name in OURS:
        parameters, buffers, macs, ious, _ = measured(name)
        found = truth.measured(name)
        assert (found.parameters, found.buffers, found.macs) == (parameters, buffers, macs)
        assert truth.ious(found.counts.sum(0)) == pytest.approx(ious, abs=0.05)
    assert truth.shipped() == sorted(path.stem for path in shipped(OURS[0]).parent.glob("lineage_*"))


@pytest.mark.parametrize(
    ("names", "word", "budget"),
    [
        (truth.shipped(), "pole", 7e7),
        (("lineage_fcn16s", "lineage_deeplab_v3plus", "lineage_pspnet", "lineage_deeplab_v1"), "car", 1e8),
    ],
)
@pytest.mark.parametrize("column", list(COLUMNS))
def test_any_choice_of_networks_class_and_budget_can_be_right(column, names, word, budget):
    exercise, answer = find("trade_off"), report(column, names=names, word=word, budget=budget)
    found = exercise.settled(exercise.unsettled().read(answer, (column,)), (column,))
    assert [one.origin for one in found] == ["any"]


# reports -----------------------------------------------------------------------------------------------------------


def test_every_message_about_a_report_is_planted():
    assert {code.split(" ")[0] for code in WRONG["trade_off"]} == set(MESSAGES)


def test_a_wrong_row_is_named_and_how_many_others_there_are():
    one = check("trade_off", row("lineage_unet", 1.5, "mean IoU"), quiet=True)
    assert "Row `lineage_unet`: 1.5 is not what" in one.diagnoses[0].message and "other" not in one.diagnoses[0].message
    assert "should give" not in one.diagnoses[0].example, "the right number depends on the networks, and is not told"

    def student(column):
        return {name: 1.5 for name in report(column)} if column == "mean IoU" else report(column)

    told = check("trade_off", student, quiet=True).diagnoses[0].message
    assert "Row `lineage_fcn8s`" in told and "Other rows that are wrong: 3." in told


@pytest.mark.parametrize(("off", "passed"), [(0.05, True), (-0.09, True), (0.12, False), (-0.12, False)])
def test_a_percentage_may_be_off_by_a_tenth(off, passed):
    answer = row("lineage_unet", lambda value, own: float(np.nanmean(own[3])) + off, "mean IoU")
    assert check("trade_off", answer, quiet=True).passed == passed


@pytest.mark.parametrize(
    "answer",
    [
        lambda column: list(report(column).items()),
        lambda column: {},
        lambda column: dict.fromkeys(map(str, range(99)), 1.0),
        lambda column: {name: [value] * 2 for name, value in report(column).items()},
        lambda column: {1: 2.0},
        lambda column: report("parameters"),
        lambda column: {**report(column), "lineage_\x1b[2J\ud800": 1},
    ],
)
def test_what_is_no_report_gets_a_verdict(answer):
    result = check("trade_off", answer, quiet=True)
    assert not result.passed and result.diagnoses
    assert all(letter.isprintable() or letter in "\n\xa0" for letter in result.text())


@pytest.mark.parametrize(
    "tables",
    [
        (np.zeros((2, 2)), np.zeros((2, 2))),
        (np.full((1, 3), 1 << 40), np.full((1, 3), -5)),
        (np.zeros((99, 60), int), np.zeros((99, 60), int)),
        (np.zeros((2, 9), int), np.zeros((1, 9), int)),
    ],
)
def test_tables_that_no_dictionary_makes_are_refused(tables):
    """They come from the process in which a student's code ran."""
    with pytest.raises(Unusable):
        find("trade_off").settled(tuple(Leaf(table, "int64", "numpy") for table in tables), ("front",))


def test_a_report_travels_as_tables_of_characters():
    keys, values = written({"lineage_unet": 486661, "class": "pole", "front": np.True_, "score": torch.tensor(1.5)})
    told = [["".join(map(chr, filter(None, line))) for line in table] for table in (keys, values)]
    assert told == [["lineage_unet", "class", "front", "score"], ["#486661", "pole", "#True", "#1.5"]]


def test_a_right_outcome_stays_and_a_wrong_one_says_why():
    exercise, whole = find("trade_off"), Outcome("raised", error="ValueError")
    assert settled(exercise, whole, ("front",)) is whole
    leaves = exercise.unsettled().read(report("front"), ("front",))
    assert settled(exercise, Outcome("value", leaves), ("front",)).kind == "value"
    assert settled(exercise, Outcome("value", leaves), ("choice",)).note.startswith("[unknown-class]")


def test_a_whole_notebook_with_a_wrong_row(tmp_path):
    notebook = read_notebook(source_path("ch12"))
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].replace("44587968, 56.3", "44587968, 65.3")
    write_notebook(notebook, tmp_path / "ch12.ipynb")
    found = grade_notebook(tmp_path / "ch12.ipynb")
    (told,) = [line.result for line in found.rows if line.exercise == "trade_off"]
    assert [one.code for one in told.diagnoses] == ["not-measured-so"] and told.status == PARTLY
    assert not found.problems and "lineage_fcn8s" in told.diagnoses[0].message


# the chapter's code, and slips that nobody planted -----------------------------------------------------------------


def packages_front(entrants, rate):
    return analysis.pareto_front([cost for _, cost, _ in entrants], [gain for _, _, gain in entrants])


def packages_times(machine, pictures, warmup, repeats):
    return quartiles(analysis.in_turns({"it": lambda: machine.run(machine.load(pictures))}, repeats, warmup)["it"])


@pytest.mark.parametrize(("exercise", "code"), [("pareto_front", packages_front), ("median_latency", packages_times)])
def test_the_packages_tools_earn_less_than_half(exercise, code):
    assert check(exercise, code, quiet=True).score < 0.5


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        ("pareto_front", lambda *a: front_pairs(*a)[:2], "it should have 3"),
        (
            "pareto_front",
            lambda entrants, rate: [n + rate for n in front_pairs(entrants, rate)],
            "In all 5 cases that fail, rate is True",
        ),
        ("median_latency", lambda *a: [2 * v for v in latency_loop(*a)], "2 times the right one"),
        (
            "median_latency",
            lambda machine, *a: [v + (not machine.waits) for v in latency_loop(machine, *a)],
            "fails when the machine goes on before a call is done",
        ),
    ],
)
def test_an_unknown_mistake_of_the_race(exercise, student, words):
    told = check(exercise, student, quiet=True).diagnoses[0]
    assert told.code in ("wrong-values", "wrong-shape") and words in told.message, told
    assert "should give" in told.example and "gave" in told.example


@pytest.mark.parametrize(("kind", "code"), [(complex, "wrong-values"), (object, "wrong-type")])
def test_numbers_of_another_kind_get_a_verdict(kind, code):
    told = check("median_latency", lambda *a: np.array(latency_loop(*a), dtype=kind), quiet=True).diagnoses[0]
    assert told.code == code and (kind is object or "complex" in told.message)


@pytest.mark.parametrize(
    ("exercise", "student", "codes"),
    [
        (
            "median_latency",
            lambda m, n, *a: [n * v for v in latency_loop(m, n, *a, wrong="mean")],
            {"not-divided", "mean-for-median"},
        ),
        ("pareto_front", lambda e, rate: front_pairs(e, False, wrong="cost"), {"rate-ignored", "same-cost-kept"}),
    ],
)
def test_two_mistakes_at_once(exercise, student, codes):
    result = check(exercise, student, quiet=True)
    assert not result.passed and codes <= {d.code for d in result.diagnoses}, result.text()


def test_what_the_exercise_is_about_costs_more_than_a_slip():
    late, middle = (check("median_latency", WRONG["median_latency"][code], quiet=True).score
                    for code in ("end-not-synchronised", "median-of-an-even-number"))  # fmt: skip
    assert late < 0.5 < 0.8 < middle


# the experiment ----------------------------------------------------------------------------------------------------


def test_the_experiment_runs_and_has_a_rubric():
    cells = read_notebook(source_path("ch12"))["cells"]
    text = next(c["source"] for c in cells if c["metadata"] == {} and "Experiment" in c["source"].split("\n")[0])
    points = [int(points) for points in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    assert sum(points) == 10
    tools: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code" and not cell["metadata"].get("nbgrader", {}).get("grade"):
            exec(cell["source"], tools)
    assert tools["NETWORKS"] == truth.shipped() and len(tools["scenes"]) == truth.SCENES
    for pictures in (1, 2):
        low, middle, high = tools["median_latency"](tools["ThisMachine"]("lineage_fcn8s"), pictures, 1, 3)
        assert 0 < low <= middle <= high
    batch, words = truth.scenes()
    assert torch.equal(tools["ThisMachine"]("lineage_unet").load(2), batch.image[:2])
    assert all(f"`{name}`" not in text for name in words)
