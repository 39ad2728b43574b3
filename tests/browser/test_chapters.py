"""Every chapter with a widget in a real JupyterLab: run, every control moved, every picture seen to answer.

Screenshots and latencies go to artefacts/browser/, which git ignores.
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

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = ROOT / "artefacts" / "browser"
STEP_MS = 500  # a median above this fails, on a busy machine too; the aim on a quiet one is 120
WIDGET = "application/vnd.jupyter.widget-view+json"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_CHROMIUM)


def has_widget(book: nbformat.NotebookNode) -> bool:
    return any(WIDGET in o.get("data", {}) for c in book.cells if c.cell_type == "code" for o in c.outputs)


def longest_first() -> list[str]:
    """Names of the chapters with a widget; two run at a time, and the short ones even out the ends."""
    books = {p.name: nbformat.read(p, as_version=4) for p in sorted((ROOT / "course").glob("*.ipynb"))}
    seconds = {name: book.metadata.get("segkit", {}).get("seconds", 0) for name, book in books.items()}
    return sorted(filter(lambda name: has_widget(books[name]), books), key=lambda name: -seconds[name])


CHAPTERS = longest_first()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    empty = tmp_path_factory.mktemp("no-data")
    data = os.environ.get("SEGKIT_DATA", str(empty))
    with Lab(ROOT / "course", environment={"SEGKIT_DATA": data}) as running:
        yield running


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_widgets_answer(lab: Lab, chapter: str) -> None:
    stem = chapter.removesuffix(".ipynb")
    with lab.open(chapter) as book:
        began = time.monotonic()
        book.run_all(300)
        ran = time.monotonic()
        report = move_all(book)
        seconds = {"run_all": round(ran - began), "controls": round(time.monotonic() - ran)}
        widgets = book.page.locator(".jp-OutputArea .jupyter-widgets").all()
        if widgets:
            bring_into_view(book, widgets[0])
        book.picture(ARTEFACTS / f"{stem}.png")
        broken = book.page.get_by_text("Error displaying widget").count()
    steps = {name: [round(ms) for ms in times] for name, times in report.milliseconds.items()}
    note = {"chapter": chapter, "controls": report.moved, "median_ms": round(report.median(), 1), "steps_ms": steps}
    note["seconds"] = seconds
    (ARTEFACTS / f"{stem}.json").write_text(json.dumps(note, indent=1, ensure_ascii=False))
    assert report.moved, "a widget without a control"
    assert not broken and not book.errors, book.errors
    assert not book.outside, f"requests to other hosts: {book.outside}"
    assert not report.silent, f"no picture answers to {report.silent}"
    assert not report.stuck, f"the mouse does not move {report.stuck}"
    assert not report.keyless, f"the arrow keys do not move {report.keyless}"
    assert not report.nameless, f"{report.nameless} of {report.moved} have no label"
    assert not report.milliseconds or report.median() < STEP_MS, note
