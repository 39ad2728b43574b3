"""Chapter 15's experiments: what the ideas for fine answers bring, each switched off by itself.

python course/experiments/fine.py exchange   HRNet, and its branches alone                → results/fine_exchange.json
python course/experiments/fine.py points     PointRend, and how many points it asks       → results/fine_points.json
python course/experiments/fine.py scales     one scale, means of scales, and attention    → results/fine_scales.json
python course/experiments/fine.py edges      body and edge, each taught or not            → results/fine_edges.json

All follow the recipe of chapter 11's lineage on the same streets, so that the rows of the first two can stand in one
table with it; the last two train for half of the steps. What differs only after the training (how many points,
which scales) is measured on the same trained weights. Three seeds of each take about 47, 55, 60 and 56 minutes of one
core; PointRend's differences are small and take five seeds, 37 minutes more.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from fine_networks import asked, built
from library import Arm, Experiment, ahead, main, ship
from lineage import DATA, RECIPE, milliseconds
from lineage import score as street_score
from object_sizes import by_size
from pictures import Rendered, pictures
from torch import nn

from segkit.analysis import cost
from segkit.inference import MultiScale
from segkit.metrics import ConfusionMatrix

SHORT = {**RECIPE, "steps": RECIPE["steps"] // 2}
HRNET = {"base": 18, "width": 16, "modules": [1, 1, 1]}
RESNET = {"encoder": "resnet18", "width": 16}
PIXELS = DATA["size"][0] * DATA["size"][1]
TWO, THREE = [0.5, 1.0], [0.5, 1.0, 2.0]


def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """Over all pixels, near true outlines, and along the outlines of both."""
    return street_score(asked(model, arm["model"]), {**arm, "model": {}}, test)


def score_sizes(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """The same, and by the size of the things."""
    return {**score(model, arm, test), **by_size(asked(model, arm["model"]), test)}


def prices(experiment: Experiment) -> dict[str, Any]:
    """What the answer of each arm costs, by count and by the clock."""
    size = (3, *DATA["size"])
    nets = {n: asked(built(a["model"], 13, None).eval(), a["model"]).eval() for n, a in experiment.arms.items()}
    taken = milliseconds({n: net for n, net in nets.items() if not isinstance(net, MultiScale)}, size)
    found: dict[str, Any] = {}
    for name, net in nets.items():
        if isinstance(net, MultiScale):  # as many pixels at each of its scales
            one, times = cost(net.module, size), sum(s * s for s in net.scales)
            found[name] = {"parameters": one.parameters, "macs": round(one.macs * times), "milliseconds": None}
        else:
            bill = cost(net, size)
            found[name] = {"parameters": bill.parameters, "macs": bill.macs, "milliseconds": taken[name]}
    return found


def made_of(name: str, models: Mapping[str, Mapping[str, Any]], recipe: Mapping[str, Any], **more: Any) -> Experiment:
    """One arm for each network; "aux" of a model is its recipe's."""
    arms: dict[str, Arm] = {}
    for arm, model in models.items():
        own = {k: v for k, v in model.items() if k != "aux"}
        arms[arm] = {"model": own, "data": DATA, "recipe": {**recipe, "aux": model.get("aux", {})}}
    experiment = Experiment(name, arms, **{"score": score, "build": built, **more})
    experiment.extra = lambda: {"price": prices(experiment)}
    return experiment


def exchange(o: argparse.Namespace) -> Experiment:
    """Four branches that hear each other after every few layers, or not before the end."""
    models = {"HRNet": {"name": "hrnet", **HRNET}, "HRNet, no exchange": {"name": "hrnet", **HRNET, "exchange": False}}
    return made_of("fine_exchange", models, RECIPE, ceilings=(8, 4, 2))


def points(o: argparse.Namespace) -> Experiment:
    """The same weights may ask nobody, few points, many, all of them, or as many anywhere; and a network without."""
    net = {"name": "pointrend", **RESNET, "train_points": 512, "aux": {"point_scores": 1.0}}
    models = {f"{n} points": {**net, "after": {"points": n}} for n in (64, 256, 1024)}
    models = {
        "no points": {**net, "after": {"points": 0}},
        **models,
        "all points": {**net, "after": {"points": PIXELS}},
    }
    models["256 points, anywhere"] = {**net, "after": {"points": 256, "anywhere": True}}
    models["dense, as 1024 points"] = {"name": "dense", "wide": 78}
    claims = [
        ahead("15", "boundary_iou", "1024 points", "no points"),
        ahead("15", "boundary_iou", "256 points", "256 points, anywhere"),
        ahead("15", "boundary_iou", "1024 points", "dense, as 1024 points"),
    ]
    five = dict.fromkeys(models, 5)  # differences of less than two points
    experiment = made_of("fine_points", models, RECIPE, ceilings=(8, 4, 2), claims=claims, more_seeds=five)
    ships = partial(ship, experiment, "1024 points", "fine_pointrend")
    experiment.extra = lambda: {"price": prices(experiment), **(ships() if o.final else {})}
    return experiment


def scales(o: argparse.Namespace) -> Experiment:
    """One scale, what its answers at several scales say in the mean, and scales that a network learned to weigh."""
    one = {"name": "hrnet_ocr", **HRNET, "aux": {"aux": 0.4}}
    pair = {"name": "hmsa", **HRNET, "aux": {"aux": 0.4, "scale_0.5": 0.05, "scale_1": 0.05}}
    models = {
        "one scale": one,
        "mean of ½ and 1": {**one, "after": {"scales": TWO}},
        "mean of ½, 1 and 2": {**one, "after": {"scales": THREE}},
        "attention, ½ and 1": {**pair, "after": {"scales": TWO}},
        "attention, ½, 1 and 2": {**pair, "after": {"scales": THREE}},
        "attention put at a half": {**pair, "after": {"scales": TWO, "attention": False}},
        "at a half, ½, 1 and 2": {**pair, "after": {"scales": THREE, "attention": False}},
    }
    claims = [
        ahead("15", "mean_iou", "attention, ½ and 1", "mean of ½ and 1", 0.02),
        ahead("15", "boundary_iou", "one scale", "mean of ½ and 1", 0.02),
        ahead("15", "mean_iou", "attention, ½ and 1", "attention, ½, 1 and 2", 0.1),
    ]
    experiment = made_of("fine_scales", models, SHORT, score=score_sizes, ceilings=(8, 4), claims=claims)
    ships = partial(ship, experiment, "attention, ½ and 1", "fine_hmsa")
    experiment.extra = lambda: {
        "price": prices(experiment), "belief": belief(experiment, range(o.seeds)),
        "mean_iou_alone": alone(experiment, range(o.seeds)), **(ships() if o.final else {})
    }  # fmt: skip
    return experiment


CHAIN = "attention, ½, 1 and 2"


@torch.no_grad()
def alone(experiment: Experiment, seeds: range, arm: str = CHAIN) -> dict[str, list[float]]:
    """Mean IoU of what each scale of the chain says by itself, a value per seed."""
    test, told = pictures(experiment.arms[arm]["data"], "test"), experiment.arms[arm]["model"]
    found: dict[str, list[float]] = {f"{scale:g}": [] for scale in THREE}
    for seed in seeds:
        net, counted = asked(experiment.network(arm, seed), told), {s: ConfusionMatrix(test.num_classes) for s in found}
        for sample in test.samples:
            said = net(sample.image[None], outputs=True)
            for scale, matrix in counted.items():
                matrix.update(said[f"scale_{scale}"].argmax(1), sample.labels[None])
        for scale, matrix in counted.items():
            found[scale].append(round(matrix.mean_iou(), 4))
    return found


@torch.no_grad()
def belief(experiment: Experiment, seeds: range, arm: str = CHAIN) -> dict[str, Any]:
    """How far the coarser of two scales is believed: mean α by the size of things, and by class, a value per seed.

    Returns:
        "alpha_0.5" and "alpha_1" → {"small", "medium", "large": thirds of all buses, cars and pedestrians by their
        pixels; and each class} → values.
    """
    test = pictures(experiment.arms[arm]["data"], "test")
    found: dict[str, Any] = {"alpha_0.5": {}, "alpha_1": {}}
    for seed in seeds:
        net = asked(experiment.network(arm, seed), experiment.arms[arm]["model"])
        things: dict[str, list[tuple[int, float]]] = {name: [] for name in found}
        classes = {name: torch.zeros(2, test.num_classes) for name in found}
        for sample in test.samples:
            said = net(sample.image[None], outputs=True)
            assert sample.instances is not None
            for name in found:
                alpha = said[name][0, 0]  # H, W
                for thing in sample.instances.unique()[1:]:
                    mine = alpha[sample.instances == thing]
                    things[name].append((len(mine), float(mine.mean())))
                known = sample.labels < test.num_classes
                for row, values in zip(classes[name], (alpha, torch.ones_like(alpha)), strict=True):
                    row.index_add_(0, sample.labels[known].long(), values[known])
        for name, values in things.items():
            total, count = classes[name]
            by_class = dict(zip(test.classes, (total / count).tolist(), strict=True))
            for key, value in (_thirds(values) | by_class).items():
                found[name].setdefault(key, []).append(round(value, 4) if value == value else None)
    return found


def _thirds(things: list[tuple[int, float]]) -> dict[str, float]:
    ranked = sorted(things)
    cut = [len(ranked) * i // 3 for i in range(4)]
    sizes = zip(("small", "medium", "large"), cut, cut[1:], strict=False)
    return {size: statistics.fmean(a for _, a in ranked[i:j]) if j > i else float("nan") for size, i, j in sizes}


def edges(o: argparse.Namespace) -> Experiment:
    """DeepLab v3+; its map taken apart, with a loss for the body; a loss for the edge; and both."""
    net = {"name": "decouple", **RESNET, "output_stride": 16}
    body, edge = {"body": 1.0}, {"edge": 20.0}
    models = {
        "plain": {**net, "moves": False},
        "body": {**net, "aux": body},
        "edge loss": {**net, "moves": False, "aux": edge},
        "body and edge loss": {**net, "aux": {**body, **edge}},
    }
    return made_of("fine_edges", models, SHORT, ceilings=(16, 4))


if __name__ == "__main__":
    main(__doc__, {"exchange": exchange, "points": points, "scales": scales, "edges": edges})
