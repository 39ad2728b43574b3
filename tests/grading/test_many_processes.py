"""A submission that starts one process after the other is stopped at the limit, and nobody else pays for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from segkit.grading.alone import PROCESSES, _release
from segkit.grading.assignments import read_notebook, source_path
from segkit.grading.classroom import grade_class
from segkit.grading.sandbox import method
from tests.grading.test_forgeries import processes_of, with_cell

pytestmark = pytest.mark.skipif(method() != "fork", reason="promised on Linux only; INSTRUCTORS.md says what elsewhere")
SLEEP = "98765.4321"
BOMB = f"""
import subprocess
started = [subprocess.Popen(["sleep", "{SLEEP}"]) for _ in range({PROCESSES + 50})]
"""


def test_processes_without_end_cost_their_own_submission(tmp_path: Path) -> None:
    """Bounded, for systems where nothing stops it: cut off from nothing, or graded as root before Linux 6.14."""
    notebook = read_notebook(source_path("ch02"))
    for name, text in (("bomber", with_cell(notebook, BOMB)), ("zoe", json.dumps(notebook))):
        (tmp_path / "submitted" / name).mkdir(parents=True)
        (tmp_path / "submitted" / name / "ch02.ipynb").write_text(text, encoding="utf-8")
    result = grade_class(tmp_path / "submitted", tmp_path / "graded", workers=1)
    bomber, zoe = result.submissions
    assert zoe.points == 20 and not zoe.notes
    assert not processes_of(SLEEP)
    if not result.barred and (os.getuid() or _release() >= (6, 14)):
        assert "BlockingIOError" in bomber.notes and bomber.points == 0
