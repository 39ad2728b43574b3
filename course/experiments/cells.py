"""Chapter 05: U-Net from 24 pictures, with elastic deformation and the weight map.

python course/experiments/cells.py cells          made-up cells            → results/cells.json, two shipped networks
python course/experiments/cells.py nuclei         real nuclei              → results/cells_nuclei.json
python course/experiments/cells.py isbi2012       real membranes           → results/cells_isbi2012.json

The real pictures lie where SEGKIT_DATA says. Nothing that was trained on them is kept but the scores.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import torch
from library import Arm, Experiment, ahead, main, ship
from pictures import Rendered
from torch import nn

from segkit.data.transforms import Compose, ElasticGrid, RandomCrop, RandomFlip
from segkit.metrics import CellScores, ConfusionMatrix, label_components
from segkit.training import weight_map_loss

STEPS = {"cells": 600, "nuclei": 400, "isbi2012": 400}
TEST = {
    "cells": {"test": 60},
    "nuclei": {"test": 35, "test_split": "val"},
    "isbi2012": {"test": 6, "test_split": "val"},
}
ELASTIC, MAP = {"elastic_grid": [8.0, 4]}, {"w0": 10.0}  # pixels, points of the grid; the map's height
PARTS: dict[str, dict[str, Any]] = {"neither": {}, "elastic": ELASTIC, "map": MAP, "both": ELASTIC | MAP}
COUNTS = {"cells": (24, 400), "nuclei": (24,), "isbi2012": (24, 2)}  # pictures to learn from
SHOWN = ("mean_iou", "rand", "rand_split", "rand_merge", "f1", "ap", "merges", "splits", "cells")
MODEL = {"name": "unet", "width": 8, "levels": 4, "padding": "same", "dropout": 0.0}
RECIPE = {"batch_size": 8, "lr": 4e-3, "ema": 0.98, "flip": 0.5, "w0": 0.0, "sigma": 5.0, "border": 1}


def transform(arm: Arm) -> Compose:
    """A window of the real pictures, turned left or right; bent, if asked for."""
    recipe = arm["recipe"]
    crop = [RandomCrop(recipe["crop"])] if "crop" in recipe else []
    return Compose([*crop, RandomFlip(), *([ElasticGrid(*recipe["elastic_grid"])] if "elastic_grid" in recipe else [])])


@torch.no_grad()
def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """Pixels, and then cells: each connected piece of predicted cell is one."""
    matrix, cells = ConfusionMatrix(test.num_classes), CellScores()
    for sample in test.samples:
        labels = model(sample.image[None]).argmax(1)[0]
        matrix.update(labels, sample.labels)
        cells.update(label_components(labels == 1), sample.instances)  # type: ignore[arg-type]
    figures = {"mean_iou": matrix.mean_iou(), **cells.summary(), "iou": matrix.iou().tolist()}
    return {k: v if k == "iou" else float(v) for k, v in figures.items() if k in (*SHOWN, "iou")}


def loss(arm: Arm, seed: int, train: Rendered) -> Any:
    """Touching cells put apart by one pixel in the labels; the weight map on top of that, if asked for."""
    return weight_map_loss(**{k: arm["recipe"][k] for k in ("w0", "sigma", "border")})


def parts(name: str, o: argparse.Namespace) -> Experiment:
    """Elastic deformation and the weight map, each with and without the other, on few pictures and on many."""
    made_up, arms = name == "cells", {}
    recipe = {**RECIPE, "steps": STEPS[name], **({} if made_up else {"crop": 128})}
    for count in COUNTS[name]:
        label = {"label": f"{count} pictures"} if made_up or count != 24 else {}
        data = {"set": name, "train": count, **TEST[name], **label}
        for part, chosen in PARTS.items():
            arms[f"{count} pictures, {part}"] = {"model": MODEL, "data": data, "recipe": recipe | chosen}
    neither, elastic, alone, both = (f"24 pictures, {part}" for part in PARTS)
    claims = [
        ahead("05", "merges", both, elastic, lower=True),
        ahead("05", "merges", alone, neither, lower=True),
    ]
    if name == "isbi2012":
        claims += [ahead("05", "rand", both, elastic), ahead("05", "rand", alone, neither)]
        two = [f"2 pictures, {part}" for part in PARTS]
        claims += [ahead("05", "rand", two[-1], less) for less in two[:-1]]
    if made_up:
        data = {"set": name, "train": 3, **TEST[name], "label": "3 pictures"}
        arms["3 pictures, both"] = {"model": MODEL, "data": data, "recipe": recipe | PARTS["both"]}
        claims += [ahead("05", "f1", both, less) for less in (neither, alone, elastic)]
        claims.append(ahead("05", "merges", both, "3 pictures, both", lower=True))
    experiment = Experiment(
        "cells" if made_up else f"cells_{name}", arms, score, loss=loss, transform=transform, claims=claims
    )
    if made_up and o.final:
        shipped = {elastic: "unet_cells_plain", both: "unet_cells_weighted"}
        experiment.extra = lambda: {k: v for arm, f in shipped.items() for k, v in ship(experiment, arm, f).items()}
    return experiment


if __name__ == "__main__":
    main(__doc__, {name: partial(parts, name) for name in STEPS})
