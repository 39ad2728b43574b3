"""A student's notebook, run in a process that knows no right answer, and judged here, where no student's code runs."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from segkit.grading.asked import settled
from segkit.grading.assignments import ASSIGNMENTS, Notebook, folder, read_notebook, source_path, student_folder
from segkit.grading.checking import judge
from segkit.grading.exercise import Exercise, find
from segkit.grading.hosting import ROOT, NotRun, Refused, Server, lent_server
from segkit.grading.notebook_cells import CELL_SECONDS, defines
from segkit.grading.outcome import Tried, read_tried, words
from segkit.grading.sandbox import method
from segkit.grading.verdict import REJECTED, Diagnosis, Result
from segkit.grading.wire import Unreadable
from segkit.grading.written import experiment_at

Found = tuple[dict[str, Result], dict[int, str]]  # by exercise; by the number of the cell
_judging = threading.Lock()  # torch's settings and the exercises' memory are one for all threads


@dataclass(frozen=True)
class Step:
    """Something to do with a notebook, in its order: run a cell, or check an exercise.

    Args:
        number: of the cell, from 1.
        code: what stands in it.
        exercise: the one to check.
        helpers: whether only the imports and functions of the cell are wanted.
        late: whether even these are wanted only where an answer found no such name: a cell of the experiment.
    """

    number: int
    code: str = ""
    exercise: str = ""
    helpers: bool = False
    late: bool = False


def steps(notebook: Notebook, exercises: list[str], locked: dict[str, str] | None = None) -> list[Step]:
    """All code cells but the graded ones, and where each of those stands its exercise; what has none comes last.

    The experiment does not run: of the cells from its heading on, only those that hold an exercise do.

    Args:
        notebook: the student's.
        exercises: names of the exercises.
        locked: code that was handed out locked, by its grade id. It runs before all cells, and again where it has been
            changed, behind what stands there: names that a student added stay, and ours are as they were.
    """
    locked = locked or {}
    found = [Step(0, code) for code in locked.values()]
    left = list(exercises)
    asked = next((name for name, known in ASSIGNMENTS.items() if left and left[0] in known), "")
    experiment = experiment_at(notebook, asked)
    for number, cell in enumerate(notebook["cells"], 1):
        meta = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] != "code":
            continue
        ours = locked.get(str(meta.get("grade_id")))
        if number > experiment and not meta and not any(defines(cell["source"], name) for name in exercises):
            found.append(Step(number, cell["source"], helpers=True, late=True))
        elif not meta.get("grade"):
            found += [] if cell["source"] == ours else [Step(number, cell["source"])]
            found += [Step(number, ours)] if ours is not None and ours != cell["source"] else []
        elif (name := str(meta.get("grade_id", "")).removeprefix("check-")) in left:
            found += [Step(number, cell["source"], helpers=True), Step(number, exercise=name)]
            left.remove(name)
    return found + [Step(0, exercise=name) for name in left]


def locked_code(assignment: str) -> dict[str, str]:
    """The code that an assignment hands out locked, by its grade id."""
    if not source_path(assignment).exists():
        return {}
    metas = [(c, c["metadata"].get("nbgrader", {})) for c in read_notebook(source_path(assignment))["cells"]]
    code = [(c, m) for c, m in metas if c["cell_type"] == "code" and m.get("locked") and not m.get("grade")]
    return {m["grade_id"]: c["source"] for c, m in code}


@dataclass
class Heard:
    """What a process has told of the exercises `names`: what the answers did, where they are checked and in the end,
    and the cells that failed; but not those of the experiment, `unheard`, from which only helpers are taken."""

    names: list[str]
    unheard: set[int] = field(default_factory=set)
    tried: dict[str, dict[str, Tried]] = field(default_factory=dict)
    problems: dict[int, str] = field(default_factory=dict)
    crashed: list[str] = field(default_factory=list)

    def take(self, kind: str, what: Any, value: Any) -> None:
        """Raises Unreadable where it is nothing that can be told."""
        if kind == "again":
            self.tried, self.problems = {}, {}
        elif kind in ("tried", "tried late") and what in self.names:
            self.tried.setdefault(what, {})[kind] = read_tried(value)
        elif kind in ("ran", "stuck") and type(what) is int:
            if value is not None and what not in self.unheard and len(self.problems) < 1000:
                told = " ".join(words(value, 500).split())
                self.problems[what] = told if kind == "ran" or not what else f"cell {what} {told}"
        elif kind == "stuck" and what in self.names:
            self.crashed.append(what)
        elif kind == "failed":
            raise NotRun(f"it could not be graded: {words(value, 2000)}")
        elif kind not in ("cell", "check"):
            raise Unreadable(f"something of the kind {words(kind, 30)!r}")

    def found(self) -> Found:
        """The best result of each exercise, judged here, where no student's code has run; and what went wrong."""
        results = {}
        for name, attempts in self.tried.items():
            judged = {when: judge(find(name), _settled(find(name), one)) for when, one in attempts.items()}
            best = max(judged, key=lambda when: judged[when].score)
            results[name] = judged[best]
            if best == "tried late":
                results[name].remarks.append(f"`{name}` stands below its check cell; move it up. This costs no marks.")
        for name in self.crashed:
            message = f"`{name}` ends Python itself (exit, crash or lack of memory), so it could not be tried."
            results[name] = Result(name, 0.0, REJECTED, [Diagnosis("crashed", message)])
        return results, dict(sorted(self.problems.items()))


def _settled(exercise: Exercise, tried: Tried) -> Tried:
    """What an answer did, one outcome for each case, each result made of what came from where no right one is known."""
    if tried.outcomes is None:
        return tried
    outcomes = []
    for case, outcome in zip_longest(exercise.all_cases(), tried.outcomes):
        if case is None or outcome is None:
            raise Unreadable("more or fewer results than there are cases")
        try:
            outcomes.append(settled(exercise, outcome, case.args))
        except Exception as error:
            raise Unreadable(f"a result that is none ({type(error).__name__})") from None
    return replace(tried, outcomes=outcomes)


def _job(todo: list[Step], seconds: float, hidden: list[Path]) -> dict[str, Any]:
    names = [step.exercise for step in todo if step.exercise]
    return {
        "steps": [(one.number, one.code, one.exercise, one.helpers, one.late) for one in todo],
        "asked": [_asked(name) for name in names],
        "seconds": float(seconds),
        "cell_seconds": float(CELL_SECONDS),
        "limit": 60 + 3 * CELL_SECONDS + 5 * float(seconds) * len(names),
        "hidden": [str(path) for path in _hidden(hidden)],
    }


@cache
def _asked(name: str) -> dict[str, Any]:
    return find(name).plain()


def _hidden(more: list[Path]) -> list[Path]:
    """What a notebook's code shall not see: right answers, others' work; nothing that Python itself needs."""
    ours, grading = [folder().resolve(), student_folder().resolve()], ROOT / "segkit" / "grading"
    paths = [*ours, *(ROOT / name for name in (".git", "tests", "runs")), grading / "exercises"]
    paths += [*grading.glob("slips*.py"), grading / "__pycache__"]  # parts of right answers
    paths += [Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp")]  # others' files, and sockets
    data = os.environ.get("SEGKIT_DATA") or ROOT / "data"
    needed = [Path(one).expanduser().resolve() for one in (sys.prefix, sys.base_prefix, ROOT / "segkit", data)]
    return [path for path in [*paths, *(one.resolve() for one in more)]
            if path.exists() and not any(one.is_relative_to(path) for one in needed)]  # fmt: skip


def _run(server: Server, todo: list[Step], seconds: float, hidden: list[Path], partly: bool = False) -> Found:
    """Run a notebook and judge it.

    Raises:
        NotRun: the process has ended; `partly`: what came before counts.
        Refused: nothing can be made of what it said.
    """
    with _judging:
        job = _job(todo, seconds, hidden)
    heard = Heard([one.exercise for one in todo if one.exercise], {one.number for one in todo if one.late})
    ends = time.monotonic() + job["limit"] + 60
    nonsense = ""
    try:
        server.send(job)
    except Unreadable as error:
        raise Refused(f"it could not be graded: its code is too long ({error})") from None
    try:
        while (told := server.next(ends))[0] != "end":
            try:
                heard.take(*told)
            except Unreadable as error:
                nonsense = nonsense or str(error)
    except NotRun:
        if not partly:
            raise
        heard.problems[0] = "a cell ended Python (exit, crash or lack of memory), or did not end in time"
    try:
        with _judging:
            found = heard.found()
    except Unreadable as error:
        nonsense = nonsense or str(error)
    if nonsense:
        raise Refused(f"it could not be graded: its code sent {nonsense}")
    return found


def in_new_python(path: Path, todo: list[Step], seconds: float) -> Found:
    """In a new Python of its own, for systems without fork."""
    server = Server("once")
    try:
        return _run(server, todo, seconds, [path.parent], partly=True)
    finally:
        server.end()


def run_notebook(
    path: Path, notebook: Notebook, assignment: str, seconds: float, hidden: list[Path] | None = None
) -> Found:
    """Results of the exercises that are there, and the cells that failed, in words.

    Args:
        path: where the notebook lies; it is not read again.
        notebook: what was read there.
        assignment: its name.
        seconds: for the calls of each exercise.
        hidden: folders that its code shall not see (default: its own).

    Raises:
        NotRun: the process in which it ran was ended from inside.
    """
    todo = steps(notebook, list(ASSIGNMENTS[assignment]), locked_code(assignment))
    if method() != "fork":
        return in_new_python(path, todo, seconds)
    with lent_server() as server:
        return _run(server, todo, seconds, hidden if hidden is not None else [path.parent])
