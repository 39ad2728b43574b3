"""Questions whose numbers differ from student to student, so that another's answer is no answer.

A student's numbers follow from their name and a secret of the class. They need no student's code: an answer is a few
numbers in a dictionary, read as text. Questions and right answers lie in the course's folder `teaching`, not in the
package: nobody who has only segkit can look them up.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import isclose
from pathlib import Path
from random import Random
from typing import Any

from segkit.files import write_json
from segkit.grading.assignments import Notebook, NotebookError, folder
from segkit.grading.submissions import Submission

KEPT = "own_numbers.json"  # in the class's folder: the secret and the list of students
POINTS = 2.0
DRAWS = 1000  # at most, until the typical mistakes of a question are mistakes
Numbers = Mapping[str, float]
Judged = dict[tuple[str, str], tuple[float, list[str]]]  # by student and page: points, and lines of feedback


@dataclass(frozen=True)
class Question:
    """A question with numbers of its own for each student.

    Args:
        assignment: to which it belongs.
        draw: what varies, of a random generator.
        text: the question, of what was drawn; Markdown.
        answer: the right numbers by name, of what was drawn.
        mistakes: for each code what to tell the student, and the numbers that one gets so.
        seeds: how many seeds of their own a student takes in the experiment; 0 where it has none.
    """

    assignment: str
    draw: Callable[[Random], dict[str, Any]]
    text: Callable[..., str]
    answer: Callable[..., Numbers]
    mistakes: dict[str, tuple[str, Callable[..., Numbers]]] = field(default_factory=dict)
    seeds: int = 0


@cache
def questions() -> dict[str, Question]:
    """The questions of teaching/own_numbers/, a file each, by assignment; none where there is no such folder.

    They stay with the teacher: whoever has a file can compute its answers.
    """
    found = {}
    for path in sorted((folder() / "own_numbers").glob("ch*.py")):
        spec = importlib.util.spec_from_file_location(f"segkit_own_numbers_{path.stem}", path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        found[module.QUESTION.assignment] = module.QUESTION
    return found


def random_of(secret: str, student: str, assignment: str) -> Random:
    """The generator of a student's numbers: the same wherever and whenever it is asked for."""
    return Random(hashlib.sha256(f"{secret}/{student}/{assignment}".encode()).digest())


def drawn(question: Question, secret: str, student: str) -> dict[str, Any]:
    """What varies, for one student: the first draw with which each typical mistake gives a wrong number."""
    random = random_of(secret, student, question.assignment)
    values = question.draw(random)
    for _ in range(DRAWS):
        if all(_differs(question, values, wrong) for _, wrong in question.mistakes.values()):
            break
        values = question.draw(random)
    return values


def _differs(question: Question, values: dict[str, Any], wrong: Callable[..., Numbers]) -> bool:
    right, made = question.answer(**values), wrong(**values)
    return any(not same(made[name], number) for name, number in right.items() if name in made)


def own_seeds(question: Question, secret: str, student: str) -> list[int]:
    """A student's seeds for the experiment; another generator than that of the numbers, which may change."""
    random = random_of(secret, student, f"{question.assignment}/seeds")
    return sorted(random.sample(range(100, 1000), question.seeds))


def seeds_of(place: Path, assignment: str) -> dict[str, list[int]]:
    """The seeds of all students of a class for the experiment of an assignment; nothing where they have none."""
    known, question = _kept(place), questions().get(assignment)
    if not known or not question or not question.seeds:
        return {}
    return {student: own_seeds(question, known["secret"], student) for student in known["students"]}


def has(place: Path, student: str, assignment: str) -> bool:
    """Whether a student was given numbers of their own for an assignment."""
    known = _kept(place)
    return bool(known and student in known["students"] and assignment in questions())


def names_of(place: Path) -> dict[str, str]:
    """How students write their names, by the name of their folder, as far as it was kept."""
    told = (_kept(place) or {}).get("names", {})
    return {str(key): str(name) for key, name in told.items()} if isinstance(told, dict) else {}


def keep_students(place: Path, students: list[str], names: Mapping[str, str] | None = None) -> str:
    """Write the list of students and the secret, which stays what it was; the secret.

    Args:
        place: the class's folder.
        students: the names of their folders.
        names: how they write their names, by folder.

    Raises:
        NotebookError: the file is there and cannot be read.
    """
    known = _kept(place) or {"secret": secrets.token_hex(8), "students": []}
    known["students"] = sorted({*known["students"], *students})
    if names:
        known["names"] = {**known.get("names", {}), **names}
    write_json(known, place / KEPT)
    return str(known["secret"])


def _kept(place: Path) -> dict[str, Any] | None:
    path = place / KEPT
    if not path.exists():
        return None
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(known["secret"], str) and all(isinstance(one, str) for one in known["students"])):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError):
        raise NotebookError(
            f"{path} cannot be read: it holds the class's secret and its students, as `segkit class generate` wrote "
            "them; put it back from your backup, since without it nobody's own numbers can be judged"
        ) from None
    return dict(known)


def with_own_numbers(notebook: Notebook, assignment: str, secret: str, student: str) -> Notebook:
    """A student version with this student's question at its end, and their seeds where the experiment has seeds."""
    made: Notebook = json.loads(json.dumps(notebook))
    made["metadata"].setdefault("segkit", {})["variant"] = {"student": student}
    question = questions().get(assignment)
    if question is None:
        return made
    values = drawn(question, secret, student)
    text = f"## Your own numbers ({POINTS:g} points)\n\nThese numbers are yours alone: nobody else in your class has "
    text += "them. Write each answer in place of `None`; a number, or arithmetic with numbers such as `3 * 17 + 1`. "
    text += "Counts are exact; round other numbers to four digits, if you like. "
    text += f"They are marked when you hand in.\n\n{question.text(**values)}"
    names = "".join(f'    "{name}": None,\n' for name in question.answer(**values))
    code = f"# Your own numbers\nown_numbers = {{\n{names}}}"
    made["cells"] += [_cell("markdown", f"{assignment}-own-task", text), _cell("code", f"{assignment}-own", code)]
    if question.seeds:
        place = next(i for i, cell in enumerate(made["cells"]) if "Experiment" in cell["source"].split("\n")[0])
        seeds = ", ".join(map(str, own_seeds(question, secret, student)))
        said = f"**Your seeds: {seeds}.** Take these wherever the experiment counts seeds from 0, and name them "
        made["cells"].insert(place + 1, _cell("markdown", f"{assignment}-seeds", f"{said}with your results."))
    return made


def _cell(kind: str, name: str, text: str) -> Notebook:
    cell: Notebook = {"cell_type": kind, "id": name, "metadata": {}, "source": text}
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell


def same(found: float | None, right: float) -> bool:
    """Counts are equal, other numbers to three digits: those may have been rounded."""
    if isinstance(right, int):
        return found == right
    return found is not None and isclose(found, right, rel_tol=2e-3, abs_tol=2e-3 * (right == 0))


def judge(
    question: Question, secret: str, student: str, found: Numbers, others: list[str],
    unread: Mapping[str, str] | None = None,
) -> tuple[float, list[str]]:  # fmt: skip
    """Points, and what to tell the student, as lines of Markdown.

    Args:
        question: what was asked.
        secret: of the class.
        student: whose numbers count.
        found: the student's answer.
        others: names of the others, whose numbers these may be.
        unread: why a number of the student's could not be read, by its name; under "" for all.
    """
    unread = unread or {}
    values = drawn(question, secret, student)
    right = question.answer(**values)
    good = {name: same(found.get(name), number) for name, number in right.items()}
    points = round(POINTS * sum(good.values()) / len(good), 2)
    lines = [f"## Your own numbers: {points:g} of {POINTS:g}", ""]
    lines += [f"- {name}: {_verdict(found.get(name), good[name], unread.get(name, ''))}" for name in right]
    lines += [f"- {unread['']}"] if unread.get("") else []
    if not all(good.values()):
        for code, (message, wrong) in question.mistakes.items():
            made = wrong(**values)
            if any(not good[name] and same(found.get(name), made[name]) for name in good if name in made):
                lines.append(f"- [{code}] {message}")
                break
    if not all(good.values()) and (owner := _owner(question, secret, found, others)):
        lines.append(f"- [anothers-numbers] These would be right for {owner}'s numbers. Work with your own.")
    return points, [*lines, ""]


def _verdict(found: float | None, good: bool, why: str) -> str:
    if found is None:
        return f"not answered{': ' if why else ''}{why}"
    return f"{found:.10g} is {'right' if good else 'not right'}"


def _owner(question: Question, secret: str, found: Numbers, others: list[str]) -> str:
    for other in others:
        right = question.answer(**drawn(question, secret, other))
        if all(same(found.get(name), number) for name, number in right.items()):
            return other
    return ""


def judged(submissions: list[Submission], place: Path) -> Judged:
    """Feedback on everybody's own numbers; nothing where the class has none."""
    known, told = _kept(place), Judged()
    for one in submissions if known else []:
        question = questions().get(one.assignment)
        if known and question and one.report:
            names = known["students"]
            owner = one.variant.get("student", "")
            student = one.student if one.student in names else owner if owner in names else ""
            if student:
                others = [name for name in names if name != student]
                found, unread = one.variant.get("numbers") or {}, one.variant.get("unread") or {}
                told[one.student, one.page] = judge(question, known["secret"], student, found, others, unread)
    return told


def odd(one: Submission, told: Judged) -> list[str]:
    """What the teacher should look at: another's notebook handed in, or another's numbers."""
    _, found = told.get((one.student, one.page), (0.0, []))
    lines = [line.partition("] ")[2] for line in found if line.startswith("- [anothers-numbers]")]
    owner = one.variant.get("student", "")
    if told and owner and owner != one.student:
        lines.append(f"hands in the notebook that was made for {owner}")
    if found and (one.variant.get("unread") or {}).get(""):
        lines.append("hands in a notebook without a readable cell of their own numbers, perhaps the course's own copy")
    return [f"- {one.student}, {one.assignment}: {line}" for line in lines]
