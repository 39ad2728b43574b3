"""The scripts of the experiments: each runs from end to end, and the recorded files rest on them."""

from __future__ import annotations

import importlib
import json
from functools import partial

import pytest
import torch

from tests.course.evidence import form
from tests.course.test_experiments import folder, one_thread, options
from tests.data.small_sets import camvid_files, write
from tests.other_device import THERE, OtherDevice, other_device

import library  # isort: skip  # tests.course.evidence puts course/experiments on the path
import gpu_steps  # isort: skip
import results  # isort: skip

__all__ = ["folder", "one_thread", "other_device"]  # fixtures

# A part of each script, from end to end. A full trial: python course/experiments/FILE.py … --scale 0.02 --steps 4
SCRIPTS = {
    "fcn": ("patches", ["balanced patches"]),
    "segnet_unet": ("decoders", ["indices"]),
    "cells": ("cells", ["24 pictures, both"]),
    "atrous": ("finetune", None),
    "crf": ("fields", ["3x3 rate 3"]),
    "pyramids": ("aspp_rates", ["1 2 3 4"]),
    "deeplab_v3": ("image_pooling", ["rates 2 4 6"]),
    "cheap": ("steps", ["norm between"]),
    "deeplab_v3plus": ("decoder", ["both separable"]),
    "lineage": ("lineage", ["FCN-32s"]),
    "context": ("row", ["criss-cross once"]),
    "camvid": ("cpu", ["DeepLab v3+"]),
    "realtime": ("grid", ["ICNet"]),
    "realtime, ENet": ("arguments", ["as released"]),
    "swift": ("paths", ["SFSegNet"]),
    "fine": ("points", ["256 points, anywhere"]),
    "fine, edges": ("edges", ["body and edge loss"]),
    "search": ("search", ["search, λ = 0.2", "found, λ = 0.2", "random 1, as fast as λ = 0.2"]),
    "search, taught": ("teacher", ["teacher, 20 labelled", "student, 20 labelled, taught on all"]),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(script, folder, monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA", str(folder))
    write(camvid_files({"train": 4, "test": 4}, (48, 64)), folder / "CamVid")
    module, (name, arms) = importlib.import_module(script.partition(",")[0]), SCRIPTS[script]
    several = {"cells": "parts", "context": "probe"}  # functions of more than one experiment
    make = partial(getattr(module, several[script]), name) if script in several else getattr(module, name)
    experiment = make(options(folder))
    experiment.arms = {arm: experiment.arms[arm] for arm in arms or experiment.arms}
    for arm in experiment.arms.values():  # torch's compiler takes longer than all of these steps
        arm["recipe"] = {key: value for key, value in arm["recipe"].items() if key != "compiled"}
    experiment.ceilings, experiment.claims = experiment.ceilings[-1:], []
    library.scaled(experiment, 0.004, 4)
    library.perform(experiment, options(folder))
    found = results.load(experiment.name, folder / "results")
    assert form(found.found) == [] and [run["arm"] for run in found.runs] == list(experiment.arms)
    assert all(run["at"] == list(experiment.at) for run in found.runs)
    assert all(found.prior(arm)["scores"]["mean_iou"] > 0 for arm in found.arms)


def scripts():
    """Each recorded result with the script's own experiment."""
    for script, names in {
        "fcn": ("patches",), "segnet_unet": ("decoders", "advice"),
        "atrous": ("duc", "finetune", "grids", "context"), "crf": ("fields", "sharpen", "joint"),
        "pyramids": ("pyramid_pooling", "parsenet", "aspp_rates", "spp_sizes", "aux_loss"),
        "deeplab_v3": ("image_pooling", "output_stride", "multi_grid", "batch_norm"),
        "cheap": ("blocks", "steps"), "deeplab_v3plus": ("decoder", "dial"), "lineage": ("lineage",),
        "realtime": ("grid", "arguments"),
    }.items():  # fmt: skip
        yield from (getattr(importlib.import_module(script), name) for name in names)
    cells, camvid = importlib.import_module("cells"), importlib.import_module("camvid")
    yield from (partial(cells.parts, name) for name in cells.STEPS)
    context = importlib.import_module("context")
    yield from (*(partial(context.probe, twins) for twins in ("row", "apart")), context.streets)
    yield from [camvid.cpu] if results.recorded("camvid") else []
    for script, names in {"swift": ("paths", "blocks"), "fine": ("exchange", "points", "scales", "edges")}.items():
        studies = [name for name in names if results.recorded(f"{script}_{name}")]
        yield from (getattr(importlib.import_module(script), name) for name in studies)
    search = importlib.import_module("search")
    yield from (getattr(search, name) for name in ("search", "teacher") if results.recorded(name))


def test_files_rest_on_the_data_and_the_claims_of_their_scripts(folder):
    names = set()
    for make in scripts():
        experiment = make(options(folder))
        recorded = results.load(experiment.name)
        names.add(experiment.name)
        told = json.loads(json.dumps({"claims": experiment.claims, "arms": experiment.arms}))
        assert recorded.claims == told["claims"], experiment.name
        for arm, its in recorded.arms.items():
            assert its["data"] == told["arms"][arm]["data"], (experiment.name, arm)
    on_a_gpu = {"lineage_gpu", "camvid_gpu", *(f"gpu_{step}" for step in gpu_steps.STEPS)}  # where there has been one
    benched = {f"bench_{which}cpu" for which in ("", "training_", "context_", "light_")}  # by `segkit bench`
    assert names == {path.stem for path in results.RESULTS.glob("*.json")} - on_a_gpu - benched


def test_the_gpu_tier_computes_on_its_device(folder, other_device):
    lineage = importlib.import_module("lineage")
    experiment = lineage.lineage(options(folder, tier="gpu"))
    arm = experiment.arms["DeepLab v2"]
    assert (experiment.device, arm["model"]["width"], arm["model"]["rates"]) == ("cuda", 64, [2, 4, 6, 8])
    experiment.arms = {"FCN-32s": experiment.arms["FCN-32s"]}
    experiment.arms["FCN-32s"]["data"] |= {"size": [32, 48]}
    experiment.device, experiment.claims, experiment.ceilings = THERE, [], (32,)
    library.scaled(experiment, 0.004, 4)
    with OtherDevice():
        library.perform(experiment, options(folder, tier="gpu"))
    found = results.load("lineage_gpu", folder / "results")
    assert form(found.found) == [] and found.extra["largest_difference_from_cpu"]["FCN-32s"] < 1e-5
    assert found.extra["milliseconds_on_the_gpu"]["FCN-32s"] > 0
    assert not (folder / "weights").exists()


def test_a_gpu_is_compared_without_tf32(folder):
    """With it, a difference of a thousandth would say nothing of the network."""
    lineage, seen = importlib.import_module("lineage"), []

    class Watched(torch.nn.Conv2d):
        def forward(self, x):
            seen.append(torch.backends.cudnn.allow_tf32)
            return super().forward(x)

    data = {"set": "street", "size": [32, 48], "test": 1}
    assert lineage.gpu_equals_cpu(Watched(3, 2, 1), data) == 0 and seen[0] is False
