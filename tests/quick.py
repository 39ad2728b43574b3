"""pytest --quick: a part of every room's tests, in some three minutes of two free cores.

Chosen are the first cases of every test that is not known to be slow. The rooms take turns, file by file, so that each
has had its turn when the time is up; what is then left is skipped, and the last lines say how many that were. It is an
error if no test ran at all. Which tests are slow is written down in slow_tests.json, from the reports of a full run:
python -m tests.quick artefacts/report-*.xml
"""

from __future__ import annotations

import json
import re
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path

import pytest

SLOW = Path(__file__).with_name("slow_tests.json")
MUCH = 0.3  # seconds of one case, from which a test is slow
CASES = 3  # of each test
LIMIT = 100  # seconds from the start of the first test: importing and collecting come before it, a notebook after it
LATE = "--quick: its time is over; python3 start.py test runs everything"
KEPT = ("test_model_solutions_earn_all_marks_and_student_versions_none",)  # slow, but the one whole assignment


def choose(names: list[str], slow: dict[str, float]) -> list[int]:
    """Places of the tests to run, in their order.

    Args:
        names: of all tests, as pytest collected them: "tests/ops/test_loops.py::test_sums[3x3]".
        slow: seconds of a case of the tests that are slow: "tests/ops/test_loops.py::test_sums".
    """
    taken: dict[str, int] = defaultdict(int)
    rooms: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, name in enumerate(names):
        test = name.partition("[")[0]
        kept = test.rpartition("::")[2] in KEPT
        if taken[test] < (1 if kept else 0 if test in slow else CASES):
            taken[test] += 1
            file = name.partition("::")[0]
            rooms[room(file)][file].append(place)
    turns = zip_longest(*(files.values() for files in rooms.values()), fillvalue=())
    return [place for turn in turns for file in turn for place in file]


def room(file: str) -> str:
    """The folder of tests/ in which a file lies; for those beside the folders, the file itself."""
    return Path(file).parts[1] if len(Path(file).parts) > 1 else file


def measured(reports: list[Path]) -> dict[str, float]:
    """The mean seconds of a case of each test in pytest's reports."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for report in reports:
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            if case.find("skipped") is None:
                file = case.get("classname", "").replace(".", "/") + ".py"
                test = re.split(r"\[", case.get("name", ""))[0]
                seconds[f"{file}::{test}"].append(float(case.get("time", 0)))
    return {test: sum(each) / len(each) for test, each in seconds.items()}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help=f"a part of every room's tests, for some {LIMIT} s")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--quick"):
        config.pluginmanager.register(Quick(), "segkit-quick")


class Quick:
    """Chooses, stops when the time is up, and counts."""

    def __init__(self) -> None:
        self.end: float | None = None  # known when the first test begins
        self.ran = self.late = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen = choose([item.nodeid for item in items], json.loads(SLOW.read_text(encoding="utf-8")))
        config.hook.pytest_deselected(items=[item for k, item in enumerate(items) if k not in set(chosen)])
        items[:] = [items[k] for k in chosen]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        now = time.monotonic()
        self.end = now + LIMIT if self.end is None else self.end
        if now > self.end:
            pytest.skip(LATE)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.late += report.skipped and LATE in str(report.longrepr)
        self.ran += report.when == "call" and not report.skipped

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.ran and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.late:
            terminalreporter.write_line(f"--quick: {self.ran} tests ran; {self.late} did not, {LIMIT} s being over")
        if not self.ran:
            terminalreporter.write_line("--quick: ERROR: no test ran")


def main(arguments: list[str]) -> int:
    reports = [Path(name) for name in arguments]
    if not reports or not all(path.is_file() for path in reports):
        print(f"{__doc__}\nNeeds the reports of a full run (python3 start.py test).", file=sys.stderr)
        return 2
    slow = {test: round(seconds, 1) for test, seconds in sorted(measured(reports).items()) if seconds >= MUCH}
    SLOW.write_text(json.dumps(slow, indent=1) + "\n", encoding="utf-8")
    print(f"{len(slow)} tests take {MUCH} s or more a case: {SLOW.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
