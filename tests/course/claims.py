"""Run one claim of a chapter outside its notebook: as it stands, or with an ingredient changed.

A claim that holds whatever one does to it shows nothing. So each claim has tests that take its cause away, and see
the claim cell's own asserts fail. The cells come from the notebook, so that it is the reader's asserts that are tried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import nbformat

COURSE = Path(__file__).resolve().parents[2] / "course"
Namespace = dict[str, Any]


def code_cells(chapter: str) -> list[tuple[str, set[str]]]:
    """Source and tags of every code cell of the chapter whose file name begins with this number."""
    (path,) = COURSE.glob(f"{chapter}_*.ipynb")
    book = nbformat.read(path, as_version=4)
    return [(c.source, set(c.metadata.get("tags", []))) for c in book.cells if c.cell_type == "code"]


def claim_cell(chapter: str, words: str) -> str:
    """The one cell tagged "claim" that contains these words."""
    found = [source for source, tags in code_cells(chapter) if "claim" in tags and words in source]
    if len(found) != 1:
        raise LookupError(f"chapter {chapter} has {len(found)} claim cells with {words!r}; it should have one")
    return found[0]


def run_claim(
    chapter: str,
    words: str,
    needs: Sequence[str] = (),
    patch: Callable[[Namespace], None] | None = None,
    swap: Mapping[str, str] | None = None,
) -> Namespace:
    """Execute the first code cell, the cells that the claim needs, and the claim cell, in the chapter's order.

    Args:
        chapter: its number, "02".
        words: some words of the claim cell that no other claim cell contains.
        needs: for each cell needed between the first one and the claim, some words that it alone contains.
        patch: changes the namespace just before the claim cell; functions of earlier cells see the change too.
        swap: texts to replace, in the needed cells or the claim cell; each must occur, and none may touch an assert.

    Returns:
        The namespace afterwards. An assert of the claim that fails comes out as AssertionError.
    """
    cells = [source for source, _ in code_cells(chapter)]
    claim = claim_cell(chapter, words)
    chosen = {0, cells.index(claim)}
    for need in needs:
        found = [i for i, source in enumerate(cells) if need in source and source != claim]
        if len(found) != 1:
            raise LookupError(f"chapter {chapter} has {len(found)} cells with {need!r}; it should have one")
        chosen.add(found[0])
    sources = [cells[i] for i in sorted(chosen) if i <= cells.index(claim)]
    for old, new in (swap or {}).items():
        touched = [line for source in sources for line in source.splitlines() if old in line]
        if not touched or any(line.lstrip().startswith("assert") for line in touched):
            raise LookupError(f"{old!r} must occur in the cells of the claim {words!r}, outside its asserts")
        sources = [source.replace(old, new) for source in sources]
    matplotlib.use("agg")
    namespace: Namespace = {"__name__": "__main__"}
    with contextlib.chdir(COURSE):
        for source in sources[:-1]:
            exec(compile(source, f"chapter {chapter}", "exec"), namespace)
        if patch is not None:
            patch(namespace)
        exec(compile(sources[-1], f"claim {words!r} of chapter {chapter}", "exec"), namespace)
    return namespace
