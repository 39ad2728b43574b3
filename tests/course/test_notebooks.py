"""Static checks on the chapters, and checks on the checks."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.course import checks
from tests.course.compare import WIDGET

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "course").glob("*.ipynb"))
COURSE_SECONDS = 1200


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_chapter(path: Path, check: checks.Check) -> None:
    complaints = check(nbformat.read(path, as_version=4), path)
    assert not complaints, f"{path.name}: " + "; ".join(complaints)


def test_course_fits_in_twenty_minutes() -> None:
    books = {p.name: nbformat.read(p, as_version=4).metadata.get("segkit", {}).get("seconds", 0) for p in CHAPTERS}
    assert sum(books.values()) <= COURSE_SECONDS, books


def good() -> nbformat.NotebookNode:
    first = (
        "# 99 A chapter\n\nA promise.\n\n10 minutes to read.\n\nAfter it you can:\n- a\n- b\n- c\n\nBefore: nothing."
    )
    code = new_code_cell("x = 1\nassert x > 0", execution_count=1, metadata={"tags": ["claim"]})
    code.outputs = [new_output("display_data", {"image/png": "", "text/plain": "<Figure>"})]
    book = new_notebook(cells=[new_markdown_cell(first), code])
    book.metadata = nbformat.from_dict(
        {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "segkit": {"seconds": 40}}
    )
    return book


def complaints(book: nbformat.NotebookNode, folder: Path) -> list[str]:
    path = folder / "99_chapter.ipynb"
    nbformat.write(book, path)
    return [line for check in checks.CHECKS for line in check(book, path)]


def test_a_good_chapter_passes(tmp_path: Path) -> None:
    assert complaints(good(), tmp_path) == []


def test_a_recorded_result_may_have_the_name_of_a_data_set(tmp_path: Path) -> None:
    book = good()
    book.cells[1].update(source="x = results.load('camvid')\nassert x")
    assert complaints(book, tmp_path) == []


def stream(text: str) -> nbformat.NotebookNode:
    return new_output("stream", text=text)


HOME = "/" + "home/someone/x"
PLANTED = {
    "26 lines": lambda b: b.cells[1].update(source="x = 1\n" * 25 + "assert x"),
    "less than 3 allowed": lambda b: b.cells[1].update(outputs=[stream("x" * 3_100_000)]),
    "top to bottom: [None]": lambda b: b.cells[1].update(execution_count=None),
    "top to bottom: [1, 1]": lambda b: b.cells.append(new_code_cell("x", execution_count=1)),
    "ends in an error": lambda b: b.cells[1].outputs.append(new_output("error", ename="E", evalue="", traceback=[])),
    "output of cell 1 shows a path": lambda b: b.cells[1].update(outputs=[stream(f"saved to {HOME}")]),
    "cell 1 names a path": lambda b: b.cells[1].update(source=f"x = '{HOME}'\nassert x"),
    "kernel is not python3": lambda b: b.metadata.kernelspec.update(name="my-env"),
    "stores a widget": lambda b: b.cells[1].update(outputs=[new_output("display_data", {WIDGET: {"model_id": "1"}})]),
    "widget state": lambda b: b.metadata.update(widgets={}),
    "Python version": lambda b: b.metadata.update(language_info={"version": "3.11.7"}),
    "stores when it ran": lambda b: b.cells[1].metadata.update(execution={}),
    "no time of its last run": lambda b: b.metadata.pop("segkit"),
    "took 155 s": lambda b: b.metadata.segkit.update(seconds=155),
    "begin with a title": lambda b: b.cells.pop(0),
    "no promise": lambda b: b.cells[0].update(source=b.cells[0].source.replace("A promise.\n\n10", "- 10")),
    "no minutes": lambda b: b.cells[0].update(source=b.cells[0].source.replace("minutes", "")),
    "objectives": lambda b: b.cells[0].update(source=b.cells[0].source.replace("- c\n", "")),
    "what to know before": lambda b: b.cells[0].update(source=b.cells[0].source.replace("Before", "")),
    "cell 2 has a picture without a text": lambda b: b.cells.append(new_markdown_cell("![](images/x.png)")),
    "cell 2 has a picture": lambda b: b.cells.append(new_markdown_cell('<img src="x.png" alt="">')),
    "no text stands beside it": lambda b: b.cells.insert(1, new_code_cell("y = 2", execution_count=0)),
    "without the tag needs-data: 'camvid'": lambda b: b.cells[1].update(source="x = create('camvid')\nassert x"),
    "without the tag needs-data: VOC2012()": lambda b: b.cells[1].update(source="x = VOC2012()\nassert x"),
    "without the tag needs-data: data_root": lambda b: b.cells[1].update(source="x = data_root()\nassert x"),
    "asserts nothing": lambda b: b.cells[1].update(source="x = 1"),
    "cannot fail: assert True": lambda b: b.cells[1].update(source="assert True"),
    "cannot fail: assert 1 < 2": lambda b: b.cells[1].update(source="assert 1 < 2"),
    "cannot fail: assert x == x": lambda b: b.cells[1].update(source="%time x = 1\nassert x == x"),
    "cannot fail: assert x > 1 or True": lambda b: b.cells[1].update(source="x = 1\nassert x > 1 or True"),
    "cannot fail: assert (x > 1, 'words')": lambda b: b.cells[1].update(source="x = 1\nassert (x > 1, 'words')"),
}


@pytest.mark.parametrize("words", PLANTED)
def test_a_planted_fault_is_found(words: str, tmp_path: Path) -> None:
    book = good()
    PLANTED[words](book)
    found = complaints(book, tmp_path)
    assert any(words in line for line in found), found
