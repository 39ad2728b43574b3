"""A whole class: grade a folder of submissions, write marks and feedback; or try it all with a class that is made up.

    python -m segkit.grading.classroom --submitted submitted --out graded      # a real class
    python -m segkit.grading.classroom --students 30                           # thirty made submissions

Submissions lie as nbgrader collects them: submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb.
"""

from __future__ import annotations

import argparse
import csv
import html
import io
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from segkit.files import write_bytes
from segkit.grading.assignments import ASSIGNMENTS, NotebookError, read_notebook
from segkit.grading.exercise import registry
from segkit.grading.notebook import GradedNotebook, grade_notebook
from segkit.grading.practice_class import make_class
from segkit.grading.sandbox import method

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font-family:sans-serif;max-width:60em;margin:2em auto;background:#fff;color:#222}}\
pre{{background:#f4f4f4;padding:1em;white-space:pre-wrap}}</style></head>
<body>
<p>{title}</p>
{body}
</body></html>
"""


@dataclass
class Submission:
    """A student's notebook and what became of it; the assignment is "" where a student handed in none."""

    student: str
    assignment: str
    path: Path
    report: GradedNotebook | None = None
    error: str = ""
    note: str = ""

    @property
    def points(self) -> float:
        return self.report.points if self.report else 0.0

    @property
    def notes(self) -> str:
        """All that the lecturer should know besides the marks."""
        told = [self.error, self.note]
        if self.report:
            told += self.report.problems
            told += [f"{row.exercise}: {remark}" for row in self.report.rows for remark in row.result.remarks]
        return "; ".join(filter(None, told))


@dataclass
class ClassResult:
    """A graded class.

    Args:
        folder: where marks.csv and feedback/ are.
        submissions: all of them, by student.
        seconds: how long the grading took.
    """

    folder: Path
    submissions: list[Submission] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def csv(self) -> Path:
        return self.folder / "marks.csv"

    def table(self) -> str:
        """What a lecturer wants to know first: marks per exercise, and what went wrong most often."""
        lines = [f"{len(self.submissions)} submissions graded in {self.seconds:.1f} s, marks in {self.csv}"]
        for assignment in sorted({one.assignment for one in self.submissions} - {""}):
            mine = [one for one in self.submissions if one.assignment == assignment]
            total = sum(ASSIGNMENTS.get(assignment, {}).values())
            lines += ["", f"{assignment}: mean {sum(one.points for one in mine) / len(mine):.1f} of {total} marks"]
            for exercise, points in ASSIGNMENTS.get(assignment, {}).items():
                rows = [row for one in mine if one.report for row in one.report.rows if row.exercise == exercise]
                codes = Counter(d.code for row in rows for d in row.result.diagnoses)
                often = ", ".join(f"{code} ({count})" for code, count in codes.most_common(4))
                mean = sum(row.points for row in rows) / len(mine)
                lines.append(f"  {exercise:<24} {mean:4.1f} / {points}   {often}")
        noted = [one for one in self.submissions if one.error or one.note]
        lines += ["", *(f"{one.student}, {one.assignment or 'nothing'}: {one.notes}" for one in noted)] if noted else []
        return "\n".join(lines)


def collect(submitted: Path) -> list[Submission]:
    """The submissions in a folder, submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb or submitted/STUDENT/ASSIGNMENT.ipynb.

    Raises:
        NotebookError: there are none.
    """
    found = []
    for student in sorted(path for path in submitted.glob("*") if path.is_dir() and not path.name.startswith(".")):
        paths = sorted(path for path in student.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
        mine = {path.stem: Submission(student.name, path.stem, path) for path in paths}
        for name in [stem for stem in mine if stem not in ASSIGNMENTS]:
            rightly_named = next((stem for stem in mine if stem in ASSIGNMENTS and name.startswith(stem)), None)
            if rightly_named:  # ch02-Copy1 beside ch02
                del mine[name]
                mine[rightly_named].note = f"{name}.ipynb, beside it, was not graded"
        none = Submission(student.name, "", student, error="no notebook handed in")
        found += list(mine.values()) or [none]
    if not any(one.assignment for one in found):
        raise NotebookError(f"no notebooks in {submitted}; they lie in submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb")
    return found


def _grade_one(one: Submission, time_limit: float) -> Submission:
    try:
        name = one.assignment if one.assignment in ASSIGNMENTS else None
        if not one.assignment:
            return one
        one.report = grade_notebook(one.path, assignment=name, time_limit=time_limit)
        one.assignment = one.report.assignment
        said = read_notebook(one.path)["metadata"].get("segkit", {}).get("assignment", name)
        if name and said != name:
            one.note = "; ".join(filter(None, [one.note, f"this looks like {said}"]))
    except (NotebookError, OSError) as error:
        one.error = str(error)
    except Exception as error:  # whatever one student's file does to us, the class gets its marks
        one.error = f"{one.path} could not be graded: {type(error).__name__}: {error}"
    return one


def grade_class(
    submitted: str | Path, out: str | Path, workers: int | None = None, time_limit: float = 10.0
) -> ClassResult:
    """Grade every submission in a folder; write marks.csv and feedback/STUDENT/ASSIGNMENT.md and .html.

    Args:
        submitted: the folder with one folder for each student.
        out: where the results go.
        workers: notebooks graded at a time (default: as many as there are processor cores).
        time_limit: seconds for the calls of each exercise.

    Raises:
        NotebookError: there are no submissions.
    """
    started = time.monotonic()
    result = ClassResult(Path(out))
    jobs = collect(Path(submitted))
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    for exercise in registry().values():  # right answers once, for all the processes forked from here
        for index in range(len(exercise.all_cases())):
            exercise.expected(index)
    if workers == 1:
        result.submissions = [_grade_one(job, time_limit) for job in jobs]
    else:
        context = multiprocessing.get_context("fork" if method() == "fork" else "spawn")
        with ProcessPoolExecutor(workers, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            result.submissions = list(pool.map(partial(_grade_one, time_limit=time_limit), jobs))
    result.seconds = time.monotonic() - started
    _write(result)
    return result


def _write(result: ClassResult) -> None:
    names = [name for exercises in ASSIGNMENTS.values() for name in exercises
             if any(name in ASSIGNMENTS.get(one.assignment, {}) for one in result.submissions)]  # fmt: skip
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["student", "assignment", "points", "out_of", *names, "note"])
    for one in result.submissions:
        marks = {row.exercise: f"{row.points:g}" for row in one.report.rows} if one.report else {}
        out_of = sum(ASSIGNMENTS.get(one.assignment, {}).values())
        writer.writerow(
            [one.student, one.assignment, f"{one.points:g}", out_of, *(marks.get(n, "") for n in names), one.notes]
        )
        name = one.assignment or "nothing"
        text = one.report.feedback() if one.report else f"# {name}: not graded\n\n{one.error}\n"
        place = result.folder / "feedback" / one.student / name
        write_bytes(text.encode(), place.with_suffix(".md"))
        write_bytes(_page(one, text).encode(), place.with_suffix(".html"))
    write_bytes(buffer.getvalue().encode(), result.csv)


def _page(one: Submission, text: str) -> str:
    """Feedback as one small page that needs nothing else."""
    body = []
    for line in text.split("\n"):
        level = len(line) - len(line.lstrip("#"))
        if line.startswith("```"):
            body.append("<pre>" if line != "```" else "</pre>")
        elif level in (1, 2):
            body.append(f"<h{level}>{html.escape(line.lstrip('# '))}</h{level}>")
        else:
            body.append(html.escape(line))
    return _PAGE.format(title=html.escape(f"{one.student}, {one.assignment}"), body="\n".join(body))


def class_run(
    students: int = 30, *, folder: str | Path | None = None, assignments: tuple[str, ...] = ("ch02",), seed: int = 0,
    workers: int | None = None,
    time_limit: float = 10.0,
) -> ClassResult:  # fmt: skip
    """Make a class, grade it, write marks and feedback.

    Args:
        students: how many.
        folder: receives submitted/ and graded/ (default: a new temporary folder).
        assignments: which notebooks each student hands in.
        seed: of the made submissions.
        workers: notebooks graded at a time.
        time_limit: seconds for the calls of each exercise.
    """
    if students < 1:
        raise ValueError(f"students is {students}; a class has at least one")
    place = Path(folder) if folder else Path(tempfile.mkdtemp(prefix="segkit-class-"))
    make_class(place / "submitted", students, assignments, seed)
    return grade_class(place / "submitted", place / "graded", workers, time_limit)


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m segkit.grading.classroom", description="Grade a class.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--submitted", type=Path, help="folder with STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb")
    what.add_argument("--students", type=int, help="make up this many students instead")
    parser.add_argument(
        "--assignment", action="append", choices=list(ASSIGNMENTS), help="for made students (default ch02)"
    )
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--seed", type=int, default=0, help="for made students")
    parser.add_argument("--workers", type=int, help="notebooks graded at a time (default: processor cores)")
    given = parser.parse_args(arguments)
    try:
        if given.submitted:
            result = grade_class(given.submitted, given.out or Path("graded"), given.workers)
        else:
            chosen = tuple(given.assignment or ["ch02"])
            result = class_run(
                given.students, folder=given.out, assignments=chosen, seed=given.seed, workers=given.workers
            )
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    print(result.table())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
