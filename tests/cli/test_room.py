"""What a run will write is compared with what the disk has free before its first step; and how often it writes."""

from __future__ import annotations

import os
import signal
import types
from pathlib import Path

import pytest

from segkit.cli import main
from segkit.data import create
from segkit.models import create as create_model
from segkit.models import save
from segkit.training import Recipe, Trainer
from segkit.training.checkpoint import read_checkpoint
from tests.campaign.blows import child, ended, small_disk

TINY = ["train", "--data", "street", "--model", "fcn32s", "--width", "2", "--hidden", "8", "--batch-size", "2",
        "--device", "cpu", "--limit", "4", "--steps", "6"]  # fmt: skip


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("segkit.files.shutil.disk_usage", lambda _: types.SimpleNamespace(total=10**12, free=count))


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0.0}])
def test_the_lengths_of_the_files_are_known_beforehand(tmp_path: Path, settings: dict[str, object]) -> None:
    model = create_model("fcn32s", 13, width=4, hidden=64)
    trainer = Trainer(model, create("street"), Recipe(steps=2, batch_size=1, device="cpu", **settings))  # type: ignore[arg-type]
    checkpoint, weights = trainer.bytes_kept()
    trainer.fit(tmp_path / "c", quiet=True)
    save(trainer.best, tmp_path / "w")
    for path, expected in ((tmp_path / "c", checkpoint), (tmp_path / "w", weights)):
        assert abs(path.stat().st_size - expected) < 0.02 * expected + 20_000, path.name


def test_a_disk_that_is_too_small_is_named_before_the_first_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with monkeypatch.context() as small:
        small.setattr(Trainer, "_one_step", lambda *_: pytest.fail("trained first"))
        free(small, 200_000)
        assert main([*TINY, "--out", str(out)]) == 1
        said = capsys.readouterr().err
        assert f"--out {out}: the run's files will need" in said and "the disk has 0.2 MB free" in said
        assert said.count("\n") == 1 and not any(out.iterdir())
        model = create_model("fcn32s", 13, width=2, hidden=8)
        with pytest.raises(OSError, match=r"checkpoints in .* will need"):
            Trainer(model, create("street"), Recipe(steps=1, batch_size=2, device="cpu")).fit(out / "c", quiet=True)
    assert main([*TINY, "--out", str(out)]) == 0, "where there is room"
    checkpoint = (out / "checkpoint.safetensors").stat().st_size
    (out / "weights.safetensors").unlink()
    free(monkeypatch, round(1.3 * checkpoint) + 2**16)
    assert main([*TINY, "--out", str(out), "--resume"]) == 0, "what a run has already written is not asked for again"
    assert main([*TINY, "--out", str(tmp_path / "other")]) == 1


def test_the_best_weights_are_counted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = create_model("fcn32s", 13, width=2, hidden=8, batch_norm=True)
    recipe = Recipe(steps=6, batch_size=2, device="cpu")
    checkpoint, weights = Trainer(model, create("street"), recipe).bytes_kept()
    free(monkeypatch, 2 * checkpoint + weights // 2 + 2**16)
    assert main([*TINY, "--out", str(tmp_path / "a")]) == 0
    assert main([*TINY, "--out", str(tmp_path / "b"), "--val-every", "3"]) == 1


def test_a_real_small_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with small_disk(tmp_path / "disk", 200) as mounted:
        if not mounted:
            pytest.skip("this user may not mount a file system")
        assert main([*TINY, "--out", str(tmp_path / "disk" / "run")]) == 1
        said = capsys.readouterr().err
        assert "will need" in said and said.count("\n") == 1
        assert not any((tmp_path / "disk" / "run").iterdir()), "nothing was written"


def test_a_run_that_is_killed_loses_no_more_than_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, step = tmp_path / "run", Trainer._one_step

    def killed(self: Trainer, batch: object) -> dict[str, float]:
        if self.step == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_one_step", killed)
    command = [*TINY, "--save-every", "2", "--out", str(out)]
    assert ended(child(lambda: main(command), tmp_path / "log")) == -signal.SIGKILL
    assert read_checkpoint(out / "checkpoint.safetensors")[0]["step"] == 4
    monkeypatch.setattr(Trainer, "_one_step", step)
    assert main([*command, "--resume"]) == 0


@pytest.mark.parametrize("words", [["--save-every", "0"], ["--save-every", "2", "--set", "save_every=3"]])
def test_no_number_of_steps_and_two_numbers_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main([*TINY, *words, "--out", str(tmp_path / "run")]) == 1
    assert "save_every" in capsys.readouterr().err and not (tmp_path / "run").exists()
