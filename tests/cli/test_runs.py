"""What a command says of weights that do not know their data, and what a run clears away before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from segkit.cli import main
from segkit.cli.runs import alone, model_option
from segkit.models import create, options, save
from segkit.training import Trainer

TINY = ["train", "--data", "street", "--model", "fcn32s", "--width", "1", "--hidden", "2", "--batch-size", "2",
        "--device", "cpu", "--limit", "2", "--steps", "1"]  # fmt: skip


@pytest.mark.parametrize("command", [["eval"], ["crf", "search", "--model"]])
def test_weights_that_do_not_say_their_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """As the documented `models.save(model, path)` writes them."""
    path = save(create("fcn32s", 13, width=1, hidden=2), tmp_path / "w.safetensors")
    assert main([*command, str(path)]) == 1
    said = capsys.readouterr().err
    assert "does not say which data it was trained on; name a data set with --data" in said and said.count("\n") == 1


def test_two_runs_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with alone(tmp_path / "run"):
        assert main([*TINY, "--out", str(tmp_path / "run")]) == 1
        assert "another `segkit train` is at work in" in capsys.readouterr().err
        assert not any((tmp_path / "run").iterdir())
    assert main([*TINY, "--out", str(tmp_path / "run")]) == 0, "when the other has ended"


def test_a_run_clears_what_a_killed_one_left_half_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / ".checkpoint.safetensors.x1y2").write_bytes(b"half")
    (run / "notes.txt").write_text("mine", encoding="utf-8")
    assert main([*TINY, "--out", str(run)]) == 0
    assert {p.name for p in run.iterdir()} == {
        "notes.txt", "checkpoint.safetensors", "weights.safetensors", "history.json",
    }  # fmt: skip


def stop(self: Trainer, batch: object) -> None:
    raise KeyboardInterrupt


def test_a_run_is_resumed_only_from_where_it_started_and_scored_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each difference is named; the same words go on."""
    for name in ("a", "b"):
        save(create("fcn32s", 13, width=1, hidden=2, batch_norm=True), tmp_path / f"{name}.safetensors")
    first, other = (["--init", str(tmp_path / f"{name}.safetensors")] for name in ("a", "b"))
    words, scored = [*TINY[:-1], "2", "--out", str(tmp_path / "run")], ["--val-every", "1"]
    step = Trainer._one_step
    monkeypatch.setattr(Trainer, "_one_step", lambda self, batch: stop(self, batch) if self.step else step(self, batch))
    assert main([*words, "--save-every", "1", *first, *scored]) == 130
    monkeypatch.setattr(Trainer, "_one_step", step)
    capsys.readouterr()
    for changed, named in (
        ([*other, *scored], f"start.init {first[1]} → {other[1]}"[:60]),
        (scored, "start.init"),
        (first, "validation"),
        ([*first, "--val-every", "2"], "validation.every 1 → 2"),
    ):
        assert main([*words, "--resume", *changed]) == 1, changed
        assert named in (said := capsys.readouterr().err) and "before → now" in said, (changed, said)
    assert main([*words, "--resume", *first, *scored]) == 0


def test_resuming_with_other_words_says_what_the_run_was_started_with(tmp_path, capsys, monkeypatch) -> None:
    out = str(tmp_path / "run")
    first = [*TINY[:-1], "2", "--save-every", "1", "--out", out]
    monkeypatch.setattr("sys.argv", ["segkit", *first])
    step = Trainer._one_step
    monkeypatch.setattr(Trainer, "_one_step", lambda self, batch: stop(self, batch) if self.step else step(self, batch))
    assert main(first) == 130
    monkeypatch.setattr(Trainer, "_one_step", step)
    for words, why in (
        (["train", "--model", "enet", "--out", out, "--resume"], "holds a run of fcn32s, not of enet"),
        ([*first, "--resume", "--lr", "0.5"], "belongs to a run with other settings: recipe.lr"),
    ):
        monkeypatch.setattr("sys.argv", ["segkit", *words])
        capsys.readouterr()
        assert main(words) == 1
        said = capsys.readouterr().err
        assert why in said and said.strip().endswith(f"it was started with: segkit {' '.join(first)}"), said
    monkeypatch.setattr("sys.argv", ["segkit", *first, "--resume"])
    assert main([*first, "--resume"]) == 0, "and these words do it"


def test_resume_auto_starts_a_run_or_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same words each time, as a cluster gives them; without auto there must be something to go on with."""
    words = [*TINY, "--out", str(tmp_path / "run"), "--resume"]
    assert main(words) == 1 and "holds no checkpoint; leave out --resume" in capsys.readouterr().err
    assert main([*words, "auto"]) == 0 == main([*words, "auto"]) == main(words)


@pytest.mark.parametrize(("model", "text", "value"), [
    ("ddrnet", "base=39", "39"), ("ddrnet", "base=23-slim", "23-slim"), ("ddrnet", "exchange=False", False),
    ("unet", "levels=3", 3), ("unet", "padding=same", "same"), ("deeplab_v1", "fov=2,3", (2, 3)),
])  # fmt: skip
def test_an_option_of_words_keeps_a_number_a_word(model: str, text: str, value: object) -> None:
    found = model_option("--option", text, options(model), "padding=same")
    assert found == (text.partition("=")[0], value)
    create(model, 3, width=2, **dict([found]))
