"""`segkit train --val-every`: scores on the way, the best weights kept, and the same run as without."""

import json

import pytest
import torch

from segkit.cli import main
from segkit.models import load, read_header
from segkit.training import Trainer

TINY = ["train", "--data", "street", "--model", "fcn32s", "--width", "2", "--hidden", "8", "--batch-size", "2",
        "--device", "cpu", "--limit", "4", "--steps", "5", "--set", "ema=0.5"]  # fmt: skip


def scores(out):
    return json.loads((out / "history.json").read_text(encoding="utf-8"))["validation"]


def test_a_run_that_is_scored_on_the_way_is_the_same_run(tmp_path, capsys):
    assert main([*TINY, "--out", str(tmp_path / "plain")]) == 0
    assert main([*TINY, "--out", str(tmp_path / "scored"), "--val-every", "2"]) == 0
    plain, scored = (load(tmp_path / name / "weights.safetensors").state_dict() for name in ("plain", "scored"))
    torch.testing.assert_close(scored, plain, rtol=0, atol=0)
    found = scores(tmp_path / "scored")
    assert [step for step, _ in found] == [2, 4, 5]
    best = read_header(tmp_path / "scored" / "best.safetensors")
    assert [best["step"], best["metrics"]["val_mean_iou"]] == max(found, key=lambda row: row[1])
    assert found[-1][1] == read_header(tmp_path / "scored" / "weights.safetensors")["metrics"]["val_mean_iou"]
    assert not (tmp_path / "plain" / "best.safetensors").exists()
    assert "the best score on the way was" in capsys.readouterr().out


@pytest.mark.parametrize("stop", [3, 4])
def test_an_interrupted_run_keeps_its_scores(tmp_path, monkeypatch, stop):
    assert main([*TINY, "--out", str(tmp_path / "whole"), "--val-every", "2"]) == 0
    out, step = tmp_path / "cut", Trainer._one_step

    def interrupted(self, batch):
        if self.step == stop:
            raise KeyboardInterrupt
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_one_step", interrupted)
        assert main([*TINY, "--out", str(out), "--val-every", "2"]) == 130
    assert main([*TINY, "--out", str(out), "--val-every", "2", "--resume"]) == 0
    assert scores(out) == scores(tmp_path / "whole")


def test_no_steps_are_no_interval(tmp_path, capsys):
    assert main([*TINY, "--out", str(tmp_path / "a"), "--val-every", "0"]) == 1
    said = capsys.readouterr().err
    assert said == "segkit train: got --val-every=0; --val-every is a whole number from 1 up\n", (
        "said twice who says it"
    )
    assert not (tmp_path / "a").exists()
