"""Chapter 05's experiments on streets, recorded over three seeds. A run that was stopped goes on where it was.

python course/experiments/segnet_unet.py decoders   four ways back up       → results/decoders.json
python course/experiments/segnet_unet.py advice     which model, which data → results/advice.json (after decoders)
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch
from common import RESULTS, Rendered, record, spread, street
from mirror import UPS, Mirror
from resumable import Runs
from torch import nn

from segkit.data import Augmented, Cells
from segkit.data.transforms import RandomFlip
from segkit.metrics import ConfusionMatrix, TrimapIoU
from segkit.models import create
from segkit.training import Config, Trainer, class_weights

TIERS = {
    "cpu": {"width": 8, "size": (96, 128), "steps": 250, "batch_size": 12, "train": 400, "test": 100, "device": "cpu"},
    "gpu": {"width": 32, "size": (192, 256), "steps": 4000, "batch_size": 16, "train": 2000, "test": 200,
            "device": "cuda"},
}  # fmt: skip
LR = 6e-3
SIMPLE = {"sky": 0, "building": 1, "road": 2}  # three large classes; all else is void


def frequency_weights(scenes: Any) -> torch.Tensor:
    """ENet's 1 ÷ ln(1.02 + frequency), so that what is thin counts; SegNet balances its classes as well."""
    K = scenes.num_classes
    counts = sum(torch.bincount(s.labels[s.labels != 255], minlength=K) for s in scenes.samples)
    return class_weights(counts, "log")  # type: ignore[arg-type]


def one_run(model: nn.Module, seed: int, train: Any, test: Any, tier: dict[str, Any]) -> dict[str, Any]:
    """Train with one seed; scores on the test pictures, over all pixels and within 1 and 2 pixels of a boundary."""
    config = Config(tier["steps"], tier["batch_size"], LR, seed=seed, device=tier["device"])
    Trainer(model, Augmented(train, RandomFlip(), seed), config, frequency_weights(train)).fit(quiet=True)
    matrix = ConfusionMatrix(test.num_classes)
    bands = {f"trimap_iou_{width}px": TrimapIoU(test.num_classes, width=width) for width in (1, 2)}
    with torch.no_grad():
        for sample in test.samples:
            labels = model(sample.image[None].to(tier["device"])).argmax(1).cpu()  # 1, H, W
            for counter in (matrix, *bands.values()):
                counter.update(labels, sample.labels[None])
    scores = {"mean_iou": matrix.mean_iou(), "pixel_accuracy": matrix.pixel_accuracy()}
    scores |= {name: band.mean_iou() for name, band in bands.items()}
    return {**scores, "iou": matrix.iou().tolist()}


def summary(runs: list[dict[str, Any]], classes: tuple[str, ...]) -> dict[str, Any]:
    """Mean and spread of each score, and the mean IoU of each class."""
    found = {key: spread([run[key] for run in runs]) for key in runs[0] if key != "iou"}
    iou = torch.tensor([run["iou"] for run in runs], dtype=torch.float64).nanmean(0).tolist()
    return {**found, "iou": dict(zip(classes, [round(value, 4) for value in iou], strict=True))}


def decoders(o: argparse.Namespace) -> None:
    """The same encoder and decoder on streets, and four ways to enlarge a map."""
    tier = {**TIERS[o.tier], **({"steps": o.steps} if o.steps else {})}
    train, test = (street(split, int(tier[split] * o.scale), tier["size"]) for split in ("train", "test"))
    settings = {**tier, "levels": 5, "lr": LR, "class_weights": "log", "scale": o.scale}
    name = "decoders" + ("" if o.tier == "cpu" else f"_{o.tier}")
    runs, found = Runs(name, settings), {}

    def run(up: str, seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        return one_run(Mirror(up, train.num_classes, tier["width"]), seed, train, test, tier)

    for seed in range(o.seeds):  # seed by seed: an early look shows all four
        for up in UPS:
            runs.once(f"{up}, seed {seed}", lambda up=up, seed=seed: run(up, seed))
    for up in UPS:
        found[up] = summary([runs.scores[f"{up}, seed {seed}"] for seed in range(o.seeds)], train.classes)
        found[up]["parameters"] = sum(p.numel() for p in Mirror(up, train.num_classes, tier["width"]).parameters())
    record(name, {"settings": settings, "decoders": found})
    runs.forget()


def simple_streets(split: str, length: int, size: tuple[int, int]) -> Rendered:
    """Streets with three large classes: sky, building, road; the rest is void."""
    scenes = street(split, length, size)
    table = torch.full((256,), 255)
    for name, number in SIMPLE.items():
        table[scenes.classes.index(name)] = number
    for sample in scenes.samples:
        sample.labels = table[sample.labels]
    scenes.classes, scenes.num_classes = tuple(SIMPLE), len(SIMPLE)  # type: ignore[misc]
    return scenes


MODELS = {  # of one width, on thirteen convolutions or ten
    "FCN-8s": lambda K: create("fcn8s", K, encoder="vgg13", width=8, hidden=128, batch_norm=True, dropout=0.1),
    "SegNet": lambda K: Mirror("indices", K, 8),
    "U-Net": lambda K: Mirror("concatenation", K, 8),
}
DATA = {  # what differs from the settings of `decoders`
    "three large classes": {"steps": 80, "size": (64, 96), "batch_size": 8, "test": 50},
    "membranes, 24 pictures": {"steps": 80, "size": (96, 96), "batch_size": 8, "train": 24, "test": 40},
    "thirteen classes": {},
}


def pictures(kind: str, split: str, tier: dict[str, Any], scale: float) -> Rendered:
    """The pictures of that kind; only streets grow fewer with the scale."""
    length = int(tier[split] * scale)
    if kind == "three large classes":
        return simple_streets(split, length, tier["size"])
    if kind == "thirteen classes":
        return street(split, length, tier["size"])
    return Rendered(Cells(split, tier["size"], "membranes"), tier[split])


def advice(o: argparse.Namespace) -> None:
    """Three models on three kinds of data: does it matter which?"""
    tier = {**TIERS["cpu"], **({"steps": o.steps} if o.steps else {})}
    settings = {**tier, "lr": LR, "class_weights": "log", "data": DATA, "scale": o.scale}
    runs, found = Runs("advice", settings), {}

    def run(kind: str, name: str, seed: int) -> dict[str, Any]:
        chosen = {**tier, **DATA[kind]}
        train, test = (pictures(kind, split, chosen, o.scale) for split in ("train", "test"))
        torch.manual_seed(seed)
        scores = one_run(MODELS[name](train.num_classes), seed, train, test, chosen)
        return {**scores, "iou": dict(zip(train.classes, scores["iou"], strict=True))}

    known = json.loads((RESULTS / "decoders.json").read_text())["decoders"]  # streets with thirteen classes
    done = {"SegNet": known["indices"], "U-Net": known["concatenation"]}
    for kind in DATA:
        found[kind] = {}
        for name in MODELS:
            if kind == "thirteen classes" and name in done:
                found[kind][name] = {key: done[name][key] for key in ("mean_iou", "pixel_accuracy", "trimap_iou_2px")}
                continue
            values = [
                runs.once(f"{kind}, {name}, {s}", lambda k=kind, n=name, s=s: run(k, n, s)) for s in range(o.seeds)
            ]
            found[kind][name] = {key: spread([v[key] for v in values]) for key in values[0] if key != "iou"}
    record("advice", {"settings": settings, "data": found})
    runs.forget()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("decoders", "advice"))
    parser.add_argument("--steps", type=int, help="default: what suits the tier")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the pictures, to try the script out")
    parser.add_argument("--tier", choices=tuple(TIERS), default="cpu", help="decoders only: network, size and device")
    options = parser.parse_args()
    {"decoders": decoders, "advice": advice}[options.experiment](options)
