"""A class of thirty: made, graded, marks and feedback written; the marks are those that the made slips deserve."""

from __future__ import annotations

import csv
import functools

import pytest

from segkit.grading import check, class_run
from segkit.grading.assignments import ASSIGNMENTS, NotebookError, read_notebook, source_path
from segkit.grading.class_files import keep
from segkit.grading.classroom import collect, grade_class, main
from segkit.grading.practice_class import TRICKS, make_class
from segkit.grading.slips import SLIPS


@functools.cache
def solutions():
    namespace: dict = {}
    sources = {}
    for name in ASSIGNMENTS:
        for cell in read_notebook(source_path(name))["cells"]:
            meta = cell["metadata"].get("nbgrader", {})
            if meta.get("solution"):
                sources[meta["grade_id"]] = cell["source"]
            if cell["cell_type"] == "code" and not meta.get("grade"):
                exec(cell["source"], namespace)
    return sources, namespace


@pytest.mark.parametrize(
    ("exercise", "slip"),
    [(e, s) for e, slips in SLIPS.items() for s in slips],
    ids=lambda v: v if isinstance(v, str) else v[2],
)
def test_each_slip_is_diagnosed(exercise, slip):
    sources, namespace = solutions()
    old, new, code = slip
    assert old in sources[exercise], "the slip no longer fits the model solution"
    own = dict(namespace)
    exec(sources[exercise].replace(old, new), own)
    result = check(exercise, own[exercise], quiet=True)
    assert not result.passed and code in [d.code for d in result.diagnoses], result.text()


def test_class_of_thirty(tmp_path):
    made = make_class(tmp_path / "again" / "submitted", 30, seed=0)
    result = class_run(30, folder=tmp_path, seed=0, time_limit=3.0)
    assert len(result.submissions) == 30
    rows = list(csv.DictReader(result.csv.open(encoding="utf-8")))
    assert len(rows) == 30 and len({row["points"] for row in rows}) > 8
    for row in rows:
        done = made[f"{row['student']}/ch02"]
        for exercise, what in done.items():
            marks, out_of = row[exercise], ASSIGNMENTS["ch02"][exercise]
            if what == "right":
                assert float(marks) == out_of, (row["student"], exercise)
            elif what == "not a notebook":
                assert marks == "" and "not a notebook" in row["note"]
            elif what in ("stub", *TRICKS):
                assert float(marks) == 0
            else:
                assert float(marks) < out_of, (row["student"], exercise, what)
                assert f"[{what}]" in (tmp_path / "graded" / "feedback" / row["student"] / "ch02.md").read_text(
                    encoding="utf-8"
                )
    assert {what for done in made.values() for what in done.values()} >= {
        "right",
        "stub",
        "not a notebook",
        "endless loop",
        "kernel-flipped",
    }
    page = (tmp_path / "graded" / "feedback" / "student01" / "ch02.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "<h2>conv2d" in page and "http" not in page
    assert "30 submissions graded" in result.table() and "kernel-flipped" in result.table()


def test_submissions_that_lie_flat(tmp_path):
    make_class(tmp_path / "made", 2, ("ch01",), seed=1)
    for student in ("student01", "student02"):
        (tmp_path / "flat" / student).mkdir(parents=True)
        (tmp_path / "made" / student / "ch01" / "ch01.ipynb").rename(tmp_path / "flat" / student / "ch01.ipynb")
    nested = tmp_path / "flat" / "student01" / ".ipynb_checkpoints"
    nested.mkdir()
    (nested / "ch01-checkpoint.ipynb").write_text("{}", encoding="utf-8")
    assert [(one.student, one.assignment) for one in collect(tmp_path / "flat")] == [
        ("student01", "ch01"),
        ("student02", "ch01"),
    ]
    graded = grade_class(tmp_path / "flat", tmp_path / "out", workers=1)
    assert all(one.report is not None for one in graded.submissions)


def test_no_notebook_goes_missing_and_no_stray_file_is_one(tmp_path):
    make_class(tmp_path / "made", 1, ("ch01",), seed=1)
    whole = (tmp_path / "made/student01/ch01/ch01.ipynb").read_bytes()
    names = [".hidden/ch01.ipynb", "anna.ipynb", "ben/ch01.IPYNB", "cleo/ch01.ipynb", "cleo/._ch01.ipynb",
             "__MACOSX/cleo/._ch01.ipynb", ".git/config", ".ipynb_checkpoints/ch01.ipynb", "list.txt"]  # fmt: skip
    for name in names:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\5\x16\7" if "._" in name else whole)
    found = collect(tmp_path / "in")
    assert [(one.student, one.assignment, one.notebook is not None) for one in found] == [
        (".hidden", "ch01", True), ("anna.ipynb", "", False), ("ben", "ch01", True), ("cleo", "ch01", True),
    ]  # fmt: skip
    assert found[1].notes == "it is in no student's folder; put it into submitted/STUDENT/ and grade again"


def test_marks_of_an_earlier_time_are_kept(tmp_path):
    table = tmp_path / "marks.csv"
    for text in ("by hand", "again"):
        table.write_text(text, encoding="utf-8")
        keep(table)
    assert {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()} == {
        "marks-1.csv": "by hand",
        "marks-2.csv": "again",
    }


def test_messages(tmp_path, capsys):
    with pytest.raises(NotebookError, match="no notebooks in"):
        grade_class(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="at least one"):
        class_run(0, folder=tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["--submitted", str(tmp_path)])
    assert ended.value.code == 1 and "no notebooks in" in capsys.readouterr().err
