"""Pasting the chapter does not answer its assignment: less than half of the marks, whatever the names are."""

from __future__ import annotations

import ast
import inspect
from functools import partial

import pytest

from segkit.grading import check, grade_notebook
from segkit.grading.assignments import (
    ASSIGNMENTS,
    read_notebook,
    source_path,
    student_folder,
    student_version,
    write_notebook,
)
from segkit.grading.exercise import find
from segkit.grading.notebook_cells import notebook_names, plain_python, run_cell
from segkit.grading.result_types import passes
from segkit.grading.sandbox import call, guarded

SPREAD = "[b for a in args for b in (a if isinstance(a, tuple) and all(isinstance(n, int) for n in a) else [a])]"
ADAPTED = (  # how an answer is made of one of the chapter's functions without thinking
    "{}",
    "lambda *args: {}(*args[:-1])",  # it knows nothing of the last argument, or of the last two
    "lambda *args: {}(*args[:-2])",
    f"lambda *args: {{}}(*{SPREAD})",  # it takes a size as several numbers
    f"lambda *args: {{}}(*args[:-1], *{SPREAD}[-2:])",  # of which it wants the last two
)


def defined_in(chapter):
    """The code cells of a chapter cut down to what they define: imports, functions, classes and written-out values."""
    found = []
    for cell in read_notebook(chapter)["cells"]:
        if cell["cell_type"] == "code":
            found += [ast.unparse(line) for line in ast.parse(plain_python(cell["source"])).body if defines(line)]
    return found


def defines(line):
    """Whether a statement defines something and computes nothing."""
    if isinstance(line, ast.Assign):
        return not any(isinstance(part, (ast.Call, ast.Name)) for part in ast.walk(line.value))
    return isinstance(line, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


def answers(exercise, names):
    """What may be written as an answer, by hand or made of the chapter's functions, and is right in the first case."""
    own = [k for k, v in names.items() if (inspect.isfunction(v) or inspect.isclass(v)) and v.__module__ == "__main__"]
    for name in {*own, *({exercise.name} & set(names))}:
        for text in ADAPTED:
            written = eval(text.format(name), names)
            outcome = guarded()(partial(call, written, exercise, 0), 2.0)
            if outcome.kind == "value" and passes(exercise, 0, outcome):
                yield text.format(name), written


def pasted(assignment, path):
    """Write the student's notebook with the chapter in its first cell and the best of it as answers; those answers."""
    (chapter,) = student_folder().parents[1].glob(f"{assignment.removeprefix('ch')}_*.ipynb")
    names = notebook_names()
    code = [part for number, part in enumerate(defined_in(chapter), 1000) if run_cell(number, part, names) is None]
    notebook = student_version(read_notebook(source_path(assignment)))
    chosen = {}
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name in ASSIGNMENTS[assignment]:
            scores = {text: check(name, f, quiet=True).score for text, f in answers(find(name), names)}
            chosen[name] = max(scores, key=scores.__getitem__, default=name)
            cell["source"] = "\n\n".join([*code, f"{name} = {chosen[name]}"])
    write_notebook(notebook, path)
    return chosen


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_pasting_the_chapter_earns_less_than_half(assignment, tmp_path):
    chosen = pasted(assignment, tmp_path / f"{assignment}.ipynb")
    report = grade_notebook(tmp_path / f"{assignment}.ipynb", assignment=assignment)
    earned = [f"{row.points:g} of {row.out_of} by {chosen[row.exercise]}" for row in report.rows if row.points]
    print(f"{assignment}: {report.points:g} of {report.out_of} by pasting;", "; ".join(earned))
    assert report.score < 0.5, earned


def test_what_is_pasted_is_found(tmp_path):
    """Chapter 02 prints the warm-up of its assignment: the measure sees it."""
    chosen = pasted("ch02", tmp_path / "ch02.ipynb")
    assert chosen["conv2d"] == "conv2d"
    assert grade_notebook(tmp_path / "ch02.ipynb", assignment="ch02").points == ASSIGNMENTS["ch02"]["conv2d"]
