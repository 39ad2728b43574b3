"""The assignments: complete, with working model solutions and examples, and student versions just like nbgrader's."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from segkit.grading import check, exercises, grade_notebook
from segkit.grading.assignments import (
    ASSIGNMENTS,
    PLACE,
    folder,
    generate,
    main,
    read_notebook,
    source_path,
    student_folder,
    student_version,
    worked_on,
    write_notebook,
)
from segkit.grading.exercise import find, registry
from segkit.grading.slips import SLIPS

NAMES = list(ASSIGNMENTS)


def grade_id(cell):
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def test_every_exercise_is_in_one_assignment():
    assert [name for one in ASSIGNMENTS.values() for name in one] == exercises()


def test_exercises_are_numbered_one_by_one():
    for name, one in ASSIGNMENTS.items():
        assert [find(exercise).number for exercise in one] == [f"{name[2:]}.{k}" for k in range(1, len(one) + 1)]


@pytest.mark.parametrize("name", exercises())
def test_an_exercise_says_the_same_wherever_it_is_written_down(name):
    """Its file, its solution's signature in the notebook, and the guide for instructors."""
    exercise = find(name)
    assert importlib.import_module(f"segkit.grading.exercises.{name}").EXERCISE is exercise
    cells = read_notebook(source_path(exercise.assignment))["cells"]
    (solution,) = [cell["source"] for cell in cells if grade_id(cell) == name]
    (function,) = [one for one in ast.parse(solution).body if getattr(one, "name", "") == name]
    assert f"{name}({ast.unparse(function.args)})" == exercise.signature
    guide = (folder() / "INSTRUCTORS.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{exercise.assignment}` \| (.*?); an experiment", guide, re.MULTILINE)
    assert row == ", ".join(f"`{one}`" for one in ASSIGNMENTS[exercise.assignment])
    assert SLIPS[name], "the practice class makes submissions of it"


def test_an_exercise_is_known_by_its_file_alone(tmp_path, monkeypatch):
    """A new file is an exercise: with its place and its marks, tried and told of without another line anywhere."""
    rooms = importlib.import_module("segkit.grading.exercises")
    text = (
        "from dataclasses import replace\n"
        "from segkit.grading.exercises.pixel_accuracy import EXERCISE as known\n"
        'EXERCISE = replace(known, signature="share(matrix)", number="02.9", marks=5, finished=("trace",))\n'
    )
    (tmp_path / "share.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(rooms, "__path__", [*rooms.__path__, str(tmp_path)])
    registry.cache_clear()
    try:
        new = find("share")
        assert list(registry())[list(registry()).index("seen_pixels") + 1] == "share"
        assert (new.assignment, new.marks) == ("ch02", 5)
        result = check("share", lambda matrix: torch.trace(matrix).double() / matrix.sum(), quiet=True)
        assert result.passed and "torch.trace" in result.remarks[0]
    finally:
        registry.cache_clear()
        sys.modules.pop("segkit.grading.exercises.share", None)


@pytest.mark.parametrize("name", NAMES)
def test_points_in_the_notebook_are_those_of_the_package(name):
    cells = read_notebook(source_path(name))["cells"]
    points = {
        grade_id(c).removeprefix("check-"): c["metadata"]["nbgrader"]["points"]
        for c in cells
        if grade_id(c).startswith("check-")
    }
    assert points == ASSIGNMENTS[name]
    titles = [c["source"].split("\n")[0] for c in cells if c["cell_type"] == "markdown"]
    tasks = [title for title in titles if title.endswith(("marks)", "mark)")) and "`" in title]
    assert tasks == [f"## {find(one).number} `{one}` ({out_of} marks)" for one, out_of in points.items()]
    for exercise, out_of in points.items():
        check_cell = next(c["source"] for c in cells if grade_id(c) == f"check-{exercise}")
        assert f'check("{exercise}", {exercise})' in check_cell and f"result.points({out_of})" in check_cell


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_an_assignment(name):
    cells = read_notebook(source_path(name))["cells"]
    title = cells[0]["source"]
    assert title.startswith("# Assignment ") and "minutes" in title and f"chapter {name[2:]}" in title
    for chapter in student_folder().parents[1].glob(f"{name[2:]}_*.ipynb"):
        assert f"(../../{chapter.name})" in title, "the link to the chapter"
    assert set(re.findall(r"segkit grade (\w+)", title)) == {name}, "the command that grades this one"
    assert "To think about" in cells[-2]["source"] and cells[-1]["cell_type"] == "markdown"
    places = [c["cell_type"] for c in cells if PLACE.match(c["source"])]
    assert places[-2:] == ["markdown", "markdown"], "the answers to the experiment and to the questions"
    assert places[:-2] == ([] if name == "ch09" else ["code"]), "the experiment itself; ch09 runs one that it is given"
    assert all(len(cell["source"].splitlines()) <= 30 for cell in cells if cell["cell_type"] == "code")
    for exercise in ASSIGNMENTS[name]:
        task = next(
            c["source"] for c in cells if c["cell_type"] == "markdown" and f"`{exercise}`" in c["source"].split("\n")[0]
        )
        assert ">>> " in task, f"{exercise} has no worked example"


@pytest.mark.parametrize("name", NAMES)
def test_worked_examples_hold(name):
    """The examples in the text, run with the model solutions as doctests."""
    cells = read_notebook(source_path(name))["cells"]
    namespace: dict = {}
    for cell in cells:
        if cell["cell_type"] == "code" and not grade_id(cell).startswith("check-"):
            exec(cell["source"], namespace)
    blocks = [
        b
        for c in cells
        if c["cell_type"] == "markdown"
        for b in re.findall(r"```python\n(.*?)```", c["source"], re.DOTALL)
    ]
    assert len(blocks) == len(ASSIGNMENTS[name])
    for block in blocks:
        test = doctest.DocTestParser().get_doctest(block, namespace, name, None, 0)
        assert test.examples and doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


@pytest.mark.parametrize("name", NAMES)
def test_model_solutions_earn_all_marks_and_student_versions_none(name, tmp_path):
    full = grade_notebook(source_path(name))
    assert full.points == full.out_of == sum(ASSIGNMENTS[name].values()) and not full.problems
    write_notebook(student_version(read_notebook(source_path(name))), tmp_path / f"{name}.ipynb")
    empty = grade_notebook(tmp_path / f"{name}.ipynb")
    assert empty.points == 0 and not empty.problems
    assert {row.result.status for row in empty.rows} == {"not yet done"}


@pytest.mark.parametrize("name", NAMES)
def test_student_version_gives_nothing_away(name):
    text = json.dumps(student_version(read_notebook(source_path(name))), ensure_ascii=False)
    assert "BEGIN" not in text and "result.points" not in text and "scatter" not in text
    cells = json.loads(text)["cells"]
    stubs = [c for c in cells if c["metadata"].get("nbgrader", {}).get("solution")]
    assert len(stubs) == len(ASSIGNMENTS[name])
    for cell in stubs:
        assert "".join(cell["source"]).endswith("    # YOUR CODE HERE\n    raise NotImplementedError()")
    assert all(not c["metadata"]["editable"] for c in cells if c["metadata"].get("nbgrader", {}).get("grade"))


def test_no_solution_lies_where_learners_work():
    """JupyterLab opens course/; model solutions, and what the experiments come to, lie outside."""
    course = student_folder().parents[1]
    assert f"root_dir={{ROOT / '{course.name}'}}" in (course.parent / "start.py").read_text(encoding="utf-8")
    solutions = {
        grade_id(cell): cell["source"].partition("BEGIN SOLUTION\n")[2].partition("\n    ### END")[0]
        for name in NAMES
        for cell in read_notebook(source_path(name))["cells"]
        if cell["metadata"].get("nbgrader", {}).get("solution")
    }
    assert len(solutions) == len(exercises()) and all(solutions.values())
    assert not [*course.rglob("INSTRUCTORS.md"), *course.rglob("nbgrader_config.py"), *course.rglob("source")]
    fresh = {f"{name}.ipynb": student_version(read_notebook(source_path(name))) for name in NAMES}
    for path in [*course.glob("[0-9][0-9]_*.ipynb"), *(student_folder() / name for name in fresh)]:
        if path.name not in fresh or not worked_on(path, fresh[path.name]):
            text = "\n".join(cell["source"] for cell in read_notebook(path)["cells"])
            assert "BEGIN SOLUTION" not in text and "BEGIN HIDDEN" not in text, path
            assert not [name for name, code in solutions.items() if code.count("\n") > 1 and code in text], path


def test_notebooks_are_graded_where_the_teachers_folder_is_not_there(tmp_path, monkeypatch):
    """A copy for students, without teaching/: the same marks, without a word about what is missing."""
    shutil.copy(source_path("ch02"), tmp_path)
    monkeypatch.setattr("segkit.grading.assignments.folder", lambda: tmp_path / "nowhere")
    report = grade_notebook(tmp_path / "ch02.ipynb")
    assert {row.exercise: row.points for row in report.rows} == ASSIGNMENTS["ch02"] and not report.problems


def test_student_versions_are_up_to_date(tmp_path):
    """`python -m segkit.grading.assignments` would change nothing but notebooks that somebody is solving in place."""
    assert main(["--target", str(tmp_path)]) == 0
    for name in NAMES:
        if worked_on(student_folder() / f"{name}.ipynb", read_notebook(tmp_path / f"{name}.ipynb")):
            continue
        fresh = (tmp_path / f"{name}.ipynb").read_bytes()
        assert fresh == (student_folder() / f"{name}.ipynb").read_bytes(), (
            f"{name}: run python -m segkit.grading.assignments"
        )


def test_generator_refuses_what_would_leak():
    cell = {"cell_type": "code", "metadata": {}, "source": "### BEGIN SOLUTION\n1\n### END SOLUTION", "outputs": []}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    with pytest.raises(ValueError, match="would reach the students"):
        student_version(notebook)
    meta = {"nbgrader": {"solution": True, "grade": False, "locked": False, "grade_id": "a"}}
    with pytest.raises(ValueError, match="has no END SOLUTION"):
        student_version({**notebook, "cells": [{**cell, "metadata": meta, "source": "### BEGIN SOLUTION\n1"}]})
    with pytest.raises(ValueError, match="not marked as a test"):
        student_version({**notebook, "cells": [{**cell, "source": "### BEGIN HIDDEN TESTS\n1\n### END HIDDEN TESTS"}]})


@pytest.fixture
def nbgrader_api(tmp_path, monkeypatch):
    """nbgrader on a course folder made of our sources."""
    pytest.importorskip("nbgrader", reason="nbgrader is not installed (it is in the extra `teach`)")
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    root = tmp_path
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # nbgrader calls `alembic`
    shutil.copytree(folder() / "source", root / "source")
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    (root / "exchange").mkdir(mode=0o777)
    config.Exchange.root = str(root / "exchange")
    config.Execute.timeout = 300  # the machine may be busy
    return NbGraderAPI(config=config)


def test_student_versions_equal_nbgraders(tmp_path, nbgrader_api):
    ours = {path.stem: path for path in generate(folder() / "source", tmp_path / "ours")}
    for name in NAMES:
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            outcome = nbgrader_api.generate_assignment(name)
        assert outcome["success"], outcome.get("log", outcome.get("error"))
        theirs = tmp_path / "release" / name / f"{name}.ipynb"
        assert json.loads(theirs.read_text(encoding="utf-8")) == json.loads(ours[name].read_text(encoding="utf-8"))
        assert theirs.read_bytes() == ours[name].read_bytes()


def test_nbgrader_gives_the_same_marks(tmp_path, nbgrader_api):
    """Three submissions of one assignment, through nbgrader and through grade_notebook."""
    from segkit.grading.practice_class import make_class

    made = make_class(tmp_path / "submitted", 3, ("ch02",), seed=5)
    assert len({tuple(done.values()) for done in made.values()}) == 3, "three different submissions"
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        assert nbgrader_api.generate_assignment("ch02")["success"]
        for number in (1, 2, 3):
            outcome = nbgrader_api.autograde("ch02", f"student{number:02d}")
            assert outcome["success"], outcome.get("log", outcome.get("error"))
            assert warned_of(outcome["log"]) == sorted(f"check-{name}" for name in ASSIGNMENTS["ch02"]), "as always"
    totals = []
    with nbgrader_api.gradebook as gradebook:
        for number in (1, 2, 3):
            student = f"student{number:02d}"
            report = grade_notebook(tmp_path / "submitted" / student / "ch02" / "ch02.ipynb")
            graded = gradebook.find_submission_notebook("ch02", "ch02", student)
            theirs = {grade.name.removeprefix("check-"): grade.auto_score for grade in graded.grades}
            assert theirs == pytest.approx({row.exercise: row.points for row in report.rows}, abs=0.005)
            totals.append(report.points)
    assert len(set(totals)) > 1 and max(totals) > 0, "marks that differ, or the comparison shows little"


def warned_of(log):
    return sorted(set(re.findall(r"Attribute 'checksum' for cell (\S+) has changed!", log)))


def test_nbgrader_warns_of_checks_always_and_of_other_cells_where_they_were_changed(tmp_path, nbgrader_api):
    """As the guide says: what was changed is put back, and no marks are gained or lost."""
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        assert nbgrader_api.generate_assignment("ch02")["success"]
    handed_in = read_notebook(tmp_path / "release" / "ch02" / "ch02.ipynb")
    solutions = {grade_id(c): c["source"] for c in read_notebook(source_path("ch02"))["cells"]}
    changes = {
        **{name: solutions[name] for name in ("conv2d", "seen_pixels")},
        **dict.fromkeys(("check-conv2d", "check-conv2d_backward"), "result = 6\nresult"),
        "ch02-setup": "torch = None",
    }
    for cell in handed_in["cells"]:
        cell["source"] = changes.get(grade_id(cell), cell["source"])
    write_notebook(handed_in, tmp_path / "submitted" / "anna" / "ch02" / "ch02.ipynb")
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        outcome = nbgrader_api.autograde("ch02", "anna")
    assert outcome["success"], outcome.get("log", outcome.get("error"))
    assert warned_of(outcome["log"]) == ["ch02-setup", *sorted(f"check-{name}" for name in ASSIGNMENTS["ch02"])]
    with nbgrader_api.gradebook as gradebook:
        graded = gradebook.find_submission_notebook("ch02", "ch02", "anna")
        marks = {grade.name.removeprefix("check-"): grade.auto_score for grade in graded.grades}
    assert marks == {"conv2d": 3, "conv2d_backward": 0, "shared_pool_backward": 0, "seen_pixels": 6}
    guide = (folder() / "INSTRUCTORS.md").read_text(encoding="utf-8")
    assert "Attribute 'checksum' for cell check-… has changed!" in guide and "nbgrader puts your cell back" in guide


def test_students_work_is_ignored_by_git():
    """Each folder that nbgrader and we write to, named in the guide; what belongs to the course is not."""
    root, guide = folder().parent, (folder() / "INSTRUCTORS.md").read_text(encoding="utf-8")
    names = ["submitted", "release", "autograded", "feedback", "graded", "exchange"]
    assert all(f"`{name}/`" in guide for name in [*names, "trial"])
    work = [f"{name}/anna/ch02/ch02.ipynb" for name in names]
    work = [*work, *(f"teaching/{path}" for path in work), "trial/graded/marks.csv", "teaching/gradebook.db"]
    ours = ["teaching/source/ch02/ch02.ipynb", "course/assignments/student/ch02.ipynb", "teaching/nbgrader_config.py"]
    git = ["git", "-C", str(root), "check-ignore", "--no-index", *work, *ours]
    done = subprocess.run(git, capture_output=True, text=True, encoding="utf-8")
    if done.returncode == 128:
        pytest.skip(f"no git repository here: {done.stderr.strip()}")
    assert done.stdout.split() == work


def test_nbgrader_is_told_of_the_course_and_its_exchange(monkeypatch):
    loader = pytest.importorskip("traitlets.config.loader").PyFileConfigLoader
    monkeypatch.delenv("SEGKIT_EXCHANGE", raising=False)
    config = loader("nbgrader_config.py", path=str(folder())).load_config()
    assert config.CourseDirectory.course_id == "segkit" and Path(config.CourseDirectory.root) == folder()
    assert Path(config.Exchange.root) == folder() / "exchange" and config.Execute.timeout == 120
    monkeypatch.setenv("SEGKIT_EXCHANGE", "elsewhere")
    assert loader("nbgrader_config.py", path=str(folder())).load_config().Exchange.root == "elsewhere"


def test_nbgrader_hands_out_and_in_with_the_course_s_settings(tmp_path, monkeypatch):
    """Our configuration in a copy of the course folder: released, fetched, submitted and collected."""
    exchange = pytest.importorskip("nbgrader.exchange.default", reason="nbgrader is not installed (extra `teach`)")
    from nbgrader.apps import NbGraderAPI
    from nbgrader.auth import Authenticator
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config.loader import PyFileConfigLoader

    monkeypatch.delenv("SEGKIT_EXCHANGE", raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    course, home = tmp_path / "teaching", tmp_path / "home"
    shutil.copytree(folder() / "source" / "ch02", course / "source" / "ch02")
    shutil.copy(folder() / "nbgrader_config.py", course)
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    config.CourseDirectory.db_url = f"sqlite:///{tmp_path / 'gradebook.db'}"
    config.CourseDirectory.assignment_id, config.CourseDirectory.student_id = "ch02", "anna"
    config.Exchange.cache = str(tmp_path / "cache")
    config.ExchangeFetchAssignment.assignment_dir = config.ExchangeSubmit.assignment_dir = str(home)
    for place in (course / "exchange", home):
        place.mkdir()
        place.chmod(0o777)
    monkeypatch.chdir(home)
    nbgrader = NbGraderAPI(config=config)
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
        assert nbgrader.generate_assignment("ch02")["success"] and not nbgrader.collect("ch02")["success"]
        assert nbgrader.release_assignment("ch02")["success"]
        for step in (exchange.ExchangeFetchAssignment, exchange.ExchangeSubmit):
            parts = {"coursedir": CourseDirectory(config=config), "authenticator": Authenticator(config=config)}
            step(config=config, **parts).start()
        assert nbgrader.collect("ch02")["success"]
    collected = course / "submitted" / "anna" / "ch02" / "ch02.ipynb"
    write_notebook(student_version(read_notebook(source_path("ch02"))), tmp_path / "ch02.ipynb")
    assert collected.read_bytes() == (tmp_path / "ch02.ipynb").read_bytes()
