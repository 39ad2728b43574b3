"""Chapter 05: U-Net from 24 pictures, with elastic deformation and the weight map, three seeds each.

python course/experiments/cells.py                made-up cells            → results/cells.json, two shipped networks
python course/experiments/cells.py nuclei         real nuclei              → results/cells_nuclei.json
python course/experiments/cells.py isbi2012       real membranes           → results/cells_isbi2012.json
python course/experiments/cells.py few            3, 24 or 400 of made-up cells → results/cells_few.json

The real pictures lie where SEGKIT_DATA says. Nothing that was trained on them is kept but the scores.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import WEIGHTS, Rendered, command, record, spread
from resumable import Runs
from torch import nn

from segkit.data import Augmented, Cells
from segkit.data import create as data_set
from segkit.data.transforms import Compose, ElasticGrid, RandomCrop, RandomFlip
from segkit.metrics import CellScores, ConfusionMatrix, label_components
from segkit.models import create, save
from segkit.training import Config, Trainer, provenance, weight_map_loss

PICTURES = 24
STEPS = {"cells": 120, "nuclei": 80, "isbi2012": 100, "few": 80}
ARMS = {  # elastic deformation, weight map
    "neither": (False, False),
    "elastic": (True, False),
    "elastic and weight map": (True, True),
}
SHOWN = ("mean_iou", "rand", "rand_split", "rand_merge", "f1", "ap", "merges", "splits", "cells")
NET = {"width": 8, "levels": 4, "padding": "same", "dropout": 0.0}


def pictures(name: str) -> tuple[Rendered, Rendered]:
    """24 training pictures, and those to test on."""
    if name == "cells":
        return Rendered(Cells("train"), PICTURES), Rendered(Cells("test"), 60)
    return Rendered(data_set(name, "train"), PICTURES), Rendered(data_set(name, "val"))


def transform(real: bool, elastic: bool) -> Compose:
    """A window of 128×128, turned left or right; bent, if asked for."""
    return Compose([*([RandomCrop(128)] if real else []), RandomFlip(), *([ElasticGrid(8.0, 4)] if elastic else [])])


def score(model: nn.Module, test: Rendered) -> dict[str, Any]:
    """Pixels, and then cells: each connected piece of predicted cell is one."""
    matrix, cells = ConfusionMatrix(test.num_classes), CellScores()
    with torch.no_grad():
        for sample in test.samples:
            labels = model.eval()(sample.image[None]).argmax(1)[0]
            matrix.update(labels, sample.labels)
            cells.update(label_components(labels == 1), sample.instances)  # type: ignore[arg-type]
    return {k: float(v) for k, v in {"mean_iou": matrix.mean_iou(), **cells.summary()}.items() if k in SHOWN}


def learn(elastic: bool, weighted: bool, seed: int, train: Rendered, steps: int) -> nn.Module:
    """U-Net with touching cells put apart by one pixel in the labels; the weight map on top of that, if asked for."""
    torch.manual_seed(seed)
    model = create("unet", train.num_classes, **NET)
    config = Config(steps=steps, batch_size=8, lr=4e-3, seed=seed, device="cpu")
    loss = weight_map_loss(w0=10.0 if weighted else 0.0, border=1)
    Trainer(model, Augmented(train, transform(train.name != "cells", elastic), seed), config, loss=loss).fit(quiet=True)
    return model.eval()


def few(o: argparse.Namespace) -> None:
    """How many pictures does it take? The same number of steps on 3, 24 and 400 of them, bent or not."""
    test = Rendered(Cells("test"), 60)
    settings = {"tested_on": len(test), "steps": o.steps, "net": NET, "batch_size": 8, "elastic": [8.0, 4], "w0": 10.0}
    runs, found = Runs("cells_few", settings), {}
    for pictures, elastic in ((3, False), (3, True), (24, True), (400, False)):
        name = f"{pictures} pictures" + (", bent" if elastic else "")
        train = Rendered(Cells("train"), pictures)

        def run(seed: int, train: Rendered = train, elastic: bool = elastic) -> dict[str, Any]:
            return score(learn(elastic, True, seed, train, o.steps), test)

        scores = [runs.once(f"{name}, {seed}", lambda s=seed: run(s)) for seed in range(o.seeds)]
        found[name] = {key: spread([s[key] for s in scores]) for key in SHOWN}
    record("cells_few", {"settings": settings, "arms": found})
    runs.forget()


def main(o: argparse.Namespace) -> None:
    train, test = pictures(o.data)
    settings = {"data": o.data, "pictures": len(train), "tested_on": len(test), "steps": o.steps, "net": NET,
                "crop": 128, "batch_size": 8, "elastic": [8.0, 4], "w0": 10.0, "sigma": 5.0}  # fmt: skip
    name = "cells" if o.data == "cells" else f"cells_{o.data}"
    runs = Runs(name, settings)

    def run(arm: str, seed: int) -> dict[str, Any]:
        model = learn(*ARMS[arm], seed, train, o.steps)
        scores = score(model, test)
        if seed == 0 and o.data == "cells" and ARMS[arm][0]:
            path = WEIGHTS / f"unet_cells_{'weighted' if ARMS[arm][1] else 'plain'}.safetensors"
            facts = {"data": "cells", "classes": list(train.classes), "palette": train.palette.tolist()}
            save(model, path, half=True, **facts, metrics=scores, provenance=provenance(command()))
        return scores

    for seed in range(o.seeds):
        for arm in ARMS:
            runs.once(f"{arm}, {seed}", lambda a=arm, s=seed: run(a, s))
    found = {
        arm: {key: spread([runs.scores[f"{arm}, {seed}"][key] for seed in range(o.seeds)]) for key in SHOWN}
        for arm in ARMS
    }
    record(name, {"settings": settings, "arms": found})
    runs.forget()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", choices=("cells", "nuclei", "isbi2012", "few"), default="cells")
    parser.add_argument("--steps", type=int, help="default: as recorded")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    options.steps = options.steps or STEPS[options.data]
    few(options) if options.data == "few" else main(options)
