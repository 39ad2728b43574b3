"""Real streets, on made files: equal seconds for all, libraries that may be absent, the command for a GPU."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
import torch
from torch import nn

from segkit.analysis import saved_for_backward
from segkit.cli.main import main
from segkit.inference import multi_scale
from segkit.metrics import ConfusionMatrix
from segkit.models import create
from segkit.models import options as model_options
from segkit.training import Recipe, recipes
from tests.course.evidence import ROOT, form
from tests.course.test_experiments import folder, one_thread, options
from tests.data.small_sets import camvid_files, write
from tests.other_device import THERE, OtherDevice, other_device

import camvid  # isort: skip  # tests.course.evidence puts course/experiments on the path
import library  # isort: skip
import pictures  # isort: skip
import results  # isort: skip

__all__ = ["folder", "one_thread", "other_device"]  # fixtures

LR_ASPP, PRETRAINED = "torchvision LR-ASPP, MobileNet v3", "DeepLab v3+, MobileNet v2 from ImageNet"
SEEDS, CORES = 3, 2


@pytest.fixture(autouse=True)
def made(folder, monkeypatch):
    """Files in CamVid's layout, and no ImageNet weights."""
    write(camvid_files({"train": 4, "val": 1, "test": 4}, (48, 64)), folder / "CamVid")
    monkeypatch.setenv("SEGKIT_DATA", str(folder))
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    pictures._pictures.cache_clear()
    yield
    pictures._pictures.cache_clear()


def tried(experiment, folder, **recipe):
    """A trial of an experiment on small windows, as recorded."""
    for arm in experiment.arms.values():
        arm["recipe"] = {**arm["recipe"], "batch_size": 4, "crop": [32, 64], "workers": 0, **recipe}
    experiment.claims = [c for c in experiment.claims if {c["better"], c["worse"]} <= experiment.arms.keys()]
    library.scaled(experiment, 0.001, 4)
    library.perform(experiment, options(folder))
    found = results.load(experiment.name, folder / "results")
    assert form(found.found) == []
    return found


def test_all_train_for_the_same_seconds_and_by_the_same_recipe(folder):
    arms = camvid.cpu(options(folder)).arms
    own, same = ("steps", "seconds_a_step"), {**camvid.settings("camvid"), "steps": None}
    for name, arm in arms.items():
        seconds = arm["recipe"]["steps"] * arm["recipe"]["seconds_a_step"]
        assert seconds == pytest.approx(camvid.SECONDS, rel=0.01)
        told = {k: v for k, v in arm["recipe"].items() if k not in own} | {"steps": None}
        assert told == {**same, **(camvid.TUNED if name == PRETRAINED else {})}, name
    trained = [name for name, arm in arms.items() if "after" not in arm["model"] and name != PRETRAINED]
    assert len(trained) * SEEDS * camvid.SECONDS < 0.9 * CORES * 2 * 3600  # scoring takes the rest
    steps = {name: arm["recipe"]["steps"] for name, arm in arms.items()}
    assert recipes.create("camvid").steps == steps["DeepLab v3+"]


def test_what_a_library_of_others_gives_is_trained_and_scored_beside_ours(folder):
    experiment = camvid.cpu(options(folder))
    experiment.arms = {name: experiment.arms[name] for name in (LR_ASPP, "U-Net")}
    found = tried(experiment, folder)
    assert set(found.extra["versions"]) == {"torchvision"} and found.extra["left out"] == {}
    assert set(found.extra["price"]) == {LR_ASPP, "U-Net"}
    assert found.extra["price"]["U-Net"]["seconds_a_step"] > 0
    everywhere, prior = found.extra["blind"].values()
    assert 0 < everywhere["mean_iou"] < prior["mean_iou"] < 1 and everywhere["pixel_accuracy"] < 0.5
    metrics = {"mean_iou", "pixel_accuracy", "mean_accuracy", "trimap_iou_1px", "trimap_iou_3px", "boundary_iou"}
    assert all(set(run["scores"]) == metrics and len(run["iou"]) == 11 for run in found.runs)


@pytest.mark.parametrize("library", camvid.LIBRARIES)
def test_a_network_of_another_library_answers_every_pixel_in_place(library):
    pytest.importorskip(library, reason="pip install segmentation-models-pytorch==0.6.0")
    model = next(m for m in camvid.MODELS.values() if m.get("library") == library)
    network = camvid.built(model, 11, None).eval()
    with torch.no_grad():
        x = torch.rand(2, 3, 45, 70)
        answer, whole = network(x), network(torch.nn.functional.pad(x, (0, 26, 0, 19), mode="replicate"))
    assert answer.shape == (2, 11, 45, 70) and torch.equal(answer, whole[..., :45, :70])


def test_what_cannot_be_built_here_is_left_out_with_a_sentence(folder, monkeypatch, capsys):
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == camvid.SMP else there(name, *a))
    experiment = camvid.cpu(options(folder))
    experiment.prepare()
    assert {claim["worse"] for claim in experiment.claims} <= set(experiment.arms), "nothing is said of them"
    assert set(camvid.cpu(options(folder)).arms) - set(experiment.arms) == {
        "smp DeepLabV3Plus, MobileNet v2", PRETRAINED,
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "smp DeepLabV3Plus, MobileNet v2 is left out: segmentation_models_pytorch is not installed" in out
    assert f"{PRETRAINED} is left out: torchvision's cache does not hold mobilenet_v2-" in out
    experiment.arms = {"U-Net": experiment.arms["U-Net"]}
    assert set(tried(experiment, folder).extra["left out"]) == {"smp DeepLabV3Plus, MobileNet v2", PRETRAINED}


def test_weights_that_are_there_are_started_from(folder, monkeypatch):
    fresh = create("deeplab_v3plus", 11, encoder="mobilenet_v2").encoder.state_dict()
    state = {name: torch.full_like(tensor, 7) for name, tensor in fresh.items()}
    monkeypatch.setattr(camvid, "imagenet", {"mobilenet_v2": state}.__getitem__)
    network = camvid.built(camvid.MODELS[PRETRAINED], 11, None)
    assert all(bool((t == 7).all()) for t in network.encoder.state_dict().values())
    assert camvid.lacking(camvid.MODELS[PRETRAINED])
    (folder / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    file = camvid.get_model_weights("mobilenet_v2").DEFAULT.url.rpartition("/")[2]
    (folder / "torch" / "hub" / "checkpoints" / file).touch()
    assert not camvid.lacking(camvid.MODELS[PRETRAINED])


class Column(nn.Module):
    """Sees only where the picture is bright, and bends: other answers at other sizes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 5, padding=2), nn.Tanh(), nn.Conv2d(6, 11, 1))

    def forward(self, x):
        return self.layers(x)


def test_scores_are_of_the_answers_that_the_arm_asks_for():
    test, model = pictures.pictures({"set": "camvid", "test": 4}, "test"), Column().eval()
    for after in ({}, {"after": camvid.MANY}):
        found, matrix = camvid.score(model, {"model": after}, test), ConfusionMatrix(11)
        for sample in test.samples:
            x = sample.image[None]
            matrix.update((multi_scale(model, x, **camvid.MANY) if after else model(x)).argmax(1), sample.labels[None])
        assert found["mean_iou"] == matrix.mean_iou() and found["iou"] == matrix.iou().tolist()
        assert found["pixel_accuracy"] == matrix.pixel_accuracy()


def test_the_command_for_a_gpu_from_end_to_end(folder, other_device):
    experiment = camvid.gpu(options(folder))
    assert experiment.device == "cuda" and list(experiment.arms) == ["U-Net", "U-Net, scales and flips"]
    experiment.device = THERE
    for arm in experiment.arms.values():
        arm["model"] = {**arm["model"], "encoder": "resnet18", "width": 4, "decoder_channels": [16, 8, 8, 4, 4]}
    with OtherDevice():
        found = tried(experiment, folder)
    assert found.found["experiment"] == "camvid_gpu" and found.runs[0]["at"] == [0.25, 0.5, 1.0]


def test_pictures_that_come_often_are_held_once():
    found = pictures.pictures({"set": "camvid, often", "times": 3, "train": 12, "test": 4}, "train")
    assert len(found) == 12 and found[0].image is found[4].image is found[8].image
    assert len(pictures.pictures({"set": "camvid, often", "times": 3, "train": 12, "test": 4}, "test")) == 4


def test_the_wide_network_fits_a_card_of_8_gibibytes():
    recipe, model = recipes.create("camvid_gpu"), create(num_classes=11, **camvid.WIDE)
    kept = saved_for_backward(model, (3, *recipe.crop), recipe.batch_size // recipe.accumulate) / 2  # in 16 bits
    own = 5 * 4 * sum(p.numel() for p in model.parameters())  # weights, gradients, AdamW's two moments, the average
    assert 1.3 * (kept + own) < 2**33  # three tenths for what kernels take while they work


COMMANDS = re.findall(r"`segkit (train --data camvid [^`]*)`", (ROOT / "README.md").read_text(encoding="utf-8"))
SAME = [(camvid.cpu, "DeepLab v3+"), (camvid.gpu, "U-Net")]


@pytest.mark.parametrize(("command", "same"), list(zip(COMMANDS, SAME, strict=True)), ids=["camvid", "camvid_gpu"])
def test_the_commands_of_the_readme_do_the_same(command, same, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    make, arm = same
    mine, small = make(options(folder)).arms[arm], {"steps": 2, "batch_size": 2, "crop": (32, 64), "workers": 0}
    changes = [word for k, v in small.items() for word in ("--set", f"{k}={v}")]
    words = command.replace(" --workers 8", "").split()
    assert main([*words, *changes, "--out", "run", "--device", "cpu"]) == 0, capsys.readouterr().err
    written = json.loads((folder / "run" / "history.json").read_text(encoding="utf-8"))
    told = Recipe(**{k: v for k, v in mine["recipe"].items() if k != "seconds_a_step"}, device="cpu").changed(**small)
    assert Recipe(**{**written["recipe"], "name": ""}) == told
    usual = model_options(mine["model"]["name"])
    assert usual | written["config"] == usual | camvid.built(mine["model"], 11, None).config
    assert main(["eval", "run", "--split", "test", "--device", "cpu"]) == 0
