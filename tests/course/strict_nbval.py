"""A pytest plugin that makes nbval strict and stable. The conftest.py at the root of the checkout loads it.

nbval alone compares pictures not at all, floats to the last digit, and nothing in a notebook whose outputs were
cleared. Here every code cell must have been executed, and what it shows must agree with what it showed (compare.py
says how closely).

Tags on a cell:
  nbval-ignore-output, needs-data, needs-gpu   executed, an exception fails, the output is not compared
  nbval-raises-exception                       must raise, and the error is compared
  nbval-skip                                   not executed; only for cells in skipped_cells.json, with a reason

Options: --data-too FOLDER runs each needs-data cell twice in the same kernel: where it stands, first with the data sets
of FOLDER and then without. Names, random numbers and environment are put back in between, so that the rest of the
chapter is what it is without data. --real-data runs a chapter with data (SEGKIT_DATA) from its first cell, as long as
needs-data or needs-gpu cells follow: for a GPU. What is done with data is not compared, since stored outputs are those
without: asserts and exceptions decide. --course-limits fails the run when a chapter or the course takes too long.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams

from tests.course.compare import outputs_differ

CELL_SECONDS, CHAPTER_SECONDS, COURSE_SECONDS = 300, 150, 1200
SKIPS = Path(__file__).with_name("skipped_cells.json")  # {"04_fcn.ipynb": {"cell id": "reason"}}
UNCOMPARED = {"needs-data", "needs-gpu"}
WITH_DATA = " with data"  # ends the name of such a cell
# Run in the kernel, beside the chapter's names. A copy of these is enough: what a cell with data changes inside of an
# object shows in the outputs of the cells after it, which are compared.
GIVE_DATA = """
import os, random, numpy, torch
state = random.getstate(), numpy.random.get_state(), torch.get_rng_state()
shell.without_data = dict(shell.user_ns), state, os.environ.get("SEGKIT_DATA")
os.environ["SEGKIT_DATA"] = folder
"""
TAKE_DATA = """
import os, random, numpy, torch
names, state, folder = shell.without_data
shell.user_ns.clear()
shell.user_ns.update(names)
random.setstate(state[0]), numpy.random.set_state(state[1]), torch.set_rng_state(state[2])
os.environ.pop("SEGKIT_DATA")
os.environ.update({} if folder is None else {"SEGKIT_DATA": folder})
"""


class StrictCell(IPyNbCell):
    """One code cell: executed as nbval does, compared as compare.py does."""

    with_data = False

    def reportinfo(self) -> tuple[Any, int, str]:
        path, line, words = super().reportinfo()
        return path, line, words + WITH_DATA * self.with_data

    def compare_outputs(self, test: list[Any], ref: list[Any], skip_compare: Any = None) -> bool:
        if self.config.option.real_data or self.with_data:  # stored outputs are those without data
            return True
        why = outputs_differ(coalesce_streams(test), coalesce_streams(ref))
        self.comparison_traceback = [why] if why else []
        return not why

    def runtest(self) -> None:
        if not self.cell.source.strip():
            return
        reasons = json.loads(SKIPS.read_text(encoding="utf-8")).get(self.path.name, {})
        if self.options["skip"]:
            if not reasons.get(self.cell.get("id", "")):
                self.raise_cell_error(f"skipped without a reason in {SKIPS.name}")
            pytest.skip(reasons[self.cell.id])
        self.parent.switch(self.with_data)
        super().runtest()
        if self.config.option.real_data or self.with_data:
            return
        if self.cell.execution_count is None:
            self.raise_cell_error("The stored cell was never executed: python3 start.py refresh " + self.path.name)
        raised = any(o.output_type == "error" for o in self.cell.outputs)
        if raised != bool(self.options["check_exception"]):
            self.raise_cell_error("A stored cell ends in an error if and only if it is tagged nbval-raises-exception")


class StrictNotebook(IPyNbFile):
    """A notebook whose cells are strict ones."""

    has_data = False  # in the kernel now

    def switch(self, on: bool) -> None:
        """Give the kernel the data sets, or take them away again, with all that was done meanwhile."""
        if on == self.has_data:
            return
        names = f"{{'shell': get_ipython(), 'folder': {self.config.option.data_too!r}}}"
        code = f"exec({GIVE_DATA if on else TAKE_DATA!r}, {names})"
        answer = self.kernel.kc.execute_interactive(code, silent=True, timeout=60, output_hook=lambda _: None)
        if answer["content"]["status"] != "ok":
            raise RuntimeError(f"the kernel's data sets cannot be switched: {answer['content']}")
        self.has_data = on

    def strict(self, cell: IPyNbCell, with_data: bool = False) -> StrictCell:
        made = StrictCell.from_parent(
            self, name=cell.name + WITH_DATA * with_data, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
        )
        made.with_data = with_data
        return made

    def collect(self) -> Any:
        """Each run of needs-data cells stands here twice, where they are to run with data too."""
        again = self.config.option.data_too
        for needs_data, cells in groupby(super().collect(), lambda cell: "needs-data" in tags(cell)):
            together = list(cells)
            for cell in together:
                if UNCOMPARED & tags(cell):
                    cell.options["check"] = False
            if needs_data and again:
                yield from (self.strict(cell, with_data=True) for cell in together)
            yield from map(self.strict, together)


def tags(item: IPyNbCell) -> set[str]:
    return set(item.cell.metadata.get("tags", []))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("course")
    group.addoption("--real-data", action="store_true", help="only what needs real data or a GPU, and what leads to it")
    group.addoption("--data-too", metavar="FOLDER", help="needs-data cells with the data sets of FOLDER, then without")
    group.addoption("--course-limits", action="store_true", help="fail when a chapter or the course takes too long")


def pytest_configure(config: pytest.Config) -> None:
    option = config.option
    if option.nbval_cell_timeout == 2000:  # nbval's own default
        option.nbval_cell_timeout = CELL_SECONDS
    if not option.nbval_kernel_name:
        option.nbval_current_env = True
    if option.nbval:
        option.loadscopereorder = False  # pytest-xdist would begin with the notebook of the most cells
        config.pluginmanager.register(Durations(config), "course-durations")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    """Swap nbval's notebooks for strict ones. Assignments have empty cells on purpose; tests/grading runs them."""
    found = yield
    if {"assignments", ".ipynb_checkpoints"} & set(file_path.parts):
        return [node for node in found if not isinstance(node, IPyNbFile)]
    return [
        StrictNotebook.from_parent(parent, path=file_path) if isinstance(node, IPyNbFile) else node for node in found
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    longest_first(items)
    if not config.option.real_data:
        return
    last: dict[Path, int] = {}
    for item in items:
        if isinstance(item, StrictCell) and UNCOMPARED & tags(item):
            last[item.path] = item.cell_num
    drop = [i for i in items if isinstance(i, StrictCell) and i.cell_num > last.get(i.path, -1)]
    config.hook.pytest_deselected(items=drop)
    items[:] = [i for i in items if i not in set(drop)]


def longest_first(items: list[pytest.Item]) -> None:
    """Notebooks by the seconds of their last run: where two run at a time, no long one is left for the end."""
    books = {item.parent: item.parent.nb.metadata.get("segkit", {}) for item in items if isinstance(item, StrictCell)}
    if books and len(books) == len({item.parent for item in items}):  # among other tests the order stays
        items.sort(key=lambda item: -books[item.parent].get("seconds", 0))


class Durations:
    """Adds up how long each notebook takes, says so, and holds the course to its limits."""

    def __init__(self, config: pytest.Config) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.limited = config.option.course_limits

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        book = report.nodeid.split("::")[0]
        if book.endswith(".ipynb") and not report.nodeid.endswith(WITH_DATA):
            self.seconds[book] += report.duration

    def over(self) -> list[str]:
        out = [f"{b} took {s:.0f} s, {CHAPTER_SECONDS} allowed" for b, s in self.seconds.items() if s > CHAPTER_SECONDS]
        total = sum(self.seconds.values())
        return [*out, f"the course took {total:.0f} s, {COURSE_SECONDS} allowed"] if total > COURSE_SECONDS else out

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.limited and self.over() and not hasattr(session.config, "workerinput"):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        terminalreporter.section("seconds for each notebook")
        for book, seconds in sorted(self.seconds.items()):
            terminalreporter.write_line(f"{seconds:7.1f}  {book}")
        terminalreporter.write_line(f"{sum(self.seconds.values()):7.1f}  together")
        for line in self.over() if self.limited else []:
            terminalreporter.write_line(f"TOO SLOW: {line}", red=True)
