"""Written answers: the rubric of each assignment, and a table for a person's marks that grading again never empties."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from segkit.files import write_bytes
from segkit.grading.assignments import ASSIGNMENTS, source_path, student_folder
from segkit.grading.notebook_files import NotebookError, read_notebook
from segkit.grading.submissions import Submission
from segkit.teaching.own_numbers import seeds_of
from segkit.teaching.tables import read_table, write_table

COLUMNS = ("student", "assignment", "part", "out_of", "for", "mark", "comment", "answer")
CHANGED = "changed since it got"  # behind the sum of an answer that is no longer the one that was marked
TABLE = "rubric.csv"
_HEAD = re.compile(r"\| *(?:points|a point for) *\|(.*)\|")


@dataclass(frozen=True)
class Part:
    """A row of a rubric: what it is given for, and how many points."""

    number: int
    out_of: float
    what: str


@dataclass(frozen=True)
class Given:
    """A person's mark for a part; None where there is none yet."""

    part: Part
    mark: float | None = None
    comment: str = ""
    answer: str = ""  # a short sum of what was marked, and CHANGED where it is no longer that

    @property
    def outdated(self) -> bool:
        """Whether it is the mark of another answer than the one that is there now."""
        return self.mark is not None and CHANGED in self.answer


Marks = dict[tuple[str, str], list[Given]]  # by student and assignment


@cache
def rubric(assignment: str) -> list[Part]:
    """The rubric that an assignment's notebook prints with its experiment; empty where it prints none."""
    path = source_path(assignment)
    path = path if path.exists() else student_folder() / f"{assignment}.ipynb"
    if not path.exists():
        return []
    for cell in read_notebook(path)["cells"]:
        lines = cell["source"].split("\n")
        heads = [number for number, line in enumerate(lines) if _HEAD.fullmatch(line.strip())]
        if cell["cell_type"] == "markdown" and heads:
            rows = []
            for line in lines[heads[0] + 2 :]:
                if not line.startswith("|"):
                    break
                rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
            return [_part(number, row) for number, row in enumerate(rows, 1)]
    return []


def _part(number: int, row: list[str]) -> Part:
    """A row "| 2 | all measurements |", or "| a count | the multiply-adds |", which is worth one point."""
    first, text = row[0], " ".join(row[1:])
    counted = re.fullmatch(r"\d+(\.\d+)?", first)
    return Part(number, float(first) if counted else 1.0, text if counted else f"{first}: {text}")


def read_marks(path: Path) -> dict[tuple[str, str, int], tuple[float | None, str, str]]:
    """What a person has entered: mark, comment and the sum of the answer, by student, assignment and part.

    Raises:
        NotebookError: a mark is not a number, or outside of what the part is worth; all such lines are named.
    """
    found: dict[tuple[str, str, int], tuple[float | None, str, str]] = {}
    wrong = []
    for number, row in enumerate(read_table(path, COLUMNS, ("answer",)) if path.exists() else [], 2):
        where = f"line {number} ({row['student']}, {row['assignment']}, part {row['part']})"
        try:
            part, mark = _entered(row)
        except ValueError as error:
            wrong.append(f"{where}: {error}")
            continue
        key = (row["student"], row["assignment"], part)
        if key in found and found[key][:2] != (mark, row["comment"]):
            wrong.append(f"{where}: an earlier line has other marks for the same part; leave one of the two")
        found[key] = mark, row["comment"], row["answer"]
    if wrong:
        raise NotebookError(f"{path}, " + "\n  ".join(wrong))
    return found


def _entered(row: dict[str, str]) -> tuple[int, float | None]:
    """Part and mark of a row; a ValueError says what is wrong with it."""
    try:
        part, most = int(row["part"]), float(row["out_of"].replace(",", "."))
    except ValueError:
        raise ValueError(f"part and out_of are {row['part']!r} and {row['out_of']!r}; put the numbers back") from None
    try:
        mark = float(row["mark"].replace(",", ".")) if row["mark"] else None
    except ValueError:
        raise ValueError(f"the mark is {row['mark']!r}; write a number from 0 to {most:g}, or nothing") from None
    if mark is not None and not 0 <= mark <= most:
        raise ValueError(f"the mark is {mark:g}; this part is worth 0 to {most:g}")
    return part, mark


def update(path: Path, submissions: list[Submission]) -> Marks:
    """Write the table for all that has to be marked by hand; what is in it already stays, of students who left too.

    A part of an answer in which a student did nothing needs no mark, and gets no row until somebody enters one.

    Args:
        path: of the table.
        submissions: graded ones.

    Returns:
        What each student has by now.

    Raises:
        NotebookError: as `read_marks`; the table then stays as it is.
    """
    entered = read_marks(path)
    left, rows, marks = dict(entered), [], Marks()
    for one in sorted(submissions, key=lambda one: (one.assignment, one.student)):
        key = (one.student, one.assignment)
        if key in marks or not one.report:
            continue
        marks[key] = [_given(part, entered.get((*key, part.number)), one.shown) for part in rubric(one.assignment)]
        for given in marks[key]:
            left.pop((*key, given.part.number), None)
            if one.shown or (*key, given.part.number) in entered:
                rows.append(_row(key, given))
    for (student, assignment, number), (mark, comment, answer) in left.items():
        if mark is not None or comment:
            part = next((one for one in rubric(assignment) if one.number == number), Part(number, mark or 0, ""))
            rows.append(_row((student, assignment), Given(part, mark, comment, answer)))
    if rows:
        write_table(path, COLUMNS, rows)
    return marks


def _given(part: Part, entered: tuple[float | None, str, str] | None, shown: str) -> Given:
    """A part's mark, and whether the answer is still the one that it was given for."""
    now = hashlib.sha256(shown.encode("utf-8", "replace")).hexdigest()[:8] if shown else "nothing"
    mark, comment, answer = entered or (None, "", "")
    old, changed, since = answer.partition(f" {CHANGED} ")
    if mark is None or old in ("", now) or (changed and since != f"{mark:g}"):  # the last: marked anew
        return Given(part, mark, comment, now)
    return Given(part, mark, comment, f"{old} {CHANGED} {mark:g}")


def _row(key: tuple[str, str], given: Given) -> dict[str, str]:
    mark = "" if given.mark is None else f"{given.mark:g}"
    told = {"student": key[0], "assignment": key[1], "part": str(given.part.number), "comment": given.comment}
    told |= {"out_of": f"{given.part.out_of:g}", "for": given.part.what, "mark": mark}
    return told | {"answer": given.answer}


def write_answers(submissions: list[Submission], folder: Path) -> None:
    """Write folder/written/ASSIGNMENT.md for each assignment that was handed in."""
    for assignment in {one.assignment for one in submissions} & ASSIGNMENTS.keys():
        text = written_answers(submissions, assignment, seeds_of(folder, assignment))
        write_bytes(text.encode("utf-8", "replace"), folder / "written" / f"{assignment}.md")


def written_answers(
    submissions: list[Submission], assignment: str, seeds: Mapping[str, list[int]] | None = None
) -> str:
    """All that students wrote and ran for an experiment one below the other, to be read by the rubric, as Markdown."""
    lines = [f"# Written answers to {assignment}", "", "The rubric; marks go into rubric.csv:", ""]
    lines += [f"- part {part.number}, {part.out_of:g}: {part.what}" for part in rubric(assignment)]
    lines += ["", f"Pictures are in the notebooks, submitted/STUDENT/{assignment}/{assignment}.ipynb."]
    for one in (one for one in submissions if one.assignment == assignment and one.report):
        lines += ["", f"## {one.student}", ""]
        own = (seeds or {}).get(one.student)
        lines += [f"(own seeds: {', '.join(map(str, own))})", ""] if own else []
        lines += [_demoted(one.shown) if one.shown else "(nothing was written or run below the experiment's heading)"]
    return "\n".join(lines) + "\n"


def _demoted(text: str) -> str:
    """A student's headings below ours; comments in code stay as they are."""
    lines, fence = [], ""
    for line in text.split("\n"):
        mark = re.match(r"(`{3,})\w*$", line)
        if mark and (not fence or line == fence):
            fence = "" if fence else mark[1]
        lines.append(line if fence else re.sub(r"^#{1,4} ", "##### ", line))
    return "\n".join(lines) + "\n"
