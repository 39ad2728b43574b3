"""Chapter 05's experiments on streets.

python course/experiments/segnet_unet.py decoders   four ways back up, and FCN-8s    → results/decoders.json
python course/experiments/segnet_unet.py advice     which model, which other data → results/advice.json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import library
from library import Experiment, ahead, main, ship
from mirror import Mirror
from pictures import scores
from torch import nn

DATA = {"set": "street", "size": [96, 128], "train": 1600, "test": 100}
RECIPE = {"lr": 6e-3, "class_weights": "log", "ema": 0.99, "flip": 0.5}
MODELS: dict[str, dict[str, Any]] = {  # of one width, on thirteen convolutions or ten
    "FCN-8s": {"name": "fcn8s", "encoder": "vgg13", "width": 8, "hidden": 128, "batch_norm": True, "dropout": 0.1},
    "SegNet": {"name": "segnet", "encoder": "vgg13", "width": 8},
    "U-Net": {"name": "mirror", "up": "concatenation", "width": 8},
}
WAYS = ("bilinear", "bed of nails", "indices")  # up again; SegNet's is the last
OTHER: dict[str, tuple[dict[str, Any], int, int]] = {  # pictures, steps, batch
    "three large classes": (
        {"set": "street", "size": [64, 96], "only": ["sky", "building", "road"], "train": 1600, "test": 100}, 600, 8,
    ),
    "membranes, 24 pictures": (
        {"set": "cells", "size": [96, 96], "kind": "membranes", "train": 24, "test": 40}, 600, 8,
    ),
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
    """The same encoder and decoder, and four ways to enlarge a map; FCN-8s beside them."""
    recipe = {**RECIPE, "steps": 2000, "batch_size": 12}
    models = {up: {**MODELS["SegNet"], "upsampling": up.replace(" ", "_")} for up in WAYS}
    models |= {"concatenation": MODELS["U-Net"], "FCN-8s": MODELS["FCN-8s"]}
    experiment = Experiment(
        "decoders",
        {up: {"model": model, "data": DATA, "recipe": recipe} for up, model in models.items()},
        score=lambda model, arm, test: scores(model, test, (1, 2)),
        build=build,
        claims=[
            ahead("05", "trimap_iou_2px", "indices", "bilinear", 0.03),
            ahead("05", "trimap_iou_2px", "indices", "bed of nails", 0.03),
            ahead("05", "trimap_iou_2px", "concatenation", "indices", 0.1),
            ahead("05", "mean_iou", "indices", "bilinear"),
            ahead("05", "mean_iou", "bilinear", "bed of nails"),
            ahead("05", "mean_iou", "concatenation", "FCN-8s", 0.05),
            ahead("05", "mean_iou", "FCN-8s", "indices"),
        ],
        ceilings=(32, 8),
    )

    def extra() -> dict[str, Any]:
        shipped = [ship(experiment, up, f"segnet_{up}") for up in ("bilinear", "indices")] if o.final else []
        return {**parameters(experiment), "shipped": [one["shipped"] for one in shipped]}

    experiment.extra = extra
    return experiment


def advice(o: argparse.Namespace) -> Experiment:
    """The same three models on two other kinds of data: does it matter which?"""
    arms, claims = {}, []
    for kind, (data, steps, batch) in OTHER.items():
        recipe = {**RECIPE, "steps": steps, "batch_size": batch}
        for name, model in MODELS.items():
            arms[f"{kind}: {name}"] = {"model": model, "data": {**data, "label": kind}, "recipe": recipe}
        fcn, segnet, unet = (f"{kind}: {name}" for name in MODELS)
        margin = 0 if kind == "three large classes" else 0.06
        claims += [ahead("05", "mean_iou", unet, fcn, margin), ahead("05", "mean_iou", unet, segnet, margin)]
        claims += [ahead("05", "mean_iou", fcn, unet, -0.06)] if kind == "three large classes" else []
    score = lambda model, arm, test: scores(model, test, (1, 2))  # noqa: E731
    return Experiment("advice", arms, score, build, claims=claims)


if __name__ == "__main__":
    main(__doc__, {"decoders": decoders, "advice": advice})
