"""A class of thirty through all four commands: nothing is lost, each gets the marks and words that they deserve."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from segkit.cli import main
from segkit.grading.notebook_files import NotebookError
from segkit.teaching.returning import give_back
from segkit.teaching.rubric import read_marks, rubric
from tests.teaching.made_class import DEADLINE, Student, made_class, write_downloads

NOT_GRADED = ("empty", "broken", "wrong file", "another chapter's")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def through(students: list[Student], place: Path) -> Path:
    """The class's folder after collect and grade."""
    write_downloads(students, place / "downloads")
    room = place / "class"
    for words in (["collect", str(place / "downloads"), "--to", str(room), "--deadline", DEADLINE,
                   "--assignment", "ch01"], ["grade", str(room)]):  # fmt: skip
        assert main(["class", *words]) == 0
    return room


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Student], Path]:
    students = made_class(30)
    return students, through(students, tmp_path_factory.mktemp("thirty"))


def check_class(students: list[Student], room: Path) -> None:
    """Marks and diagnoses of all of them, as promised."""
    marks = {row["student"]: row for row in table(room / "graded" / "marks.csv")}
    assert set(marks) == {one.folder for one in students if one.folder}
    for one in students:
        if one.marks is not None:
            assert float(marks[one.folder]["points"]) == one.marks, (one, marks[one.folder])
        for exercise, code in one.told.items():
            page = (room / "feedback" / one.folder / "ch01.md").read_text(encoding="utf-8")
            assert f"[{code}]" in page.split(f"## {exercise}:")[1].split("\n## ")[0], (one.folder, exercise, code)


def test_a_class_of_thirty(thirty: tuple[list[Student], Path], capsys: pytest.CaptureFixture[str]) -> None:
    students, room = thirty
    assert main(["class", "feedback", str(room)]) == 0
    assert "rubric.csv" in capsys.readouterr().out
    check_class(students, room)
    text = (room / "summary.md").read_text(encoding="utf-8")
    assert "Jung-Ida, Kim-Jo, ch01: all answers are the same" in text
    assert "Hu-Gus, ch01: handed in 2 d 8 h late" in text
    assert "Eng-Di, ch01: it is empty" in text and "Fox-Ed, ch01: it is cut off" in text
    assert "2 people are called Berg Anna" in text and "named ch01, but holds ch02" in text
    assert "Lee-Kai, nothing: no notebook handed in" in text
    assert "- dice, missing: 1 (Gil-Flo)" in text and "- pixel_accuracy, too-slow: 1 (Ohm-Nia)" in text
    page = (room / "feedback" / "Berg-Anna-101" / "ch01.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and "http" not in page and "20 of 20" in page
    written = (room / "written" / "ch01.md").read_text(encoding="utf-8")
    assert "## Berg-Anna-101\n\nAll three vary by a point." in written
    assert "## Diaz-Cy\n\n(nothing was written or run below" in written
    assert not any(row["student"] == "Diaz-Cy" for row in table(room / "rubric.csv")), "nothing to mark"
    assert not (room / "graded" / "feedback").exists(), "there is one folder of pages"
    totals = {row["student"]: row for row in table(room / "totals.csv")}
    for student in ("Lee-Kai", "Fox-Ed", "Ito-Hana"):  # no notebook, a broken one, one of another assignment
        told = {key: totals[student][key] for key in ("assignment", "exercises", "out_of", "written_out_of", "waiting")}
        assert told == {"assignment": "ch01", "exercises": "0", "out_of": "20", "written_out_of": "10", "waiting": "0"}
    assert totals["Hu-Gus"]["late"] == "2 d 8 h" and totals["Diaz-Cy"]["waiting"] == "0"
    page = (room / "feedback" / "Hu-Gus" / "ch01.md").read_text(encoding="utf-8")
    assert page.startswith("# Assignment 01: Counting right\n\nHu Gus: 20 of 30 marks\n")
    assert "Handed in late (2 d 8 h)." in page and "- experiment: nothing was handed in, 0 of 10" in page
    page = (room / "feedback" / "Fox-Ed" / "ch01.md").read_text(encoding="utf-8")
    assert str(room) not in page and "save it, and hand in the file ch01.ipynb itself" in page
    assert (
        (room / "feedback/Lee-Kai/nothing.md")
        .read_text(encoding="utf-8")
        .startswith("# Lee Kai: nothing was handed in")
    )


def test_everything_that_came_lies_somewhere(thirty: tuple[list[Student], Path]) -> None:
    students, room = thirty
    lying = {
        path.read_bytes() for part in ("submitted", "aside") for path in (room / part).rglob("*") if path.is_file()
    }
    for one in students:
        for name, data, _ in one.files:
            assert data in lying or name.endswith(".zip") or not data, (one.folder, name)
    rows = table(room / "collected.csv")
    assert all((room / row["now"]).is_file() for row in rows if row["now"])
    assert {row["what"] for row in rows} == {
        "taken",
        "an earlier version",
        "not a notebook",
        "nobody's",
        "another assignment",
    }
    assert not any("MACOSX" in row["from"] for row in rows)


def test_collecting_again_changes_nothing_and_a_later_version_takes_its_place(tmp_path: Path) -> None:
    few = [one for one in made_class(16) if one.folder in ("Berg-Anna-101", "Berg-Anna-177", "Hu-Gus")]
    write_downloads(few, tmp_path / "downloads")
    room = tmp_path / "class"
    collect = ["class", "collect", str(tmp_path / "downloads"), "--to", str(room)]
    assert main(collect) == 0
    before = {path: path.read_bytes() for path in room.rglob("*") if path.is_file()}
    assert main(collect) == 0
    assert before == {path: path.read_bytes() for path in room.rglob("*") if path.is_file()}
    taken = room / "submitted" / "Berg-Anna-101" / "ch01" / "ch01.ipynb"
    old, new = taken.read_bytes(), few[1].files[0][1]
    later = tmp_path / "later" / "Berg Anna_101_assignsubmission_file_" / "ch01.ipynb"
    later.parent.mkdir(parents=True)
    later.write_bytes(new)
    os.utime(later, (1.81e9, 1.81e9))
    assert main(["class", "collect", str(tmp_path / "later"), "--to", str(room)]) == 0
    assert taken.read_bytes() == new
    assert old in {path.read_bytes() for path in (room / "aside" / "Berg-Anna-101").iterdir()}
    earlier = tmp_path / "earlier" / "Berg Anna_101_assignsubmission_file_" / "ch01.ipynb"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b'{"cells": [], "metadata": {}}')
    os.utime(earlier, (1e9, 1e9))
    assert main(["class", "collect", str(tmp_path / "earlier"), "--to", str(room), "--assignment", "ch01"]) == 0
    assert taken.read_bytes() == new, "an earlier version does not replace a later one"


def test_grading_again_keeps_what_has_not_changed(
    thirty: tuple[list[Student], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    students, room = thirty
    before = table(room / "graded" / "marks.csv")
    assert main(["class", "grade", str(room)]) == 0
    said = capsys.readouterr().out
    graded = sum(1 for one in students if one.folder and one.kind not in NOT_GRADED)
    assert f"{graded} of them have not changed" in said
    assert table(room / "graded" / "marks.csv") == before
    assert not (room / "graded" / "marks-1.csv").exists(), "nobody had written into it"
    path = room / "submitted" / "Diaz-Cy" / "ch01" / "ch01.ipynb"
    kept = path.read_bytes()
    try:
        path.write_bytes((room / "submitted" / "Berg-Anna-101" / "ch01" / "ch01.ipynb").read_bytes())
        assert main(["class", "grade", str(room)]) == 0
        assert f"{graded - 1} of them have not changed" in capsys.readouterr().out
        assert {row["student"]: row["points"] for row in table(room / "graded" / "marks.csv")}["Diaz-Cy"] == "20"
    finally:
        path.write_bytes(kept)
        assert main(["class", "grade", str(room)]) == 0


def test_marks_for_written_answers_survive(thirty: tuple[list[Student], Path]) -> None:
    _, room = thirty
    path = room / "rubric.csv"
    rows = table(path)
    assert len([row for row in rows if row["student"] == "Berg-Anna-101"]) == len(rubric("ch01")) == 5
    text = path.read_text(encoding="utf-8")
    mine = text.splitlines()
    place = next(i for i, line in enumerate(mine) if line.startswith("Berg-Anna-101,ch01,1,2,"))
    head, _, _, answer = mine[place].rsplit(",", 3)
    mine[place] = f'{head},1.5,"clear, if late",{answer}'
    left = "Gone,ch01,2,2,what,2,left the class"
    path.write_text("\ufeff" + "\n".join([*mine, left]), encoding="utf-8")  # as a spreadsheet saves it
    for words in (["grade", str(room)], ["feedback", str(room)]):
        assert main(["class", *words]) == 0
    kept = read_marks(path)
    assert kept["Berg-Anna-101", "ch01", 1] == (1.5, "clear, if late", answer)
    assert kept["Gone", "ch01", 2][:2] == (2.0, "left the class")
    page = (room / "feedback" / "Berg-Anna-101" / "ch01.md").read_text(encoding="utf-8")
    assert "Experiment: 1.5 of 10 so far" in page and "clear, if late" in page
    totals = {row["student"]: row for row in table(room / "totals.csv")}
    assert totals["Berg-Anna-101"]["total"] == "21.5" and totals["Berg-Anna-101"]["waiting"] == "4"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (",2,what,3,", r"line \d+ \(Ann, ch01, part 1\): the mark is 3; this part is worth 0 to 2"),
        (",2,what,full,", "the mark is 'full'; write a number from 0 to 2"),
        (",two,what,1,", "put the numbers back"),
    ],
)
def test_a_mark_that_is_none_is_named(change: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "rubric.csv"
    path.write_text(f"student,assignment,part,out_of,for,mark,comment\nAnn,ch01,1{change}\n", encoding="utf-8")
    with pytest.raises(NotebookError, match=said):
        read_marks(path)


def test_a_table_with_semicolons_and_decimal_commas_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rubric.csv"
    path.write_bytes("student;assignment;part;out_of;for;mark;comment\nÖz;ch01;1;2;what;1,5;gut\n".encode("cp1252"))
    assert read_marks(path) == {("Öz", "ch01", 1): (1.5, "gut", "")}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["generate", "ch99", "--to", "{}"], "there is no assignment 'ch99'; the assignments are ch01"),
        (["generate", "ch01", "--to", "{}", "--students", "{}/none.txt"], "No such file"),
        (["collect", "{}/none", "--to", "{}"], "is not there; give the folder"),
        (["collect", "{}", "--to", "{}"], "is both the downloads and the class's folder"),
        (["collect", "{}", "--to", "{}/x", "--assignment", "ch99"], "there is no assignment 'ch99'"),
        (["grade", "{}"], "collect first: segkit class collect DOWNLOADS"),
        (["feedback", "{}"], "grade the class first: segkit class grade"),
    ],
)
def test_errors_are_one_line(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["class", *(word.format(tmp_path) for word in words)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("segkit class: ") and told.count("\n") == 1 and said in told


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "graded").mkdir()
    (tmp_path / "graded" / "graded.json").write_text(json.dumps({"submissions": [{"student": 1}]}), encoding="utf-8")
    with pytest.raises(NotebookError, match="is not what `segkit class grade` writes"):
        give_back(tmp_path)
