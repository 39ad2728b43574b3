"""A class as a learning system lets one download it: answers of every quality, under every kind of name."""

from __future__ import annotations

import importlib
import inspect
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.grading.assignments import ASSIGNMENTS, read_source
from segkit.grading.slips import SLIPS
from segkit.teaching.handout import student_notebook

ASSIGNMENT = "ch01"
EXERCISES = list(ASSIGNMENTS[ASSIGNMENT])
WHEN = (2027, 1, 20, 12, 0, 0)
LATER, LATE = (2027, 1, 25, 9, 30, 0), (2027, 2, 3, 8, 0, 0)
DEADLINE = "2027-01-31 23:59"
PLANTED = importlib.import_module("tests.grading.mistakes.ch01")


@dataclass
class Student:
    """One of the class.

    Args:
        folder: where their work should come to lie; "" for nobody's.
        files: path in the archive, bytes and time of each file.
        told: the codes that the feedback should name, by exercise; None where nothing is promised.
        marks: what they should get; None where a diagnosis decides.
        kind: in a word.
    """

    folder: str
    files: list[tuple[str, bytes, tuple[int, ...]]]
    kind: str
    told: dict[str, str] = field(default_factory=dict)
    marks: float | None = None


def notebook(answers: dict[str, str], words: str = "", assignment: str = ASSIGNMENT) -> dict[str, Any]:
    """The student version with these answers in it, and some words about the experiment."""
    made = student_notebook(assignment)
    for cell in made["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        cell["source"] = answers.get(name, cell["source"])
        if words and cell["source"].startswith("*Your predictions"):
            cell["source"] += f"\n\n{words}"
    return made


def solutions(assignment: str = ASSIGNMENT) -> dict[str, str]:
    """The model solutions."""
    metas = [(cell, cell["metadata"].get("nbgrader", {})) for cell in read_source(assignment)["cells"]]
    return {meta["grade_id"]: cell["source"] for cell, meta in metas if meta.get("solution")}


def planted(kind: str, number: int) -> tuple[dict[str, str], dict[str, str]]:
    """Answers of the catalogue of planted mistakes: `number` of each exercise's; and the codes they should be told."""
    answers, told = {}, {}
    text = inspect.getsource(PLANTED)
    for name, known in getattr(PLANTED, kind).items():
        chosen = list(known)[number % len(known)]
        answers[name] = f"{name} = {kind}[{name!r}][{chosen!r}]"
        if kind == "WRONG":
            told[name] = chosen.split()[0]
    answers[EXERCISES[0]] = f"{text}\n{answers[EXERCISES[0]]}"
    return answers, told


def slipped(number: int) -> tuple[dict[str, str], dict[str, str]]:
    """Model solutions with a slip of the pen in every second exercise, and not in one on which another builds."""
    answers, told = solutions(), {}
    for place, name in enumerate(EXERCISES[1::2]):
        old, new, code = SLIPS[name][(number // 2**place) % len(SLIPS[name])]
        answers[name], told[name] = answers[name].replace(old, new), code
    return answers, told


def packed(made: dict[str, Any]) -> bytes:
    return json.dumps(made, ensure_ascii=False).encode("utf-8")


def archive(files: list[tuple[str, bytes, tuple[int, ...]]]) -> bytes:
    """Files as a zip, each with its time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, data, time in files:
            whole.writestr(zipfile.ZipInfo(name, time[:6]), data)  # type: ignore[arg-type]
    return buffer.getvalue()


def moodle(name: str, number: int, file: str) -> str:
    return f"{name}_{number}_assignsubmission_file_{file}"


def strange() -> list[Student]:
    """One of each kind of thing that happens."""
    right, done = packed(notebook(solutions(), "All three vary by a point.")), solutions()
    styles = [packed(notebook(planted("RIGHT", number)[0])) for number in range(3)]
    own = [packed(notebook({**done, "dice": f"{done['dice']}\n\n\nmine = {number}"})) for number in range(3)]
    halves = notebook(solutions())
    halves["cells"] = [c for c in halves["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") != "dice"]
    other = packed(notebook(solutions("ch02"), assignment="ch02"))
    untouched, cut = packed(student_notebook(ASSIGNMENT)), right[:700]
    first = packed(notebook({**done, "dice": "def dice(matrix):\n    return 2 * matrix"}))
    twice = planted("WRONG", 23)[0]
    copied = packed(notebook(twice))
    spaced = packed(notebook({k: v.replace("\n", "\n\n") + "\n# mine" for k, v in twice.items()}))
    return [
        Student("Berg-Anna-101", [(moodle("Berg Anna", 101, "ch01.ipynb"), right, WHEN)], "right", marks=20),
        Student("Berg-Anna-177", [(moodle("Berg Anna", 177, "ch01.ipynb"), styles[0], WHEN)], "other styles", marks=20),
        Student("Cruz-Bo", [(f"{moodle('Cruz Bo', 103, '')}/work.ipynb", styles[1], WHEN)], "renamed", marks=20),
        Student("Diaz-Cy", [(moodle("Diaz Cy", 104, "ch01.ipynb"), untouched, WHEN)], "untouched", marks=0),
        Student("Eng-Di", [(moodle("Eng Di", 105, "ch01.ipynb"), b"", WHEN)], "empty"),
        Student("Fox-Ed", [(moodle("Fox Ed", 106, "ch01.ipynb"), cut, WHEN)], "broken"),
        Student("Gil-Flo", [(moodle("Gil Flo", 107, "ch01.ipynb"), packed(halves), WHEN)], "cell deleted",
                {"dice": "missing"}, 17),
        Student("Hu-Gus", [(moodle("Hu Gus", 108, "ch01.ipynb"), first, WHEN),
                           (moodle("Hu Gus", 108, "ch01 (1).ipynb"), own[0], LATE)], "late resubmission", marks=20),
        Student("Ito-Hana", [(moodle("Ito Hana", 109, "ch01.ipynb"), other, WHEN)], "another chapter's"),
        Student("Jung-Ida", [(moodle("Jung Ida", 110, "ch01.ipynb"), copied, WHEN)], "copied"),
        Student("Kim-Jo", [(moodle("Kim Jo", 111, "ch01.ipynb"), spaced, WHEN)], "copied"),
        Student("Lee-Kai", [(moodle("Lee Kai", 112, "ch01.pdf"), b"%PDF-1.7", WHEN)], "wrong file"),
        Student("Meyer-Lu", [(moodle("Meyer Lu", 113, "work.zip"), archive([("a/ch01.ipynb", styles[2], WHEN)]), WHEN)],
                "archive", marks=20),
        Student("", [("ch01.ipynb", own[1], WHEN)], "nobody's"),
        Student("Novak-Max", [("Novak Max/ch01.ipynb", own[2], WHEN)], "folder", marks=20),
    ]  # fmt: skip


def endless() -> Student:
    looping = {**solutions(), "pixel_accuracy": "def pixel_accuracy(matrix):\n    while True:\n        pass"}
    file = (moodle("Ohm Nia", 114, "ch01.ipynb"), packed(notebook(looping)), WHEN)
    return Student("Ohm-Nia", [file], "endless loop", {"pixel_accuracy": "too-slow"}, 18)


def made_class(size: int) -> list[Student]:
    """So many students: one of each strange kind, and the rest with slips and planted mistakes."""
    found = [*strange(), endless()][:size]
    for number in range(size - len(found)):
        answers, told = planted("WRONG", number) if number % 2 else slipped(number // 2)
        name = moodle(f"Student {number:02d}", 200 + number, "ch01.ipynb")
        words = "Draws by picture." if number % 3 else ""
        file = (name, packed(notebook(answers, words)), WHEN)
        found.append(Student(f"Student-{number:02d}", [file], "mistakes", told))
    return found


def write_downloads(students: list[Student], folder: Path) -> None:
    """One archive as Moodle makes it, and a folder and a file beside it."""
    folder.mkdir(parents=True)
    inside = [file for one in students for file in one.files if "_assignsubmission_" in file[0]]
    inside.append(("__MACOSX/._ch01.ipynb", b"\0", WHEN))
    (folder / "CS7-Assignment 1-4711.zip").write_bytes(archive(inside))
    for one in students:
        for name, data, _ in one.files:
            if "_assignsubmission_" not in name:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
