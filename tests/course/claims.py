"""Run a chapter's claim with one ingredient changed: does its assert notice?

    run("01", "majority class")                                   # the claim as it stands
    run("01", "majority class", labels=lambda old: balanced(old)) # the same cells, another ingredient

The claim cell is found by words that stand in it alone. The cells that it needs are found by name, going backwards:
a cell is needed when it sets a needed name, or calls a method of one or assigns into one. They are executed in
order, by themselves, without a kernel. A changed ingredient replaces the chapter's own each time a cell has defined it.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import copy
import dis
import io
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import nbformat
import pytest

COURSE = Path(__file__).resolve().parents[2] / "course"
Change = Callable[[Any], Any]  # the chapter's own value → the one to use instead


def run(chapter: str, words: str, **changed: Change) -> dict[str, Any]:
    """Execute the claim cell that holds `words`, after the cells that it needs; gives all names.

    Args:
        chapter: the beginning of the notebook's name, such as "01".
        words: a piece of the claim cell's source that no other claim cell has.
        changed: for a name, what to put in place of the chapter's value.

    Raises:
        AssertionError: from the claim cell itself, and from no other.
    """
    return execute(chapter, words, changed) if changed else dict(as_it_stands(chapter, words))


@lru_cache(maxsize=1)  # several cases of a test begin with the same claim
def as_it_stands(chapter: str, words: str) -> dict[str, Any]:
    return execute(chapter, words, {})


def execute(chapter: str, words: str, changed: Mapping[str, Change]) -> dict[str, Any]:
    sources = code(chapter)
    target = claim_cell(chapter, words)
    names: dict[str, Any] = {"__name__": "__main__", "display": lambda *things: None}
    chosen = needed(sources, target)
    unused = set(changed) - {name for i in chosen for name in defined(sources[i])}
    if unused:
        raise ValueError(f"the claim {words!r} does not depend on {', '.join(sorted(unused))}")
    quiet = contextlib.redirect_stdout(io.StringIO())
    with contextlib.chdir(COURSE), quiet, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MPLBACKEND", "agg")
        for i in chosen[:-1]:
            try:
                exec(compile(sources[i], f"{chapter}, cell {i}", "exec"), names)
            except AssertionError as error:
                raise RuntimeError(f"cell {i}, which the claim needs, fails before it: {error}") from error
            for name in defined(sources[i]) & set(changed):
                names[name] = changed[name](names[name])
        try:
            exec(compile(sources[target], f"{chapter}, claim cell", "exec"), names)
        finally:
            plt.close("all")
    return names


def refuted(chapter: str, words: str, **changed: Change) -> None:
    """The claim's assert fails when the ingredients are changed."""
    with pytest.raises(AssertionError):
        run(chapter, words, **changed)


def recorded(**changes: Callable[[dict[str, Any]], None]) -> Change:
    """The chapter's `results` with what they hold changed: `results=recorded(decoders=put("indices", "bilinear"))`."""

    def changed(results: Any) -> Any:
        def load(name: str) -> Any:
            found = copy.deepcopy(results.load(name).found)
            changes.get(name, lambda found: None)(found)
            return results.Result(found)

        return SimpleNamespace(load=load, recorded=results.recorded)

    return changed


def put(target: str, source: str) -> Callable[[dict[str, Any]], None]:
    """A change to a recorded result: what was measured for the arm `source` is said of the arm `target`."""

    def change(found: dict[str, Any]) -> None:
        if target not in found["arms"]:
            return
        others = [run for run in found["runs"] if run["arm"] != target]
        found["runs"] = others + [{**run, "arm": target} for run in others if run["arm"] == source]
        for facts in found["extra"].values():
            if isinstance(facts, dict) and source in facts:
                facts[target] = copy.deepcopy(facts[source])
        if source not in found["extra"].get("means", {}):
            found["extra"].get("means", {}).pop(target, None)

    return change


@cache  # as are the sets of names below: nobody changes what they give
def book(chapter: str) -> nbformat.NotebookNode:
    found = sorted(COURSE.glob(f"{chapter}*.ipynb"))
    assert len(found) == 1, f"{len(found)} notebooks begin with {chapter!r}"
    return nbformat.read(found[0], as_version=4)


def code(chapter: str) -> list[str]:
    """Source of every cell, "" for text; lines that only IPython understands are left out."""
    sources = [c.source if c.cell_type == "code" else "" for c in book(chapter).cells]
    return ["\n".join(line for line in s.splitlines() if not line.startswith(("%", "!"))) for s in sources]


def claim_cell(chapter: str, words: str) -> int:
    cells = book(chapter).cells
    found = [i for i, c in enumerate(cells) if "claim" in c.metadata.get("tags", []) and words in c.source]
    assert len(found) == 1, f"{len(found)} claim cells of chapter {chapter} hold {words!r}; it must be one"
    return found[0]


def needed(sources: list[str], target: int) -> list[int]:
    """Numbers of the cells to execute for cell `target`, in order, itself last."""
    modules = {name for source in sources for name in imported(source)}  # plt.show() changes nothing
    wanted, chosen = used(sources[target]), [target]
    for i in range(target - 1, -1, -1):
        made = defined(sources[i])
        if (made | changed_in_place(sources[i]) - modules) & wanted:
            wanted = (wanted - made) | used(sources[i])
            chosen.insert(0, i)
    return chosen


def accesses(code: CodeType, at_top: bool = True) -> Iterator[tuple[str, bool]]:
    """Each use of a name of the notebook's own level, in order of execution: the name, and whether it is set."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
            yield str(step.argval), False
        elif step.opname == "STORE_NAME" and at_top:
            yield str(step.argval), True
        elif isinstance(step.argval, CodeType):  # a function: what it reads is counted where it is defined
            yield from accesses(step.argval, at_top=False)


@cache
def used(source: str) -> set[str]:
    """Names that the cell reads before it sets them."""
    own: set[str] = set(dir(builtins))
    out: set[str] = set()
    for name, is_set in accesses(compile(source, "cell", "exec")):
        (own if is_set else out if name not in own else set()).add(name)
    return out


@cache
def defined(source: str) -> set[str]:
    """Names that the cell's own level sets: by assignment, import, def, class, for and with."""
    return {name for name, is_set in accesses(compile(source, "cell", "exec")) if is_set}


@cache
def imported(source: str) -> set[str]:
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {(a.asname or a.name).split(".")[0] for node in found for a in node.names}


@cache
def changed_in_place(source: str) -> set[str]:
    """Names on which a statement of the cell calls a method, or into which it assigns."""
    out: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        targets: list[ast.AST] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            targets = [node.value.func]
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = list(node.targets) if isinstance(node, ast.Assign) else [node.target]
        out |= {root(found) for found in targets if not isinstance(found, ast.Name)}
    return out - {""}


def root(node: ast.AST) -> str:
    """The name at the root of x, x.a.b, x[0] or x.f().g; nothing for any other expression."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
