"""Chapter 04's experiments.

python course/experiments/fcn.py skips     FCN-32s, 16s, 8s          → results/fcn_skips.json, weights/fcn8s_street
python course/experiments/fcn.py patches   whole picture or patches  → results/fcn_patches.json
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from library import Arm, Experiment, ahead, main, ship
from lineage import gpu_equals_cpu
from pictures import Rendered, scores
from torch import nn

from segkit.data import Batch
from segkit.training import cross_entropy, keep_centre, sample_patches, sample_pixels

NET = {"width": 8, "hidden": 256, "batch_norm": True, "dropout": 0.1}  # 1.1 M parameters with VGG16
TIERS: dict[str, dict[str, Any]] = {  # what a processor does in twenty minutes, and what a GPU does in the same time
    "cpu": {"net": NET, "size": [96, 128], "steps": 600, "train": 1000},
    "gpu": {"net": {**NET, "width": 32, "hidden": 1024}, "size": [192, 256], "steps": 4000, "train": 2000},
}
SMALL = {
    "name": "fcn8s",
    **NET,
    "encoder": "vgg11",
    "hidden": 128,
}  # for the fifteen trainings of the second experiment
KINDS = ("whole", "whole, weighted", "whole, 25 % of pixels", "patches", "balanced patches")
PATCH = 64  # pixels; FCN-8s's field is wider than the scene, so a patch sees what fits


def skips(o: argparse.Namespace) -> Experiment:
    """The three FCNs, trained alike."""
    tier = TIERS[o.tier]
    data = {"set": "street", "size": tier["size"], "train": tier["train"], "test": 200}
    recipe = {"steps": tier["steps"], "batch_size": 16, "lr": 4e-3, "ema": 0.99, "flip": 0.5}
    names = ("fcn32s", "fcn16s", "fcn8s")
    experiment = Experiment(
        "fcn_skips" + ("" if o.tier == "cpu" else "_gpu"),
        {name: {"model": {"name": name, **tier["net"]}, "data": data, "recipe": recipe} for name in names},
        score=lambda model, arm, test: scores(model, test),
        claims=[
            ahead("04", "mean_iou", "fcn16s", "fcn32s"),
            ahead("04", "mean_iou", "fcn8s", "fcn16s"),
            ahead("04", "trimap_iou_2px", "fcn8s", "fcn32s"),
        ],
        ceilings=(32, 16, 8),
        device="cpu" if o.tier == "cpu" else "cuda",
    )

    def extra() -> dict[str, Any]:
        if o.tier == "gpu":
            return {
                "largest_difference_from_cpu": {
                    name: gpu_equals_cpu(experiment.network(name, 0), data) for name in names
                }
            }
        return ship(experiment, "fcn8s", "fcn8s_street") if o.final else {}

    experiment.extra = extra
    return experiment


def patch_loss(arm: Arm, seed: int, train: Rendered) -> Any:
    """How a step turns a batch into a loss; all kinds push the same number of pixels through the network."""
    kind, generator = arm["recipe"]["loss"], torch.Generator().manual_seed(seed)

    def sampled(model: nn.Module, batch: Batch) -> torch.Tensor:
        return cross_entropy(model(batch.image), sample_pixels(batch.labels, 0.25, generator))

    def windows(model: nn.Module, batch: Batch) -> torch.Tensor:
        count = batch.labels.numel() // PATCH**2
        image, labels = sample_patches(batch.image, batch.labels, PATCH, count, generator, kind == "balanced patches")
        return cross_entropy(model(image), keep_centre(labels, 8))

    return {"whole": None, "whole, weighted": None, "whole, 25 % of pixels": sampled}.get(kind, windows)


def patches(o: argparse.Namespace) -> Experiment:
    """Whole pictures, sampled pixels and patches at equal computation, scored ten times on the way."""
    data = {"set": "street", "size": [96, 128], "train": 1000, "test": 50, "test_split": "val"}
    recipe = {"steps": 300, "batch_size": 16, "lr": 2e-3, "schedule": "constant", "ema": 0.97, "flip": 0.5}
    schemes = {"whole, weighted": "log"}
    recipes = {kind: {**recipe, "loss": kind, "class_weights": schemes.get(kind, "none")} for kind in KINDS}
    return Experiment(
        "fcn_patches",
        {kind: {"model": SMALL, "data": data, "recipe": recipes[kind]} for kind in KINDS},
        score=lambda model, arm, test: scores(model, test),
        loss=patch_loss,
        at=tuple(tenth / 10 for tenth in range(1, 11)),
        claims=[
            ahead("04", "mean_iou", "whole", "patches"),
            ahead("04", "mean_accuracy", "whole, weighted", "balanced patches"),
            ahead("04", "mean_iou", "whole", "whole, 25 % of pixels", -0.02),
            ahead("04", "mean_accuracy", "whole, weighted", "whole"),
            ahead("04", "pixel_accuracy", "whole", "whole, weighted"),
        ],
    )


if __name__ == "__main__":
    main(__doc__, {"skips": skips, "patches": patches})
