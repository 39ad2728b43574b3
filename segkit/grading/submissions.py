"""What a class has handed in: found and read as a whole, before any of its code runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.grading.assignments import ASSIGNMENTS, Notebook, NotebookError, read_notebook
from segkit.grading.notebook import HARMLESS, GradedNotebook
from segkit.grading.written import shown


@dataclass
class Submission:
    """A student's notebook and what became of it; the assignment is "" where a student handed in none.

    Args:
        student, assignment, path: whose, which and where; the file is not looked at again.
        place: where in the student's folder.
        digest, answers, variant: what `records` keeps of it.
        shown: what the student wrote and ran from the experiment on, as Markdown.
        notebook: what was read there; None where it could not be read.
        report: the marks.
        error: why there are none.
        note: what the lecturer should know besides.
        page: the name of the feedback, one for each notebook of a student.
    """

    student: str
    assignment: str
    path: Path
    notebook: Notebook | None = None
    report: GradedNotebook | None = None
    error: str = ""
    note: str = ""
    page: str = ""
    place: str = ""
    digest: str = ""
    shown: str = ""
    answers: dict[str, str] = field(default_factory=dict)
    variant: dict[str, Any] = field(default_factory=dict)

    def tell(self, note: str) -> None:
        """Add a note."""
        if note not in self.note:
            self.note = "; ".join(filter(None, [self.note, note]))

    @property
    def points(self) -> float:
        return self.report.points if self.report else 0.0

    @property
    def notes(self) -> str:
        """All that the lecturer should know besides the marks."""
        return self._notes(self.report.problems if self.report else [])

    @property
    def pressing(self) -> str:
        """The same without cells that stopped and hold no answer."""
        return self._notes([one for one in self.report.problems if HARMLESS not in one] if self.report else [])

    def _notes(self, problems: list[str]) -> str:
        told = [self.error, self.note]
        if self.report:
            told += problems
            told += [f"{row.exercise}: {remark}" for row in self.report.rows for remark in row.result.remarks]
        return "; ".join(filter(None, told))


def collect(submitted: Path) -> list[Submission]:
    """The submissions in a folder, submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb or submitted/STUDENT/ASSIGNMENT.ipynb.

    Links to other places are not followed. What systems leave behind (`__MACOSX`, `._ch02.ipynb`) is no submission.

    Raises:
        NotebookError: there are none.
    """
    found: list[Submission] = []
    for student in sorted(path for path in submitted.glob("*") if path.name != "__MACOSX"):
        if not student.is_dir():
            if _is_notebook(student):
                why = "it is in no student's folder; put it into submitted/STUDENT/ and grade again"
                found.append(Submission(student.name, "", student, error=why))
            continue
        below = [] if student.is_symlink() else sorted(student.rglob("*"))
        paths = [p for p in below if _is_notebook(p) and not p.is_dir() and ".ipynb_checkpoints" not in p.parts]
        mine = [Submission(student.name, p.stem, p, place=p.relative_to(student).as_posix()) for p in paths]
        for copy in [one for one in mine if one.assignment not in ASSIGNMENTS]:
            right = next((one for one in mine if one.assignment in ASSIGNMENTS
                          and copy.assignment.startswith(one.assignment)), None)  # fmt: skip
            if right:  # ch02-Copy1 beside ch02
                mine.remove(copy)
                right.tell(f"{copy.path.name}, a copy beside it, was not graded")
        for one in mine:
            _read(one)
        links = [path.name for path in (student, *below) if path.is_symlink() and path.is_dir()]
        why = f"{', '.join(links)} is a link to another place; hand in the files themselves" if links else ""
        if not mine and student.name.startswith("."):
            continue  # .git, .ipynb_checkpoints
        found += mine or [Submission(student.name, "", student, error=why or "no notebook handed in")]
    if not found or not any(one.assignment or "link" in one.error for one in found):
        raise NotebookError(
            f"no notebooks in {submitted}; they belong in submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb"
        )
    return found


def _is_notebook(path: Path) -> bool:
    return path.suffix.lower() == ".ipynb" and not path.name.startswith("._")


def _read(one: Submission) -> None:
    try:
        whole = read_notebook(one.path, links=False)
        cells = [{**{name: c.get(name) for name in ("cell_type", "source", "id")}, "metadata": _ours(c, "nbgrader")}
                 for c in whole["cells"]]  # fmt: skip
        one.shown = shown(whole, one.assignment)
        one.notebook = {"cells": cells, "metadata": _ours(whole, "segkit")}  # what else there is only takes room
    except NotebookError as error:
        one.error = str(error)
    except Exception as error:  # whatever one student's file does to us, the class gets its marks
        one.error = f"{one.path} cannot be read: {type(error).__name__}"


def _ours(part: Notebook, name: str) -> dict[str, Any]:
    return {name: part["metadata"][name]} if name in part["metadata"] else {}


def tell_apart(submissions: list[Submission]) -> None:
    """Give each notebook of a student its own page, and say where there are two for one assignment."""
    taken = set()
    for one in submissions:
        same = [o for o in submissions if (o.student, o.assignment) == (one.student, one.assignment)]
        one.page = one.assignment or "nothing"
        if len(same) > 1:
            one.page = "-".join([one.page, *one.place.removesuffix(".ipynb").split("/")])
            one.tell(f"one of {len(same)} notebooks for {one.assignment}: {', '.join(o.place for o in same)}")
        one.page = one.page.encode("utf-8", "replace")[:120].decode("utf-8", "ignore")  # a file's name has few bytes
        while (one.student, one.page.lower()) in taken:
            one.page += "-"
        taken.add((one.student, one.page.lower()))
