"""The assignments: which exercises they hold, for how many marks, and their student versions.

    python -m segkit.grading.assignments      # write course/assignments/student/ anew from teaching/source/

The sources are nbgrader notebooks. The student version is exactly what `nbgrader generate_assignment` makes of them, so
that a class can be run with nbgrader or without; nbgrader itself is not needed here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from segkit.grading.exercise import registry
from segkit.grading.notebook_files import Notebook, NotebookError, read_notebook, write_notebook

# Which exercises an assignment holds, and what each is worth where there are no instructor's notebooks, whose own marks
# go first (`marks`). A test sees that they say the same.
ASSIGNMENTS: dict[str, dict[str, int]] = {}
for one in registry().values():
    ASSIGNMENTS.setdefault(one.assignment, {})[one.name] = one.marks

_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
_GET = "get the whole course, of which the package segkit is a part"
_TEXT_STUB = "YOUR ANSWER HERE"
PLACE = re.compile(r"# Your |\*\w[^*]*:\*")  # how an unmarked cell begins that is to be written: "*Your answers:*"


def folder() -> Path:
    """Where teachers work, outside of what learners open (missing where segkit is installed without the course)."""
    return Path(__file__).parents[2] / "teaching"


def student_folder() -> Path:
    """Where learners find the student versions (missing likewise)."""
    return Path(__file__).parents[2] / "course" / "assignments" / "student"


def source_path(assignment: str) -> Path:
    """The instructor's notebook of an assignment."""
    return folder() / "source" / assignment / f"{assignment}.ipynb"


def read_source(assignment: str) -> Notebook:
    """The instructor's notebook of an assignment; a NotebookError where segkit is installed without the course."""
    if not folder().is_dir():
        raise NotebookError(f"this needs the course's own notebooks, and there is no folder {folder()}; {_GET}")
    return read_notebook(source_path(assignment))


def marks(assignment: str) -> dict[str, int]:
    """What each exercise of an assignment is worth: what the instructor's notebook says, if it is there.

    Raises:
        NotebookError: the notebook gives an exercise two different marks, or asks for other exercises than segkit has.
    """
    path = source_path(assignment)
    return marks_in(read_notebook(path), assignment) if path.exists() else ASSIGNMENTS[assignment]


def marks_in(source: Notebook, assignment: str) -> dict[str, int]:
    """What an instructor's notebook gives for each exercise, in segkit's order.

    Raises:
        NotebookError: as `marks`.
    """
    found: dict[str, Any] = {}
    titles = "\n".join(cell["source"] for cell in source["cells"] if cell["cell_type"] == "markdown")
    for cell in source["cells"]:
        meta = _meta(cell)
        if meta.get("grade") and cell["cell_type"] == "code":
            name = str(meta.get("grade_id")).removeprefix("check-")
            found[name] = meta.get("points")
            hidden = re.findall(r"\.points\(([\d.]+)\)", cell["source"])
            told = re.findall(rf"^#+ .*`{re.escape(name)}` \(([\d.]+) marks?\)", titles, re.MULTILINE)
            if [float(one) for one in hidden] != [found[name]] or any(float(one) != found[name] for one in told):
                raise NotebookError(
                    f"{assignment}: check-{name} is worth {found[name]} in the cell's metadata, but its hidden line "
                    f"says result.points({', '.join(hidden)}) and the title of its task {' and '.join(told) or 'no'} "
                    "marks; write the same number in all three"
                )
    known = ASSIGNMENTS.get(assignment, found)
    if found.keys() != known.keys():
        odd = ", ".join(sorted(found.keys() ^ known.keys()))
        raise NotebookError(f"{assignment}: the notebook and segkit do not ask for the same exercises ({odd})")
    return {name: found[name] for name in known}


def student_version(source: Notebook) -> Notebook:
    """What a student gets: solutions replaced by stubs, hidden tests and outputs gone, cells locked, checksums made.

    Raises:
        ValueError: a region has no end, or a solution stands in a cell that is not marked as one.
    """
    notebook = json.loads(json.dumps(source))
    notebook["metadata"].pop("celltoolbar", None)
    for cell in notebook["cells"]:
        _lock(cell)
        _clear_solution(cell)
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            for noise in ("collapsed", "scrolled"):
                cell["metadata"].pop(noise, None)
        cell["source"], removed = _without_region(cell["source"], "HIDDEN TESTS", None)
        if removed and not _meta(cell).get("grade"):
            raise ValueError("a hidden test stands in a cell that is not marked as a test")
        meta = cell["metadata"].get("nbgrader")
        if meta and (meta.get("grade") or meta.get("solution") or meta.get("locked")):
            meta["checksum"] = _checksum(cell)
            meta["cell_type"] = cell["cell_type"]
    return notebook


def _meta(cell: Notebook) -> dict[str, Any]:
    return cell["metadata"].get("nbgrader", {})


def _is_locked(cell: Notebook) -> bool:
    meta = _meta(cell)
    return not meta.get("solution") and bool(meta.get("grade") or meta.get("locked"))


def _lock(cell: Notebook) -> None:
    if _meta(cell).get("solution"):
        cell["metadata"]["deletable"] = False
    elif _is_locked(cell):
        cell["metadata"].update(deletable=False, editable=False)


def _clear_solution(cell: Notebook) -> None:
    stub = _STUB if cell["cell_type"] == "code" else _TEXT_STUB
    text, replaced = _without_region(cell["source"], "SOLUTION", stub)
    if replaced and not _meta(cell).get("solution"):
        raise ValueError("a solution stands in a cell that is not marked as one: it would reach the students")
    cell["source"] = stub if _meta(cell).get("solution") and not replaced else text


def _without_region(text: str, name: str, stub: str | None) -> tuple[str, bool]:
    """Text without what stands between BEGIN and END of a region, a stub in its place; and whether there was one."""
    lines: list[str] = []
    inside = found = False
    for line in text.split("\n"):
        if f"BEGIN {name}" in line:
            if inside:
                raise ValueError(f"BEGIN {name} stands inside another one")
            inside = found = True
            indent = re.match(r"\s*", line).group(0)  # type: ignore[union-attr]
            lines += [indent + part for part in stub.split("\n")] if stub is not None else []
        elif f"END {name}" in line:
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError(f"BEGIN {name} has no END {name}")
    return "\n".join(lines), found


def _checksum(cell: Notebook) -> str:
    """nbgrader's checksum of a cell: source, type, the three flags, the id and the points."""
    meta = _meta(cell)
    parts = [
        cell["source"],
        cell["cell_type"],
        bool(meta.get("grade")),
        bool(meta.get("solution")),
        _is_locked(cell),
        meta["grade_id"],
    ]
    if meta.get("grade"):
        parts.append(float(meta["points"]))
    return hashlib.md5("".join(map(str, parts)).encode("utf-8")).hexdigest()


def worked_on(path: Path, fresh: Notebook) -> bool:
    """Whether somebody has written into a student version, or run it.

    Args:
        path: where it lies.
        fresh: what would be written there now.
    """
    if not path.exists():
        return False
    cells = read_notebook(path)["cells"]
    places = {cell.get("id"): cell["source"] for cell in fresh["cells"] if PLACE.match(cell["source"])}
    return any(
        ("grade_id" in _meta(cell) and _meta(cell).get("checksum", _checksum(cell)) != _checksum(cell))
        or cell["source"] != places.get(cell.get("id"), cell["source"])
        or cell.get("outputs")
        or cell.get("execution_count")
        for cell in cells
    )


def generate(source: Path, target: Path, force: bool = False) -> list[Path]:
    """Write the student version of every source/NAME/NAME.ipynb as target/NAME.ipynb.

    Args:
        source: the folder of the instructor's notebooks.
        target: the folder of the students'.
        force: also write over notebooks that somebody has worked on.

    Raises:
        NotebookError: there is no source, one gives an exercise two different marks, or a notebook with answers would
            be lost; then nothing has been written.
    """
    if not any(source.glob("*/*.ipynb")):
        raise NotebookError(f"there are no notebooks NAME/NAME.ipynb in {source}; name their folder, or {_GET}")
    made = {target / path.name: student_version(read_notebook(path)) for path in sorted(source.glob("*/*.ipynb"))}
    for path in source.glob("*/*.ipynb"):
        marks_in(read_notebook(path), path.stem)
    answered = [str(path) for path, fresh in made.items() if not force and worked_on(path, fresh)]
    if answered:
        raise NotebookError(f"there are answers in {', '.join(answered)}: move them elsewhere, or give --force")
    for path, notebook in made.items():
        write_notebook(notebook, path)
    return list(made)


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m segkit.grading.assignments", description="Write the student versions."
    )
    parser.add_argument("--source", type=Path, help="folder with NAME/NAME.ipynb (default: the course's)")
    parser.add_argument(
        "--target", type=Path, help="folder for the student versions (default: course/assignments/student)"
    )
    parser.add_argument("--force", action="store_true", help="write over notebooks that hold answers")
    given = parser.parse_args(arguments)
    try:
        for path in generate(given.source or folder() / "source", given.target or student_folder(), given.force):
            print(f"wrote {path}")
    except NotebookError as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
