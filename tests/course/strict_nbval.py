"""A pytest plugin that makes nbval strict and stable. The conftest.py at the root of the checkout loads it.

nbval alone compares pictures not at all, floats to the last digit, and nothing in a notebook whose outputs were
cleared. Here every code cell must have been executed, and what it shows must agree with what it showed (compare.py
says how closely).

Tags on a cell:
  nbval-ignore-output, needs-data, needs-gpu   executed, an exception fails, the output is not compared
  nbval-raises-exception                       must raise, and the error is compared
  nbval-skip                                   not executed; only for cells in skipped_cells.json, with a reason

Options: --real-data runs only the notebooks with needs-data or needs-gpu cells, up to the last of those, and compares
nothing: asserts and exceptions decide, since stored outputs are those without data. --course-limits fails the run when
a chapter or the whole course takes longer than it may.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, coalesce_streams

from tests.course.compare import outputs_differ

CELL_SECONDS, CHAPTER_SECONDS, COURSE_SECONDS = 300, 150, 1200
SKIPS = Path(__file__).with_name("skipped_cells.json")  # {"04_fcn.ipynb": {"cell id": "reason"}}
UNCOMPARED = {"needs-data", "needs-gpu"}


class StrictCell(IPyNbCell):
    """One code cell: executed as nbval does, compared as compare.py does."""

    def compare_outputs(self, test: list[Any], ref: list[Any], skip_compare: Any = None) -> bool:
        if self.config.option.real_data:  # stored outputs are those without data
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
        super().runtest()
        if self.config.option.real_data:
            return
        if self.cell.execution_count is None:
            self.raise_cell_error("The stored cell was never executed: python3 start.py refresh " + self.path.name)
        raised = any(o.output_type == "error" for o in self.cell.outputs)
        if raised != bool(self.options["check_exception"]):
            self.raise_cell_error("A stored cell ends in an error if and only if it is tagged nbval-raises-exception")


class StrictNotebook(IPyNbFile):
    """A notebook whose cells are strict ones."""

    def collect(self) -> Any:
        for cell in super().collect():
            if UNCOMPARED & set(cell.cell.metadata.get("tags", [])):
                cell.options["check"] = False
            yield StrictCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("course")
    group.addoption("--real-data", action="store_true", help="only what needs real data or a GPU, and what leads to it")
    group.addoption("--course-limits", action="store_true", help="fail when a chapter or the course takes too long")


def pytest_configure(config: pytest.Config) -> None:
    option = config.option
    if option.nbval_cell_timeout == 2000:  # nbval's own default
        option.nbval_cell_timeout = CELL_SECONDS
    if not option.nbval_kernel_name:
        option.nbval_current_env = True
    if option.nbval:
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
    if not config.option.real_data:
        return
    last: dict[Path, int] = {}
    for item in items:
        if isinstance(item, StrictCell) and UNCOMPARED & set(item.cell.metadata.get("tags", [])):
            last[item.path] = item.cell_num
    drop = [i for i in items if isinstance(i, StrictCell) and i.cell_num > last.get(i.path, -1)]
    config.hook.pytest_deselected(items=drop)
    items[:] = [i for i in items if i not in set(drop)]


class Durations:
    """Adds up how long each notebook takes, says so, and holds the course to its limits."""

    def __init__(self, config: pytest.Config) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.limited = config.option.course_limits

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        book = report.nodeid.split("::")[0]
        if book.endswith(".ipynb"):
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
