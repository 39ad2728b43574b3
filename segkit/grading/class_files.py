"""What a lecturer gets of a graded class: a table of marks, and a page for each student."""

from __future__ import annotations

import csv
import html
import io
import re
from itertools import count
from pathlib import Path

from segkit.files import write_bytes
from segkit.grading.assignments import ASSIGNMENTS, marks
from segkit.grading.outcome import words
from segkit.grading.submissions import Submission

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1.5em;background:#fff;color:#222}}\
pre{{background:#f4f4f4;padding:1em;white-space:pre-wrap}}p{{margin:.5em 0}}</style></head>
<body>
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


def keep(path: Path) -> str:
    """Give a table that is there already, and in which somebody may have written, another name: marks-1.csv; which."""
    if not path.exists():
        return ""
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(1))
    return path.rename(next(name for name in names if not name.exists())).name


def word(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, whatever bytes a file's name consists of."""
    text = words(text, 3000)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def write_feedback(submissions: list[Submission], folder: Path) -> None:
    """Write what each student gets, as Markdown and as a page."""
    for one in submissions:
        text = one.report.feedback() if one.report else f"# {one.page}: not graded\n\n{not_graded(one)}\n"
        for ending, content in ((".md", text), (".html", page(f"{one.student}, {one.assignment}", text))):
            write_bytes(content.encode("utf-8", "replace"), folder / one.student / f"{one.page}{ending}")


def not_graded(one: Submission) -> str:
    """Why there are no marks, for the student: without the places of the teacher's machine, and with what to do."""
    if not one.error:
        return "Not graded yet."
    why = one.error.replace(str(one.path), one.path.name)
    if not one.assignment or one.notebook is not None or one.report:
        return f"Not graded: {why}"
    return f"Not graded: {why}. Open your notebook in JupyterLab, save it, and hand in the file {one.path.name} itself."


def page(title: str, text: str) -> str:
    """Feedback or a summary as one small page that needs nothing else."""
    body, verbatim, listed = [], False, False
    for line in text.split("\n"):
        level = len(line) - len(line.lstrip("#"))
        if not verbatim and line.startswith("- ") != listed and line.strip():
            listed = not listed
            body.append("<ul>" if listed else "</ul>")
        if line.startswith("```"):
            verbatim = line != "```"
            body.append("<pre>" if verbatim else "</pre>")
        elif verbatim:
            body.append(html.escape(line))
        elif level in (1, 2):
            body.append(f"<h{level}>{html.escape(line.lstrip('# '))}</h{level}>")
        elif listed and line.strip():
            body.append(f"<li>{_inline(line[2:])}</li>")
        elif line.strip():
            body.append(f"<p>{_inline(line)}</p>")
    body += ["</ul>"] if listed else []
    return _PAGE.format(title=html.escape(title), body="\n".join(body))


def _inline(text: str) -> str:
    """A line with its `code`."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
