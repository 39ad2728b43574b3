"""Running a notebook: what students' cells may do to Python, to the order of cells and to the grader, and what not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segkit.grading import grade_notebook, limits
from segkit.grading.assignments import Notebook, read_notebook, source_path, write_notebook
from segkit.grading.classroom import grade_class
from segkit.grading.notebook import GradedNotebook
from segkit.grading.notebook_cells import notebook_names, plain_python, run_cell
from segkit.grading.outcome import Outcome

ALL = {"conv2d": 3, "conv2d_backward": 6, "shared_pool_backward": 5, "seen_pixels": 6}
FLIPPED = "\n\nright = conv2d\ndef conv2d(x, weight, *rest):\n    return right(x, weight.flip(-1), *rest)\n"


def points(report: GradedNotebook) -> dict[str, float]:
    return {row.exercise: row.points for row in report.rows}


def identity(cell: dict[str, Any]) -> str:
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


@pytest.fixture
def grade(tmp_path: Path) -> Callable[[Callable[[list[dict[str, Any]]], Any]], GradedNotebook]:
    """Grade the model solution of chapter 02 after `change(cells)`."""

    def run(change: Callable[[list[dict[str, Any]]], Any]) -> GradedNotebook:
        notebook: Notebook = read_notebook(source_path("ch02"))
        change(notebook["cells"])
        write_notebook(notebook, tmp_path / "ch02.ipynb")
        return grade_notebook(tmp_path / "ch02.ipynb")

    return run


def own(text: str) -> dict[str, Any]:
    return {"cell_type": "code", "id": "own", "metadata": {}, "source": text, "outputs": [], "execution_count": None}


def find(cells: list[dict[str, Any]], name: str) -> int:
    return next(i for i, cell in enumerate(cells) if identity(cell) == name)


@pytest.mark.parametrize(
    "patch",
    [
        "import torch.nn.functional as F\nF.conv2d = conv2d",
        "import numpy as np\nnp.allclose = lambda *a, **k: True",
        "import segkit.grading.checking as c, segkit.grading.values as v\n"
        "v.same = v.all_same = lambda *a: True\nc.passes = lambda *a: True",
    ],
)
def test_an_answer_is_not_compared_where_the_student_s_code_has_run(grade: Any, patch: str) -> None:
    def change(cells: list[dict[str, Any]]) -> None:
        cells[find(cells, "conv2d")]["source"] += FLIPPED + patch

    report = grade(change)
    assert points(report) == {**ALL, "conv2d": 1.2}, "what a named slip leaves of three marks"
    assert report.rows[0].result.diagnoses[0].code == "kernel-half-flipped"


def test_answers_below_their_check_cells(grade: Any) -> None:
    """One moved to the end, and one written there with its stub left in place."""

    def change(cells: list[dict[str, Any]]) -> None:
        cells.append(cells.pop(find(cells, "conv2d")))
        place = find(cells, "conv2d_backward")
        cells.append(own(cells[place]["source"]))
        cells[place]["source"] = "def conv2d_backward(*args):\n    raise NotImplementedError()"

    report = grade(change)
    assert points(report) == ALL
    assert all("below its check cell" in row.result.text() for row in report.rows[:2])
    assert "below" not in report.rows[2].result.text()


def test_what_a_notebook_may_say_and_python_may_not() -> None:
    names = notebook_names()
    cells = [
        "%%time\na = 1",
        "%%capture out --no-stderr\nb = a + 1",
        "%matplotlib inline\nfiles = !ls\nhere = %pwd\nlen?\n!pip install nothing",
        "c = (7\n     % 4)\nd = (c\n     != 2)",
        "import asyncio\nawait asyncio.sleep(0)\ne = await asyncio.sleep(0, 5)",
        "display(a)\nget_ipython().run_line_magic('time', 'x')",
        "%%bash\nexit 1",
        "%%html\n<b>no Python</b>",
    ]
    assert [run_cell(n, plain_python(code), names) for n, code in enumerate(cells, 1)] == [None] * len(cells)
    assert [names[k] for k in "abcde"] == [1, 2, 3, True, 5] and names["files"] == []


def test_messages_of_cells() -> None:
    names = notebook_names()
    told = run_cell(4, plain_python("x = 1\n\ndef f(:\n    pass"), names)
    assert told is not None and told.startswith("cell 4 cannot be read: line 3, `def f(:`: ")
    assert (
        run_cell(5, "raise KeyboardInterrupt", names)
        == "cell 5: KeyboardInterrupt: (line 1, in <module>: raise KeyboardInterrupt)"
    )
    assert run_cell(6, "1 / 0", names) == "cell 6: ZeroDivisionError: division by zero (line 1, in <module>: 1 / 0)"


def test_the_line_that_is_wrong_is_blamed_and_no_command_beside_it() -> None:
    told = run_cell(7, plain_python("!pip install nothing\n%matplotlib inline\n\ndef f():\n    a = 1\n  return a"), {})
    assert told is not None and "cannot be read: line 6, `return a`" in told


def test_an_alarm_that_rings_while_the_time_is_up_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the second ring may come before the first is dealt with."""

    def slow(*args: Any, **kwargs: Any) -> Outcome:
        ends = time.monotonic() + 0.5
        while time.monotonic() < ends:
            pass
        return Outcome(*args, **kwargs)

    def endless() -> Outcome:
        while True:
            pass

    monkeypatch.setattr(limits, "Outcome", slow)
    monkeypatch.setattr(limits, "waited", lambda: 0.0)
    assert limits.under_alarm(endless, 0.1).kind == "timeout"


def test_time_that_others_had_the_processor_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "waited", lambda: time.monotonic() / 2)  # half of all time

    def work() -> Outcome:
        time.sleep(0.45)
        return Outcome("value")

    assert limits.under_alarm(work, 0.3).kind == "value"
    monkeypatch.setattr(limits, "waited", lambda: 0.0)
    assert limits.under_alarm(work, 0.3).kind == "timeout"


@pytest.mark.parametrize("spoilt", ["def conv2d(x):\n        a = 1\n    return a", "conv2d = '\ud800'"])
def test_a_cell_that_ipython_itself_stops_on_costs_only_its_own_marks(grade: Any, spoilt: str) -> None:
    def change(cells: list[dict[str, Any]]) -> None:
        cells[find(cells, "conv2d")]["source"] = spoilt.replace("'\ud800'", "'?'")

    assert isinstance(plain_python(spoilt), str)
    assert points(grade(change)) == {**ALL, "conv2d": 0}


def test_a_function_whose_cell_stopped_says_which(grade: Any) -> None:
    def change(cells: list[dict[str, Any]]) -> None:
        place = find(cells, "conv2d")
        cells[place]["source"] = "def conv2d(x:\n    return x"

    report = grade(change)
    assert points(report) == {**ALL, "conv2d": 0}
    assert "its cell did not finish: cell" in report.rows[0].result.text()


def test_the_locked_cell_deleted_or_written_into(grade: Any) -> None:
    def delete(cells: list[dict[str, Any]]) -> None:
        cells[:] = [c for c in cells if identity(c) != "ch02-setup"]

    def write_into(cells: list[dict[str, Any]]) -> None:
        cells[find(cells, "ch02-setup")]["source"] = "import math as mathematics\ntorch = None"
        cells[find(cells, "seen_pixels")]["source"] += "\n\nmathematics.pi"

    assert points(grade(delete)) == ALL
    report = grade(write_into)
    assert points(report) == ALL and report.problems == []


def test_an_answer_that_ends_the_grader_costs_only_its_own_marks(grade: Any) -> None:
    def change(cells: list[dict[str, Any]]) -> None:
        cells[find(cells, "conv2d")]["source"] = (
            "import os, signal\ndef conv2d(*args):\n    os.kill(os.getppid(), signal.SIGKILL)"
        )

    report = grade(change)
    assert points(report) == {**ALL, "conv2d": 0}
    assert report.rows[0].result.diagnoses[0].code == "crashed"


def test_defaults_set_in_a_cell_do_not_reach_the_answers(grade: Any) -> None:
    def change(cells: list[dict[str, Any]]) -> None:
        cells.insert(find(cells, "conv2d"), own("torch.set_default_device('meta')\ntorch.set_grad_enabled(False)"))

    assert points(grade(change)) == ALL


@pytest.mark.parametrize(
    "spoilt",
    [
        '"metadata": null',
        '"metadata": {"nbgrader": null}',
        '"metadata": {"segkit": "ch02"}',
        '"metadata": {"segkit": {"assignment": ["ch02"]}}',
    ],
)
def test_spoilt_metadata_end_neither_a_notebook_nor_a_class(tmp_path: Path, spoilt: str) -> None:
    notebook = read_notebook(source_path("ch02"))
    notebook["cells"].append({**own("1 + 1"), **json.loads("{" + spoilt + "}")})
    if "segkit" in spoilt:
        notebook["metadata"] = json.loads("{" + spoilt + "}")["metadata"]
    text = json.dumps(notebook)
    for student, content in (("anna", text), ("ben", "\ufeff" + text), ("carl", '{"worksheets": [], "cells": []}')):
        folder = tmp_path / "submitted" / student
        folder.mkdir(parents=True)
        (folder / "ch02.ipynb").write_text(content, encoding="utf-8")
    result = grade_class(tmp_path / "submitted", tmp_path / "graded", workers=1)
    assert [one.points for one in result.submissions] == [20, 20, 0]
    assert "format 3" in result.submissions[2].error


def test_a_class_is_told_of_what_was_handed_in_oddly(tmp_path: Path) -> None:
    solution = json.dumps(read_notebook(source_path("ch02")))
    broken = read_notebook(source_path("ch02"))
    broken["cells"].insert(2, own("1 / 0"))
    for place, content in (
        ("anna/ch02.ipynb", solution), ("anna/ch02-Copy1.ipynb", json.dumps({"cells": []})), ("ben/notes.txt", ""),
        ("carl/ch03.ipynb", solution), ("dora/ch02/ch02.ipynb", json.dumps(broken)),
    ):  # fmt: skip
        path = tmp_path / "submitted" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    result = grade_class(tmp_path / "submitted", tmp_path / "graded", workers=1)
    assert [(one.student, one.points) for one in result.submissions] == [
        ("anna", 20),
        ("ben", 0),
        ("carl", 0),
        ("dora", 20),
    ]
    marks = result.csv.read_text(encoding="utf-8")
    for words in (
        "ch02-Copy1.ipynb, a copy beside it, was not graded",
        "no notebook handed in",
        "this looks like ch02",
    ):
        assert words in marks and words in result.table()
    assert "ZeroDivisionError" in marks and (result.folder / "feedback" / "ben" / "nothing.md").exists()


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        ("F.conv2d", "F.conv2d"),
        ("from_import", "F.conv2d"),
        ("torch.conv2d", "torch.conv2d"),
        ("ops.conv2d", "segkit.ops.conv2d"),
    ],
)
def test_a_finished_operator_gets_its_marks_and_is_named(grade: Any, call: str, shown: str) -> None:
    def change(cells: list[dict[str, Any]]) -> None:
        cells[find(cells, "conv2d")]["source"] = (
            "import torch.nn.functional as F\nfrom segkit import ops\n"
            "from torch.nn.functional import conv2d as from_import\n"
            f"def conv2d(*args):\n    return {call}(*args)"
        )

    report = grade(change)
    assert points(report) == ALL
    assert f"it calls `{shown}`" in report.table() and f"it calls `{shown}`" in report.rows[0].result.text()
    assert not report.rows[1].result.remarks
