"""The chapters as they stand in the tree: their objectives, sections, and what a learner is asked in each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from segkit.grading.assignments import folder
from segkit.grading.notebook_files import Notebook, NotebookError, read_notebook

_OBJECTIVES = re.compile(r"\*\*After this chapter you can\*\*\n+((?:[-*] .*\n?)+)")
_SECTION = re.compile(r"## (\d+\.\d+) (.*)")
_ASKED = {"predict": re.compile(r"\*\*Predict"), "try": re.compile(r"\*\*Try|^### Try")}


@dataclass
class Chapter:
    """A chapter.

    Args:
        number: "03".
        path, notebook: the file and what is in it.
        title: without the number.
        objectives: what "you can" do afterwards.
        sections: titles by number, "3.2".
        asked: how often each section asks something, by "predict 3.2" and "try 3.2"; "think" for the end.
        claims: how many claim cells each section has.
    """

    number: str
    path: Path
    notebook: Notebook
    title: str = ""
    objectives: list[str] = field(default_factory=list)
    sections: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)


def chapter_paths() -> list[Path]:
    """The chapters' notebooks in the course, in their order.

    Raises:
        NotebookError: segkit is installed without the course.
    """
    course = folder().parent / "course"
    found = sorted(course.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise NotebookError(f"there are no chapters in {course}; get the whole course, of which segkit is a part")
    return found


def read_chapter(path: Path) -> Chapter:
    """Read a chapter.

    Raises:
        NotebookError: the file cannot be read, or its first cell says neither title nor objectives.
    """
    notebook = read_notebook(path)
    made = Chapter(path.name[:2], path, notebook)
    first = notebook["cells"][0]["source"] if notebook["cells"] else ""
    title, objectives = re.search(r"^# (?:\d+ · )?(.*)", first, re.MULTILINE), _OBJECTIVES.search(first)
    if not title or not objectives:
        lacks = "a title, `# 03 · …`" if not title else 'a list under "**After this chapter you can**"'
        raise NotebookError(f"{path}: the first cell lacks {lacks}; CONTRIBUTING.md says what belongs there")
    made.title = title[1]
    made.objectives = [line[2:].strip().rstrip(";.") for line in objectives[1].strip().split("\n")]
    section = ""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            made.claims[section] += "claim" in cell["metadata"].get("tags", [])
            continue
        for line in cell["source"].split("\n"):
            if line.startswith("## "):
                found = _SECTION.fullmatch(line.strip())
                section = found[1] if found else line[3:].strip()
                made.sections |= {found[1]: found[2]} if found else {}
            for kind, pattern in _ASKED.items():
                made.asked[f"{kind} {section}"] += bool(pattern.search(line))
            made.asked["think"] += section == "Exercises" and "<details><summary>Answer" in line
    return made
