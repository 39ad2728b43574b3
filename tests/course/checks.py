"""What can be said about a chapter without running it. Each check gives a list of complaints; none is good."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import nbformat

from segkit.data import registry
from segkit.names import SETS
from tests.course.compare import WIDGET

LINES, MEGABYTES, CHAPTER_SECONDS = 25, 3.0, 150
MACHINE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|Users|work|farm|tmp|var|opt|private)/\w|[A-Z]:\\+Users\\")
REAL_SETS = [name for name in registry.available() if name not in registry.MADE_UP]
CLASSES = [SETS[name][1] for name in REAL_SETS]
Check = Callable[[nbformat.NotebookNode, Path], list[str]]


def tags(cell: nbformat.NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def code(book: nbformat.NotebookNode) -> list[tuple[int, nbformat.NotebookNode]]:
    return [(i, c) for i, c in enumerate(book.cells) if c.cell_type == "code" and c.source.strip()]


def text_of(output: nbformat.NotebookNode) -> str:
    """All that a reader can read in an output."""
    texts = [v for k, v in output.get("data", {}).items() if isinstance(v, str) and not k.startswith("image/")]
    return "\n".join([output.get("text", ""), *texts, *output.get("traceback", [])])


def short_cells(book: nbformat.NotebookNode, path: Path) -> list[str]:
    lengths = {i: len(c.source.splitlines()) for i, c in code(book)}
    return [f"cell {i} has {n} lines, {LINES} allowed" for i, n in lengths.items() if n > LINES]


def small_file(book: nbformat.NotebookNode, path: Path) -> list[str]:
    size = path.stat().st_size / 1e6
    return [f"{size:.1f} MB, less than {MEGABYTES:g} allowed"] if size >= MEGABYTES else []


def executed_in_order(book: nbformat.NotebookNode, path: Path) -> list[str]:
    counts = [c.execution_count for _, c in code(book)]
    return [] if counts == sorted(set(filter(None, counts))) else [f"not executed once from top to bottom: {counts}"]


def no_errors(book: nbformat.NotebookNode, path: Path) -> list[str]:
    plain = [(i, c) for i, c in code(book) if not {"raises-exception", "nbval-raises-exception"} & tags(c)]
    return [f"cell {i} ends in an error" for i, c in plain if any(o.output_type == "error" for o in c.outputs)]


def no_machine_paths(book: nbformat.NotebookNode, path: Path) -> list[str]:
    out = [f"cell {i} names a path of one machine" for i, c in enumerate(book.cells) if MACHINE_PATH.search(c.source)]
    for i, c in code(book):
        found = [m.group(0) for o in c.outputs for m in [MACHINE_PATH.search(text_of(o))] if m]
        out += [f"the output of cell {i} shows a path of one machine: {found[0]}..."] if found else []
    return out


def clean_metadata(book: nbformat.NotebookNode, path: Path) -> list[str]:
    out = [] if book.metadata.get("kernelspec", {}).get("name") == "python3" else ["the kernel is not python3"]
    if "widgets" in book.metadata:
        out.append("widget state is stored")
    if "version" in book.metadata.get("language_info", {}):
        out.append("the Python version is stored")
    dead = [i for i, c in code(book) if any(WIDGET in o.get("data", {}) for o in c.outputs)]
    out += [f"cell {i} stores a widget, which is an error text until it runs: python3 start.py refresh" for i in dead]
    timed = [i for i, c in enumerate(book.cells) if "execution" in c.metadata or "ExecuteTime" in c.metadata]
    return out + [f"cell {i} stores when it ran" for i in timed]


def recorded_time(book: nbformat.NotebookNode, path: Path) -> list[str]:
    seconds = book.metadata.get("segkit", {}).get("seconds")
    if not seconds:
        return ["no time of its last run: python3 start.py refresh " + path.name]
    return [f"took {seconds} s, {CHAPTER_SECONDS} allowed"] if seconds > CHAPTER_SECONDS else []


def opening(book: nbformat.NotebookNode, path: Path) -> list[str]:
    """Title, promise, minutes, three to six things that "you can" do, and what to know before."""
    first = book.cells[0] if book.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        return ["the first cell does not begin with a title"]
    lines = [line.strip() for line in first.source.splitlines()[1:] if line.strip()]
    out = [] if lines and not lines[0].startswith(("-", "*", "#")) else ["no promise under the title"]
    if not re.search(r"\bminutes?\b", first.source):
        out.append("no minutes to read and to run")
    goals = [line for line in lines if re.match(r"([-*]|\d+\.)\s", line)]
    if "you can" not in first.source.lower() or not 3 <= len(goals):
        out.append('no three to six objectives, each "you can ..."')
    if not re.search(r"\b[Bb]efore\b|\b[Pp]rerequisite", first.source):
        out.append("nothing about what to know before")
    return out


def pictures_have_words(book: nbformat.NotebookNode, path: Path) -> list[str]:
    """Alternative texts, and a text cell just before or after each drawn picture."""
    out = []
    for i, cell in enumerate(book.cells):
        if cell.cell_type == "markdown":
            bare = re.search(r"!\[\s*\]\(|<img(?![^>]*\balt\s*=\s*[\"'][^\"']*\w)", cell.source)
            out += [f"cell {i} has a picture without a text"] if bare else []
        elif any(k.startswith("image/") for o in cell.get("outputs", []) for k in o.get("data", {})):
            around = [book.cells[j].cell_type for j in (i - 1, i + 1) if 0 <= j < len(book.cells)]
            out += [] if "markdown" in around else [f"cell {i} draws a picture, and no text stands beside it"]
    return out


def can_fail(test: ast.expr) -> bool:
    """Whether an assert's condition depends on anything, and does not compare a thing with itself."""
    if isinstance(test, ast.Compare) and all(ast.dump(test.left) == ast.dump(c) for c in test.comparators):
        return False
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return all(can_fail(value) for value in test.values)
    if isinstance(test, ast.Tuple):  # assert (x, "message") is always true
        return False
    return any(isinstance(node, (ast.Name, ast.Call)) for node in ast.walk(test))


def plain(source: str) -> str:
    """Lines that only IPython understands left out."""
    return "\n".join("pass" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())


def nodes(source: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse(plain(source))))


def asserts(source: str) -> list[ast.Assert]:
    return [node for node in nodes(source) if isinstance(node, ast.Assert)]


def claims(book: nbformat.NotebookNode, path: Path) -> list[str]:
    """Every claim cell asserts something, and no assert in the chapter is one that cannot fail."""
    out = []
    for i, cell in code(book):
        found = asserts(cell.source)
        if "claim" in tags(cell) and not found:
            out.append(f"claim cell {i} asserts nothing")
        out += [f"cell {i} has an assert that cannot fail: {ast.unparse(a)}" for a in found if not can_fail(a.test)]
    return out


def data_are_tagged(book: nbformat.NotebookNode, path: Path) -> list[str]:
    """Whatever reads a real data set is tagged needs-data: only those cells are run with data.

    A recorded result may have a data set's name; `results.load` reads no pictures.
    """
    out = []
    for i, cell in code(book):
        found = nodes(cell.source) if "needs-data" not in tags(cell) else []
        calls = [node for node in found if isinstance(node, ast.Call) and ast.unparse(node.func) == "results.load"]
        recorded = [argument for call in calls for argument in call.args]
        for node in [node for node in found if node not in recorded]:
            word = node.value if isinstance(node, ast.Constant) else node.id if isinstance(node, ast.Name) else None
            if word in (*REAL_SETS, "data_root") or (isinstance(node, ast.Call) and ast.unparse(node.func) in CLASSES):
                out.append(f"cell {i} reads real data without the tag needs-data: {ast.unparse(node)}")
    return out


CHECKS: list[Check] = [
    short_cells, small_file, executed_in_order, no_errors, no_machine_paths, clean_metadata, recorded_time, opening,
    pictures_have_words, claims, data_are_tagged,
]  # fmt: skip
