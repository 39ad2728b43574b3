"""What students get: notebooks, for each student their own where there is a list of them, and a page that says how."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from segkit.files import write_bytes
from segkit.grading.assignments import (
    ASSIGNMENTS,
    folder,
    read_source,
    source_path,
    student_folder,
    student_version,
    worked_on,
)
from segkit.grading.notebook_files import Notebook, NotebookError, read_notebook, write_notebook
from segkit.teaching.own_numbers import keep_students, questions, with_own_numbers
from segkit.teaching.senders import folder_name

COURSE = ("course", "segkit", "data", "LICENSE", "README.md", "constraints.txt", "environment.yml", "pyproject.toml",
          "start.py")  # fmt: skip
_LEFT_OUT = {"__pycache__", ".ipynb_checkpoints"}
_README = """# Your assignments

{table}

1. Install the course, if you have not yet: unpack it and run `python3 start.py` in its folder (on Windows
   `py start.py`). It needs Python 3.11 or newer, 8 GB of disk and the internet; how long it takes is a matter of the
   network, from two minutes to a quarter of an hour. No GPU is needed: on Linux, `python3 start.py --cpu` leaves out
   what only GPUs use, and 3 GB are enough.
2. Put the notebook into the course's folder `course/assignments/student`, and open it in JupyterLab.{instead}
   (Elsewhere it works as well; only the links to the chapters do not.)
3. Replace what says `# YOUR CODE HERE`, and run the check below it as often as you like. In a terminal of JupyterLab
   (*File → New → Terminal*), `segkit grade {first}.ipynb` shows all marks at once; your teacher's grader gives the
   same. In another terminal, in the course's folder, the command is `.venv/bin/segkit`, on Windows
   `.venv\\Scripts\\segkit`.
4. Save, and hand in the notebook itself under its own name, `{first}.ipynb`: no archive, no PDF, and not the chapter.
   If you hand in twice, the later one counts.

Leave the check cells where they are. What you write into them does not count. The experiment is not run again when it
is graded: save the notebook with its outputs, so that your tables and pictures are in it.
{own}"""
_INSTEAD = (
    " A notebook\n   of that name that lies there already is the course's own copy, without your numbers: put yours "
    "in its place."
)
_OWN = """
The last part, *Your own numbers*, is made for you alone: another's numbers are wrong in your notebook, and yours in
theirs.
"""


def student_notebook(assignment: str) -> Notebook:
    """The student version of an assignment, from the instructor's notebook or, failing that, as the course has it.

    Raises:
        NotebookError: there is no such assignment, or neither of the two is there.
    """
    if assignment not in ASSIGNMENTS:
        raise NotebookError(f"there is no assignment {assignment!r}; the assignments are {', '.join(ASSIGNMENTS)}")
    if source_path(assignment).exists():
        return student_version(read_source(assignment))
    return read_notebook(student_folder() / f"{assignment}.ipynb")


def hand_out(assignments: list[str], place: str | Path, students: list[str], course: bool = False) -> list[Path]:
    """Write place/handout: README.md and the notebooks, in a folder for each student where there are students.

    Args:
        assignments: names, "ch03" and so on.
        place: the class's folder. It keeps the secret from which each student's own numbers follow.
        students: their names; empty for one notebook for all.
        course: also an archive of the course without what is the teacher's.

    Returns:
        What was written.

    Raises:
        NotebookError: there is no such assignment; two names give one folder; somebody has worked in a notebook.
    """
    place, names = Path(place), [folder_name(one) for one in students]
    twice = sorted({one for one, name in zip(students, names, strict=True)
                    if [other.casefold() for other in names].count(name.casefold()) > 1})  # fmt: skip
    if twice:
        raise NotebookError(
            f"{' and '.join(twice)} would share a folder; tell them apart in the list, say by a number after the name"
        )
    made: dict[Path, Notebook] = {}
    plain = {name: student_notebook(name) for name in dict.fromkeys(assignments)}
    secret = keep_students(place, names, dict(zip(names, students, strict=True))) if names else ""
    for name, notebook in plain.items():
        for student in names or [""]:
            path = place / "handout" / student / f"{name}.ipynb"
            made[path] = with_own_numbers(notebook, name, secret, student) if student else notebook
    answered = [str(path) for path, fresh in made.items() if worked_on(path, fresh)]
    if answered:
        raise NotebookError(f"somebody has worked in {', '.join(answered)}: move what is to be kept elsewhere")
    for path, notebook in made.items():
        write_notebook(notebook, path)
    text = _readme(plain, bool(names) and any(name in questions() for name in plain))
    written = [*made, place / "handout" / "README.md"]
    write_bytes(text.encode("utf-8"), written[-1])
    if course:
        written.append(place / "handout" / "segkit-course.zip")
        write_bytes(_course(), written[-1])
    return written


def _readme(notebooks: dict[str, Notebook], own: bool) -> str:
    rows = ["| notebook | title | |", "|---|---|---|"]
    for name, notebook in notebooks.items():
        text = notebook["cells"][0]["source"]
        title = re.search(r"^# (?:Assignment \d+: )?(.*)", text, re.MULTILINE)
        effort = re.search(r"^About [^.]*\.", text, re.MULTILINE)
        rows.append(f"| `{name}.ipynb` | {title[1] if title else ''} | {effort[0] if effort else ''} |")
    told = {"own": _OWN if own else "", "instead": _INSTEAD if own else ""}
    return _README.format(table="\n".join(rows), first=next(iter(notebooks)), **told)


def _course() -> bytes:
    """The course for learners as an archive: no solutions, no tests, no runs, no data."""
    root = folder().parent
    if not (root / "start.py").exists():
        raise NotebookError(f"there is no course in {root}, only the package; leave out --course")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in COURSE:
            paths = sorted((root / name).rglob("*")) if (root / name).is_dir() else [root / name]
            for path in (one for one in paths if one.is_file() and not one.is_symlink()):
                parts = path.relative_to(root).parts
                if not _LEFT_OUT & set(parts) and (parts[0] != "data" or path.suffix == ".md"):
                    archive.write(path, "/".join(("segkit-course", *parts)))
    return buffer.getvalue()
