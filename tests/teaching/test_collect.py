"""Whose a downloaded file is, which of several counts, and what becomes of what is no notebook."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from segkit.cli import main
from segkit.grading.notebook_files import NotebookError
from segkit.teaching.collecting import collect_downloads
from segkit.teaching.downloads import downloads
from segkit.teaching.roster import read_roster
from segkit.teaching.senders import Sender, by_pattern, by_stem, folder_name, named_assignment
from tests.teaching.made_class import archive, notebook, packed, solutions

NOON = datetime(2027, 1, 20, 12).timestamp()


def put(path: Path, data: bytes | None = None, later: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(packed(notebook({})) if data is None else data)
    os.utime(path, (NOON + later, NOON + later))
    return path


def numbered(number: int) -> bytes:
    """A notebook that differs from every other."""
    return packed(notebook({**solutions(), "dice": f"{solutions()['dice']}\nmine = {number}"}))


def taken(place: Path) -> set[str]:
    return {path.relative_to(place / "submitted").as_posix() for path in place.rglob("submitted/**/*.ipynb")}


@pytest.mark.parametrize(
    ("name", "sender"),
    [
        ("Berg Anna_12345_assignsubmission_file_ch03.ipynb", Sender("Berg Anna", "12345")),
        ("Berg Anna_12345_assignsubmission_file_", Sender("Berg Anna", "12345")),
        ("Berg Anna_12345_assignsubmission_onlinetext", Sender("Berg Anna", "12345")),
        ("de la Cruz_Ana_7_assignsubmission_file_a_b.ipynb", Sender("de la Cruz_Ana", "7")),
        ("Homework 3_aberg_attempt_2026-11-05-10-22-33_ch03.ipynb", Sender("aberg", "", "2026-11-05-10-22-33")),
        ("berganna_LATE_123_4567_ch03-1.ipynb", Sender("berganna", "123", late=True)),
        ("berganna_123_4567_ch03.ipynb", Sender("berganna", "123")),
        ("ch03.ipynb", None),
        ("Anna Berg", None),
    ],
)
def test_names_that_learning_systems_give(name: str, sender: Sender | None) -> None:
    assert by_pattern(name) == sender


@pytest.mark.parametrize(
    ("stem", "name"),
    [("ch03_Anna Berg", "Anna Berg"), ("aberg-ch03", "aberg"), ("ch03", None), ("ch03-Copy1", None), ("ch03 (2)", None),
     ("Submission ch03", None)],
)  # fmt: skip
def test_names_that_people_give(stem: str, name: str | None) -> None:
    assert by_stem(stem) == (Sender(name) if name else None)


def test_small_things_about_names() -> None:
    assert named_assignment("my CH03 final") == "ch03" and named_assignment("ch03 or ch04") == ""
    assert named_assignment("batch03") == "" and named_assignment("ch031") == ""
    assert folder_name("=Łukasz / von  Öst..") == "Łukasz-von-Öst" and folder_name("///") == "nameless"


def test_every_way_of_lying(tmp_path: Path) -> None:
    """Folders, archives, archives of one student, plain names: each finds its student."""
    source = tmp_path / "in"
    put(source / "Anna Berg/ch01.ipynb", numbered(1))
    put(source / "Bo Cruz/week 1/ch01.ipynb", numbered(2))
    put(source / "ch01_Cy Diaz.ipynb", numbered(3))
    put(source / "Di Eng.zip", archive([("ch01/ch01.ipynb", numbered(4), (2027, 1, 20, 12, 0, 0))]))
    inside = [
        (f"{name}/ch01.ipynb", numbered(k), (2027, 1, 20, 12, 0, 0)) for k, name in ((5, "Ed Fox"), (6, "Flo Gil"))
    ]
    put(source / "week 1.zip", archive(inside))
    put(source / "Homework_ghu_attempt_2027-01-20-12-00-00_ch01.ipynb", numbered(7))
    put(source / "itohana_55_66_ch01-2.ipynb", numbered(8))
    put(source / "ch01.ipynb.txt", numbered(9))
    put(source / "Ida Jung/ch01.ipynb.txt", numbered(10))
    collect_downloads(source, tmp_path / "class")
    names = ("Anna-Berg", "Bo-Cruz", "Cy-Diaz", "Di-Eng", "Ed-Fox", "Flo-Gil", "ghu", "itohana", "Ida-Jung")
    assert taken(tmp_path / "class") == {f"{name}/ch01/ch01.ipynb" for name in names}
    assert (tmp_path / "class/aside/nobody/ch01.ipynb.txt").read_bytes() == numbered(9)


def test_the_latest_counts_and_a_broken_one_does_not_replace_it(tmp_path: Path) -> None:
    source = tmp_path / "in"
    put(source / "Homework_abe_attempt_2027-01-20-12-00-00_ch01.ipynb", numbered(1), later=900)
    put(source / "Homework_abe_attempt_2027-01-21-12-00-00_ch01.ipynb", numbered(2))
    put(source / "bob_5_6_ch01.ipynb", numbered(3))
    put(source / "bob_5_7_ch01-1.ipynb", numbered(4))
    put(source / "Cy/ch01.ipynb", numbered(5))
    put(source / "Cy/again/ch01.ipynb", numbered(5), later=-60)
    put(source / "Cy/new/ch01.ipynb", numbered(6)[:900], later=3600)
    found = collect_downloads(source, tmp_path / "class")
    for name, number in (("abe", 2), ("bob", 4), ("Cy", 5)):
        assert (tmp_path / "class/submitted" / name / "ch01/ch01.ipynb").read_bytes() == numbered(number), name
    told = {(row["student"], row["what"]) for row in found.rows if row["what"] != "taken"}
    assert told == {
        ("abe", "an earlier version"),
        ("bob", "an earlier version"),
        ("Cy", "cannot be read"),
        ("Cy", "the same again"),
    }
    assert len(list((tmp_path / "class/aside/Cy").iterdir())) == 1, "what is the same is not kept twice"
    assert "a later one cannot be read" in found.text()


def test_what_is_no_notebook_is_kept_and_told(tmp_path: Path) -> None:
    source = tmp_path / "in"
    put(source / "Anna/report.pdf", b"%PDF")
    put(source / "Anna/pictures/report.pdf", b"%PDF 2")
    put(source / "Bo/chapter.ipynb", packed({"cells": [], "metadata": {}}))
    put(source / "Cy/work.zip", b"PK\3\4 cut off")
    put(source / "Cy/.ipynb_checkpoints/ch01-checkpoint.ipynb")
    (source / "Di").mkdir()
    (source / "Di/ch01.ipynb").symlink_to("/etc/hostname")
    found = collect_downloads(source, tmp_path / "class")
    told = {(row["student"], row["what"]): row["note"] for row in found.rows}
    assert found.left_behind == 1 and not taken(tmp_path / "class")
    assert {path.name for path in (tmp_path / "class/aside/Anna").iterdir()} == {"report.pdf", "report-1.pdf"}
    assert "answers no exercise" in told["Bo", "of no assignment"]
    assert "cannot be unpacked" in told["Cy", "not a notebook"] and "a link" in told["Di", "not a notebook"]
    assert (tmp_path / "class/submitted/Anna").is_dir(), "so that the marks list a student who sent something else"


def test_who_is_missing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "in/Anna Berg/ch01.ipynb")
    put(tmp_path / "in/Eve Who/ch01.ipynb")
    put(tmp_path / "list.csv", "﻿Student;Group\nAnna Berg;1\nBo Cruz;2\n".encode())
    words = ["class", "collect", str(tmp_path / "in"), "--to", str(tmp_path / "class"), "--students"]
    assert main([*words, str(tmp_path / "list.csv")]) == 0
    said = capsys.readouterr().out
    assert "handed in nothing: Bo-Cruz" in said and "not on the list of students: Eve-Who" in said
    assert (tmp_path / "class/submitted/Bo-Cruz").is_dir()


def test_lists_of_names(tmp_path: Path) -> None:
    for text, names in (("Anna Berg\n\nBo\n", ["Anna Berg", "Bo"]), ("id,name\n1,Anna\n2,Bo\n", ["Anna", "Bo"])):
        assert read_roster(put(tmp_path / "list", text.encode())).names == names
    with pytest.raises(NotebookError, match="names nobody; write the name of a student in each line"):
        read_roster(put(tmp_path / "list", b"\n"))


def test_an_archive_that_would_fill_the_memory_is_not_unpacked(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("Anna/ch01.ipynb", b"0" * (65 << 20))
        whole.writestr("../../Bo/ch01.ipynb", numbered(1))
    put(tmp_path / "in/all.zip", buffer.getvalue())
    found = {one.where: one for one in downloads(tmp_path / "in")}
    assert "too large for a notebook" in found["all.zip/Anna/ch01.ipynb"].problem
    assert not found["all.zip/Anna/ch01.ipynb"].data
    collect_downloads(tmp_path / "in", tmp_path / "class")
    assert taken(tmp_path / "class") == {"Bo/ch01/ch01.ipynb"} and not (tmp_path.parent / "Bo").exists()


def test_an_archive_itself_can_be_given(tmp_path: Path) -> None:
    inside = [(f"{name}_{k}_assignsubmission_file_ch01.ipynb", numbered(k), (2027, 1, 20, 12, 0, 0))
              for k, name in ((1, "A B"), (2, "C D"))]  # fmt: skip
    put(tmp_path / "all.zip", archive(inside))
    collect_downloads(tmp_path / "all.zip", tmp_path / "class")
    assert taken(tmp_path / "class") == {"A-B/ch01/ch01.ipynb", "C-D/ch01/ch01.ipynb"}


def test_the_report_survives_a_spreadsheet_and_names_like_formulas(tmp_path: Path) -> None:
    put(tmp_path / "in/=1+1 Cmd/ch01.ipynb", numbered(1))
    place = tmp_path / "class"
    collect_downloads(tmp_path / "in", place)
    text = (place / "collected.csv").read_text(encoding="utf-8")
    assert "'=1+1 Cmd" in text
    (place / "collected.csv").write_text(text.replace(",", ";"), encoding="utf-8-sig")
    collect_downloads(tmp_path / "in", place)
    with (place / "collected.csv").open(encoding="utf-8") as file:
        assert [row["what"] for row in csv.DictReader(file)] == ["taken"]


def test_a_report_that_is_none_is_named(tmp_path: Path) -> None:
    put(tmp_path / "in/Anna/ch01.ipynb")
    put(tmp_path / "class/collected.csv", json.dumps([1]).encode())
    with pytest.raises(NotebookError, match="has no column student"):
        collect_downloads(tmp_path / "in", tmp_path / "class")


def test_an_archive_s_own_name_is_nobody(tmp_path: Path) -> None:
    inside = [(f"{k}/ch01.ipynb", numbered(k), (2027, 1, 20, 12, 0, 0)) for k in (1, 2)]
    flat = [(f"ch01-{k}.ipynb", numbered(k), (2027, 1, 20, 12, 0, 0)) for k in (3, 4)]
    put(tmp_path / "all" / "Class of 2027.zip", archive(flat))
    collect_downloads(tmp_path / "all", tmp_path / "class")
    put(tmp_path / "two" / "canvas submissions (1).zip", archive(flat))
    put(tmp_path / "two" / "canvas submissions.zip", archive(inside[:1]))
    collect_downloads(tmp_path / "two", tmp_path / "class")
    assert taken(tmp_path / "class") <= {"1/ch01/ch01.ipynb"}, "a folder may be called by a number"
    assert len(list((tmp_path / "class/aside/nobody").iterdir())) == 2


def test_another_assignment_is_set_aside(tmp_path: Path) -> None:
    other = packed(notebook(solutions("ch02"), assignment="ch02"))
    put(tmp_path / "in/Anna/ch01.ipynb", other)
    found = collect_downloads(tmp_path / "in", tmp_path / "class", "ch01")
    assert [row["what"] for row in found.rows] == ["another assignment"]
    assert "collect again without --assignment" in found.rows[0]["note"]
    assert (tmp_path / "class/aside/Anna/ch01.ipynb").read_bytes() == other and not taken(tmp_path / "class")
    collect_downloads(tmp_path / "in", tmp_path / "class")
    assert taken(tmp_path / "class") == {"Anna/ch02/ch02.ipynb"}


def test_lateness_survives_and_a_deadline_is_kept(tmp_path: Path) -> None:
    put(tmp_path / "in/Anna/ch01.ipynb", numbered(1), later=2 * 86400)
    ends = datetime.fromtimestamp(NOON)
    assert "2 d 0 h late" in collect_downloads(tmp_path / "in", tmp_path / "class", "ch01", ends).rows[0]["note"]
    put(tmp_path / "in/Bo/ch01.ipynb", numbered(2), later=3600)
    late = {row["student"]: row["late"] for row in collect_downloads(tmp_path / "in", tmp_path / "class").rows}
    assert late == {"Anna": "2 d 0 h", "Bo": "1 h 0 min"}
    put(tmp_path / "class/deadlines.csv", b"assignment,deadline\nch01,soon\n")
    with pytest.raises(NotebookError, match="the deadline of ch01 is 'soon'; write a day and a time"):
        collect_downloads(tmp_path / "in", tmp_path / "class")


def test_a_late_and_emptier_notebook_is_told_and_an_empty_one_does_not_count(tmp_path: Path) -> None:
    one = packed(notebook({"dice": solutions()["dice"]}))
    put(tmp_path / "in/Anna/ch01.ipynb", numbered(1))
    put(tmp_path / "in/Anna/again/ch01.ipynb", one, later=7200)
    put(tmp_path / "in/Bo/ch01.ipynb", numbered(2))
    put(tmp_path / "in/Bo/again/ch01.ipynb", packed(notebook({})), later=7200)
    ends = datetime.fromtimestamp(NOON + 3600)
    found = collect_downloads(tmp_path / "in", tmp_path / "class", "ch01", ends)
    told = {(row["student"], row["what"]): row["note"] for row in found.rows}
    assert "it came late and holds less (1 parts) than one that came in time (6 parts)" in told["Anna", "taken"]
    assert "a later one has nothing filled in" in told["Bo", "taken"] and ("Bo", "nothing filled in") in told
    place = tmp_path / "class/submitted"
    assert (place / "Anna/ch01/ch01.ipynb").read_bytes() == one
    assert (place / "Bo/ch01/ch01.ipynb").read_bytes() == numbered(2)
    found = collect_downloads(tmp_path / "in", tmp_path / "class", "ch01", in_time=True)
    assert (place / "Anna/ch01/ch01.ipynb").read_bytes() == numbered(1)
    assert {row["what"] for row in found.rows if row["student"] == "Anna"} == {"taken", "a late version"}


def test_an_answer_in_a_cell_of_one_s_own_is_something_filled_in(tmp_path: Path) -> None:
    made = notebook({})
    place = next(i for i, cell in enumerate(made["cells"]) if "Experiment" in cell["source"])
    made["cells"].insert(place + 1, {"cell_type": "markdown", "metadata": {}, "source": "I expect a point."})
    put(tmp_path / "in/Anna/ch01.ipynb", packed(made))
    assert "nothing in it is filled in" not in collect_downloads(tmp_path / "in", tmp_path / "class").text()
