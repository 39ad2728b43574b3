"""What goes back to the students, and what the teacher should know: pages, totals and a summary."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from segkit.files import write_bytes
from segkit.grading import records
from segkit.grading.assignments import ASSIGNMENTS
from segkit.grading.class_files import page, word
from segkit.grading.submissions import Submission
from segkit.teaching import adjustments, own_numbers
from segkit.teaching.arrivals import TAKEN
from segkit.teaching.collecting import COLUMNS, REPORT
from segkit.teaching.pages import Standing, student_page
from segkit.teaching.rubric import TABLE, Given, Marks, rubric, update, write_answers
from segkit.teaching.tables import read_table

BINS = 5  # of the distribution of marks


@dataclass
class Returned:
    """What was written.

    Args:
        folder: the class's.
        pages: how many.
        summary: the page for the teacher.
        warnings: what they should know at once.
    """

    folder: Path
    pages: int
    summary: Path
    warnings: list[str] = field(default_factory=list)

    def text(self) -> str:
        told = (
            f"{self.pages} pages in {self.folder / 'feedback'}, one for each student and assignment; "
            f"read {self.summary} first\nmarks for written answers go into {self.folder / TABLE}, changes of other "
            f"marks into {self.folder / adjustments.TABLE}; then run this again"
        )
        return "\n".join([*self.warnings, told])


def give_back(folder: str | Path) -> Returned:
    """Write feedback/STUDENT/ASSIGNMENT.html and .md, totals.csv, written/ASSIGNMENT.md and summary.md and .html.

    Nothing is graded again. What stands in rubric.csv and adjustments.csv is part of all of it.

    Args:
        folder: the class's folder, as `segkit class grade` left it.

    Raises:
        NotebookError: nothing was graded there, or rubric.csv or adjustments.csv has a line that cannot be followed.
    """
    folder = Path(folder)
    submissions = records.load(folder / "graded" / records.NAME)
    warnings = _edited(folder / "graded" / "marks.csv")
    changes = adjustments.adjust(submissions, folder)
    marks = update(folder / TABLE, submissions)
    numbers = own_numbers.judged(submissions, folder)
    standings = _standings(submissions, marks, numbers, changes, folder)
    for it in standings:
        _write_page(it, folder / "feedback" / it.one.student)
    write_answers(submissions, folder)
    _write_totals(standings, folder / "totals.csv")
    text = summary(submissions, marks, _notes(folder), numbers, warnings)
    write_bytes(text.encode("utf-8", "replace"), folder / "summary.md")
    write_bytes(page("Summary", text).encode("utf-8", "replace"), folder / "summary.html")
    return Returned(folder, len({(it.one.student, it.one.page) for it in standings}), folder / "summary.html", warnings)


def _edited(marks: Path) -> list[str]:
    """Say that what somebody wrote into marks.csv has no effect, and where it would have one."""
    if not marks.exists() or records.untouched(marks):
        return []
    table = marks.parent.parent / adjustments.TABLE
    return [f"{marks} is not as `segkit class grade` wrote it. What was changed there has no effect: write the "
            f"mark into {table} ({', '.join(adjustments.COLUMNS)}), where it stays"]  # fmt: skip


def _standings(
    submissions: list[Submission], marks: Marks, numbers: own_numbers.Judged, changes: adjustments.Adjustments,
    folder: Path,
) -> list[Standing]:  # fmt: skip
    """All that is known of each notebook; of who handed in nothing, for each assignment that others handed in."""
    names, late = _names(folder), {(row["student"], row["assignment"]): row["late"] for row in _taken(folder)}
    asked = sorted({one.assignment for one in submissions} & ASSIGNMENTS.keys())
    made = []
    for one in submissions:
        name = names.get(one.student, one.student.replace("-", " "))
        for assignment in [one.assignment] if one.assignment else asked or [""]:
            key, place = (one.student, assignment), (one.student, one.page)
            given = marks.get(key) or [Given(part) for part in rubric(assignment)]
            own = numbers.get(place) or ((0.0, []) if own_numbers.has(folder, one.student, assignment) else None)
            made.append(Standing(one, assignment, name, given, own, changes.get(place, []), late.get(key, "")))
    return made


def _names(folder: Path) -> dict[str, str]:
    """How students write their names, by folder: as the list says, or else as the learning system does."""
    told = {row["student"]: row["name"] for row in _collected(folder) if row["name"]}
    return told | own_numbers.names_of(folder)


def _write_page(it: Standing, folder: Path) -> None:
    """Write a page, and remove the one that says that nothing has come where something has."""
    text = student_page(it)
    for ending, content in ((".md", text), (".html", page(f"{it.name}, {it.assignment or 'nothing'}", text))):
        write_bytes(content.encode("utf-8", "replace"), folder / f"{it.one.page}{ending}")
        if it.one.assignment:
            (folder / f"nothing{ending}").unlink(missing_ok=True)


def _write_totals(standings: list[Standing], path: Path) -> None:
    """One line for each notebook: the grader's marks, those for the student's own numbers, a person's, and all."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    heads = (
        "student assignment exercises out_of own_numbers own_out_of written written_out_of adjusted total waiting late"
    )
    writer.writerow(heads.split())
    for it in standings:
        told = [word(it.one.student), word(it.assignment), f"{it.one.points:g}", it.out_of]
        told += [f"{it.own[0]:g}", f"{own_numbers.POINTS:g}"] if it.own else ["", ""]
        told += [f"{it.written:g}", f"{it.written_out_of:g}", f"{it.adjusted:g}" if it.changes else ""]
        writer.writerow([*told, f"{it.total:g}", it.waiting, it.late])
    write_bytes(buffer.getvalue().encode("utf-8"), path)


def _collected(folder: Path) -> list[dict[str, str]]:
    path = folder / REPORT
    return read_table(path, COLUMNS, ("late",)) if path.exists() else []


def _taken(folder: Path) -> list[dict[str, str]]:
    """The rows of the files that count."""
    return [row for row in _collected(folder) if row["what"] == TAKEN]


def _notes(folder: Path) -> list[str]:
    """What was said of the files when they were collected, if they were."""
    return [
        f"- {row['student'] or 'nobody'}, {row['assignment'] or 'no assignment'}: "
        f"{row['note'] or row['what']} ({row['from']})"
        for row in _collected(folder)
        if row["note"] or row["what"] not in ("taken", "the same again", "an earlier version")
    ]


def summary(
    submissions: list[Submission], marks: Marks, collected: list[str], numbers: own_numbers.Judged, warnings: list[str]
) -> str:
    """What the teacher should know of the class, as Markdown."""
    lines = ["# Summary", "", *(part for warning in warnings for part in (warning, ""))]
    for assignment in sorted({one.assignment for one in submissions} & ASSIGNMENTS.keys()):
        mine = [one for one in submissions if one.assignment == assignment]
        lines += [f"## {assignment}", "", *_distribution(mine), "", *_diagnoses(mine), ""]
        lines += _waiting(mine, marks, assignment)
    lines += ["## To look at by hand", ""]
    by_hand = [f"- {one.student}, {one.assignment or 'nothing'}: {one.pressing}" for one in submissions if one.pressing]
    by_hand += [line for one in submissions for line in own_numbers.odd(one, numbers)]
    lines += by_hand + _alike(submissions) or ["- nothing"]
    lines += ["", "## What was noted while collecting", "", *collected] if collected else []
    return "\n".join(lines) + "\n"


def _distribution(mine: list[Submission]) -> list[str]:
    """How many have how many marks, as bars."""
    graded = [one for one in mine if one.report]
    if not graded:
        return ["None of them could be graded."]
    of = max(one.report.out_of for one in graded if one.report)
    counts = Counter(min(int(BINS * one.points / of), BINS - 1) for one in graded)
    points = sorted(one.points for one in graded)
    head = f"{len(mine)} notebooks, {len(graded)} graded: mean {sum(points) / len(points):.1f} of {of} marks, "
    bars = [f"{of * k / BINS:4.0f} to {of * (k + 1) / BINS:3.0f}  {'█' * counts[k]} {counts[k]}" for k in range(BINS)]
    return [f"{head}median {points[len(points) // 2]:g}", "", "```text", *bars, "```"]


def _diagnoses(mine: list[Submission]) -> list[str]:
    """Which diagnosis hit how many, and whom."""
    hit: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in mine:
        for row in one.report.rows if one.report else []:
            for diagnosis in row.result.diagnoses:
                hit[row.exercise, diagnosis.code].append(one.student)
    exercises = list(ASSIGNMENTS[mine[0].assignment])
    order = sorted(hit, key=lambda key: (exercises.index(key[0]), -len(hit[key]), key[1]))
    lines = [f"- {name}, {code}: {len(hit[name, code])} ({', '.join(hit[name, code])})" for name, code in order]
    rows = [row for one in mine if one.report for row in one.report.rows]
    full = {name: sum(row.result.passed for row in rows if row.exercise == name) for name in exercises}
    right = ", ".join(f"{name} {count}" for name, count in full.items())
    return [f"Full marks: {right}", "", *lines]


def _waiting(mine: list[Submission], marks: Marks, assignment: str) -> list[str]:
    """Who has written what nobody has marked."""
    if not rubric(assignment):
        return []
    given: dict[str, list[Given]] = {
        one.student: marks.get((one.student, assignment), []) for one in mine if one.report
    }
    wrote = {one.student for one in mine if one.shown}
    waits = [name for name, parts in given.items() if name in wrote and any(part.mark is None for part in parts)]
    silent = [name for name in given if name not in wrote]
    old = [name for name, parts in given.items() if any(part.outdated for part in parts)]
    lines = [f"Written answers: {len(waits)} wait for marks{': ' + ', '.join(waits) if waits else ''}"]
    lines += [f"Marked, and the answer has changed since: {', '.join(old)}. Read it again and change the mark; if "
              f"it is to stay, empty the cell `answer` in {TABLE}."] if old else []  # fmt: skip
    lines += [f"No written answer: {', '.join(silent)}"] if silent else []
    return [*(part for line in lines for part in (line, "")), f"They are in written/{assignment}.md.", ""]


def _alike(submissions: list[Submission]) -> list[str]:
    """Students whose answers are the same to the letter, spaces and comments apart: a reason to ask, and no proof."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], set[str]] = defaultdict(set)
    for one in submissions:
        if len(one.answers) > 1:
            groups[one.assignment, tuple(sorted(one.answers.items()))].add(one.student)
    return [
        f"- {', '.join(sorted(students))}, {assignment}: all answers are the same, spaces and comments apart; ask them"
        for (assignment, _), students in sorted(groups.items())
        if len(students) > 1
    ]
