"""Running the cells of a student's notebook in a process of their own, and checking what they define."""

from __future__ import annotations

import linecache
import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.grading.assignments import Notebook, read_notebook, source_path
from segkit.grading.capture import Printed, student_lines
from segkit.grading.checking import check
from segkit.grading.child import end_child, fork_child, receive
from segkit.grading.report import Result
from segkit.grading.sandbox import Outcome, guarded, method

CELL_SECONDS = 20.0
Found = tuple[dict[str, Result], list[str]]


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


def restore_locked(notebook: Notebook, assignment: str) -> None:
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


def in_fork(path: Path, todo: list[Step], seconds: float) -> Found:
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


def in_new_python(path: Path, todo: list[Step], seconds: float) -> Found:
    """In a new Python, for systems without fork."""
    with tempfile.TemporaryDirectory() as place:
        job, answer = Path(place) / "job", Path(place) / "answer"
        job.write_bytes(pickle.dumps(([(s.number, s.code, s.exercise) for s in todo], seconds, str(answer))))
        limit = len(todo) * 2 * seconds + CELL_SECONDS * 3 + 60
        try:
            subprocess.run(
                [sys.executable, "-m", "segkit.grading.running", str(job)], cwd=path.resolve().parent, timeout=limit,
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


def run_notebook(path: Path, notebook: Notebook, exercises: list[str], seconds: float) -> Found:
    """Results of the exercises that are there, and the cells that failed, in words."""
    run = in_fork if method() == "fork" else in_new_python
    return run(path, steps(notebook, exercises), seconds)


if __name__ == "__main__":
    _job(sys.argv[1])
