"""What goes back to the students, and what the teacher should know: pages, totals and a summary."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from segkit.files import write_bytes
from segkit.grading import records
from segkit.grading.assignments import ASSIGNMENTS
from segkit.grading.class_files import page, word
from segkit.grading.submissions import Submission
from segkit.teaching import own_numbers
from segkit.teaching.collecting import COLUMNS, REPORT
from segkit.teaching.rubric import TABLE, Given, Marks, rubric, update, write_answers
from segkit.teaching.tables import read_table

BINS = 5  # of the distribution of marks


@dataclass
class Returned:
    """What was written."""

    folder: Path
    pages: int
    summary: Path

    def text(self) -> str:
        return (
            f"{self.pages} pages in {self.folder / 'feedback'}, one for each student and assignment; "
            f"read {self.summary} first\nmarks for written answers go into {self.folder / TABLE}; then run this again"
        )


def give_back(folder: str | Path) -> Returned:
    """Write feedback/STUDENT/ASSIGNMENT.html and .md, totals.csv, written/ASSIGNMENT.md and summary.md and .html.

    Nothing is graded again. Marks that stand in rubric.csv are part of all of it.

    Args:
        folder: the class's folder, as `segkit class grade` left it.

    Raises:
        NotebookError: nothing was graded there, or rubric.csv has a mark that is none.
    """
    folder = Path(folder)
    submissions = records.load(folder / "graded" / records.NAME)
    marks = update(folder / TABLE, submissions)
    numbers = own_numbers.judged(submissions, folder)
    for one in submissions:
        told = "\n".join([_feedback(one), *numbers.get((one.student, one.page), (0, []))[1], *_by_hand(one, marks)])
        for ending, content in ((".md", told), (".html", page(f"{one.student}, {one.assignment}", told))):
            write_bytes(content.encode("utf-8", "replace"), folder / "feedback" / one.student / f"{one.page}{ending}")
    write_answers(submissions, folder)
    _write_totals(submissions, marks, numbers, folder / "totals.csv")
    text = summary(submissions, marks, _notes(folder), numbers)
    write_bytes(text.encode("utf-8", "replace"), folder / "summary.md")
    write_bytes(page("Summary", text).encode("utf-8", "replace"), folder / "summary.html")
    return Returned(folder, len(submissions), folder / "summary.html")


def _feedback(one: Submission) -> str:
    return one.report.feedback() if one.report else f"# {one.page}: not graded\n\n{one.error or 'not graded yet'}\n"


def _by_hand(one: Submission, marks: Marks) -> list[str]:
    """A person's marks, as far as there are any, and what the student wrote."""
    given = marks.get((one.student, one.assignment), [])
    if not one.report or not any(part.mark is not None or part.comment for part in given):
        return []
    total, most = sum(part.mark or 0 for part in given), sum(part.part.out_of for part in given)
    waiting = any(part.mark is None for part in given)
    lines = [f"## Written answer: {total:g} of {most:g}{' so far' if waiting else ''}", ""]
    for part in given:
        mark = "not marked yet" if part.mark is None else f"{part.mark:g} of {part.part.out_of:g}"
        lines.append(f"- {mark}: {part.part.what}{f' — {part.comment}' if part.comment else ''}")
    return [*lines, ""]


def _write_totals(submissions: list[Submission], marks: Marks, numbers: own_numbers.Judged, path: Path) -> None:
    """One line for each notebook: the grader's marks, those for the student's own numbers, a person's, and all."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    heads = "student assignment exercises out_of own_numbers own_out_of written written_out_of total waiting"
    writer.writerow(heads.split())
    for one in submissions:
        given = marks.get((one.student, one.assignment), [])
        by_hand = sum(part.mark or 0 for part in given)
        of, waiting = (one.report.out_of if one.report else 0), sum(part.mark is None for part in given)
        own = numbers[one.student, one.page][0] if (one.student, one.page) in numbers else None
        told = [word(one.student), word(one.assignment), f"{one.points:g}", of]
        told += ["" if own is None else f"{own:g}", "" if own is None else f"{own_numbers.POINTS:g}"]
        total = round(one.points + (own or 0) + by_hand, 2)
        written = [f"{by_hand:g}", f"{sum(part.part.out_of for part in given):g}"]
        writer.writerow([*told, *written, f"{total:g}", waiting])
    write_bytes(buffer.getvalue().encode("utf-8"), path)


def _notes(folder: Path) -> list[str]:
    """What was said of the files when they were collected, if they were."""
    path = folder / REPORT
    rows = read_table(path, COLUMNS) if path.exists() else []
    return [
        f"- {row['student'] or 'nobody'}, {row['assignment'] or 'no assignment'}: "
        f"{row['note'] or row['what']} ({row['from']})"
        for row in rows
        if row["note"] or row["what"] not in ("taken", "the same again", "an earlier version")
    ]


def summary(submissions: list[Submission], marks: Marks, collected: list[str], numbers: own_numbers.Judged) -> str:
    """What the teacher should know of the class, as Markdown."""
    lines = ["# Summary", ""]
    for assignment in sorted({one.assignment for one in submissions} & ASSIGNMENTS.keys()):
        mine = [one for one in submissions if one.assignment == assignment]
        lines += [f"## {assignment}", "", *_distribution(mine), "", *_diagnoses(mine), ""]
        lines += _waiting(mine, marks, assignment)
    lines += ["## To look at by hand", ""]
    by_hand = [f"- {one.student}, {one.assignment or 'nothing'}: {one.notes}" for one in submissions if one.notes]
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
    wrote = {one.student for one in mine if one.written}
    waits = [name for name, parts in given.items() if name in wrote and any(part.mark is None for part in parts)]
    silent = [name for name in given if name not in wrote]
    lines = [f"Written answers: {len(waits)} wait for marks{': ' + ', '.join(waits) if waits else ''}"]
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
