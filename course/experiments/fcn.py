"""Chapter 04's experiment on patches; FCN-32s, 16s and 8s are part of lineage.py.

python course/experiments/fcn.py patches   whole picture or patches  → results/fcn_patches.json
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from library import Arm, Experiment, ahead, main
from lineage import VGG
from pictures import Answers, Rendered, scores
from torch import nn

from segkit.data import Batch
from segkit.inference import tiled
from segkit.metrics import ConfusionMatrix
from segkit.training import cross_entropy, keep_centre, sample_patches, sample_pixels

SMALL = {"name": "fcn8s", **VGG}
KINDS = ("whole", "whole, weighted", "whole, 25 % of pixels", "patches", "balanced patches")
PATCH, OVERLAP = 64, 48  # pixels; FCN-8s's field is wider than the scene, so a patch sees what fits
CENTRE = 8  # pixels: the side of the block of a patch that is learned from


def patch_loss(arm: Arm, seed: int, train: Rendered) -> Any:
    """How a step turns a batch into a loss; all kinds push the same number of pixels through the network."""
    kind, generator = arm["recipe"]["loss"], torch.Generator().manual_seed(seed)

    def sampled(model: nn.Module, batch: Batch) -> torch.Tensor:
        return cross_entropy(model(batch.image), sample_pixels(batch.labels, 0.25, generator))

    def windows(model: nn.Module, batch: Batch) -> torch.Tensor:
        count = batch.labels.numel() // PATCH**2
        image, labels = sample_patches(batch.image, batch.labels, PATCH, count, generator, kind == "balanced patches")
        return cross_entropy(model(image), keep_centre(labels, CENTRE))

    return {"whole": None, "whole, weighted": None, "whole, 25 % of pixels": sampled}.get(kind, windows)


def both_ways(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """On whole pictures, on patches, and in the way in which the arm was trained."""
    found, matrix = scores(model, test), ConfusionMatrix(test.num_classes)
    for sample in test.samples:
        image = sample.image[None]
        known = model(image).argmax(1) if isinstance(model, Answers) else None  # a baseline answers whole pictures
        matrix.update(tiled(model, image, PATCH, OVERLAP, stride=8) if known is None else known, sample.labels[None])
    for name, cut in (("mean_iou", matrix.mean_iou()), ("mean_accuracy", matrix.mean_accuracy())):
        trained_on_patches = "patches" in arm["recipe"].get("loss", "")
        found |= {f"{name}_of_patches": cut, f"own_{name}": cut if trained_on_patches else found[name]}
    return found


def patches(o: argparse.Namespace) -> Experiment:
    """Whole pictures, sampled pixels and patches at equal computation, scored ten times on the way."""
    data = {"set": "street", "size": [96, 128], "train": 1000, "test": 50, "test_split": "val"}
    recipe = {"steps": 600, "batch_size": 16, "lr": 2e-3, "schedule": "constant", "ema": 0.98, "flip": 0.5}
    schemes = {"whole, weighted": "log"}
    recipes = {kind: {**recipe, "loss": kind, "class_weights": schemes.get(kind, "none")} for kind in KINDS}
    return Experiment(
        "fcn_patches",
        {kind: {"model": SMALL, "data": data, "recipe": recipes[kind]} for kind in KINDS},
        score=both_ways,
        loss=patch_loss,
        at=tuple(tenth / 10 for tenth in range(1, 11)),
        claims=[
            ahead("04", "own_mean_iou", "whole", "patches"),
            ahead("04", "own_mean_accuracy", "whole, weighted", "balanced patches"),
            ahead("04", "mean_iou", "whole", "whole, 25 % of pixels", -0.02),
            ahead("04", "mean_accuracy", "whole, weighted", "whole"),
            ahead("04", "pixel_accuracy", "whole", "whole, weighted"),
        ],
    )


if __name__ == "__main__":
    main(__doc__, {"patches": patches})
