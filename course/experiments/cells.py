"""Chapter 05: U-Net from 24 pictures, with elastic deformation and the weight map.

python course/experiments/cells.py cells          made-up cells            → results/cells.json, two shipped networks
python course/experiments/cells.py nuclei         real nuclei              → results/cells_nuclei.json
python course/experiments/cells.py isbi2012       real membranes           → results/cells_isbi2012.json
python course/experiments/cells.py few            3, 24 or 400 of made-up cells → results/cells_few.json

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

STEPS = {"cells": 120, "nuclei": 80, "isbi2012": 100}
TEST = {
    "cells": {"test": 60},
    "nuclei": {"test": 35, "test_split": "val"},
    "isbi2012": {"test": 6, "test_split": "val"},
}
ELASTIC, MAP = {"elastic_grid": [8.0, 4]}, {"w0": 10.0}  # pixels, points of the grid; the map's height
ARMS = {"neither": {}, "elastic": ELASTIC, "elastic and weight map": ELASTIC | MAP}
FEW = {"3 pictures": (3, {}), "3 pictures, bent": (3, ELASTIC), "24 pictures, bent": (24, ELASTIC),
       "400 pictures": (400, {})}  # fmt: skip
SHOWN = ("mean_iou", "rand", "rand_split", "rand_merge", "f1", "ap", "merges", "splits", "cells")
MODEL = {"name": "unet", "width": 8, "levels": 4, "padding": "same", "dropout": 0.0}
RECIPE = {"batch_size": 8, "lr": 4e-3, "ema": 0.97, "flip": 0.5, "w0": 0.0, "sigma": 5.0, "border": 1}


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
    """Elastic deformation and the weight map, taken away one by one."""
    made_up, both = name == "cells", "elastic and weight map"
    data = {"set": name, "train": 24, **TEST[name]}
    recipe = {**RECIPE, "steps": STEPS[name], **({} if made_up else {"crop": 128})}
    claims = [
        ahead("05", "merges", both, "elastic", lower=True),
        ahead("05", "rand_merge", both, "elastic", 0.02),
        ahead("05", "mean_iou", "elastic", both),
    ]
    claims += {
        "cells": [
            {"chapter": "05", "metric": "f1", "same": ["elastic", "neither"], "within": 0.03},
            ahead("05", "f1", both, "elastic"),
        ],
        "nuclei": [ahead("05", "f1", "elastic", "neither", 0.04)],
        "isbi2012": [ahead("05", "f1", "neither", "elastic"), ahead("05", "rand", both, "elastic", 0.05)],
    }[name]
    experiment = Experiment(
        "cells" if made_up else f"cells_{name}",
        {arm: {"model": MODEL, "data": data, "recipe": recipe | chosen} for arm, chosen in ARMS.items()},
        score, loss=loss, transform=transform, claims=claims,
    )  # fmt: skip
    if made_up and o.final:
        shipped = {"elastic": "unet_cells_plain", both: "unet_cells_weighted"}
        experiment.extra = lambda: {k: v for arm, f in shipped.items() for k, v in ship(experiment, arm, f).items()}
    return experiment


def few(o: argparse.Namespace) -> Experiment:
    """How many pictures does it take? The same number of steps on 3, 24 and 400 of them, bent or not."""
    arms = {
        name: {
            "model": MODEL,
            "data": {"set": "cells", "train": count, "test": 60, "label": f"{count} pictures"},
            "recipe": {**RECIPE, "steps": 80} | MAP | chosen,
        }
        for name, (count, chosen) in FEW.items()
    }
    pairs = (("24 pictures, bent", "3 pictures"), ("400 pictures", "3 pictures"), ("3 pictures, bent", "3 pictures"))
    claims = [ahead("05", "f1", *pair) for pair in pairs]
    return Experiment("cells_few", arms, score, loss=loss, transform=transform, claims=claims)


if __name__ == "__main__":
    main(__doc__, {**{name: partial(parts, name) for name in STEPS}, "few": few})
