"""Running the cells of a student's notebook in a process of their own, and checking what they define."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.grading.assignments import ASSIGNMENTS, Notebook, read_notebook, source_path
from segkit.grading.checking import Tried, attempt, judge
from segkit.grading.child import end_child, fork_child, receive
from segkit.grading.exercise import find
from segkit.grading.notebook_cells import CELL_SECONDS, definitions, notebook_names, plain_python, run_cell
from segkit.grading.sandbox import method
from segkit.grading.verdict import REJECTED, Diagnosis, Result

Found = tuple[dict[str, Result], dict[int, str]]  # by exercise; by the number of the cell


@dataclass(frozen=True)
class Step:
    """Something to do with a notebook, in its order: run a cell, or check an exercise."""

    number: int
    code: str = ""
    exercise: str = ""


def steps(notebook: Notebook, exercises: list[str], locked: dict[str, str] | None = None) -> list[Step]:
    """All code cells but the graded ones, and where each of those stands its exercise; what has none comes last.

    Args:
        notebook: the student's.
        exercises: names of the exercises.
        locked: code that was handed out locked, by its grade id. It runs before all cells, and again where it has been
            changed, behind what stands there: names that a student added stay, and ours are as they were.
    """
    locked = locked or {}
    found = [Step(0, code) for code in locked.values()]
    left = list(exercises)
    for number, cell in enumerate(notebook["cells"], 1):
        meta = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] != "code":
            continue
        ours = locked.get(str(meta.get("grade_id")))
        if not meta.get("grade"):
            found += [] if cell["source"] == ours else [Step(number, plain_python(cell["source"]))]
            found += [Step(number, ours)] if ours is not None and ours != cell["source"] else []
        elif (name := str(meta.get("grade_id", "")).removeprefix("check-")) in left:
            helpers = definitions(plain_python(cell["source"]), exercises)
            found += [Step(number, helpers)] if helpers else []
            found.append(Step(number, exercise=name))
            left.remove(name)
    return found + [Step(0, exercise=name) for name in left]


def locked_code(assignment: str) -> dict[str, str]:
    """The code that an assignment hands out locked, by its grade id."""
    if not source_path(assignment).exists():
        return {}
    metas = [(c, c["metadata"].get("nbgrader", {})) for c in read_notebook(source_path(assignment))["cells"]]
    code = [(c, m) for c, m in metas if c["cell_type"] == "code" and m.get("locked") and not m.get("grade")]
    return {m["grade_id"]: c["source"] for c, m in code}


def _work(todo: list[Step], skip: Collection[int | str], seconds: float, tell: Callable[[Any], Any]) -> None:
    """Take the steps in one namespace, and in the end try again what was not there; tell what happens as it happens.

    Nothing is compared here, where a student's code may have changed everything: only what the answers did is told.
    """
    names = [step.exercise for step in todo if step.exercise]
    for name in names:
        find(name).all_cases()  # made before any of the student's code runs
    namespace = notebook_names()
    seen: dict[str, Any] = {}

    def answer(name: str, how: str) -> None:
        tell(("check", name, None))
        seen[name] = namespace[name]
        tried = attempt(find(name), namespace[name], seconds)
        if all(outcome.kind in ("stub", "nothing", "raised") for outcome in tried.outcomes or []):
            seen[name] = None  # what it needs may come later
        tell((how, name, tried))

    for step in todo:
        if step.exercise:
            if step.exercise in namespace and step.exercise not in skip:
                answer(step.exercise, "tried")
        elif step.number not in skip:
            tell(("cell", step.number, None))
            tell(("ran", step.number, run_cell(step.number, step.code, namespace)))
    for name in names:
        if name in namespace and name not in skip and seen.get(name) is not namespace[name]:
            answer(name, "tried late")


def in_fork(path: Path, todo: list[Step], seconds: float) -> Found:
    """In a forked child, with another attempt for each cell, and each answer, that ends it or never ends."""
    for step in todo:
        if step.exercise:
            find(step.exercise).all_cases()
    skip: dict[int | str, str] = {}
    while True:
        heard = Heard()

        def work(tell: Callable[[Any], Any], skip: Collection[int | str] = frozenset(skip)) -> None:
            os.environ["MPLBACKEND"] = "Agg"
            os.chdir(path.resolve().parent)
            _work(todo, skip, seconds, tell)

        pid, stream = fork_child(work)
        try:
            stuck, why = _listen(stream, heard, seconds)
        finally:
            end_child(pid, stream)
        if stuck is None or stuck in skip:
            heard.problems |= {n: f"cell {n} {why}" for n, why in skip.items() if isinstance(n, int)}
            heard.crashed = [name for name in skip if isinstance(name, str)]
            return heard.found()
        skip[stuck] = why


@dataclass
class Heard:
    """What a child has told: what the answers did, where they are checked and in the end, and the cells that failed."""

    tried: dict[str, dict[str, Tried]] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    crashed: list[str] = field(default_factory=list)

    def take(self, kind: str, what: Any, value: Any) -> None:
        if kind == "ran" and value:
            self.problems[what] = value
        elif kind in ("tried", "tried late"):
            self.tried.setdefault(what, {})[kind] = value

    def found(self) -> Found:
        """The best result of each exercise, judged here, where no student's code has run; and what went wrong."""
        results = {}
        for name, attempts in self.tried.items():
            judged = {when: judge(find(name), one) for when, one in attempts.items()}
            best = max(judged, key=lambda when: judged[when].score)
            results[name] = judged[best]
            if best == "tried late":
                results[name].remarks.append(f"`{name}` stands below its check cell; move it up.")
        for name in self.crashed:
            message = f"`{name}` ends Python itself (exit, crash or lack of memory), so it could not be tried."
            results[name] = Result(name, 0.0, REJECTED, [Diagnosis("crashed", message)])
        return results, dict(sorted(self.problems.items()))


def _listen(stream: int, heard: Heard, seconds: float) -> tuple[int | str | None, str]:
    """Collect what a child tells; the cell or the exercise at which it got stuck or died, if it did, and how."""
    at: int | str | None = None
    while True:
        deadline = time.monotonic() + CELL_SECONDS + 15 * seconds + 60  # checks end by themselves
        told = receive(stream, deadline)
        if told is None:
            ended = time.monotonic() < deadline
            return at, "ended Python (exit, crash or lack of memory)" if ended else "did not end in time"
        kind, what, value = told
        at = what if kind in ("cell", "check") else None
        heard.take(kind, what, value)


def in_new_python(path: Path, todo: list[Step], seconds: float) -> Found:
    """In a new Python, for systems without fork."""
    with tempfile.TemporaryDirectory() as place:
        job, answer = Path(place) / "job", Path(place) / "answer"
        job.write_bytes(pickle.dumps(([(s.number, s.code, s.exercise) for s in todo], seconds, str(answer))))
        limit = len(todo) * 2 * seconds + CELL_SECONDS * 3 + 60
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [sys.executable, "-m", "segkit.grading.running", str(job)], cwd=path.resolve().parent, timeout=limit,
                stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, "MPLBACKEND": "Agg"},
            )  # fmt: skip
        heard = Heard()
        for told in _read_all(answer) if answer.exists() else []:
            heard.take(*told)
        return heard.found()


def _read_all(path: Path) -> list[Any]:
    found = []
    with path.open("rb") as file, suppress(EOFError):
        while True:
            found.append(pickle.load(file))
    return found


def _job(path: str) -> None:
    todo, seconds, answer = pickle.loads(Path(path).read_bytes())
    with open(answer, "wb", buffering=0) as file:
        _work([Step(*step) for step in todo], (), seconds, lambda item: file.write(pickle.dumps(item)))


def run_notebook(path: Path, notebook: Notebook, assignment: str, seconds: float) -> Found:
    """Results of the exercises that are there, and the cells that failed, in words."""
    run = in_fork if method() == "fork" else in_new_python
    return run(path, steps(notebook, list(ASSIGNMENTS[assignment]), locked_code(assignment)), seconds)


if __name__ == "__main__":
    _job(sys.argv[1])
