"""Grading one notebook: what students do to theirs, and messages for what is no notebook."""

from __future__ import annotations

import json
import time

import pytest

from segkit.grading import grade_notebook
from segkit.grading.assignments import NotebookError, read_notebook, source_path, write_notebook
from segkit.grading.notebook import main
from segkit.grading.running import in_new_python, steps


@pytest.fixture
def edited(tmp_path):
    """A model solution of chapter 02 with some cells changed: edited({grade id: source or None to delete})."""

    def write(changes, extra=(), name="ch02"):
        notebook = read_notebook(source_path(name))
        for identity, text in changes.items():
            for cell in list(notebook["cells"]):
                if cell["metadata"].get("nbgrader", {}).get("grade_id") == identity:
                    if text is None:
                        notebook["cells"].remove(cell)
                    else:
                        cell["source"] = text(cell["source"]) if callable(text) else text
        for place, text in extra:
            cell = {
                "cell_type": "code",
                "id": f"own{place}",
                "metadata": {},
                "source": text,
                "outputs": [],
                "execution_count": None,
            }
            notebook["cells"].insert(place, cell)
        path = tmp_path / f"{name}.ipynb"
        write_notebook(notebook, path)
        return path

    return write


def points(report):
    return {row.exercise: row.points for row in report.rows}


ALL = {"conv2d": 3, "conv2d_backward": 6, "shared_pool_backward": 5, "seen_pixels": 6}


def test_table(edited):
    report = grade_notebook(
        edited({"seen_pixels": lambda s: s.replace("at for at in taps if 0 <= at < length", "*taps")})
    )
    table = report.table()
    assert "conv2d" in table and "3 / 3  full marks" in table
    assert "outside-kept: Some of your pixels do not exist" in table
    assert f"{report.points:g} / 20" in table and 0.7 < report.score < 1
    assert report.assignment == "ch02" and report.feedback().startswith(f"# ch02: {report.points:g} of 20 marks")


def test_a_failing_cell_does_not_stop_the_rest(edited):
    report = grade_notebook(
        edited({"conv2d": "def conv2d(:\n    pass"}, extra=[(1, "1 / 0"), (2, "import nothing_of_this_name")])
    )
    assert points(report) == {**ALL, "conv2d": 0}
    assert report.rows[0].result.diagnoses[0].code == "missing"
    assert any("ZeroDivisionError" in p for p in report.problems) and any("SyntaxError" in p for p in report.problems)
    assert any("nothing_of_this_name" in p for p in report.problems)


def test_tampered_check_cells_are_not_believed(edited):
    cheat = "class R:\n    score = 1.0\n    def points(self, of): return of\nresult = R()\nresult.points(6)"
    report = grade_notebook(edited({"conv2d": "def conv2d(*args):\n    return 0.0", "check-conv2d": cheat}))
    assert points(report) == {**ALL, "conv2d": 0}


def test_deleted_check_cells_and_functions(edited):
    report = grade_notebook(edited({"check-conv2d": None, "conv2d_backward": None}))
    assert points(report) == {**ALL, "conv2d_backward": 0}
    assert "defines no function `conv2d_backward`" in report.table()


def test_helpers_magics_and_prints(edited):
    helpers = (
        "%matplotlib inline\n!echo hello\ntorch.zeros?\nprint('x' * 10**6)\ndef ones(*s):\n    return torch.ones(*s)"
    )
    report = grade_notebook(
        edited({"seen_pixels": lambda s: s.replace("{position}", "{position * int(ones(1))}", 1)}, extra=[(2, helpers)])
    )
    assert points(report) == ALL and not report.problems


def test_helpers_written_into_a_check_cell_are_known(edited):
    """The function that needs them is graded all the same; the exercise itself is not taken from there."""
    helper = "def plus(a, b):\n    return a + b\n\ndef conv2d(*a):\n    return 0\n\n"
    changes = {
        "seen_pixels": lambda s: s.replace("padding + u * dilation", "padding + plus(0, u) * dilation"),
        "check-seen_pixels": lambda s: helper + s,
    }
    report = grade_notebook(edited(changes))
    assert points(report) == ALL and not report.problems


def test_changed_locked_cell_is_put_back(edited):
    assert points(grade_notebook(edited({"ch02-setup": "torch = None"}))) == ALL


def test_the_function_of_its_place_counts(edited):
    """A function written anew further down does not count for the check above it, as with nbgrader."""
    report = grade_notebook(edited({}, extra=[(7, "def conv2d(*args):\n    return 0.0")]))
    assert points(report)["conv2d"] == 3


def test_endless_function_leaves_the_rest(edited):
    started = time.monotonic()
    report = grade_notebook(edited({"conv2d": "def conv2d(*args):\n    while True:\n        pass"}), time_limit=0.5)
    assert points(report) == {**ALL, "conv2d": 0} and time.monotonic() - started < 40
    assert report.rows[0].result.diagnoses[0].code == "too-slow"


def test_endless_cell_is_passed_over(edited, monkeypatch):
    monkeypatch.setattr("segkit.grading.running.CELL_SECONDS", 1.5)
    own = ["while True:\n    pass", "import time\ntime.sleep(6)", "raise SystemExit"]
    report = grade_notebook(edited({}, extra=list(enumerate(own, 2))))
    assert points(report) == ALL
    late = [problem for problem in report.problems if "did not end in time" in problem]
    assert len(late) == 2, "one has no end, and one takes longer than a cell has"


def test_a_cell_that_ends_python_is_passed_over(edited):
    report = grade_notebook(edited({}, extra=[(2, "import os\nos._exit(1)")]))
    (problem,) = report.problems
    assert points(report) == ALL and problem.startswith("cell 3 ended Python (exit, crash or lack of memory);")


def test_one_exercise_uses_another(edited):
    """ch01's mean_iou calls confusion_matrix: both are the student's own."""
    report = grade_notebook(
        edited({"confusion_matrix": lambda s: s.replace("num_classes)\n", "num_classes).T\n")}, name="ch01")
    )
    assert points(report)["confusion_matrix"] == 1.6 and points(report)["mean_iou"] > 0


def test_which_assignment(edited, tmp_path):
    notebook = read_notebook(edited({}))
    del notebook["metadata"]["segkit"]
    write_notebook(notebook, tmp_path / "homework.ipynb")
    assert grade_notebook(tmp_path / "homework.ipynb").assignment == "ch02"
    write_notebook({**notebook, "cells": notebook["cells"][:1]}, tmp_path / "other.ipynb")
    with pytest.raises(NotebookError, match="defines none of the functions"):
        grade_notebook(tmp_path / "other.ipynb")
    with pytest.raises(NotebookError, match="there is no assignment 'ch99'"):
        grade_notebook(tmp_path / "homework.ipynb", assignment="ch99")


def test_what_is_no_notebook(tmp_path, capsys):
    (tmp_path / "cut.ipynb").write_text('{"cells": [{"cell_ty', encoding="utf-8")
    (tmp_path / "text.py").write_text("print(1)", encoding="utf-8")
    (tmp_path / "list.ipynb").write_text(json.dumps([1, 2]), encoding="utf-8")
    (tmp_path / "bytes.ipynb").write_bytes(b"\x80\xff\x00")
    for name, words in [
        ("nowhere.ipynb", "there is no file"),
        ("cut.ipynb", "cut off"),
        ("text.py", "notebooks end in .ipynb"),
        ("list.ipynb", "not a notebook"),
        ("bytes.ipynb", "not a notebook"),
        ("", "is a folder"),
    ]:
        with pytest.raises(NotebookError, match=words):
            grade_notebook(tmp_path / name)
    assert main([str(tmp_path / "nowhere.ipynb")]) == 1
    assert "there is no file" in capsys.readouterr().err


def test_in_a_new_python(edited):
    """The way of systems without fork gives the same marks."""
    path = edited(
        {"seen_pixels": lambda s: s.replace("at for at in taps if 0 <= at < length", "*taps")}, extra=[(2, "1 / 0")]
    )
    todo = steps(read_notebook(path), list(ALL))
    results, problems = in_new_python(path, todo, 10.0)
    direct = grade_notebook(path)
    assert {name: result.points(ALL[name]) for name, result in results.items()} == points(direct)
    assert [one.split(";")[0] for one in direct.problems] == list(problems.values())
