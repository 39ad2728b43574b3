"""Marks that a teacher changes: a table of their own, with a reason each, which grading again never touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from segkit.grading.assignments import ASSIGNMENTS
from segkit.grading.notebook_files import NotebookError
from segkit.grading.submissions import Submission
from segkit.teaching.tables import read_table, write_table

TABLE = "adjustments.csv"
COLUMNS = ("student", "assignment", "exercise", "mark", "reason")


@dataclass(frozen=True)
class Adjustment:
    """A change.

    Args:
        exercise: whose mark it is; "" for points that are added to the total, or taken from it.
        mark: the new mark, or the points.
        reason: what the student is told.
        before: the mark of the grader.
    """

    exercise: str
    mark: float
    reason: str
    before: float = 0.0

    def text(self) -> str:
        """For the student."""
        if self.exercise:
            return f"Changed by hand from {self.before:g} to {self.mark:g}: {self.reason}"
        return f"{'Added' if self.mark >= 0 else 'Taken off'} by hand: {abs(self.mark):g}. {self.reason}"


Adjustments = dict[tuple[str, str], list[Adjustment]]  # by student and page


def start(folder: Path) -> None:
    """Write the table with its headings and no line, where there is none."""
    if not (folder / TABLE).exists():
        write_table(folder / TABLE, COLUMNS, [])


def adjust(submissions: list[Submission], folder: Path) -> Adjustments:
    """Put the marks of the table into the reports; what was changed.

    Raises:
        NotebookError: a line that cannot be followed; all such lines are named, and nothing is changed.
    """
    path, wrong = folder / TABLE, list[str]()
    found: Adjustments = defaultdict(list)
    rows = read_table(path, COLUMNS) if path.exists() else []
    for number, row in enumerate(rows, 2):
        try:
            one, change = _read(row, submissions)
            if any(change.exercise and other.exercise == change.exercise for other in found[one.student, one.page]):
                raise ValueError(f"an earlier line changes {change.exercise} as well; leave one of the two")
            found[one.student, one.page].append(change)
        except ValueError as error:
            wrong.append(f"line {number} ({row['student']}, {row['assignment']}): {error}")
    if wrong:
        raise NotebookError(f"{path}, " + "\n  ".join(wrong))
    for one in submissions:
        new = {change.exercise: change.mark for change in found.get((one.student, one.page), [])}
        if one.report:
            one.report.rows = [replace(row, points=new.get(row.exercise, row.points)) for row in one.report.rows]
    return dict(found)


def _read(row: Mapping[str, str], submissions: list[Submission]) -> tuple[Submission, Adjustment]:
    """What a line changes, and for whom; a ValueError says what is wrong with it."""
    one = next(
        (one for one in submissions if (one.student, one.assignment) == (row["student"], row["assignment"])), None
    )
    if one is None:
        raise ValueError("nobody of that name handed this in; names and assignments are those of totals.csv")
    if not row["reason"]:
        raise ValueError("there is no reason; the student reads it")
    try:
        mark = float(row["mark"].replace(",", ".").replace("−", "-"))
    except ValueError:
        raise ValueError(f"the mark is {row['mark']!r}; write a number") from None
    if not row["exercise"]:
        return one, Adjustment("", mark, row["reason"])
    known = {graded.exercise: graded for graded in one.report.rows} if one.report else {}
    if row["exercise"] not in known:
        raise ValueError(
            f"there is no mark for {row['exercise']!r}; {one.assignment} has "
            f"{', '.join(ASSIGNMENTS.get(one.assignment, {}))}; with no exercise in a line, its mark is added to the "
            "total"
        )
    graded = known[row["exercise"]]
    if not 0 <= mark <= graded.out_of:
        raise ValueError(f"the mark is {mark:g}; {graded.exercise} is worth 0 to {graded.out_of}")
    return one, Adjustment(graded.exercise, mark, row["reason"], graded.points)
