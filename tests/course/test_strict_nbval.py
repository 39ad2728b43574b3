"""The checker itself is checked: every kind of change is planted in a notebook, and pytest must catch it, or must not.

Each plant is a cell whose stored output comes from the code `stored`, while the cell now contains the code `now`.
All plants stand in one notebook, so that one kernel runs them all; each cell gets a verdict of its own.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.course.compare import WIDGET
from tests.course.notebooks import tidy

ROOT = Path(__file__).resolve().parents[2]
OTHER = ("failure", "error", "skipped")

SETUP = """
import sys, warnings
import matplotlib.pyplot as plt, numpy as np, ipywidgets, PIL.Image
from IPython.display import HTML, Image, display
x = np.linspace(0, 6, 200)
def curve(scale=1.0, family="DejaVu Sans", title="A wave of height one"):
    with plt.rc_context({"font.family": family}):
        plt.figure(figsize=(4, 3)); plt.plot(x, scale * np.sin(x)); plt.ylim(-1.2, 1.2); plt.title(title)
        plt.xlabel("position"); plt.show()
def mask(row=20, colour=(230, 159, 0), height=96):
    a = np.zeros((height, 128, 3), np.uint8); a[row:row + 40, 30:90] = colour
    display(PIL.Image.fromarray(a))
"""


@dataclass
class Plant:
    """What the stored notebook was made with, what it runs now, and whether the checker has to object."""

    name: str
    stored: str
    now: str
    caught: bool
    tags: tuple[str, ...] = ()
    edit: Callable[[nbformat.NotebookNode], object] | None = None


def clear(cell: nbformat.NotebookNode) -> None:
    cell.outputs, cell.execution_count = [], None


def empty(cell: nbformat.NotebookNode) -> None:
    cell.outputs = []


def add(cell: nbformat.NotebookNode) -> None:
    cell.outputs.append(new_output("display_data", {"text/plain": "one more"}))


def unsee(cell: nbformat.NotebookNode) -> None:
    cell.outputs = [o for o in cell.outputs if "image/png" not in o.get("data", {})]


def lay_down(cell: nbformat.NotebookNode) -> None:
    """As `refresh` stores it."""
    tidy(new_notebook(cells=[cell]))


IGNORE, RAISES, SKIP = "nbval-ignore-output", "nbval-raises-exception", "nbval-skip"
EXPLORER = f"""display({{
    'text/plain': 'OneExplorer(row=1)', 'image/png': 'abcd', '{WIDGET}': {{'model_id': '1'}},
}}, raw=True)"""
TABLE = "display(HTML('<table><tr><td>road</td><td>{}</td></tr></table>'))"
PLANTS = [
    Plant("nothing", "print('mIoU', 0.6294)", "print('mIoU', 0.6294)", False),
    Plant("float within tolerance", "print('loss 1.4942')", "print('loss 1.4946')", False),
    Plant("float beyond tolerance", "print('loss 1.4942')", "print('loss 1.4992')", True),
    Plant("float with another sign near zero", "print('[ 0.00001 2.0]')", "print('[-0.00001 2.0]')", False),
    Plant("float with another sign", "print('[ 0.5 2.0]')", "print('[-0.5 2.0]')", True),
    Plant("small float with an exponent", "print(2e-05)", "print(2.01e-05)", False),
    Plant("large float with an exponent", "print(2e+20)", "print(3e+20)", True),
    Plant("float wider by a digit", "print('a', '  9.9999', 'b')", "print('a', ' 10.0001', 'b')", False),
    Plant("one float fewer", "print(1.5, 2.5)", "print(1.5)", True),
    Plant("float became nan", "print(0.5)", "print(float('nan'))", True),
    Plant("whole number", "print('parameters 134500000')", "print('parameters 134500001')", True),
    Plant("word", "print('overlap is uniform')", "print('overlap is not uniform')", True),
    Plant("name with a number", "print('conv1.weight')", "print('conv2.weight')", True),
    Plant("line break", "print('a\\nb')", "print('a b')", True),
    Plant("last expression", "'road'", "'pavement'", True),
    Plant("shown became printed", "'road'", "print(repr('road'))", True),
    Plant("float in a table", TABLE.format(0.5), TABLE.format(0.6), True),
    Plant("float in a table within tolerance", TABLE.format(0.5), TABLE.format(0.5001), False),
    Plant("json", "display({'application/json': {'a': 1}}, raw=True)", "display({'application/json': {'a': 2}}, raw=True)", True),  # noqa: E501
    Plant("no output now", "print('here')", "pass", True),
    Plant("no output stored", "print('here')", "print('here')", True, edit=empty),
    Plant("one more output stored", "print('here')", "print('here')", True, edit=add),
    Plant("one more output now", "print('here')", "print('here'); display('there')", True),
    Plant("cleared cell", "print('here')", "print('here')", True, edit=clear),
    Plant("cleared cell without output", "y = 1", "y = 1", True, edit=clear),
    Plant("cleared cell that is not compared", "print(1)", "print(1)", True, (IGNORE,), edit=clear),
    Plant("empty cell", "", "", False, edit=clear),
    Plant("same curve", "curve()", "curve()", False),
    Plant("curve scaled by 0.9", "curve()", "curve(0.9)", True),
    Plant("another font", "curve()", "curve(family='DejaVu Serif')", False),
    Plant("mask moved by 4 rows", "mask(20)", "mask(24)", True),
    Plant("mask in another colour of the same grey", "mask(20)", "mask(20, (86, 225, 87))", True),
    Plant("another picture size", "mask(20)", "mask(20, height=196)", True),
    Plant("picture missing in the notebook", "curve()", "curve()", True, edit=unsee),
    Plant("picture no longer drawn", "curve()", "pass", True),
    Plant("second picture", "curve()", "curve(); mask()", True),
    Plant("warning with another address", "warnings.warn('old')", "warnings.warn('new')", False),
    Plant("warning gone", "warnings.warn('old')", "pass", False),
    Plant("printed to stdout, not stderr", "print('a', file=sys.stderr)", "print('a')", True),
    Plant("same widget", "ipywidgets.IntSlider(3)", "ipywidgets.IntSlider(3)", False),
    Plant("another widget", "ipywidgets.IntSlider(3)", "ipywidgets.Button()", True),
    Plant("widget stored as a text", "ipywidgets.IntSlider(3)", "ipywidgets.IntSlider(3)", False, edit=lay_down),
    Plant("widget stored as a text gone", "ipywidgets.IntSlider(3)", "pass", True, edit=lay_down),
    Plant("explorer stored as a picture", EXPLORER, EXPLORER, False, edit=lay_down),
    Plant("another explorer", EXPLORER, EXPLORER.replace("One", "Two"), True, edit=lay_down),
    Plant("widget gone", "ipywidgets.IntSlider(3)", "pass", True),
    Plant("exception", "print(1)", "print(1); raise ValueError('broken')", True),
    Plant("failing assert", "assert x[0] == 0", "assert x[0] == 1, 'the claim does not hold'", True),
    Plant("failing assert that is not compared", "assert x[0] == 0", "assert x[0] == 1", True, (IGNORE,)),
    Plant("stored exception", "raise ValueError('broken')", "print(1)", True),
    Plant("expected exception", "raise ValueError('odd size')", "raise ValueError('odd size')", False, (RAISES,)),
    Plant("another exception", "raise ValueError('odd size')", "raise TypeError('odd size')", True, (RAISES,)),
    Plant("another message", "raise ValueError('odd size')", "raise ValueError('even size')", True, (RAISES,)),
    Plant("no exception any more", "raise ValueError('odd size')", "pass", True, (RAISES,)),
    Plant("output that is not compared", "print('loss 1.49')", "print('loss 2.51')", False, (IGNORE,)),
    Plant("output with data", "print('no data')", "print('mIoU 0.5')", False, ("needs-data",)),
    Plant("output with a GPU", "print('no GPU')", "print('3 ms')", False, ("needs-gpu",)),
    Plant("skipped without a reason", "print(1)", "print(1)", True, (SKIP,)),
    Plant("ignored by a comment", "print(1)", "# NBVAL_SKIP\nprint(1)", True),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def own_figures() -> Iterator[None]:
    """Kernels draw as in JupyterLab, whatever backend the other tests were told to use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MPLBACKEND", raising=False)
        yield


def run_pytest(folder: Path, *arguments: str) -> tuple[int, str]:
    """The real runner on a folder, with this project's plugin and none of its settings."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", str(folder / "pytest.ini"), "-p", "tests.course.strict_nbval"]
    answer = subprocess.run(
        [*command, *arguments, str(folder)], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    return answer.returncode, answer.stdout + answer.stderr


def verdicts(report: Path) -> dict[str, str]:
    """Cell name → passed, failure, error or skipped, from a JUnit report."""
    cases = ElementTree.parse(report).getroot().iter("testcase")
    verdict = {case.get("name", ""): [child.tag for child in case if child.tag in OTHER] for case in cases}
    return {name: tags[0] if tags else "passed" for name, tags in verdict.items()}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("planted")
    book = new_notebook(cells=[new_code_cell(SETUP), *(new_code_cell(p.stored) for p in PLANTS)])
    NotebookClient(book, timeout=60, allow_errors=True, kernel_name="python3").execute()
    for cell, plant in zip(book.cells[1:], PLANTS, strict=True):
        cell.source = plant.now
        cell.metadata["tags"] = list(plant.tags)
        if plant.edit:
            plant.edit(cell)
    nbformat.write(book, folder / "planted.ipynb")
    code, said = run_pytest(folder, "--nbval", f"--junitxml={folder / 'report.xml'}")
    assert code == 1, said
    return {"said": said, **verdicts(folder / "report.xml")}


def test_names_of_plants_differ() -> None:
    assert len({p.name for p in PLANTS}) == len(PLANTS)


@pytest.mark.parametrize("number", range(len(PLANTS)), ids=[p.name for p in PLANTS])
def test_planted_change(planted: dict[str, str], number: int) -> None:
    verdict = planted[f"Cell {number + 1}"]  # cell 0 is the set-up
    assert verdict == ("failure" if PLANTS[number].caught else "passed"), planted["said"]


def test_message_says_what_differs(planted: dict[str, str]) -> None:
    assert "1 of 1 floats differ, the first: stored 1.4942, now 1.4992" in planted["said"]
    assert "never executed: python3 start.py refresh planted.ipynb" in planted["said"]


def small_book(*cells: tuple[str, str]) -> nbformat.NotebookNode:
    """A notebook of (source, tag) cells, executed."""
    book = new_notebook(cells=[new_code_cell(s, metadata={"tags": [t] if t else []}) for s, t in cells])
    NotebookClient(book, timeout=60, kernel_name="python3").execute()
    return book


def test_time_limits(tmp_path: Path) -> None:
    from tests.course.strict_nbval import Durations

    class Config:
        class option:
            course_limits = True

    watch = Durations(Config())  # type: ignore[arg-type]
    watch.seconds.update({f"course/{i}.ipynb": 149.0 for i in range(8)})
    assert watch.over() == []
    watch.seconds["course/9.ipynb"] = 151.0
    assert len(watch.over()) == 2, "one chapter over 150 s and the course over 1200 s"
    nbformat.write(small_book(("print(1)", "")), tmp_path / "quick.ipynb")
    code, said = run_pytest(tmp_path, "--nbval", "--course-limits")
    assert code == 0 and "together" in said


def test_assignments_are_not_compared(tmp_path: Path) -> None:
    (tmp_path / "assignments").mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "assignments" / "a.ipynb")
    assert run_pytest(tmp_path, "--nbval")[0] == pytest.ExitCode.NO_TESTS_COLLECTED
