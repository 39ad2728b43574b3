"""What a lecturer gets of a graded class: a table of marks, and a page for each student."""

from __future__ import annotations

import csv
import html
import io
from itertools import count
from pathlib import Path

from segkit.files import write_bytes
from segkit.grading.assignments import ASSIGNMENTS, marks
from segkit.grading.outcome import words
from segkit.grading.submissions import Submission

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font-family:sans-serif;max-width:60em;margin:2em auto;background:#fff;color:#222}}\
pre{{background:#f4f4f4;padding:1em;white-space:pre-wrap}}p{{margin:.5em 0}}</style></head>
<body>
<p>{title}</p>
{body}
</body></html>
"""


def write_marks(submissions: list[Submission], path: Path) -> None:
    """Write marks.csv."""
    write_bytes(marks_table(submissions), path)


def marks_table(submissions: list[Submission]) -> bytes:
    """What marks.csv says; who has neither marks nor a reason for none is not graded yet."""
    names = [name for assignment, exercises in ASSIGNMENTS.items() for name in exercises
             if any(one.assignment == assignment for one in submissions)]  # fmt: skip
    out_of = {name: sum(marks(name).values()) for name in {one.assignment for one in submissions} & ASSIGNMENTS.keys()}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["student", "assignment", "points", "out_of", *names, "note"])
    for one in submissions:
        own = {row.exercise: f"{row.points:g}" for row in one.report.rows} if one.report else {}
        note = one.notes if one.report or one.error else "not graded yet"
        told = [word(one.student), word(one.assignment), f"{one.points:g}", out_of.get(one.assignment, 0)]
        writer.writerow([*told, *(own.get(name, "") for name in names), word(note)])
    return buffer.getvalue().encode("utf-8")


def keep(path: Path) -> None:
    """Give a table that is there already, and in which somebody may have written, another name: marks-1.csv."""
    if path.exists():
        names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(1))
        path.rename(next(name for name in names if not name.exists()))


def word(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, whatever bytes a file's name consists of."""
    text = words(text, 3000)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def write_feedback(submissions: list[Submission], folder: Path) -> None:
    """Write what each student gets, as Markdown and as a page."""
    for one in submissions:
        text = one.report.feedback() if one.report else f"# {one.page}: not graded\n\n{one.error or 'not graded yet'}\n"
        for ending, content in ((".md", text), (".html", page(f"{one.student}, {one.assignment}", text))):
            write_bytes(content.encode("utf-8", "replace"), folder / one.student / f"{one.page}{ending}")


def page(title: str, text: str) -> str:
    """Feedback or a summary as one small page that needs nothing else."""
    body, verbatim = [], False
    for line in text.split("\n"):
        level = len(line) - len(line.lstrip("#"))
        if line.startswith("```"):
            verbatim = line != "```"
            body.append("<pre>" if verbatim else "</pre>")
        elif verbatim:
            body.append(html.escape(line))
        elif level in (1, 2):
            body.append(f"<h{level}>{html.escape(line.lstrip('# '))}</h{level}>")
        elif line.strip():
            body.append(f"<p>{html.escape(line)}</p>")
    return _PAGE.format(title=html.escape(title), body="\n".join(body))
