"""The library of experiments: it can be killed at any step, and trains nothing twice."""

from __future__ import annotations

import argparse
import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from segkit.data import Augmented
from segkit.data.transforms import RandomFlip
from segkit.training import Config, Trainer, cross_entropy
from tests.course.evidence import ROOT, form

import library  # isort: skip  # tests.course.evidence puts course/experiments on the path
import pictures  # isort: skip
import results  # isort: skip

TRY = {"tier": "cpu", "seeds": 1, "processes": 1, "part": None, "final": False}
DATA = {"set": "street", "size": [32, 48], "train": 8, "test": 4}
RECIPE = {"flip": 0.5, "steps": 8, "batch_size": 4, "lr": 1e-2, "ema": 0.9}


@pytest.fixture(autouse=True)
def one_thread():
    """As the processes of a recording have: sums in the same order give the same digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Nothing of what is tried lands in the repository."""
    monkeypatch.setattr(library, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(library, "WEIGHTS", tmp_path / "weights")
    return tmp_path


def options(folder, **changes):
    return argparse.Namespace(**{**TRY, "to": folder / "results", **changes})


class Small(nn.Sequential):
    def __init__(self, classes, base=None):
        super().__init__(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Dropout(0.2), nn.Conv2d(6, classes, 1))


def small(**changes):
    """Two arms of a training, a third that starts from it, and a fourth that has a training of its own."""
    arms = {
        "one": {"model": {"name": "small"}, "data": DATA, "recipe": RECIPE},
        "one, told": {"model": {"name": "small", "after": "a smile"}, "data": DATA, "recipe": RECIPE},
        "two": {"model": {"name": "more", "from": "one"}, "data": DATA, "recipe": {**RECIPE, "steps": 4}},
        "log": {"model": {"name": "small"}, "data": DATA, "recipe": {**RECIPE, "class_weights": "log"}},
    }
    settings = {
        "name": "small", "arms": arms, "build": lambda model, classes, base: base or Small(classes),
        "score": lambda model, arm, test: pictures.scores(model, test),
    }  # fmt: skip
    return library.Experiment(**{**settings, **changes})


def test_scores_come_from_averaged_weights_at_each_share():
    experiment = small()
    row = experiment.run("one", 1)
    assert row["at"] == [0.25, 0.5, 1.0] and all(len(v) == 3 for v in row["scores"].values())
    train = pictures.pictures(DATA, "train")
    torch.manual_seed(1)
    model = Small(13).to(memory_format=torch.channels_last)
    trainer = Trainer(model, Augmented(train, RandomFlip(), 1), Config(8, 4, 1e-2, ema=0.9, seed=1, device="cpu"))
    averages = []
    for share in row["at"]:
        trainer.fit(until=round(8 * share), quiet=True)
        averages.append(copy.deepcopy(trainer.best))
    for share, average in zip(row["at"], averages, strict=True):
        same(experiment.network("one", 1, share), average)
    found = pictures.scores(trainer.best, pictures.pictures(DATA, "test"))
    assert row["scores"]["mean_iou"][-1] == round(found["mean_iou"], 4)
    assert set(row["provenance"]) == {"command", "date", "commit", "device", "versions", "seconds"}


def same(model, other):
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("step", [1, 3, 5, 8])
def test_a_run_that_is_killed_goes_on_where_it_was(folder, monkeypatch, step):
    whole, calls = small().run("one", 0), []
    weights = small().network("one", 0)
    monkeypatch.setattr(library, "RUNS", folder / "again")

    def loss(model, batch):
        calls.append(0)
        if len(calls) == step:
            raise KeyboardInterrupt
        return cross_entropy(model(batch.image), batch.labels)

    killed = small(loss=lambda arm, seed, train: loss)
    with pytest.raises(KeyboardInterrupt):
        killed.run("one", 0)
    row = killed.run("one", 0)
    assert len(calls) <= 8 + 1, "steps that were kept are not done again"
    assert {k: row[k] for k in ("at", "scores", "iou")} == {k: whole[k] for k in ("at", "scores", "iou")}
    same(killed.network("one", 0), weights)


def test_nothing_is_trained_twice_whatever_is_asked_for_first():
    calls, experiment = [], small()

    def loss(model, batch):
        calls.append(len(batch.labels))
        return cross_entropy(model(batch.image), batch.labels)

    experiment.loss = lambda arm, seed, train: loss
    experiment.run("two", 0)
    experiment.run("one", 0)
    assert len(calls) == 4 + 8


def test_some_arms_take_more_seeds_and_the_parts_share_them_out(folder):
    experiment, runs = small(more_seeds={"log": 2, "one, told": 2}), folder / "runs" / "small"
    for part in ("0/2", "1/2"):
        library.perform(experiment, options(folder, part=part, final=True))
    done = {path.name for path in runs.glob("*.json")}
    library.perform(experiment, options(folder, final=True))
    assert {path.name for path in runs.glob("*.json")} == done, "the parts left nothing"
    found = results.load("small", folder / "results")
    assert {arm: len(found.by_seed(arm, "mean_iou")) for arm in experiment.arms} == {
        "one": 1, "one, told": 2, "two": 1, "log": 2,
    }  # fmt: skip


def test_shares_that_were_scored_are_not_scored_again():
    seen = []

    def score(model, arm, test):
        seen.append(arm["model"].get("after"))
        if len(seen) == 2:
            raise KeyboardInterrupt
        return pictures.scores(model, test)

    experiment = small(score=score)
    with pytest.raises(KeyboardInterrupt):
        experiment.run("one", 0)
    assert experiment.run("one", 0)["at"] == [0.25, 0.5, 1.0] and len(seen) == 4
    experiment.run("one", 0)
    assert len(seen) == 4
    experiment.run("one, told", 0)
    assert seen[4:] == ["a smile"] * 3, "another row of the same training"


@pytest.mark.parametrize("change", [{"recipe": {"lr": 1e-3}}, {"data": {"train": 7}}, {"model": {"width": 2}}])
def test_other_settings_begin_afresh(change):
    one, other = small(), small()
    for part, settings in change.items():
        other.arms["one"] = {**other.arms["one"], part: {**other.arms["one"][part], **settings}}
    assert one.fingerprint("one") != other.fingerprint("one")
    assert one.fingerprint("two") != other.fingerprint("two"), "it starts from the other's network"
    assert one.fingerprint("log") == other.fingerprint("log")
    assert one.fingerprint("one", True) == one.fingerprint("one, told", True) != one.fingerprint("log", True)
    assert one.fingerprint("one") != one.fingerprint("one, told")


def test_a_result_is_of_the_form_and_has_its_baselines(folder):
    experiment = small(ceilings=(8,), extra=lambda: {"note": "kept"})
    library.perform(experiment, options(folder, seeds=2))
    found = results.load("small", folder / "results")
    assert form(found.found) == [] and len(found.runs) == 8 and found.extra == {"note": "kept"}
    rows = {"position prior", "position prior, log weights", "ceiling at stride 8", "ceiling at stride 8, log weights"}
    assert set(found.baselines) == rows
    ceiling = found.baselines["ceiling at stride 8"]["scores"]["mean_iou"]
    assert ceiling > found.prior("one")["scores"]["mean_iou"] + 0.1
    assert found.values("two", "mean_iou") != found.values("one", "mean_iou")
    assert found.values("one, told", "mean_iou") == found.values("one", "mean_iou")


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {experiments!r}]
import library
from tests.course.test_experiments import small
library.RUNS = Path({folder!r}) / "runs"
if __name__ == "__main__":
    library.main(None, {{"small": lambda o: small()}})
"""


def test_two_processes_bring_what_one_brings(folder):
    script = folder / "script.py"
    paths = {"root": str(ROOT), "experiments": str(ROOT / "course" / "experiments"), "folder": str(folder)}
    script.write_text(SCRIPT.format(**paths), encoding="utf-8")
    told = [sys.executable, str(script), "small", "--seeds", "2", "--scale", "0.9", "--processes", "2"]
    answer = subprocess.run(told, capture_output=True, text=True, timeout=500, encoding="utf-8")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = results.load("small", folder / "runs" / "results")
    experiment = small()
    library.scaled(experiment, 0.9, None)
    library.RUNS = folder / "alone"
    for row in found.runs:
        assert experiment.run(row["arm"], row["seed"])["scores"] == row["scores"]
    assert len(found.runs) == 8 and "processes 2" in found.provenance["command"]


def test_a_trial_is_smaller_in_proportion():
    experiment = small()
    library.scaled(experiment, 0.5, 6)
    assert [arm["recipe"]["steps"] for arm in experiment.arms.values()] == [6, 6, 4, 6]
    assert experiment.arms["one"]["data"] == {**DATA, "train": 4, "test": 4}


def test_only_some_classes():
    found = pictures.pictures({"set": "street", "size": [32, 48], "only": ["road", "sky"], "train": 3}, "train")
    every = pictures.street("train", 3, (32, 48))
    assert found.classes == ("road", "sky") and found.num_classes == 2 and len(found) == 3
    for mine, theirs in zip(found.samples, every.samples, strict=True):
        for name, number in (("road", 0), ("sky", 1)):
            assert torch.equal(mine.labels == number, theirs.labels == every.classes.index(name))
        assert set(mine.labels.unique().tolist()) <= {0, 1, 255}
