"""`python -m segkit` is the command."""

from __future__ import annotations

import subprocess
import sys

import pytest

import segkit
from segkit import data, models
from segkit.cli import main
from segkit.names import MODELS, SETS
from segkit.training import provenance


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "segkit", *arguments], capture_output=True, text=True, check=False, encoding="utf-8"
    )


def test_the_module_is_the_command() -> None:
    version, wrong = run("--version"), run("no-such-command")
    assert (version.returncode, version.stdout) == (0, f"segkit {segkit.__version__}\n")
    assert wrong.returncode == 2 and wrong.stderr.startswith("usage: segkit ") and "no-such-command" in wrong.stderr


@pytest.mark.parametrize(("started", "told"), [
    ("course/segkit/__main__.py", "segkit bench unet"),  # python -m segkit
    (".venv/bin/segkit", "segkit bench unet"),
    ("course/experiments/camvid.py", "camvid.py bench unet"),
])  # fmt: skip
def test_results_name_the_command_that_made_them(started: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [started, "bench", "unet"])
    assert provenance()["command"] == told


HEAVY = ("torch", "torchvision", "matplotlib", "scipy", "PIL")
CASES = (
    ["--help"], ["train", "--help"], ["predict", "--help"], ["crf", "--help"], ["traim"], ["train", "--model", "unett"],
    ["train", "--data", "sreet"], ["eval", "--limit", "few"], ["predict", "p.png", "--crf", "c.txt"],
    ["crf", "search", "--grid", "wide"], ["data", "get", "nowhere"], ["bench", "--help"], ["bench", "unett"],
    ["class", "--help"], ["class", "collect", "x", "--to", "y", "--deadline", "soon"],
)  # fmt: skip


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_help_and_usage_errors_do_not_wait_for_torch(words: list[str]) -> None:
    look = f"import sys; from segkit.cli import main\ntry: main({words!r})\nexcept SystemExit as end: print(end.code)\n"
    look += f"print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, encoding="utf-8")
    *_, code, loaded = done.stdout.splitlines()
    assert (code, loaded) == ("0" if "--help" in words else "2", "[]"), done.stderr


def test_the_command_line_knows_every_model_and_data_set() -> None:
    assert set(MODELS) == set(models.available()) and tuple(SETS) == data.available()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--model", "unet", "--out", ""],
        ["train", "--model", "unet", "--device", ""],
        ["train", "--model", "unet", "--set", ""],
        ["eval", ""],
        ["predict", "p.png", "-o", ""],
        ["predict", "p.png", "--crf", ""],
        ["bench", "unet", ""],
        ["data", "check", "folder:x", "--root", ""],
        ["grade", ""],
    ],
)
def test_an_empty_word_is_not_taken_for_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    told = capsys.readouterr().err
    assert end.value.code == 2 and told.startswith("usage: segkit")
    assert "got an empty word" in told or "--crf" in words or words[0] == "bench", told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["train", "--modle", "unet"],
            "segkit train: error: unrecognized arguments: --modle unet; did you mean",
        ),
        (["predict", "a.png", "b.png", "--lables=x"], "did you mean --labels?"),
        (["doctor", "now"], "segkit doctor: error: unrecognized arguments: now\n"),
    ],
)
def test_an_unknown_option_is_named_with_the_one_that_is_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2 and said in capsys.readouterr().err
