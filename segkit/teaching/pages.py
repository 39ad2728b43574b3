"""The page of a student: what came of each exercise, of their own numbers and of the experiment, and the sum of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from segkit.grading.assignments import ASSIGNMENTS, marks, source_path, student_folder
from segkit.grading.class_files import not_graded
from segkit.grading.notebook_files import read_notebook
from segkit.grading.submissions import Submission
from segkit.teaching import own_numbers
from segkit.teaching.adjustments import Adjustment
from segkit.teaching.rubric import Given


@dataclass(frozen=True)
class Standing:
    """All that is known of a student's work on an assignment.

    Args:
        one: what was handed in.
        assignment: which; the submission of somebody who handed in nothing has none.
        name: of the student, as they write it.
        given: marks by the rubric.
        own: points for their own numbers and lines of feedback; None where they have none.
        changes: of a teacher's hand.
        late: how late, in words; "" where it came in time.
    """

    one: Submission
    assignment: str
    name: str
    given: list[Given] = field(default_factory=list)
    own: tuple[float, list[str]] | None = None
    changes: list[Adjustment] = field(default_factory=list)
    late: str = ""

    @property
    def out_of(self) -> int:
        """What the exercises are worth, whether or not any was handed in."""
        if self.one.report:
            return self.one.report.out_of
        return sum(marks(self.assignment).values()) if self.assignment in ASSIGNMENTS else 0

    @property
    def written(self) -> float:
        return sum(part.mark or 0 for part in self.given)

    @property
    def written_out_of(self) -> float:
        return sum(part.part.out_of for part in self.given)

    @property
    def waiting(self) -> int:
        """Parts that nobody has marked, of an answer that is there."""
        return sum(part.mark is None for part in self.given) if self.one.shown else 0

    @property
    def added(self) -> float:
        return sum(change.mark for change in self.changes if not change.exercise)

    @property
    def adjusted(self) -> float:
        """By how much a teacher has changed the total."""
        return round(self.added + sum(one.mark - one.before for one in self.changes if one.exercise), 2)

    @property
    def total(self) -> float:
        return round(self.one.points + (self.own[0] if self.own else 0) + self.written + self.added, 2)

    @property
    def total_out_of(self) -> float:
        return self.out_of + (own_numbers.POINTS if self.own else 0) + self.written_out_of


@cache
def title(assignment: str) -> str:
    """The heading of an assignment: "Assignment 06: Seeing far without going down"."""
    path = student_folder() / f"{assignment}.ipynb"
    path = path if path.exists() else source_path(assignment)
    found = re.search(r"^# (.*)", read_notebook(path)["cells"][0]["source"], re.MULTILINE) if path.exists() else None
    return found[1] if found else assignment


def student_page(it: Standing) -> str:
    """The page, as Markdown."""
    if not it.one.assignment:
        return f"# {it.name}: nothing was handed in\n\n{it.one.error or 'No notebook of yours has come in.'}\n"
    lines = [f"# {title(it.assignment)}", "", *_sums(it), ""]
    lines += [f"Handed in late ({it.late}).", ""] if it.late else []
    lines += [part for change in it.changes if not change.exercise for part in (change.text(), "")]
    if it.one.report is None:
        return "\n".join([*lines, not_graded(it.one), ""])
    changed = {change.exercise: change for change in it.changes}
    for row in it.one.report.rows:
        lines += [f"## {row.exercise}: {row.points:g} of {row.out_of}", ""]
        lines += [changed[row.exercise].text(), ""] if row.exercise in changed else []
        lines += ["```text", row.result.text(), "```", ""]
    if it.one.report.problems:
        lines += ["## Cells that did not finish", "", *(f"- {problem}" for problem in it.one.report.problems), ""]
    return "\n".join([*lines, *(it.own[1] if it.own else []), *_by_hand(it)])


def _sums(it: Standing) -> list[str]:
    waits = ", as far as it is marked" if it.waiting else ""
    lines = [f"{it.name}: {it.total:g} of {it.total_out_of:g} marks{waits}", ""]
    lines += [f"- exercises: {it.one.points:g} of {it.out_of}"]
    lines += [f"- your own numbers: {it.own[0]:g} of {own_numbers.POINTS:g}"] if it.own else []
    if it.given:
        lines.append(f"- experiment: {_experiment(it)}")
    return lines


def _experiment(it: Standing) -> str:
    marked = [part for part in it.given if part.mark is not None or part.comment]
    if not it.one.shown and not marked:
        return f"nothing was handed in, 0 of {it.written_out_of:g}"
    if it.waiting == len(it.given):
        return "not marked yet"
    return f"{it.written:g} of {it.written_out_of:g}{' so far' if it.waiting else ''}"


def _by_hand(it: Standing) -> list[str]:
    """A person's marks, as far as there are any."""
    if not any(part.mark is not None or part.comment for part in it.given):
        return []
    lines = [f"## Experiment: {_experiment(it)}", ""]
    for part in it.given:
        mark = "not marked yet" if part.mark is None else f"{part.mark:g} of {part.part.out_of:g}"
        old = " (the mark of an answer that you have changed since)" if part.outdated else ""
        lines.append(f"- {mark}{old}: {part.part.what}{f' — {part.comment}' if part.comment else ''}")
    return [*lines, ""]
