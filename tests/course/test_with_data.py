"""Notebooks run with real data: from the first cell, or each cell that needs them twice; and in what order they run."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.course.test_strict_nbval import run_pytest, small_book


def test_real_data_run_stops_at_the_last_cell_that_needs_them(tmp_path: Path) -> None:
    later = ("assert False, 'not reached'", "")
    with_data = small_book(("print('a')", ""), ("print('data')", "needs-data"), ("pass", ""))
    with_data.cells[0].source = "print('changed, and not compared')"
    with_data.cells[2].source = later[0]
    nbformat.write(with_data, tmp_path / "with.ipynb")
    without = small_book(("pass", ""))
    without.cells[0].source = later[0]
    nbformat.write(without, tmp_path / "without.ipynb")
    code, said = run_pytest(tmp_path, "--nbval", "--real-data")
    assert code == 0 and "2 passed, 2 deselected" in said, said
    with_data.cells[1].source = "assert 0.3 > 0.5, 'the claim on real pictures'"
    nbformat.write(with_data, tmp_path / "with.ipynb")
    code, said = run_pytest(tmp_path, "--nbval", "--real-data")
    assert code == 1 and "the claim on real pictures" in said, said


DATA_BOOK = [
    ("import os, random, numpy, torch\ntorch.manual_seed(0)\nfound, kept = 'none', [1]", ""),
    ("if os.environ.get('SEGKIT_DATA') == 'the data':\n    found, drawn = 'some', torch.rand(3)", "needs-data"),
    ("if found == 'some':\n    assert drawn[0] > 0.4, 'a claim on data'\n    del kept", "needs-data"),
    ("print(found, 'drawn' in dir(), kept, float(torch.rand(1)), random.random() < 1, numpy.random.rand() < 1)", ""),
    ("print(os.environ.get('SEGKIT_DATA'))\nlater = 1", ""),
]


def test_cells_that_need_data_run_with_data_and_leave_nothing(tmp_path: Path) -> None:
    """Between the cells before them and those after them, which show what they show without data."""
    plants = {  # number of a cell, a change in it, the cell that fails and what is said
        "as it is": (0, ("", ""), "", "passed"),
        "claim": (2, ("> 0.4", "> 0.6"), "Cell 2 with data", "a claim on data"),  # the first drawn is 0.4963
        "inside": (2, ("del kept", "kept.append(2)"), "Cell 3", "none False [1, 2] 0."),
        "later": (2, ("del kept", "later"), "Cell 2 with data", "name 'later' is not defined"),
    }
    book = small_book(*DATA_BOOK)
    sources = [cell.source for cell in book.cells]
    for name, (number, change, _, _) in plants.items():
        for cell, source in zip(book.cells, sources, strict=True):
            cell.source = source
        book.cells[number].source = sources[number].replace(*change)
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    code, said = run_pytest(tmp_path, "--nbval", "--data-too=the data", "-v")
    assert code == 1 and "3 failed, 25 passed" in said, said
    order = ["Cell 0", "Cell 1 with data", "Cell 2 with data", "Cell 1", "Cell 2", "Cell 3", "Cell 4"]
    ran = re.findall(r"([\w ]+)(?:\.|::)ipynb::(.+) (PASSED|FAILED)", said)
    assert [cell for name, cell, _ in ran if name == "as it is"] == order, said
    failed = {name: cell for name, cell, verdict in ran if verdict == "FAILED"}
    assert failed == {name: cell for name, (_, _, cell, _) in plants.items() if cell}
    assert all(words in said for *_, words in plants.values()), said


def test_the_longest_notebook_is_the_first(tmp_path: Path) -> None:
    for name, seconds in (("a", 15), ("b", 140), ("c", 85), ("new", None)):
        book = new_notebook(cells=[new_code_cell("1"), new_code_cell("2")])
        book.metadata["segkit"] = {} if seconds is None else {"seconds": seconds}
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    code, said = run_pytest(tmp_path, "--nbval", "--collect-only", "-q")
    assert code == 0 and re.findall(r"(\w+)\.ipynb::Cell [01]", said) == [*"bbccaa", "new", "new"], said
