"""`segkit train --val-every`: scores on the way, the best weights kept, and the same run as without."""

import json

import pytest
import torch

from segkit.cli import main
from segkit.files import read_safetensors, write_safetensors
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


def interrupted(out, monkeypatch, stop, *more):
    """A run that ends in a step, with its last checkpoint at the score before."""
    step = Trainer._one_step

    def until(self, batch):
        if self.step == stop:
            raise KeyboardInterrupt
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_one_step", until)
        assert main([*TINY, "--out", str(out), *more]) == 130


@pytest.mark.parametrize("stop", [3, 4])
def test_an_interrupted_run_keeps_its_scores(tmp_path, monkeypatch, stop):
    assert main([*TINY, "--out", str(tmp_path / "whole"), "--val-every", "2"]) == 0
    out = tmp_path / "cut"
    interrupted(out, monkeypatch, stop, "--val-every", "2")
    assert main([*TINY, "--out", str(out), "--val-every", "2", "--resume"]) == 0
    assert scores(out) == scores(tmp_path / "whole")


def test_an_interrupted_run_points_to_its_best_weights(tmp_path, monkeypatch, capsys):
    out = tmp_path / "cut"
    interrupted(out, monkeypatch, 3, "--val-every", "2")
    capsys.readouterr()
    assert main(["eval", str(out), "--limit", "2"]) == 1
    told = capsys.readouterr().err
    assert f"or take the best weights so far: {out / 'best.safetensors'}; it was started with: " in told
    assert main(["eval", str(out / "best.safetensors"), "--limit", "2", "--device", "cpu"]) == 0


def in_an_older_form(checkpoint, *lost):
    """The same checkpoint as a version wrote it that did not record these facts."""
    header, tensors = read_safetensors(checkpoint)
    for name in lost:
        (header if name == "run" else header["run"]).pop(name)
    write_safetensors(tensors, checkpoint, header)


def test_a_run_whose_checkpoint_does_not_say_how_it_was_scored_goes_on(tmp_path, monkeypatch, capsys):
    """As checkpoints were before they recorded it: the scores beside it tell, and others than these are refused."""
    assert main([*TINY, "--out", str(tmp_path / "whole"), "--val-every", "2"]) == 0
    out = tmp_path / "cut"
    interrupted(out, monkeypatch, 4, "--val-every", "2")
    in_an_older_form(out / "checkpoint.safetensors", "validation")
    capsys.readouterr()
    for words, asked in (([], "no --val-every"), (["--val-every", "3"], "--val-every 3")):
        assert main([*TINY, "--out", str(out), "--resume", *words]) == 1
        assert f"was scored at step 2, and now there is {asked}; give --val-every 2" in capsys.readouterr().err
    assert main([*TINY, "--out", str(out), "--val-every", "2", "--resume"]) == 0
    assert scores(out) == scores(tmp_path / "whole")
    found, wanted = (load(path / "weights.safetensors").state_dict() for path in (out, tmp_path / "whole"))
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_a_run_without_scores_goes_on_without_them(tmp_path, monkeypatch, capsys):
    """Also where its checkpoint does not say so; with scores it would be another run; with too little said, no run."""
    out, words = tmp_path / "cut", ["--set", "save_every=1"]
    interrupted(out, monkeypatch, 3, *words)
    capsys.readouterr()
    assert main([*TINY, *words, "--out", str(out), "--resume", "--val-every", "2"]) == 1
    assert "validation None → {'every': 2" in capsys.readouterr().err
    in_an_older_form(out / "checkpoint.safetensors", "validation")
    interrupted(out, monkeypatch, 4, *words, "--resume")
    in_an_older_form(out / "checkpoint.safetensors", "run")
    capsys.readouterr()
    assert main([*TINY, *words, "--out", str(out), "--resume"]) == 1
    assert "written by a segkit from before recipes" in capsys.readouterr().err


def test_no_steps_are_no_interval(tmp_path, capsys):
    assert main([*TINY, "--out", str(tmp_path / "a"), "--val-every", "0"]) == 1
    said = capsys.readouterr().err
    assert said == "segkit train: got --val-every=0; --val-every is a whole number from 1 up\n", (
        "said twice who says it"
    )
    assert not (tmp_path / "a").exists()
