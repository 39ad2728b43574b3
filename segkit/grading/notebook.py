"""Grading one notebook: run the student's cells in a process of their own, check what they define, make a table.

The check cells of the notebook are not run and not believed: which exercises there are and what they are worth stands
in `segkit.grading.assignments`. A cell that fails, or never ends, is noted and passed over.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from segkit.grading.assignments import ASSIGNMENTS, Notebook, NotebookError, marks, read_notebook
from segkit.grading.notebook_cells import defines
from segkit.grading.outcome import words
from segkit.grading.running import run_notebook
from segkit.grading.verdict import REJECTED, Diagnosis, Result

HARMLESS = "it holds no answer, so it costs no marks by itself"  # said of a cell that stopped


@dataclass(frozen=True)
class Row:
    """One exercise of a graded notebook."""

    exercise: str
    points: float
    out_of: int
    result: Result


@dataclass
class GradedNotebook:
    """A graded notebook.

    Args:
        path: the file.
        assignment: "ch01" and so on.
        rows: one for each exercise.
        problems: cells that failed, in words.
    """

    path: Path
    assignment: str
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return round(sum(row.points for row in self.rows), 2)

    @property
    def out_of(self) -> int:
        return sum(row.out_of for row in self.rows)

    @property
    def score(self) -> float:
        """0–1."""
        return self.points / self.out_of if self.out_of else 0.0

    def table(self) -> str:
        """Exercise, marks and what is wrong, as text."""
        width = max([len(row.exercise) for row in self.rows] + [8])
        lines = [f"{self.assignment}: {self.path.name}", "", f"{'exercise':<{width}}  {'marks':>9}  diagnosis"]
        lines.append("-" * (width + 22))
        for row in self.rows:
            marks = f"{row.points:g} / {row.out_of}"
            lines.append(f"{row.exercise:<{width}}  {marks:>9}  {_short(row.result, width + 13)}")
        lines += ["-" * (width + 22), f"{'total':<{width}}  {f'{self.points:g} / {self.out_of}':>9}"]
        if self.problems:
            lines += ["", "Cells that did not finish:", *(f"  {problem}" for problem in self.problems)]
        return "\n".join(lines)

    def feedback(self) -> str:
        """The verdicts in full, as Markdown."""
        lines = [f"# {self.assignment}: {self.points:g} of {self.out_of} marks", ""]
        for row in self.rows:
            lines += [f"## {row.exercise}: {row.points:g} of {row.out_of}", "", "```text", row.result.text(), "```", ""]
        if self.problems:
            lines += ["## Cells that did not finish", "", *(f"- {problem}" for problem in self.problems), ""]
        return "\n".join(lines)


def _short(result: Result, indent: int) -> str:
    """The first lines of a verdict, to stand in a table."""
    if result.passed:
        return "; ".join(["full marks", *result.remarks])
    parts = [f"{d.code}: {d.message.split(chr(10))[0]}" for d in result.diagnoses] or [result.status]
    wrapped = [line for part in parts for line in textwrap.wrap(part, 100 - indent + 20)]
    return ("\n" + " " * indent).join(wrapped)


def grade_notebook(path: str | Path, *, assignment: str | None = None, time_limit: float = 10.0) -> GradedNotebook:
    """Grade a notebook.

    Args:
        path: the student's notebook.
        assignment: "ch01" …; by default the notebook's own word for it, or the exercises found in it.
        time_limit: seconds for the calls of each exercise.

    Raises:
        NotebookError: the file is not there, not a notebook, or holds no assignment.
    """
    return grade_read(read_notebook(path), Path(path), assignment, time_limit)


def grade_read(
    notebook: Notebook, path: Path, assignment: str | None, time_limit: float, hidden: list[Path] | None = None
) -> GradedNotebook:
    """Grade a notebook that has been read: `path` is where it lay, `hidden` are folders that its code shall not see.

    Raises:
        NotebookError: it holds no assignment, or its code ended the process it ran in.
    """
    name = assignment or which_assignment(notebook, path)
    if name not in ASSIGNMENTS:
        raise NotebookError(f"there is no assignment {name!r}; the assignments are {', '.join(ASSIGNMENTS)}")
    worth = marks(name)
    results, problems = run_notebook(path, notebook, name, time_limit, hidden)
    rows = []
    for exercise, points in worth.items():
        result = results.get(exercise) or _missing(exercise, notebook, problems)
        rows.append(Row(exercise, result.points(points), points, result))
    told = [f"{problem}{_which_cell(number, notebook, list(worth))}" for number, problem in problems.items()]
    return GradedNotebook(path, name, rows, told)


def _which_cell(number: int, notebook: Notebook, exercises: list[str]) -> str:
    """How a cell begins, since JupyterLab shows no numbers, and whether marks hang on it."""
    if not 0 < number <= len(notebook["cells"]):
        return ""
    source = notebook["cells"][number - 1]["source"]
    first = next((line.strip() for line in source.split("\n") if line.strip()), "")
    held = [f"`{name}`" for name in exercises if defines(source, name)]
    costs = f"it holds {' and '.join(held)}" if held else HARMLESS
    return f"; this cell begins `{words(first, 60)}`, and {costs}"


def which_assignment(notebook: Notebook, path: Path) -> str:
    """The assignment of a notebook: what its metadata say, or the one most of whose exercises it defines.

    Raises:
        NotebookError: none of them.
    """
    said = notebook.get("metadata", {}).get("segkit", {}).get("assignment")
    if isinstance(said, str) and said in ASSIGNMENTS:
        return said
    text = "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    counts = {name: sum(defines(text, one) for one in exercises) for name, exercises in ASSIGNMENTS.items()}
    best = max(counts, key=lambda name: counts[name])
    if counts[best]:
        return best
    if path.stem in ASSIGNMENTS:
        return path.stem
    raise NotebookError(f"{path} defines none of the functions that the assignments ask for; is it the right notebook?")


def _missing(exercise: str, notebook: Notebook, problems: dict[int, str]) -> Result:
    message = f"The notebook defines no function `{exercise}`. Has its cell been deleted or renamed?"
    if problems.get(0):
        message = f"`{exercise}` was not tried: {problems[0]}."
    for number, problem in problems.items():
        if 0 < number <= len(notebook["cells"]) and defines(notebook["cells"][number - 1]["source"], exercise):
            message = f"`{exercise}` is not defined, because its cell did not finish: {problem}."
    return Result(exercise, 0.0, REJECTED, [Diagnosis("missing", message)])


def main(arguments: list[str] | None = None) -> int:
    """`python -m segkit.grading.notebook NOTEBOOK`: print the table."""
    parser = argparse.ArgumentParser(prog="python -m segkit.grading.notebook", description="Grade a notebook.")
    parser.add_argument("notebook", type=Path)
    given = parser.parse_args(arguments)
    try:
        print(grade_notebook(given.notebook).table())
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
