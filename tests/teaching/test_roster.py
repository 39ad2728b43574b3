"""The list of a class as people and learning systems write it; whose a file is by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.cli import main
from segkit.grading.notebook_files import NotebookError
from segkit.teaching.roster import read_roster
from segkit.teaching.senders import Sender
from tests.teaching.made_class import notebook, packed, solutions
from tests.teaching.test_collect import numbered, put, taken

MOODLE = "First name,Last name,Email address\nAnna,Berg,aberg@uni.example\nJörg,de la Cruz,jcruz@uni.example\n"
MOODLE_DE = "\ufeffVorname;Nachname;E-Mail-Adresse\nAnna;Berg;aberg@uni.example\nJörg;de la Cruz;jcruz@uni.example\n"
CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\n"
    '"Berg, Anna",123,s1,aberg,CS7\n"de la Cruz, Jörg",124,s2,jcruz,CS7\n"Student, Test",9,,x,CS7\n'
)
BLACKBOARD = '"Last Name"\t"First Name"\t"Username"\nBerg\tAnna\taberg\nde la Cruz\tJörg\tjcruz\n'


@pytest.mark.parametrize(
    "data",
    [MOODLE.encode(), MOODLE_DE.encode(), MOODLE_DE.strip("\ufeff").encode("cp1252"), CANVAS.encode(),
     BLACKBOARD.encode("utf-16"), b"Berg, Anna\nde la Cruz, J\xc3\xb6rg\n", "Anna Berg\n\nJörg de la Cruz\n".encode()],
    ids=["Moodle", "Moodle, German", "cp1252", "Canvas", "Blackboard", "turned", "plain"],
)  # fmt: skip
def test_lists_as_they_come(data: bytes, tmp_path: Path) -> None:
    roster = read_roster(put(tmp_path / "list.csv", data))
    assert roster.names == ["Anna Berg", "Jörg de la Cruz"]
    assert bool(roster.said) is (b"\n\n" not in data), "what was read is told, unless there was nothing to decide"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Anna Berg\nBo\nAnna Berg\n", "Anna Berg stands in lines 1 and 3; two people of one name are told apart"),
        ("name,group\nAnna Berg,1\nAnna  Berg,2\n", "stands in lines 2 and 3"),
        ("Anna Berg;aberg@uni.example\n", "line 1, reads .*, and no line of headings says which of these is the name"),
        ("Group,Section\n1,2\n", "no column of names is among these"),
        ("\n", "names nobody"),
        ("name\n", "names nobody"),
    ],
)
def test_lists_that_will_not_do(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(NotebookError, match=said):
        read_roster(put(tmp_path / "list.csv", text.encode()))


def test_two_of_one_name_are_told_apart_by_their_logins(tmp_path: Path) -> None:
    text = MOODLE + "Anna,Berg,aberg2@uni.example\nAnna,Berg,aberg2@uni.example\n"
    roster = read_roster(put(tmp_path / "list.csv", text.encode()))
    assert roster.names == ["Anna Berg aberg", "Anna Berg aberg2", "Jörg de la Cruz"]
    assert any("2 students are called Anna Berg" in line for line in roster.said)
    assert any("stands there twice with the same login" in line for line in roster.said)
    assert roster.find(Sender("Anna Berg")) is None, "it may be either"
    made_for = roster.find(Sender("Anna Berg"), "Anna-Berg-aberg2")
    assert made_for is not None and made_for.name == "Anna Berg aberg2"


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        (Sender("Anna Berg"), "Anna Berg"), (Sender("Berg Anna", "4711"), "Anna Berg"), (Sender("aberg"), "Anna Berg"),
        (Sender("berganna", "555"), "Anna Berg"), (Sender("u7", "124"), "Jörg de la Cruz"), (Sender("Anna"), None),
        (Sender("delacruzjorg"), "Jörg de la Cruz"), (Sender("Eve"), None),
    ],
)  # fmt: skip
def test_who_of_the_list_it_is(sender: Sender, name: str | None, tmp_path: Path) -> None:
    found = read_roster(put(tmp_path / "list.csv", CANVAS.encode())).find(sender)
    assert (found.name if found else None) == name


def test_logins_find_their_students(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in"
    put(source / "berganna_123_9_ch01.ipynb", numbered(1))
    put(source / "Homework_jcruz_attempt_2027-01-20-12-00-00_ch01.ipynb", numbered(2))
    made = notebook({**solutions()})
    made["metadata"]["segkit"]["variant"] = {"student": "Di-Eng"}
    put(source / "uxy_77_9_ch01.ipynb", packed(made))
    put(tmp_path / "list.csv", (CANVAS + '"Eng, Di",125,s3,deng,CS7\n').encode())
    words = ["class", "collect", str(source), "--to", str(tmp_path / "class"), "--students", str(tmp_path / "list.csv")]
    assert main(words) == 0
    known = {"Anna-Berg/ch01/ch01.ipynb", "Jörg-de-la-Cruz/ch01/ch01.ipynb"}
    said = capsys.readouterr().out
    assert taken(tmp_path / "class") == known | {"uxy/ch01/ch01.ipynb"}
    assert "not on the list of students; it was made for Di-Eng" in said
    assert "names are taken from 'student'" in said and "handed in nothing: Di-Eng" in said
    assert "not on the list of students: uxy" in said and "people are called" not in said
