"""The part of the tests that `start.py test --quick` runs: from every room, not the slow ones, and an end in time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import quick, stages

ROOT = Path(__file__).resolve().parents[1]


def test_the_first_cases_of_what_is_not_slow_room_by_room() -> None:
    names = [
        *(f"tests/crf/test_a.py::test_many[{k}]" for k in range(9)),
        "tests/crf/test_b.py::test_slow[0]",
        "tests/crf/test_b.py::test_one",
        "tests/ops/test_c.py::test_one",
        *(f"tests/ops/test_c.py::{quick.KEPT[0]}[{k}]" for k in range(9)),
        "tests/test_d.py::test_one",
    ]
    slow = {"tests/crf/test_b.py::test_slow": 9.0, f"tests/ops/test_c.py::{quick.KEPT[0]}": 9.0}
    chosen = [names[k].removeprefix("tests/") for k in quick.choose(names, slow)]
    assert chosen == [
        *(f"crf/test_a.py::test_many[{k}]" for k in range(3)),
        "ops/test_c.py::test_one",
        f"ops/test_c.py::{quick.KEPT[0]}[0]",
        "test_d.py::test_one",
        "crf/test_b.py::test_one",
    ]


def planted(tmp_path: Path, text: str, *options: str) -> tuple[int, str]:
    (tmp_path / "test_planted.py").write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.quick",
        "-p",
        "no:cacheprovider",
        "-rs",
        "--quick",
        *options,
    ]
    clean = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    answer = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, encoding="utf-8")
    return answer.returncode, answer.stdout


def test_pytest_runs_the_chosen_ones_and_stops_when_the_time_is_up(tmp_path: Path) -> None:
    many = "import pytest\n@pytest.mark.parametrize('k', range(9))\ndef test_k(k): assert k < 3\n"
    assert "3 passed, 6 deselected" in planted(tmp_path, many)[1]
    head = "import time\nfrom tests import quick\nquick.LIMIT = 0.2\ntime.sleep(0.3)\n"
    slow = f"{head}{many.strip()}; time.sleep(0.3)\n"
    code, said = planted(tmp_path, slow)
    assert code == 0 and "1 passed, 2 skipped, 6 deselected" in said and "python3 start.py test runs everything" in said
    assert "1 tests ran; 2 did not" in said, "the second that importing took is not counted"


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "in a worker"])
def test_it_is_an_error_if_none_ran(tmp_path: Path, options: tuple[str, ...]) -> None:
    text = "from tests import quick\nquick.LIMIT = -1\ndef test_a(): pass\n"
    code, said = planted(tmp_path, text, *options)
    assert code == 1 and "0 tests ran; 1 did not" in said and "ERROR: no test ran" in said, said
    assert planted(tmp_path, "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n", *options)[0] == 1
    assert planted(tmp_path, "def test_a(): pass\n", *options)[0] == 0


def test_slow_tests_are_known_from_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = '<testcase classname="tests.ops.test_a" name="test_{}" time="{}">{}</testcase>'
    cases = [("x[0]", 0.1, ""), ("x[a[0]]", 0.9, ""), ("y", 0.2, ""), ("z", 9, "<skipped/>")]
    report = tmp_path / "report.xml"
    report.write_text(f"<t><s>{''.join(case.format(*one) for one in cases)}</s></t>", encoding="utf-8")
    monkeypatch.setattr(quick, "SLOW", tmp_path / "slow.json")
    assert quick.main([str(report)]) == 0
    assert json.loads((tmp_path / "slow.json").read_text(encoding="utf-8")) == {"tests/ops/test_a.py::test_x": 0.5}
    assert quick.main([]) == quick.main([str(tmp_path / "none.xml")]) == 2


def test_every_room_has_a_turn_and_one_chapter_is_run() -> None:
    slow = json.loads(quick.SLOW.read_text(encoding="utf-8"))
    assert all("[" not in name and seconds >= quick.MUCH for name, seconds in slow.items())
    rooms = {path.parent.name for path in (ROOT / "segkit").glob("*/__init__.py")}
    assert len(rooms) > 10
    for room in rooms:
        files = [*(ROOT / "tests" / room).glob("test_*.py"), *(ROOT / "tests").glob(f"test_{room}.py")]
        tests = {
            f"{file.relative_to(ROOT).as_posix()}::{name}"
            for file in files
            for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        }
        assert tests - set(slow), f"{room}: no test that is quick"
    (units, options, _), (_, chapter, bare) = stages.quick_stages("EMPTY")
    assert units == "units" and "--quick" in options and options[0] == "tests"
    assert len([name for name in chapter if name.endswith(".ipynb")]) == 1 and "--quick" not in chapter
    assert bare["SEGKIT_DATA"] == "EMPTY" and stages.recorded_seconds(chapter[-1]) <= 20
