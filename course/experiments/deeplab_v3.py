"""Chapter 09's experiments.

python course/experiments/deeplab_v3.py image_pooling  at small and large rates → results/image_pooling.json
python course/experiments/deeplab_v3.py output_stride  trained and tested      → results/output_stride.json
python course/experiments/deeplab_v3.py batch_norm     groups, crops, frozen   → results/batch_norm.json
python course/experiments/deeplab_v3.py multi_grid     unit rates of a block  → results/multi_grid.json
"""

from __future__ import annotations

import argparse
from typing import Any

from library import Arm, Experiment, ahead, main
from pictures import Rendered
from pyramid_networks import build, changed
from pyramids import ALIKE, LIT, RECIPE, STREET, heads, score, sized
from torch import nn

WHOLE = {"name": "whole", "encoder": "resnet18", "width": 8}
STRIDES = (32, 16, 8)


def image_pooling(o: argparse.Namespace) -> Experiment:
    """v3's head at rates that fit the map of 12×16 cells and at rates that leave it, with image pooling or without."""
    options: dict[str, dict[str, Any]] = {}
    for rates in ([2, 4, 6], [12, 18, 24]):
        name = "rates " + " ".join(map(str, rates))
        options[name] = {"rates": rates, "image_pooling": False}
        options[f"{name}, pooling"] = {"rates": rates, "image_pooling": True}
    small, _, large, repaired = options
    claims = [
        ahead("09", "mean_iou", repaired, large, 0.02),
        ahead("09", "mean_iou", small, large, 0.03),
        ahead("09", "mean_iou", small, repaired, 0.03),  # pooling repairs a part only
    ]
    return sized(Experiment("image_pooling", heads("patch", "v3", LIT, options), score, build, claims=claims))


def restrided(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """The figures of the network, changed first as the arm's "after" says."""
    after = arm["model"].get("after")
    return score(changed(model, **after) if after else model, arm, test)  # type: ignore[arg-type]


def output_stride(o: argparse.Namespace) -> Experiment:
    """Trained at three strides and tested at three; rates that follow the stride or stay; cells put where they stand.

    "plain" networks have scores straight from the last map; the others have v3's head, whose rates 1, 2, 3 at stride 16
    read the same pixels as 2, 4, 6 at stride 8.
    """
    models: dict[str, dict[str, Any]] = {}
    for s in STRIDES:
        net = {**WHOLE, "output_stride": s}
        models[f"plain {s}"] = net
        models |= {f"plain {s}, tested at {t}": {**net, "after": {"output_stride": t}} for t in STRIDES if t != s}
    head = {**WHOLE, "output_stride": 16, "rates": [1, 2, 3]}
    models["v3 16, rates 1 2 3"] = head
    models["tested at 8, rates follow"] = {**head, "after": {"output_stride": 8, "rates": [2, 4, 6]}}
    models["tested at 8, rates stay"] = {**head, "after": {"output_stride": 8}}
    models["tested at 16, rates 2 4 6"] = {**head, "after": {"rates": [2, 4, 6]}}
    middle = {**WHOLE, "output_stride": 16, "corners": False}
    models["half-pixel 16"] = middle
    models["half-pixel 16, tested at 8"] = {**middle, "after": {"output_stride": 8}}
    claims = [
        ahead("09", "mean_iou", "plain 16", "plain 32", 0.04),
        ahead("09", "mean_iou", "plain 8", "plain 16", 0.04),
        ahead("09", "mean_iou", "tested at 8, rates follow", "tested at 8, rates stay", 0.03),
        ahead("09", "mean_iou", "plain 16, tested at 8", "half-pixel 16, tested at 8", 0.02),
    ]
    arms = {name: {"model": model, "data": STREET, "recipe": RECIPE} for name, model in models.items()}
    return sized(Experiment("output_stride", arms, restrided, build, claims=claims, ceilings=STRIDES, align="corners"))


def batch_norm(o: argparse.Namespace) -> Experiment:
    """Statistics from 16, 4, 2 or 1 of the batch's pictures; batches of 2 with live or frozen ones; crops."""
    net = {**WHOLE, "output_stride": 16}
    groups = {f"statistics of {n}": {"model": {**net, "ghosts": n}, "recipe": RECIPE} for n in (16, 4, 2, 1)}
    two = {**RECIPE, "steps": 800, "batch_size": 2, "lr": 1e-3}
    start = {"name": "trained on", "from": "batches of 16, short"}
    more = {
        "batches of 16, short": {"model": net, "recipe": {**RECIPE, "steps": 400}},
        "then of 2, live": {"model": start, "recipe": two},
        "then of 2, frozen": {"model": start, "recipe": {**two, "norm": "frozen"}},
    }
    v3 = {**net, "rates": [2, 4, 6]}
    crops = {
        "whole pictures, 16": {"model": v3, "recipe": RECIPE},
        "quarters, 64": {"model": v3, "recipe": {**RECIPE, "batch_size": 64, "crop": [48, 64]}},
    }
    claims = [
        ahead("09", "mean_iou", "whole pictures, 16", "quarters, 64", 0.04),
    ]
    arms = {name: {**arm, "data": STREET} for name, arm in (groups | more | crops).items()}
    return sized(Experiment("batch_norm", arms, score, build, claims=claims))


def multi_grid(o: argparse.Namespace) -> Experiment:
    """Three residual blocks at stride 8, base rate 2, times a unit rate each.

    Pictures of 192×256 have maps of 24×32 cells, a third less than the paper's 33×33 at the same rates. A basic block
    has two 3×3 convolutions, so each rate counts twice: 1 2 4 spans 57 cells, more than the map.
    """
    data, recipe = {**ALIKE, "size": [192, 256]}, {**RECIPE, "batch_size": 8}
    grids = ((1, 1, 1), (2, 2, 2), (1, 2, 1), (1, 2, 4))
    options: dict[str, dict[str, Any]] = {
        " ".join(map(str, grid)): {"rates": [2 * unit for unit in grid]} for grid in grids
    }
    arms = {name: {**arm, "recipe": recipe} for name, arm in heads("small", "units", data, options).items()}
    return sized(Experiment("multi_grid", arms, score, build))


if __name__ == "__main__":
    ways = (image_pooling, output_stride, batch_norm, multi_grid)
    main(__doc__, {way.__name__: way for way in ways})
