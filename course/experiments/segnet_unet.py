"""Chapter 05's experiments on streets.

python course/experiments/segnet_unet.py decoders   four ways back up       → results/decoders.json
python course/experiments/segnet_unet.py advice     which model, which data → results/advice.json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import library
from library import Experiment, ahead, main
from mirror import UPS, Mirror
from pictures import scores
from torch import nn

TIERS: dict[str, dict[str, Any]] = {
    "cpu": {"width": 8, "size": [96, 128], "steps": 250, "batch_size": 12, "train": 400, "test": 100},
    "gpu": {"width": 32, "size": [192, 256], "steps": 4000, "batch_size": 16, "train": 2000, "test": 200},
}
RECIPE = {"lr": 6e-3, "class_weights": "log", "ema": 0.99, "flip": 0.5}
MODELS: dict[str, dict[str, Any]] = {  # of one width, on thirteen convolutions or ten
    "FCN-8s": {"name": "fcn8s", "encoder": "vgg13", "width": 8, "hidden": 128, "batch_norm": True, "dropout": 0.1},
    "SegNet": {"name": "mirror", "up": "indices", "width": 8},
    "U-Net": {"name": "mirror", "up": "concatenation", "width": 8},
}
DATA: dict[str, tuple[dict[str, Any], int, int]] = {  # pictures, steps, batch
    "three large classes": (
        {"set": "street", "size": [64, 96], "only": ["sky", "building", "road"], "train": 400, "test": 50}, 80, 8,
    ),
    "membranes, 24 pictures": ({"set": "cells", "size": [96, 96], "kind": "membranes", "train": 24, "test": 40}, 80, 8),
    "thirteen classes": ({"set": "street", "size": [96, 128], "train": 400, "test": 100}, 250, 12),
}  # fmt: skip


def build(model: Mapping[str, Any], num_classes: int, base: nn.Module | None = None) -> nn.Module:
    """The chapter's mirror, or a network of segkit."""
    if model["name"] != "mirror":
        return library.build(model, num_classes, base)
    return Mirror(num_classes=num_classes, **{k: v for k, v in model.items() if k != "name"})


def parameters(experiment: Experiment) -> dict[str, Any]:
    """How many each arm's network has."""
    count = {arm: sum(p.numel() for p in experiment.network(arm, 0).parameters()) for arm in experiment.arms}
    return {"parameters": count}


def decoders(o: argparse.Namespace) -> Experiment:
    """The same encoder and decoder, and four ways to enlarge a map."""
    tier = TIERS[o.tier]
    data = {"set": "street", **{k: tier[k] for k in ("size", "train", "test")}}
    recipe = {**RECIPE, **{k: tier[k] for k in ("steps", "batch_size")}}
    models = {up: {"name": "mirror", "up": up, "width": tier["width"]} for up in UPS}
    experiment = Experiment(
        "decoders" + ("" if o.tier == "cpu" else "_gpu"),
        {up: {"model": model, "data": data, "recipe": recipe} for up, model in models.items()},
        score=lambda model, arm, test: scores(model, test, (1, 2)),
        build=build,
        claims=[
            ahead("05", "trimap_iou_2px", "indices", "bilinear", 0.03),
            ahead("05", "trimap_iou_2px", "indices", "bed of nails", 0.03),
            ahead("05", "trimap_iou_2px", "concatenation", "indices", 0.1),
            ahead("05", "mean_iou", "indices", "bilinear"),
            ahead("05", "mean_iou", "bilinear", "bed of nails"),
        ],
        device="cpu" if o.tier == "cpu" else "cuda",
    )
    experiment.extra = lambda: parameters(experiment)
    return experiment


def advice(o: argparse.Namespace) -> Experiment:
    """Three models on three kinds of data: does it matter which?"""
    arms, claims = {}, []
    for kind, (data, steps, batch) in DATA.items():
        recipe = {**RECIPE, "steps": steps, "batch_size": batch}
        for name, model in MODELS.items():
            arms[f"{kind}: {name}"] = {"model": model, "data": {**data, "label": kind}, "recipe": recipe}
        fcn, segnet, unet = (f"{kind}: {name}" for name in MODELS)
        margin = 0 if kind == "three large classes" else 0.06
        claims += [ahead("05", "mean_iou", unet, fcn, margin), ahead("05", "mean_iou", unet, segnet, margin)]
        claims += [ahead("05", "mean_iou", *((segnet, fcn) if "membranes" in kind else (fcn, segnet)))]
        claims += [ahead("05", "mean_iou", fcn, unet, -0.06)] if kind == "three large classes" else []
    score = lambda model, arm, test: scores(model, test, (1, 2))  # noqa: E731
    return Experiment("advice", arms, score, build, claims=claims)


if __name__ == "__main__":
    main(__doc__, {"decoders": decoders, "advice": advice})
