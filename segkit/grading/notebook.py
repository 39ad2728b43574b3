"""Grading one notebook: run the student's cells in a process of their own, check what they define, make a table.

The check cells of the notebook are not run and not believed: which exercises there are and what they are worth stands in
`segkit.grading.assignments`. A cell that fails, or never ends, is noted and passed over.
"""

from __future__ import annotations

import argparse
import linecache
import os
import pickle
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.grading.assignments import ASSIGNMENTS, Notebook, NotebookError, read_notebook, source_path
from segkit.grading.capture import Printed, student_lines
from segkit.grading.checking import check
from segkit.grading.report import REJECTED, Diagnosis, Result
from segkit.grading.sandbox import Outcome, end_child, fork_child, guarded, method, receive

CELL_SECONDS = 20.0


@dataclass(frozen=True)
class Row:
    """One exercise of a graded notebook."""

    exercise: str
    points: float
    out_of: int
    result: Result


@dataclass
class Report:
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
        lines += ["-" * (width + 22), f"{'together':<{width}}  {f'{self.points:g} / {self.out_of}':>9}"]
        if self.problems:
            lines += ["", "Cells that did not run to their end:", *(f"  {problem}" for problem in self.problems)]
        return "\n".join(lines)

    def feedback(self) -> str:
        """The verdicts in full, as Markdown."""
        lines = [f"# {self.assignment}: {self.points:g} of {self.out_of} marks", ""]
        for row in self.rows:
            lines += [f"## {row.exercise}: {row.points:g} of {row.out_of}", "", "```text", row.result.text(), "```", ""]
        if self.problems:
            lines += ["## Cells that did not run to their end", "", *(f"- {problem}" for problem in self.problems), ""]
        return "\n".join(lines)


def _short(result: Result, indent: int) -> str:
    """The first lines of a verdict, to stand in a table."""
    if result.passed:
        return "full marks"
    parts = [f"{d.code}: {d.message.split(chr(10))[0]}" for d in result.diagnoses] or [result.status]
    wrapped = [line for part in parts for line in textwrap.wrap(part, 100 - indent + 20)]
    return ("\n" + " " * indent).join(wrapped)


def grade_notebook(path: str | Path, *, assignment: str | None = None, time_limit: float = 10.0) -> Report:
    """Grade a notebook.

    Args:
        path: the student's notebook.
        assignment: "ch01" …; by default the notebook's own word for it, or the exercises found in it.
        time_limit: seconds for the calls of each exercise.

    Raises:
        NotebookError: the file is not there, not a notebook, or holds no assignment.
    """
    path = Path(path)
    notebook = read_notebook(path)
    name = assignment or which_assignment(notebook, path)
    if name not in ASSIGNMENTS:
        raise NotebookError(f"there is no assignment {name!r}; the assignments are {', '.join(ASSIGNMENTS)}")
    run = _in_fork if method() == "fork" else _in_new_python
    _restore_locked(notebook, name)
    results, problems = run(path, steps(notebook, list(ASSIGNMENTS[name])), time_limit)
    rows = []
    for exercise, points in ASSIGNMENTS[name].items():
        result = results.get(exercise) or _missing(exercise)
        rows.append(Row(exercise, result.points(points), points, result))
    return Report(path, name, rows, problems)


def which_assignment(notebook: Notebook, path: Path) -> str:
    """The assignment of a notebook: what its metadata say, or the one most of whose exercises it defines.

    Raises:
        NotebookError: none of them.
    """
    said = notebook.get("metadata", {}).get("segkit", {}).get("assignment")
    if said in ASSIGNMENTS:
        return str(said)
    text = "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    counts = {name: sum(_defines(text, one) for one in exercises) for name, exercises in ASSIGNMENTS.items()}
    best = max(counts, key=lambda name: counts[name])
    if counts[best]:
        return best
    if path.stem in ASSIGNMENTS:
        return path.stem
    raise NotebookError(f"{path} defines none of the functions that the assignments ask for; is it the right notebook?")


def _defines(text: str, name: str) -> bool:
    return bool(re.search(rf"^\s*(def\s+{name}\b|{name}\s*=)", text, re.MULTILINE))


def _missing(exercise: str) -> Result:
    message = f"The notebook defines no function `{exercise}`. Has its cell been deleted, renamed, or did it fail to run?"
    return Result(exercise, 0.0, REJECTED, [Diagnosis("missing", message)])


# Running the cells -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """Something to do with a notebook, in its order: run a cell, or check an exercise."""

    number: int
    code: str = ""
    exercise: str = ""


def steps(notebook: Notebook, exercises: list[str]) -> list[Step]:
    """All code cells but the graded ones, and where each of those stands its exercise; what has none comes last."""
    found: list[Step] = []
    left = list(exercises)
    for number, cell in enumerate(notebook["cells"], 1):
        meta = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] != "code":
            continue
        if not meta.get("grade"):
            found.append(Step(number, _plain_python(cell["source"])))
        elif (name := str(meta.get("grade_id", "")).removeprefix("check-")) in left:
            found.append(Step(number, exercise=name))
            left.remove(name)
    return found + [Step(0, exercise=name) for name in left]


def _restore_locked(notebook: Notebook, assignment: str) -> None:
    """Put back the cells that students are not meant to change, as nbgrader does."""
    if not source_path(assignment).exists():
        return
    ours = {c["metadata"]["nbgrader"]["grade_id"]: c["source"] for c in read_notebook(source_path(assignment))["cells"]
            if c["metadata"].get("nbgrader", {}).get("locked")}  # fmt: skip
    for cell in notebook["cells"]:
        cell["source"] = ours.get(cell["metadata"].get("nbgrader", {}).get("grade_id"), cell["source"])


def _plain_python(code: str) -> str:
    """Code without the notebook's own commands (%matplotlib, !pip, name?), line by line."""
    if code.lstrip().startswith("%%"):
        return ""
    lines = []
    for line in code.split("\n"):
        stripped = line.strip()
        special = re.match(r"[%!]", stripped) or re.fullmatch(r"[\w.]+\?{1,2}", stripped)
        lines.append(line.replace(stripped, "pass") if special and stripped else line)
    return "\n".join(lines)


def _work(todo: list[Step], skip: set[int], seconds: float, tell: Callable[[Any], Any]) -> None:
    """Take the steps in one namespace; tell what happens as it happens."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for step in todo:
        if step.exercise:
            tell(("check", step.exercise, None))
            if step.exercise in namespace:
                result = check(step.exercise, namespace[step.exercise], quiet=True, time_limit=seconds)
                tell(("result", step.exercise, result))
            continue
        tell(("cell", step.number, None))
        late = step.number in skip
        problem = f"cell {step.number} did not end in time" if late else _run_cell(step.number, step.code, namespace)
        tell(("ran", step.number, problem))


def _run_cell(number: int, code: str, namespace: dict[str, Any]) -> str | None:
    """Run a cell; what went wrong, or None."""
    filename = f"<cell {number}>"
    linecache.cache[filename] = (len(code), None, [line + "\n" for line in code.split("\n")], filename)

    def run() -> Outcome:
        try:
            with redirect_stdout(Printed()), redirect_stderr(Printed()):
                exec(compile(code, filename, "exec"), namespace)
        except (Exception, SystemExit) as error:
            if isinstance(error, NotImplementedError) and not str(error):
                return Outcome("value")  # a stub that was called; its check will say so
            lines = student_lines(error, run)
            where = f" ({lines[-1]})" if lines else ""
            return Outcome("raised", note=f"{type(error).__name__}: {error}".strip().split("\n")[0] + where)
        return Outcome("value")

    outcome = guarded()(run, CELL_SECONDS)
    if outcome.kind == "timeout":
        return f"cell {number} did not end in time"
    return f"cell {number}: {outcome.note}" if outcome.kind == "raised" else None


Found = tuple[dict[str, Result], list[str]]


def _in_fork(path: Path, todo: list[Step], seconds: float) -> Found:
    """In a forked child, with another attempt for each cell that has to be skipped."""
    skip: set[int] = set()
    while True:
        results: dict[str, Result] = {}
        problems: dict[int, str] = {}

        def work(tell: Callable[[Any], Any], skip: set[int] = skip) -> None:
            os.environ["MPLBACKEND"] = "Agg"
            os.chdir(path.resolve().parent)
            _work(todo, skip, seconds, tell)

        pid, stream = fork_child(work)
        try:
            stuck = _listen(stream, results, problems, seconds)
        finally:
            end_child(pid, stream)
        if stuck is None or stuck in skip:
            return results, list(problems.values())
        skip.add(stuck)


def _listen(stream: int, results: dict[str, Result], problems: dict[int, str], seconds: float) -> int | None:
    """Collect what a child tells; the number of the cell in which it got stuck or died, if it did."""
    running: int | None = None
    while True:
        told = receive(stream, time.monotonic() + CELL_SECONDS + 15 * seconds + 60)  # checks end by themselves
        if told is None:
            return running
        kind, what, value = told
        running = what if kind == "cell" else None
        if kind == "ran" and value:
            problems[what] = value
        elif kind == "check":
            results.pop(what, None)
        elif kind == "result":
            results[what] = value


def _in_new_python(path: Path, todo: list[Step], seconds: float) -> Found:
    """In a new Python, for systems without fork."""
    with tempfile.TemporaryDirectory() as place:
        job, answer = Path(place) / "job", Path(place) / "answer"
        job.write_bytes(pickle.dumps(([(s.number, s.code, s.exercise) for s in todo], seconds, str(answer))))
        limit = len(todo) * 2 * seconds + CELL_SECONDS * 3 + 60
        try:
            subprocess.run(
                [sys.executable, "-m", "segkit.grading.notebook", "--job", str(job)], cwd=path.resolve().parent, timeout=limit,
                stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, "MPLBACKEND": "Agg"},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            pass
        results: dict[str, Result] = {}
        problems: list[str] = []
        if answer.exists():
            for kind, what, value in _read_all(answer):
                if kind == "result":
                    results[what] = value
                elif kind == "ran" and value:
                    problems.append(value)
        return results, problems


def _read_all(path: Path) -> list[Any]:
    found = []
    with path.open("rb") as file:
        while True:
            try:
                found.append(pickle.load(file))
            except EOFError:
                return found


def _job(path: str) -> None:
    todo, seconds, answer = pickle.loads(Path(path).read_bytes())
    with open(answer, "wb", buffering=0) as file:
        _work([Step(*step) for step in todo], set(), seconds, lambda item: file.write(pickle.dumps(item)))


def main(arguments: list[str] | None = None) -> int:
    """`python -m segkit.grading.notebook NOTEBOOK`: print the table."""
    parser = argparse.ArgumentParser(prog="python -m segkit.grading.notebook", description="Grade a notebook.")
    parser.add_argument("notebook", nargs="?", type=Path)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.job:
        _job(given.job)
        return 0
    if given.notebook is None:
        parser.error("give the notebook to grade")
    try:
        print(grade_notebook(given.notebook).table())
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())


