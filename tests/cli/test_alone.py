"""The package by itself, as where it is installed without the course: what needs the course's files says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segkit.grading import assignments
from tests.test_style import ROOT

LOOK = """
import contextlib, io
from segkit import models
from segkit.cli import main
from segkit.grading import assignments, classroom
from segkit.training import provenance

def says(name, call):
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        try:
            code = call()
        except (SystemExit, Exception) as end:
            code = getattr(end, "code", f"{type(end).__name__}: {end}")
    print(name, "=", code, told.getvalue().strip().rpartition(chr(10))[2])

says("shipped", lambda: models.shipped("lineage_fcn8s"))
says("generator", lambda: assignments.main([]))
says("class", lambda: classroom.main(["--students", "1", "--out", "class"]))
says("marks", lambda: assignments.marks("ch01")["dice"])
says("commit", lambda: provenance()["commit"])
tiny = ["--width", "1", "--hidden", "2", "--limit", "2", "--batch-size", "2", "--steps", "1", "--device", "cpu"]
says("train", lambda: main(["train", "--model", "fcn32s", *tiny, "--out", "run"]))
says("predict", lambda: main(["predict", "photo.png", "--model", "run", "--device", "cpu"]))
says("data", lambda: main(["data", "check", "camvid"]))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each call says, in a folder where only the package is; git knows of another project around it."""
    place = tmp_path_factory.mktemp("alone")
    shutil.copytree(ROOT / "segkit", place / "site/segkit", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "work").mkdir()
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(place / "work/photo.png")
    for words in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *words], cwd=place, check=True)
    env = {k: v for k, v in os.environ.items() if k != "SEGKIT_DATA"} | {"PYTHONPATH": str(place / "site")}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=place / "work", env=env, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return dict(line.strip().split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)


def test_what_needs_the_course_says_so(said: dict[str, str]) -> None:
    wanted = "get the whole course, of which the package segkit is a part"
    assert said["shipped"].startswith("FileNotFoundError: the course has no weights") and said["shipped"].endswith(
        wanted
    )
    for name in ("generator", "class"):
        assert said[name].startswith("1 ") and said[name].endswith(wanted), said[name]


def test_what_does_not_need_it_works(said: dict[str, str]) -> None:
    assert said["marks"].startswith("3") and said["commit"].startswith("unknown"), "not the other project's"
    assert said["train"].startswith("0 val mean IoU") and said["predict"].startswith("0 photo_segmented.png: ")
    assert said["data"].startswith("1 ")


def test_a_folder_without_sources_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        assignments.main(["--source", str(tmp_path)])
    assert end.value.code == 1 and f"no notebooks NAME/NAME.ipynb in {tmp_path}" in capsys.readouterr().err
