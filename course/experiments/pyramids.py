"""Chapter 08's experiments.

python course/experiments/pyramids.py pyramid_pooling  bins against global, none, place → results/pyramid_pooling.json
python course/experiments/pyramids.py parsenet         a global feature and its scale   → results/parsenet.json
python course/experiments/pyramids.py aspp_rates       four rates or one, four times    → results/aspp_rates.json
python course/experiments/pyramids.py spp_sizes        one classifier, pictures of any size → results/spp_sizes.json
python course/experiments/pyramids.py aux_loss         an auxiliary loss, three depths  → results/aux_loss.json

The networks' encoders see little (51 or 8 pixels), so that what a pyramid adds can show. Road and pavement, bus and
house front look alike up close (ambiguity 2), and each picture has its own light where a global feature is in question.
"""

from __future__ import annotations

import argparse
from typing import Any

import street_things
from atrous import GROUPS
from library import Arm, Experiment, ahead, main
from object_sizes import by_size
from pictures import Rendered, scores
from pyramid_networks import build
from torch import nn

STREET = {"set": "street", "size": [96, 128], "train": 1600, "test": 200}
ALIKE = {**STREET, "ambiguity": 2.0, "imbalance": 0.0}
LIT = {**ALIKE, "light": 1.0}
RECIPE = {"steps": 1200, "batch_size": 16, "lr": 4e-3, "class_weights": "log", "ema": 0.99, "flip": 0.5}


def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    return scores(model, test, groups=GROUPS)


def heads(encoder: str, head: str, data: dict[str, Any], options: dict[str, dict[str, Any]]) -> dict[str, Arm]:
    """Arms that differ in their head's options alone."""
    net = {"name": "encoder and head", "encoder": encoder, "head": head}
    return {name: {"model": {**net, **own}, "data": data, "recipe": RECIPE} for name, own in options.items()}


def sized(experiment: Experiment, classes: int = 13) -> Experiment:
    """The experiment, whose file also says how many parameters each arm has."""
    new = {arm: s["model"] for arm, s in experiment.arms.items() if "from" not in s["model"]}
    own = {arm: experiment.build(model, classes, None) for arm, model in new.items()}
    counts = {arm: sum(p.numel() for p in model.parameters()) for arm, model in own.items()}
    experiment.extra = lambda: {"parameters": counts}
    return experiment


def pyramid_pooling(o: argparse.Namespace) -> Experiment:
    """Four branches: pooled to 1, 2, 3, 6 bins, all to one, or not at all; the first and last with places, too."""
    bins = {"bins 1 2 3 6": [1, 2, 3, 6], "bins 1 1 1 1": [1, 1, 1, 1], "not pooled": [0, 0, 0, 0]}
    options: dict[str, dict[str, Any]] = {name: {"bins": b} for name, b in bins.items()}
    options |= {f"{name}, places": {"bins": bins[name], "places": True} for name in ("bins 1 2 3 6", "not pooled")}
    claims = [
        ahead("08", "mean_iou", "bins 1 2 3 6", "not pooled", 0.015),
        ahead("08", "ambiguous_iou", "bins 1 2 3 6", "not pooled", 0.02),
        ahead("08", "mean_iou", "bins 1 2 3 6", "bins 1 1 1 1", 0.01),
        ahead("08", "mean_iou", "bins 1 2 3 6, places", "not pooled, places"),
    ]
    arms = heads("small", "pyramid", LIT, options)
    return sized(Experiment("pyramid_pooling", arms, score, build, claims=claims))


def parsenet(o: argparse.Namespace) -> Experiment:
    """The mean of the map beside each cell: absent, at its own scale, a hundredth of it, and normalised."""
    options: dict[str, dict[str, Any]] = {
        "local feature twice": {"looks": False},
        "local feature twice, L2 norm": {"looks": False, "normalise": True},
        "global": {},
        "global / 100": {"shrink": 100.0},
        "global / 100, L2 norm": {"shrink": 100.0, "normalise": True},
    }
    claims = [
        ahead("08", "mean_iou", "global", "local feature twice", 0.02),
        ahead("08", "mean_iou", "global / 100, L2 norm", "global / 100", 0.02),
        ahead("08", "mean_iou", "global / 100, L2 norm", "local feature twice, L2 norm", 0.02),
        ahead("08", "mean_iou", "global", "global / 100", 0.02),
    ]
    arms = heads("patch", "parsenet", LIT, options)
    return sized(Experiment("parsenet", arms, score, build, claims=claims))


def aspp_rates(o: argparse.Namespace) -> Experiment:
    """DeepLab v2's sum of four branches at equal cost: the same rate four times, or four rates."""
    rates = (*([r] * 4 for r in (1, 2, 3, 4)), [1, 2, 3, 4], [2, 4, 6, 8])
    names = [" ".join(map(str, r)) for r in rates]
    arms = heads("patch", "v2", ALIKE, {name: {"rates": r} for name, r in zip(names, rates, strict=True)})
    return sized(
        Experiment(
            "aspp_rates", arms,
            lambda model, arm, test: {**by_size(model, test), **score(model, arm, test)}, build,
            claims=[ahead("08", "mean_iou", "1 2 3 4", name) for name in names[:4]],
        )
    )  # fmt: skip


def spp_sizes(o: argparse.Namespace) -> Experiment:
    """Things cut out of scenes, classified at six sizes by networks that were trained at one size or at three.

    The size is drawn anew for each batch. One size an epoch, as in the paper, leaves BatchNorm with statistics of the
    last epoch's size.
    """
    data = {"set": "street things", "size": [192, 256], "imbalance": 0.0, "train": 3200, "test": 1300}
    recipe = {**RECIPE, "steps": 900, "batch_size": 32}
    net = {"name": "sppnet", "base": "small", "width": 12, "bins": [3, 2, 1], "batch_norm": True, "dropout": 0.0}
    kinds: dict[str, tuple[str, list[int]]] = {
        "fully connected, 48": ("fixed", [48]),
        "pyramid, 48": ("spp", [48]),
        "pyramid, 40 48 56": ("spp", [40, 48, 56]),
        "mean, 40 48 56": ("gap", [40, 48, 56]),
    }
    arms = {
        name: {"model": {**net, "head": head}, "data": data, "recipe": {**recipe, "sides": sides}}
        for name, (head, sides) in kinds.items()
    }
    experiment = Experiment(
        "spp_sizes", arms, street_things.score, loss=street_things.a_side_a_batch,
        claims=[
            ahead("08", f"accuracy_{side}", "pyramid, 40 48 56", "pyramid, 48", least)
            for side, least in ((32, 0.04), (64, 0.02))
        ],
    )  # fmt: skip
    return sized(experiment, 4)


def aux_loss(o: argparse.Namespace) -> Experiment:
    """With and without: a ResNet-34 on small pictures, then nearer to the paper, ResNet-50 and 101 on larger ones."""
    large = {**STREET, "size": [192, 256]}
    arms: dict[str, Arm] = {}
    for encoder, width, data, batch in (
        ("resnet34", 8, STREET, 16), ("resnet50", 8, large, 8), ("resnet101", 4, large, 8),
    ):  # fmt: skip
        net, recipe = {"name": "whole", "encoder": encoder, "width": width}, {**RECIPE, "batch_size": batch}
        arms[encoder] = {"model": net, "data": data, "recipe": recipe}
        helped = {**recipe, "aux": {"aux": 0.4}}
        arms[f"{encoder}, auxiliary"] = {"model": {**net, "aux": True}, "data": data, "recipe": helped}
    return sized(Experiment("aux_loss", arms, score, build))


if __name__ == "__main__":
    ways = (pyramid_pooling, parsenet, aspp_rates, spp_sizes, aux_loss)
    main(__doc__, {way.__name__: way for way in ways})
