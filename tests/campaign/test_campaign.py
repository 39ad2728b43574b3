"""A short run of the campaign, and that it sees what it should; the long one is `python -m tests.campaign`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from segkit.checks import WrongKind
from segkit.grading import Diagnosis, Result
from segkit.grading.exercise import find
from segkit.grading.sandbox import method
from segkit.typed import typed
from tests.campaign import answers, commands, doors, files, widgets
from tests.campaign.__main__ import SLOW
from tests.campaign.every_door import DOORS, ROOMS, WITHOUT, public

ROOT = Path(__file__).resolve().parents[2]


def test_no_public_name_is_forgotten() -> None:
    known = DOORS.keys() | WITHOUT.keys()
    assert not public() - known, "give these a door in tests/campaign, or say in every_door.py why they have none"
    assert not known - public(), "these are gone"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("room", [room for room in ROOMS if room != "analysis"])
def test_doors(room: str) -> None:
    for name, door in DOORS.items():
        if name.rpartition(".")[0] != room or name in WITHOUT:
            continue
        for number in range(3 if name.startswith(SLOW) else 12):
            found = doors.case(door, name, number)[1]
            assert not found, f"{name} #{number}: {found}"


@pytest.mark.parametrize("kind", files.KINDS)
def test_mutated_files(kind: str, tmp_path: Path) -> None:
    for number in range(12):
        assert not files.case(kind, number, tmp_path), number


@pytest.mark.filterwarnings("ignore")
def test_command_lines(tmp_path: Path) -> None:
    for number in range(20):
        words, found = commands.case(number, tmp_path)
        assert not found, words


@pytest.mark.parametrize("name", ["upsample", "gridding", "aspp"])
def test_moves_of_widgets(name: str) -> None:
    seen: dict[Any, Any] = {}
    for number in range(5):
        assert not widgets.case(name, number, seen), number


FEW = ("a tensor without data", "a number too large", "an error that breaks", "what breaks when asked", "adds to arg",
       "overwrites arguments", "a list too long", "None in its middle", "takes other names", "odd words")  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(method() != "fork", reason="some of these answers would end this very process")
@pytest.mark.parametrize("words", FEW)
def test_answers_that_nobody_should_write(words: str) -> None:
    """One answer of the kind; the campaign tries all kinds."""
    (number,) = [number for number, kind in enumerate(answers.ANSWERS) if words in kind]
    assert not answers.case(number), f"{answers.which(number)[0].name}, #{number}"


def test_a_verdict_that_is_none_is_seen() -> None:
    exercise = find("pixel_accuracy")
    assert answers.finding(exercise, exercise.reference, 10, plain=True) == "full marks"
    assert answers.unfit(Result("dice", 0.0, "rejected")) == "no diagnosis: rejected"
    told = Result("dice", 0.0, "rejected", [Diagnosis("odd", "An error that says \ud800 and more")])
    assert "cannot be printed" in answers.unfit(told)


def assert_no_finding(*words: str) -> None:
    run = [sys.executable, "-m", "tests.campaign", *words]
    answer = subprocess.run(
        run, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, encoding="utf-8"
    )
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]


def test_doors_of_analysis() -> None:
    """In a process of its own: after `gradient_footprint` torch may refuse gradients in forks."""
    assert_no_finding("doors", "--only", "analysis.", "--share", "0.2")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the blows fall on forks of a process, which this system lacks")
def test_kills_full_disks_and_closed_folders() -> None:
    """In a process of its own: a fork must not follow torch's backward."""
    assert_no_finding("kills", "disks", "--share", "0.01")


def shrug(x: torch.Tensor, times: int = 1) -> torch.Tensor:
    return x * times


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x.view(7), "RuntimeError"),
        (lambda x: x + 1, "refused what fits: AssertionError"),
        (lambda x: float(x), "refused what fits"),
    ],
)
def test_a_fault_is_seen(function: Any, said: str) -> None:
    """What fits and breaks, and what fits and gives another answer."""
    door = doors.Door(function, lambda r: {"x": torch.zeros(2)}, lambda a, g: doors.close(a, g["x"]))
    assert said in doors.outcome(door, {"x": torch.zeros(2)})


def test_silence_and_raw_errors_are_seen() -> None:
    door = doors.Door(shrug, lambda r: {"x": torch.zeros(2)}, lambda a, g: None)
    assert "accepted times=1.5" in doors.outcome(door, {"x": torch.zeros(2), "times": 1.5}, "times")
    assert "not from a door" in doors.outcome(door, {"x": torch.zeros(2), "times": object()}, "times")
    good = doors.Door(typed(shrug), lambda r: {"x": torch.zeros(2)}, lambda a, g: None)
    assert doors.outcome(good, {"x": torch.zeros(2), "times": 1.5}, "times") == ""
    with pytest.raises(WrongKind, match=r"shrug got times=1\.5 \(float\); times is a whole number"):
        typed(shrug)(torch.zeros(2), 1.5)  # type: ignore[arg-type]
