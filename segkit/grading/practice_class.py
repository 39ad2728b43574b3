"""A made-up class, to try the way from submissions to marks: model solutions, slips of the pen, stubs, tricks."""

from __future__ import annotations

from pathlib import Path
from random import Random

from segkit.files import write_bytes
from segkit.grading.assignments import Notebook, read_source, student_version, write_notebook
from segkit.grading.slips import SLIPS

TRICKS = ("syntax error", "endless loop", "not a notebook", "checks rewritten", "cell deleted")


def make_class(
    folder: str | Path, students: int = 30, assignments: tuple[str, ...] = ("ch02",), seed: int = 0
) -> dict[str, dict[str, str]]:
    """Write made submissions: model solutions, slips of the pen, stubs, and a few students who do stranger things.

    Args:
        folder: receives STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb.
        students: how many.
        assignments: which notebooks each of them hands in.
        seed: of the choices.

    Returns:
        For each "STUDENT/ASSIGNMENT" what was done to each exercise: "right", "stub", a diagnosis code, or a trick.
    """
    rng = Random(seed)
    done: dict[str, dict[str, str]] = {}
    for number in range(1, students + 1):
        trick = TRICKS[number % len(TRICKS)] if number % 6 == 0 else ""
        for name in assignments:
            student = f"student{number:02d}"
            path = Path(folder) / student / name / f"{name}.ipynb"
            done[f"{student}/{name}"] = _hand_in(path, name, rng, trick, diligence=rng.random())
    return done


def _hand_in(path: Path, name: str, rng: Random, trick: str, diligence: float) -> dict[str, str]:
    source = read_source(name)
    notebook = student_version(source)
    solutions = {cell["metadata"]["nbgrader"]["grade_id"]: cell["source"] for cell in source["cells"]
                 if cell["metadata"].get("nbgrader", {}).get("solution")}  # fmt: skip
    done = {}
    for cell in notebook["cells"]:
        exercise = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if exercise in solutions:
            cell["source"], done[exercise] = _write_answer(
                solutions[exercise], cell["source"], exercise, rng, diligence
            )
    if trick == "not a notebook":
        write_bytes(b'{"cells": [{"cell_type": "code", "sou', path)
        return dict.fromkeys(done, trick)
    if trick:
        _play(trick, notebook, next(iter(solutions)), done)
    write_notebook(notebook, path)
    return done


def _write_answer(solution: str, stub: str, exercise: str, rng: Random, diligence: float) -> tuple[str, str]:
    draw = rng.random()
    if draw < 0.35 + 0.4 * diligence:
        return solution, "right"
    if draw > 0.92:
        return stub, "stub"
    old, new, code = rng.choice(SLIPS[exercise])
    return solution.replace(old, new), code


def _play(trick: str, notebook: Notebook, first: str, done: dict[str, str]) -> None:
    """What some students do to their first exercise."""
    for cell in list(notebook["cells"]):
        meta = cell["metadata"].get("nbgrader", {})
        if meta.get("grade_id") == first:
            if trick == "syntax error":
                cell["source"] = cell["source"].replace("):", ")", 1)
            elif trick == "endless loop":
                cell["source"] = cell["source"].split('"""\n')[0] + '"""\n    while True:\n        pass\n'
            elif trick == "cell deleted":
                notebook["cells"].remove(cell)
        if trick == "checks rewritten" and meta.get("grade"):
            cell["source"] = f"result = {meta['points']}\nresult"
    if trick != "checks rewritten":
        done[first] = trick
