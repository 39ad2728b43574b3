"""Chapter 04's experiment on patches; FCN-32s, 16s and 8s are part of lineage.py.

python course/experiments/fcn.py patches   whole picture or patches  → results/fcn_patches.json
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
import torch.nn.functional as F
from library import Arm, Experiment, ahead, main
from lineage import VGG
from pictures import Rendered, scores
from torch import Tensor, nn

from segkit.data import Batch
from segkit.metrics import ConfusionMatrix
from segkit.training import cross_entropy, keep_centre, sample_patches, sample_pixels

SMALL = {"name": "fcn8s", **VGG}
KINDS = ("whole", "whole, weighted", "whole, 25 % of pixels", "patches", "balanced patches")
PATCH = 64  # pixels; FCN-8s's field is wider than the scene, so a patch sees what fits
CENTRE = 8  # pixels: the side of the block of a patch that is learned from
BLOCKS = "judged block by block"  # as patches are learned


def patch_loss(arm: Arm, seed: int, train: Rendered) -> Any:
    """How a step turns a batch into a loss; all kinds push the same number of pixels through the network."""
    kind, generator = arm["recipe"]["loss"], torch.Generator().manual_seed(seed)

    def sampled(model: nn.Module, batch: Batch) -> Tensor:
        return cross_entropy(model(batch.image), sample_pixels(batch.labels, 0.25, generator))

    def windows(model: nn.Module, batch: Batch) -> Tensor:
        count = batch.labels.numel() // PATCH**2
        image, labels = sample_patches(batch.image, batch.labels, PATCH, count, generator, kind == "balanced patches")
        return cross_entropy(model(image), keep_centre(labels, CENTRE))

    return {"whole": None, "whole, weighted": None, "whole, 25 % of pixels": sampled}.get(kind, windows)


def centred(model: nn.Module, image: Tensor) -> Tensor:
    """Class numbers 1×H×W: each block answered in the middle of a window of its own, zeros outside, as in training."""
    H, W = image.shape[-2:]
    edge = (PATCH - CENTRE) // 2
    padded = F.pad(image, (edge, edge + -W % CENTRE, edge, edge + -H % CENTRE))
    windows = padded.unfold(2, PATCH, CENTRE).unfold(3, PATCH, CENTRE)  # 1, C, rows, columns, PATCH, PATCH
    h, w = windows.shape[2:4]
    windows, middle = windows[0].permute(1, 2, 0, 3, 4).flatten(0, 1), slice(edge, edge + CENTRE)
    blocks = torch.cat([model(some).argmax(1)[:, middle, middle] for some in windows.split(64)])  # h·w, CENTRE, CENTRE
    return blocks.view(h, w, CENTRE, CENTRE).transpose(1, 2).reshape(1, h * CENTRE, w * CENTRE)[..., :H, :W]


def as_trained(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """On whole pictures, and in the way in which the arm was trained."""
    found = scores(model, test)
    own = found
    if arm["model"].get("after") == BLOCKS:
        matrix = ConfusionMatrix(test.num_classes)
        for sample in test.samples:
            matrix.update(centred(model, sample.image[None]), sample.labels[None])
        own = {"mean_iou": matrix.mean_iou(), "mean_accuracy": matrix.mean_accuracy()}
    return found | {f"own_{name}": own[name] for name in ("mean_iou", "mean_accuracy")}


def patches(o: argparse.Namespace) -> Experiment:
    """Whole pictures, sampled pixels and patches at equal computation, scored six times on the way."""
    data = {"set": "street", "size": [96, 128], "train": 1000, "test": 50, "test_split": "val"}
    recipe = {"steps": 600, "batch_size": 16, "lr": 2e-3, "schedule": "constant", "ema": 0.98, "flip": 0.5}
    schemes = {"whole, weighted": "log"}
    after = {kind: {"after": BLOCKS} for kind in KINDS if "patches" in kind}
    recipes = {kind: {**recipe, "loss": kind, "class_weights": schemes.get(kind, "none")} for kind in KINDS}
    return Experiment(
        "fcn_patches",
        {kind: {"model": SMALL | after.get(kind, {}), "data": data, "recipe": recipes[kind]} for kind in KINDS},
        score=as_trained,
        loss=patch_loss,
        at=(0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
        more_seeds={"whole": 5, "whole, 25 % of pixels": 5},  # half a point apart
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
