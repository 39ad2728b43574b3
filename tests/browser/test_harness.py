"""The browser harness itself: it sees pictures change, and it sees what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.browser.controls import move_all
from tests.browser.lab import CHROMIUM, HOW_TO_GET_CHROMIUM, WIDGET, Lab

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason=HOW_TO_GET_CHROMIUM),
    pytest.mark.xdist_group("harness"),  # one JupyterLab for all
]

GOOD = """
import io, time, ipywidgets as w, numpy as np, PIL.Image
from IPython.display import display
picture, invert = w.Image(format="png", layout=w.Layout(width="96px")), w.Checkbox(description="invert")
radius, colour = w.IntSlider(12, 1, 40, description="radius"), w.Dropdown(options=["red", "blue"], description="colour")
def draw(_=None):
    time.sleep(0.05)
    y, x = np.mgrid[-48:48, -48:48]
    a = np.full((96, 96, 3), 255, np.uint8)
    a[x * x + y * y < radius.value ** 2] = (255, 0, 0) if colour.value == "red" else (0, 0, 255)
    out = io.BytesIO()
    PIL.Image.fromarray(255 - a if invert.value else a).save(out, "png")
    picture.value = out.getvalue()
for control in (radius, colour, invert): control.observe(draw, "value")
draw(); display(w.VBox([radius, colour, invert, picture]))
"""
DEAF = GOOD.replace("for control in (radius, colour, invert)", "for control in (colour, invert)")
OUTSIDE = 'from IPython.display import HTML; HTML(\'<img alt="x" src="http://outside.invalid/x.png">\')'
SCRIPT = "from IPython.display import Javascript; Javascript('setTimeout(() => { throw new Error(\"planted\") })')"
GROWS = """
from IPython.display import HTML, Javascript, display
display(HTML('<div id="late">late</div>'))
Javascript('setTimeout(() => { document.querySelector("#late").style.height = "2000px"; }, 1500)')
"""
BOOKS = {
    "good": ["1 + 1", GOOD, "print('end')"],
    "deaf": [DEAF],
    "broken": ["1 + 1", "raise ValueError('planted')", "print('never')"],
    "astray": [OUTSIDE, SCRIPT],
    "partly": ["raise ValueError('not to be run')", GOOD],
    "grows": [GROWS, *["print(1)"] * 12],
}


STORED = {"text/html": "<b>kept</b><script>throw new Error('drawn')</script>", WIDGET: {"model_id": "of long ago"}}


def to_run(book: nbformat.NotebookNode) -> range:
    """All cells, but of "partly" the last alone."""
    return range(2 if "not to be run" in book.cells[1].source else 0, len(book.cells))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("books")
    for name, sources in BOOKS.items():
        cells = [new_markdown_cell("# A small book"), *map(new_code_cell, sources)]
        cells[1].outputs, cells[1].execution_count = [new_output("display_data", STORED)], 1
        nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    with Lab(folder, keep_outputs=to_run) as running:
        yield running


def test_every_control_is_moved_and_answers(lab: Lab, tmp_path: Path) -> None:
    with lab.open("good.ipynb") as book:
        book.run_all(60)
        report = move_all(book)
        book.picture(tmp_path / "good.png")
        assert report.moved == ["slider radius", "dropdown colour", "checkbox invert"]
        assert not report.silent and not report.stuck and not report.keyless and not report.nameless
        assert len(report.milliseconds["radius"]) >= 3 and min(report.milliseconds["radius"]) > 50
        assert not book.errors and not book.outside
    assert (tmp_path / "good.png").stat().st_size > 10_000


def test_some_cells_are_run_beside_stored_outputs(lab: Lab) -> None:
    """What is stored is drawn and watched as if it were new, apart from widgets, which are no longer alive."""
    with lab.open("partly.ipynb") as book:
        book.run([2], 60)
        assert move_all(book).moved == ["slider radius", "dropdown colour", "checkbox invert"]
        assert book.page.get_by_text("kept", exact=True).count() == 1
        assert book.page.get_by_text("Error displaying widget").count() == 0
        assert any("drawn" in error for error in book.errors)


def test_a_control_without_effect_is_noticed(lab: Lab) -> None:
    with lab.open("deaf.ipynb") as book:
        book.run_all(60)
        assert move_all(book, patience=1.0).silent == ["slider radius"]


def test_an_exception_is_raised(lab: Lab) -> None:
    with lab.open("broken.ipynb") as book, pytest.raises(AssertionError, match="ValueError: planted"):
        book.run_all(60)


def test_requests_to_other_hosts_and_errors_of_the_page_are_noticed(lab: Lab) -> None:
    with lab.open("astray.ipynb") as book:
        book.run_all(60)
        book.page.wait_for_timeout(300)
        assert set(book.outside) == {"http://outside.invalid/x.png"}
        assert any("planted" in error for error in book.errors)


def test_pages_reach_the_last_cell_of_a_notebook_that_grows_while_it_is_drawn(lab: Lab) -> None:
    with lab.open("grows.ipynb", height=400) as book:
        assert len(list(book.pages())) >= 2, "as it is, before anything has run"
        book.run_all(60)
        pages = list(book.pages())
        bottom = "() => [...document.querySelectorAll('.jp-Cell')].pop().getBoundingClientRect().bottom"
        assert len(pages) >= 6 and all(page.startswith(b"\x89PNG") for page in pages)
        assert 0 < book.page.evaluate(bottom) <= 400
