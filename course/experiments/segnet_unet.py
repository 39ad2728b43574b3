"""Chapter 05's experiments on streets.

python course/experiments/segnet_unet.py decoders   four ways back up, and FCN-8s    → results/decoders.json
python course/experiments/segnet_unet.py advice     which model, which other data → results/advice.json

SegNet, U-Net and FCN-8s are those of lineage.py, trained once for both.
"""

from __future__ import annotations

import argparse
from typing import Any

from library import Experiment, ahead, main, ship
from lineage import CONTROLS, DATA, MODELS, RECIPE
from pictures import scores

NAMES = ("FCN-8s", "SegNet", "U-Net")
WAYS: dict[str, dict[str, Any]] = {  # one encoder each, VGG11's convolutions
    "bilinear": {**MODELS["SegNet"], "upsampling": "bilinear"},
    "bed of nails": {**MODELS["SegNet"], "upsampling": "bed_of_nails"},
    "indices": MODELS["SegNet"],
    "concatenation": CONTROLS["U-Net on VGG"],
    "FCN-8s": MODELS["FCN-8s"],
}
OTHER: dict[str, tuple[dict[str, Any], int, int]] = {  # pictures, steps, batch
    "three large classes": (
        {"set": "street", "size": [64, 96], "only": ["sky", "building", "road"], "train": 1600, "test": 100}, 600, 8,
    ),
    "membranes, 24 pictures": (
        {"set": "cells", "size": [96, 96], "kind": "membranes", "train": 24, "test": 40}, 600, 8,
    ),
}  # fmt: skip


def parameters(experiment: Experiment) -> dict[str, Any]:
    """How many each arm's network has."""
    count = {arm: sum(p.numel() for p in experiment.network(arm, 0).parameters()) for arm in experiment.arms}
    return {"parameters": count}


def decoders(o: argparse.Namespace) -> Experiment:
    """The same encoder, and four ways to enlarge its maps; FCN-8s beside them."""
    experiment = Experiment(
        "decoders",
        {up: {"model": model, "data": DATA, "recipe": RECIPE} for up, model in WAYS.items()},
        score=lambda model, arm, test: scores(model, test, (1, 2)),
        claims=[
            ahead("05", "trimap_iou_2px", "indices", "bilinear", 0.03),
            ahead("05", "trimap_iou_2px", "indices", "bed of nails", 0.03),
            ahead("05", "trimap_iou_2px", "concatenation", "indices", 0.1),
            ahead("05", "mean_iou", "indices", "bilinear"),
            ahead("05", "mean_iou", "concatenation", "FCN-8s", 0.05),
            ahead("05", "mean_iou", "FCN-8s", "indices"),
        ],
        ceilings=(32, 8),
        trainings="lineage",
    )

    def extra() -> dict[str, Any]:
        shipped = (
            [ship(experiment, "bilinear", "segnet_bilinear")["shipped"]] if o.final else []
        )  # lineage.py has SegNet
        return {**parameters(experiment), "shipped": shipped}

    experiment.extra = extra
    return experiment


def advice(o: argparse.Namespace) -> Experiment:
    """The same three models on two other kinds of data: does it matter which?"""
    arms, claims = {}, []
    for kind, (data, steps, batch) in OTHER.items():
        recipe = {**RECIPE, "steps": steps, "batch_size": batch}
        for name in NAMES:
            arms[f"{kind}: {name}"] = {"model": MODELS[name], "data": {**data, "label": kind}, "recipe": recipe}
        fcn, segnet, unet = (f"{kind}: {name}" for name in NAMES)
        margin = 0 if kind == "three large classes" else 0.06
        claims += [ahead("05", "mean_iou", unet, fcn, margin), ahead("05", "mean_iou", unet, segnet, margin)]
        claims += [ahead("05", "mean_iou", fcn, unet, -0.06)] if kind == "three large classes" else []
    score = lambda model, arm, test: scores(model, test, (1, 2))  # noqa: E731
    return Experiment("advice", arms, score, claims=claims)


if __name__ == "__main__":
    main(__doc__, {"decoders": decoders, "advice": advice})
