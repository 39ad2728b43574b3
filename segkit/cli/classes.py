"""`segkit class generate`, `collect`, `grade`, `feedback` and `slides`."""

from __future__ import annotations

import argparse
from pathlib import Path

from segkit.grading.assignments import ASSIGNMENTS
from segkit.grading.classroom import grade_class
from segkit.grading.notebook_files import NotebookError
from segkit.teaching import adjustments
from segkit.teaching.collecting import collect_downloads
from segkit.teaching.handout import hand_out
from segkit.teaching.returning import give_back
from segkit.teaching.roster import Roster, read_roster
from segkit.teaching.rubric import TABLE, update, write_answers


def generate(o: argparse.Namespace) -> int:
    """Run `segkit class generate`."""
    students = _roster(o.students).names if o.students else []
    written = hand_out(o.assignments or list(ASSIGNMENTS), o.to, students, o.course)
    notebooks = sum(path.suffix == ".ipynb" for path in written)
    print(f"{notebooks} notebooks{f' for {len(students)} students' if students else ''} in {Path(o.to) / 'handout'}")
    print(f"hand them out with {next(path for path in written if path.name == 'README.md')}")
    return 0


def collect(o: argparse.Namespace) -> int:
    """Run `segkit class collect`."""
    asked = o.assignment or ""
    if asked and asked not in ASSIGNMENTS:
        raise NotebookError(f"there is no assignment {asked!r}; the assignments are {', '.join(ASSIGNMENTS)}")
    roster = _roster(o.students) if o.students else None
    print(collect_downloads(o.downloads, o.to, asked, o.deadline, roster, o.in_time).text())
    return 0


def _roster(path: str) -> Roster:
    """The students of a list; what there is to know of how it was read is printed."""
    roster = read_roster(Path(path))
    print("\n".join(roster.said), end="\n" if roster.said else "")
    return roster


def grade(o: argparse.Namespace) -> int:
    """Run `segkit class grade`."""
    place = Path(o.folder)
    if not (place / "submitted").is_dir():
        raise NotebookError(
            f"there is no folder {place / 'submitted'}; collect first: segkit class collect DOWNLOADS --to {place}"
        )
    if o.workers is not None and o.workers < 1:
        raise NotebookError(f"--workers is {o.workers}; at least one notebook is graded at a time")
    try:
        result = grade_class(
            place / "submitted", place / "graded", o.workers, resume=not o.again, hidden=[place], pages=False
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; the same command goes on: segkit class grade {place}") from None
    adjustments.start(place)
    update(place / TABLE, result.submissions)
    write_answers(result.submissions, place)
    print(result.table())
    if result.edited and not o.again:
        print(f"\nmarks.csv was not as this command had written it, and is now {result.edited}. What somebody wrote "
              f"there has no effect; changed marks go into {place / adjustments.TABLE}")  # fmt: skip
    print(f"\nwritten answers: read {place / 'written'}, mark in {place / TABLE}")
    print(f"pages for students: segkit class feedback {place}")
    return 0


def feedback(o: argparse.Namespace) -> int:
    """Run `segkit class feedback`."""
    print(give_back(o.folder).text())
    return 0


def slides(o: argparse.Namespace) -> int:
    """Run `segkit class slides`."""
    from segkit.teaching.slides import write_slides

    for path, count in write_slides(o.chapters, Path(o.to)):
        print(f"{count} slides in {path}")
    return 0
