"""Every chapter with a widget in a real JupyterLab: run, every control moved, every picture seen to answer.

Chapter 00 is run from top to bottom, as a newcomer would. The others are opened with their stored outputs, and only
what their widgets need is run. All their cells run under pytest --nbval, which compares the stored outputs drawn here,
but for those that are tagged not to be.
Screenshots and latencies go to artefacts/browser/, which git ignores. No latency fails a test: what it says of a busy
machine is that it is busy. How long an explorer works for one step is measured by tests/benchmarks/bench_explore.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.browser.controls import bring_into_view, move_all
from tests.browser.lab import CHROMIUM, HOW_TO_GET_CHROMIUM, Lab
from tests.course.needed import needed
from tests.course.notebooks import is_widget

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "artefacts" / "browser"
WHOLE = "00"  # the chapter of which every cell is run here
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_CHROMIUM)


BOOKS = {p.name: nbformat.read(p, as_version=4) for p in sorted((ROOT / "course").glob("*.ipynb"))}


def widgets(book: nbformat.NotebookNode) -> dict[int, int]:
    """The cells that show widgets, and how many each shows."""
    found = {}
    for number, cell in enumerate(book.cells):
        found[number] = sum(is_widget(output.get("data", {})) for output in cell.get("outputs", []))
    return {number: count for number, count in found.items() if count}


def seconds_of(book: nbformat.NotebookNode) -> int:
    return int(book.metadata.get("segkit", {}).get("seconds", 0))


def to_run(book: nbformat.NotebookNode) -> list[int]:
    """Numbers of the code cells that are run here."""
    every = [number for number, cell in enumerate(book.cells) if cell.cell_type == "code"]
    return every if book.cells[0].source.startswith(f"# {WHOLE}") else needed(book, widgets(book))


# The longest first: some run at a time, and the short ones even out the ends.
CHAPTERS = sorted((n for n, book in BOOKS.items() if widgets(book)), key=lambda name: -seconds_of(BOOKS[name]))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    empty = tmp_path_factory.mktemp("no-data")
    data = os.environ.get("SEGKIT_DATA", str(empty))
    with Lab(ROOT / "course", keep_outputs=to_run, environment={"SEGKIT_DATA": data}) as running:
        yield running


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_widgets_answer(lab: Lab, chapter: str) -> None:
    stem = chapter.removesuffix(".ipynb")
    with lab.open(chapter) as book:
        began = time.monotonic()
        if chapter.startswith(WHOLE):
            book.run_all(300)
        else:
            book.run(to_run(BOOKS[chapter]))
        ran = time.monotonic()
        report = move_all(book)
        seconds = {"run_all": round(ran - began), "controls": round(time.monotonic() - ran)}
        alive = book.page.locator(".jp-OutputArea-output:has(.jupyter-widgets)")
        shown = alive.filter(has=book.page.locator("img, .noUi-handle, select, input, button")).count()
        bring_into_view(book, alive.first)
        book.picture(ARTEFACTS / f"{stem}.png")
        broken = book.page.get_by_text("Error displaying widget").count()
    steps = {name: [round(ms) for ms in times] for name, times in report.milliseconds.items()}
    note = {"chapter": chapter, "controls": report.moved, "median_ms": round(report.median(), 1), "steps_ms": steps}
    note["seconds"] = seconds
    (ARTEFACTS / f"{stem}.json").write_text(json.dumps(note, indent=1, ensure_ascii=False), encoding="utf-8")
    assert report.moved, "a widget without a control"
    assert shown == sum(widgets(BOOKS[chapter]).values()), f"{shown} widgets are shown"
    assert not broken and not book.errors, book.errors
    assert not book.outside, f"requests to other hosts: {book.outside}"
    assert not report.silent, f"no picture answers to {report.silent}"
    assert not report.stuck, f"the mouse does not move {report.stuck}"
    assert not report.keyless, f"the arrow keys do not move {report.keyless}"
    assert not report.nameless, f"{report.nameless} of {report.moved} have no label"
