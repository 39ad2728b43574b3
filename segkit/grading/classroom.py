"""A whole class: grade a folder of submissions, write marks and feedback; or try it all with a class that is made up.

    python -m segkit.grading.classroom --submitted submitted --out graded      # a real class
    python -m segkit.grading.classroom --students 30                           # thirty made submissions

Submissions lie as nbgrader collects them: submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from segkit.grading import records
from segkit.grading.assignments import ASSIGNMENTS, NotebookError, marks
from segkit.grading.class_files import keep, write_feedback, write_marks
from segkit.grading.hosting import barred, end_servers
from segkit.grading.notebook import grade_read
from segkit.grading.outcome import words
from segkit.grading.practice_class import make_class
from segkit.grading.submissions import Submission, collect, tell_apart

BETWEEN = 5.0  # seconds until marks.csv is written again
MOST = 8  # notebooks at a time by default: each has a Python of its own, of about 0.5 GB


@dataclass
class ClassResult:
    """A graded class.

    Args:
        folder: where marks.csv and feedback/ are.
        submissions: all of them, by student.
        barred: why their code could not be cut off from the system; empty where it was.
        seconds: how long the grading took.
        kept: how many have the marks of an earlier time, since nothing about them has changed.
        edited: the new name of a marks.csv in which somebody had written; "" where nobody had.
    """

    folder: Path
    submissions: list[Submission] = field(default_factory=list)
    seconds: float = 0.0
    barred: str = ""
    kept: int = 0
    edited: str = ""

    @property
    def csv(self) -> Path:
        return self.folder / "marks.csv"

    def table(self) -> str:
        """What a lecturer wants to know first: marks per exercise, and what went wrong most often."""
        lines = [f"{len(self.submissions)} submissions graded in {self.seconds:.1f} s; marks in {self.csv}"]
        if self.kept:
            lines.append(f"{self.kept} of them have not changed since they were last graded, and keep their marks")
        for assignment in sorted({one.assignment for one in self.submissions} - {""}):
            mine = [one for one in self.submissions if one.assignment == assignment]
            worth = marks(assignment) if assignment in ASSIGNMENTS else {}
            mean = sum(one.points for one in mine) / len(mine)
            lines += ["", f"{assignment}: mean {mean:.1f} of {sum(worth.values())} marks"]
            for exercise, points in worth.items():
                rows = [row for one in mine if one.report for row in one.report.rows if row.exercise == exercise]
                codes = Counter(d.code for row in rows for d in row.result.diagnoses)
                often = ", ".join(f"{code} ({count})" for code, count in codes.most_common(4))
                mean = sum(row.points for row in rows) / len(mine)
                lines.append(f"  {exercise:<24} {mean:4.1f} / {points}   {often}")
        noted = [one for one in self.submissions if one.error or one.note]
        lines += ["", *(f"{one.student}, {one.assignment or 'nothing'}: {one.notes}" for one in noted)] if noted else []
        apart = (
            "Each notebook ran on its own: no network, nowhere to write, nobody else's work in sight."
            if not self.barred
            else f"The notebooks' code could use this account's files and network, since it cannot be cut off here "
            f"({self.barred}). Grade strangers' code in a container."
        )
        return words("\n".join([*lines, "", apart]), 1_000_000)


def _grade_one(one: Submission, time_limit: float, hidden: list[Path], stopped: threading.Event) -> None:
    if one.notebook is None:
        return
    problem = ""
    try:
        name = one.assignment if one.assignment in ASSIGNMENTS else None
        one.report = one.report or grade_read(one.notebook, one.path, name, time_limit, hidden)
        one.assignment = one.report.assignment
        said = one.notebook["metadata"].get("segkit", {}).get("assignment", name)
        if name and said != name:
            one.tell(f"this looks like {said}")
    except NotebookError as error:
        problem = str(error)
    except Exception as error:  # whatever one student's file does to us, the class gets its marks
        problem = f"{one.path} could not be graded: {type(error).__name__}: {error}"
    if not stopped.is_set():
        one.error = problem


def grade_class(
    submitted: str | Path,
    out: str | Path,
    workers: int | None = None,
    time_limit: float = 10.0,
    resume: bool = False,
    hidden: Sequence[Path] = (),
    pages: bool = True,
) -> ClassResult:
    """Grade every submission in a folder; write marks.csv and feedback/STUDENT/ASSIGNMENT.md and .html.

    All notebooks are read before the code of any runs. marks.csv is there from the beginning and grows; who is not
    graded yet says so.

    Args:
        submitted: the folder with one folder for each student.
        out: where the results go.
        workers: notebooks graded at a time (default: as many as there are processor cores, at most eight).
        time_limit: seconds for the calls of each exercise.
        resume: keep the marks of what was graded there before and has not changed since; nor has the grader.
        hidden: folders that the notebooks' code shall not see, besides these two.
        pages: whether to write a page for each student as well.

    Raises:
        NotebookError: there are no submissions, what was kept cannot be read, or an instructor's notebook gives two
            different marks for an exercise.
    """
    started = time.monotonic()
    result = ClassResult(Path(out), collect(Path(submitted)))
    for assignment in {one.assignment for one in result.submissions} & ASSIGNMENTS.keys():
        marks(assignment)
    result.barred, written, stopped = barred(), started, threading.Event()
    workers = min(workers or min(os.cpu_count() or 1, MOST), len(result.submissions))
    unseen = [Path(submitted), result.folder, *hidden]
    kept = records.take_over(result.submissions, result.folder, time_limit) if resume else None
    result.kept = kept or 0
    if kept is None or not records.untouched(result.csv):
        result.edited = keep(result.csv)
    try:
        _write(result, time_limit)
        with ThreadPoolExecutor(workers) as pool:
            waiting = [pool.submit(_grade_one, one, time_limit, unseen, stopped) for one in result.submissions]
            try:
                for done in as_completed(waiting):
                    done.result()
                    if time.monotonic() > written + BETWEEN:
                        _write(result, time_limit)
                        written = time.monotonic()
            except KeyboardInterrupt:
                stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                while not all(one.done() for one in waiting):
                    end_servers()
                    time.sleep(0.05)
                raise
    finally:
        tell_apart(result.submissions)
        _write(result, time_limit)
        if pages:
            write_feedback(result.submissions, result.folder / "feedback")
    result.seconds = time.monotonic() - started
    return result


def _write(result: ClassResult, time_limit: float) -> None:
    write_marks(result.submissions, result.csv)
    records.save(result.submissions, result.folder / records.NAME, time_limit)


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
    what.add_argument("--students", type=int, help="make up a class of this many students instead")
    parser.add_argument(
        "--assignment", action="append", choices=list(ASSIGNMENTS), help="for made-up students (default: ch02)"
    )
    parser.add_argument("--out", type=Path, help="folder for the results")
    parser.add_argument("--seed", type=int, default=0, help="for made-up students")
    parser.add_argument("--workers", type=int, help="notebooks graded at a time (default: processor cores, at most 8)")
    given = parser.parse_args(arguments)
    try:
        if given.submitted:
            result = grade_class(given.submitted, given.out or Path("graded"), given.workers)
        else:
            chosen = tuple(given.assignment or ["ch02"])
            result = class_run(
                given.students, folder=given.out, assignments=chosen, seed=given.seed, workers=given.workers
            )
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "stopped; marks.csv holds what was graded so far\n")
    print(result.table())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
