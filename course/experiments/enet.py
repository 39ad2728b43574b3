"""Chapter 05: what each of ENet's choices is worth on streets.

python course/experiments/enet.py                → results/enet.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from library import Experiment, ahead, build, main
from pictures import scores
from torch import nn

from segkit.analysis import cost

VARIANTS: dict[str, dict[str, Any]] = {
    "ENet": {},
    "decoder as large as the encoder": {"decoder": "mirror"},
    "no early downsampling": {"early_downsampling": False},
    "ReLU for PReLU": {"activation": "relu"},
    "5×5 for 5×1 and 1×5": {"asymmetric": False},
}
DATA = {"set": "street", "size": [64, 96], "train": 400, "test": 80}
RECIPE = {"steps": 120, "batch_size": 8, "lr": 6e-3, "class_weights": "log", "ema": 0.97, "flip": 0.5}
MARGINS = {"decoder as large as the encoder": -0.015, "no early downsampling": -0.04, "ReLU for PReLU": 0.03,
           "5×5 for 5×1 and 1×5": -0.015}  # fmt: skip


@torch.no_grad()
def milliseconds(models: dict[str, nn.Module], height: int, width: int, rounds: int = 15) -> dict[str, float]:
    """Median time of one picture; the models take turns, so that a busy minute hurts all of them."""
    x, seconds = torch.randn(1, 3, height, width), {name: [] for name in models}  # type: ignore[var-annotated]
    for _ in range(rounds):
        for name, model in models.items():
            start = time.perf_counter()
            model(x)
            seconds[name].append(time.perf_counter() - start)
    return {name: round(1000 * statistics.median(values[2:]), 2) for name, values in seconds.items()}


def choices(o: argparse.Namespace) -> Experiment:
    """ENet, and each of its choices undone."""
    arms = {
        n: {"model": {"name": "enet", "width": 8, **v}, "data": DATA, "recipe": RECIPE} for n, v in VARIANTS.items()
    }
    claims = [ahead("05", "mean_iou", "ENet", name, margin) for name, margin in MARGINS.items()]
    experiment = Experiment("enet", arms, lambda model, arm, test: scores(model, test, ()), claims=claims)

    def slopes(arm: str) -> list[float]:
        """Of each PReLU, mean over the seeds."""
        networks = [experiment.network(arm, seed) for seed in range(o.seeds)]
        rows = [[float(m.weight.detach().mean()) for m in n.modules() if isinstance(m, nn.PReLU)] for n in networks]
        return [round(statistics.fmean(values), 3) for values in zip(*rows, strict=True)]

    def extra() -> dict[str, Any]:
        models = {name: build(arm["model"], 13, None).eval() for name, arm in arms.items()}
        return {
            "parameters": {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()},
            "macs": {name: cost(model, tuple(DATA["size"])).macs for name, model in models.items()},
            "milliseconds": milliseconds(models, *DATA["size"]),  # type: ignore[misc]
            "slopes": {name: slopes(name) for name in arms},
        }

    experiment.extra = extra
    return experiment


if __name__ == "__main__":
    main(__doc__, {"choices": choices})
