"""Chapter 13's probe: who can say what colour a twin has? One small network, and between its layers another listener.

python course/experiments/context.py row      the twin is in the same row             → results/twins_row.json
python course/experiments/context.py apart    in another row and another column       → results/twins_apart.json
python course/experiments/context.py streets  on streets that look alike up close         → results/context_streets.json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from context_streets import Street
from library import WEIGHTS, Arm, Experiment, ahead, main
from listeners import LISTENERS
from pictures import OWN, Rendered, pictures
from pyramids import LIT, sized
from pyramids import RECIPE as STREETS
from pyramids import score as street_score
from torch import Tensor, nn

from segkit.data import VOID
from segkit.data.twins import TILE, Twins, twin_of
from segkit.files import write_safetensors
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.metrics import ConfusionMatrix

OWN["twins"] = Twins
CHANNELS = 32
DATA = {"set": "twins", "train": 4000, "test": 400}
RECIPE = {"steps": 1000, "batch_size": 16, "lr": 4e-3, "class_weights": "none", "ema": 0.99, "flip": 0.5}


class Front(nn.Module):
    """Each window by itself, a listener, each window by itself, and scores that hold for the whole window.

    Shape:
        N×3×H×W → N×K×H×W; H and W divide by the side of a window.
    """

    def __init__(self, num_classes: int, listener: str) -> None:
        super().__init__()
        kernels = [Conv2d(3, CHANNELS, TILE, TILE, bias=False), Conv2d(CHANNELS, CHANNELS, 1, bias=False)]
        self.windows = nn.Sequential(*(conv_norm_relu(kernel) for kernel in kernels))
        self.listener = LISTENERS[listener](CHANNELS)
        self.mix = conv_norm_relu(Conv2d(CHANNELS, CHANNELS, 1, bias=False))
        self.score = score_layer(Conv2d(CHANNELS, num_classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        scores = self.score(self.mix(self.listener(self.windows(x))))  # N, K, h, w
        return scores.repeat_interleave(TILE, 2).repeat_interleave(TILE, 3)  # N, K, H, W


def build(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    return Front(num_classes, model["listener"])


@torch.no_grad()
def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """The share of dark windows that get the right answer."""
    matrix = ConfusionMatrix(test.num_classes)
    for sample in test.samples:
        matrix.update(model(sample.image[None]).argmax(1)[0], sample.labels)
    return {"accuracy": matrix.pixel_accuracy(), "mean_iou": matrix.mean_iou(), "iou": matrix.iou().tolist()}


def listening(experiment: Experiment, fronts: int = 20) -> dict[str, dict[str, float]]:
    """What the first seed's networks listen to: gradients of the right colour's score at a dark window, by window.

    Returns:
        arm → "reached": windows with any gradient; "own", "twin": their shares of it; "effective": windows that hold 95
        hundredths of it. Means over fronts.
    """
    found = {}
    for arm, settings in experiment.arms.items():
        net, test = experiment.network(arm, 0), pictures(settings["data"], "test")
        rows = [_by_window(net, sample) for sample in test.samples[:fronts]]
        found[arm] = {key: round(sum(row[key] for row in rows) / len(rows), 4) for key in rows[0]}
    return found


def _by_window(net: nn.Module, sample: Any) -> dict[str, float]:
    labels = sample.labels[::TILE, ::TILE]
    row, column = (labels != VOID).nonzero()[7].tolist()
    image = sample.image[None].clone().requires_grad_()
    score = net(image)[0, int(labels[row, column]), TILE * row, TILE * column]
    (slope,) = torch.autograd.grad(score, image)
    pull = slope.abs().sum((0, 1)).unfold(0, TILE, TILE).unfold(1, TILE, TILE).sum((2, 3))  # h, w
    shares = pull / pull.sum()
    falling = shares.flatten().sort(descending=True).values.cumsum(0)
    twin = twin_of(sample.image, row, column)
    own, other = float(shares[row, column]), float(shares[twin])
    effective = int((falling < 0.95).sum()) + 1
    return {"reached": int((pull > 0).sum()), "own": own, "twin": other, "effective": effective}


def probe(twins: str, o: argparse.Namespace) -> Experiment:
    """One arm for each listener, all else alike."""
    arms = {
        name: {"model": {"name": "front", "listener": name}, "data": {**DATA, "twins": twins}, "recipe": RECIPE}
        for name in LISTENERS
        if name != "nothing"  # no chance here: no window shows its own colour
    }
    if twins == "apart":  # reached by everybody, and right no more often than by chance: is the training too short?
        arms["criss-cross twice, 4×"] = {
            **arms["criss-cross twice"],
            "recipe": {**RECIPE, "steps": 4 * RECIPE["steps"]},
        }
    far = partial(ahead, "13", "accuracy", margin=0.2, control=True)  # some can do no better than guess
    deaf = ("local", "pooled", "encoded")
    more_seeds = {}
    if twins == "row":  # few speak in a row: whoever hears it window by window, by content or by place, finds the twin
        claims = [far(b, worse) for b in ("full", "axes in turn") for worse in (*deaf, "atrous chain", "pooled keys")]
        claims += [far("wide kernels", worse) for worse in deaf]
        claims += [ahead("13", "accuracy", "criss-cross once", "atrous chain", 0.2)]
        more_seeds = {"criss-cross once": 8, "atrous chain": 8}  # some trainings stop half way, so three say little
    else:  # row and column do not meet the twin; twice, they reach it by way of a third window, and do not hear it
        unsure = ("atrous chain", "wide kernels", "pooled keys", "criss-cross once", "criss-cross twice")
        claims = [far("full", worse) for worse in (*deaf, *unsure)]
    experiment = Experiment(f"twins_{twins}", arms, score, build=build, claims=claims, more_seeds=more_seeds)
    ships = o.final and twins == "apart"
    experiment.extra = lambda: {"listening": listening(experiment), **(_shipped(experiment) if ships else {})}
    return experiment


def _shipped(experiment: Experiment, arm: str = "full") -> dict[str, Any]:
    """Store the first seed's network that hears everybody with the course."""
    path = WEIGHTS / f"{experiment.name}_{arm}.safetensors"
    weights = {key: value.half() for key, value in experiment.network(arm, 0).state_dict().items()}
    header = {"arm": experiment.arms[arm], "seed": 0}
    return {"shipped": f"weights/{write_safetensors(weights, path, header).name}"}


def build_street(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    return Street(num_classes, model["listener"])


def streets(o: argparse.Namespace) -> Experiment:
    """Cells that see 51 pixels of a street; who else may be heard is all that differs."""
    names = ("nothing", "local", "wide kernels", "pooled", "encoded", "criss-cross twice", "pooled keys", "full")
    arms = {n: {"model": {"name": "street", "listener": n}, "data": LIT, "recipe": STREETS} for n in names}
    for name, listener, extra in (("encoded, presence", "encoded", "presence"), ("regions", "regions", "aux")):
        arms[name] = {
            "model": {"name": "street", "listener": listener},
            "data": LIT,
            "recipe": {**STREETS, "aux": {extra: 0.4 if extra == "aux" else 0.2}},
        }
    claims = [
        ahead("13", "mean_iou", "pooled", "nothing", 0.015),
        ahead("13", "ambiguous_iou", "pooled", "nothing", 0.02),
        ahead("13", "mean_iou", "pooled", "full", 0.005),
    ]
    five = dict.fromkeys(("pooled", "full"), 5)  # less than two points apart
    return sized(Experiment("context_streets", arms, street_score, build_street, claims=claims, more_seeds=five))


if __name__ == "__main__":
    experiments: dict[str, Any] = {twins: partial(probe, twins) for twins in ("row", "apart")}
    main(__doc__, {**experiments, "streets": streets})
