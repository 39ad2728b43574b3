"""What grading found, kept in a file: to go on after an interruption, and to write feedback without grading again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from segkit.files import write_json
from segkit.grading.assignments import ASSIGNMENTS, Notebook, NotebookError, source_path
from segkit.grading.class_files import marks_table
from segkit.grading.notebook import GradedNotebook, Row
from segkit.grading.numbers_cell import numbers, unread
from segkit.grading.submissions import Submission
from segkit.grading.verdict import Diagnosis, Result

NAME = "graded.json"
_PLAIN = ("student", "assignment", "place", "page", "error", "note", "digest", "shown", "answers", "variant")


def digest(one: Submission, time_limit: float) -> str:
    """Of all that the marks of a submission follow from: its cells, the time limit, the marks and the grader itself."""
    if one.notebook is None:
        return ""
    cells = json.dumps(one.notebook, sort_keys=True)
    return hashlib.sha256(f"{cells} {time_limit} {grader()} {one.place}".encode("utf-8", "replace")).hexdigest()


@cache
def grader() -> str:
    """SHA-256 of the grader's code and of the instructor's notebooks."""
    paths = [*Path(__file__).parent.rglob("*.py"), *(source_path(name) for name in ASSIGNMENTS)]
    total = hashlib.sha256()
    for path in sorted(path for path in paths if path.exists()):
        total.update(path.read_bytes())
    return total.hexdigest()


def answers(notebook: Notebook) -> dict[str, str]:
    """A short sum of the code of each exercise, blank lines, comments and spaces left out; none of what is not done."""
    found = {}
    for cell in notebook["cells"]:
        meta = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] == "code" and meta.get("solution") and "NotImplementedError" not in cell["source"]:
            lines = [line.partition("#")[0] for line in cell["source"].split("\n")]
            code = "".join("".join(line.split()) for line in lines)
            found[str(meta.get("grade_id"))] = hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()[:12]
    return found


def save(submissions: list[Submission], path: Path, time_limit: float) -> None:
    """Write what is known of all submissions."""
    for one in submissions:
        if one.notebook is not None and not one.digest:
            one.digest, one.answers = digest(one, time_limit), answers(one.notebook)
            one.variant = {"student": _owner(one.notebook), "numbers": numbers(one.notebook),
                           "unread": unread(one.notebook)}  # fmt: skip
    told = [
        {name: getattr(one, name) for name in _PLAIN} | {"path": str(one.path), "report": _report(one.report)}
        for one in submissions
    ]
    write_json(_sound({"segkit": "graded", "submissions": told}), path)


def _owner(notebook: Notebook) -> str:
    """For whom a notebook was made, where it was made for somebody."""
    told = notebook["metadata"].get("segkit", {}).get("variant")
    owner = told.get("student") if isinstance(told, dict) else ""
    return owner if isinstance(owner, str) else ""


def _sound(value: Any) -> Any:
    """Text that can be written, whatever bytes a file's name consists of."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_sound(key): _sound(part) for key, part in value.items()}
    return [_sound(part) for part in value] if isinstance(value, list) else value


def _report(report: GradedNotebook | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {"assignment": report.assignment, "problems": report.problems, "rows": [asdict(row) for row in report.rows]}


def load(path: Path) -> list[Submission]:
    """What `save` wrote.

    Raises:
        NotebookError: the file is not there, or not what `save` writes.
    """
    if not path.is_file():
        raise NotebookError(f"there is no {path}; grade the class first: segkit class grade {path.parent.parent}")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return [_submission(one) for one in told["submissions"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotebookError(
            f"{path} is not what `segkit class grade` writes ({type(error).__name__}); remove it and grade again"
        ) from None


def _submission(told: dict[str, Any]) -> Submission:
    one = Submission(told["student"], told["assignment"], Path(told["path"]))
    for name in _PLAIN:
        setattr(one, name, told.get(name, getattr(one, name)))
    if told["report"]:
        report = told["report"]
        rows = [Row(**{**row, "result": _result(row["result"])}) for row in report["rows"]]
        one.report = GradedNotebook(one.path, report["assignment"], rows, list(report["problems"]))
    return one


def _result(told: dict[str, Any]) -> Result:
    return Result(**{**told, "diagnoses": [Diagnosis(**one) for one in told["diagnoses"]]})


def untouched(marks: Path) -> bool:
    """Whether a table of marks is as it was written beside the record, and holds nothing of anybody's hand."""
    path = marks.with_name(NAME)
    return marks.exists() and path.exists() and marks.read_bytes() == marks_table(load(path))


def take_over(submissions: list[Submission], folder: Path, time_limit: float) -> int:
    """Give submissions that have not changed since what is in the folder the report they had; how many that were."""
    path = folder / NAME
    known = {(one.student, one.place): one for one in load(path) if one.report} if path.exists() else {}
    found = 0
    for one in submissions:
        old = known.get((one.student, one.place))
        if old and old.digest and old.digest == digest(one, time_limit):
            one.report, found = old.report, found + 1
    return found
