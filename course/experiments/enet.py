"""Chapter 05: what each of ENet's choices is worth on streets, three seeds. A stopped run goes on where it was.

python course/experiments/enet.py                → results/enet.json
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import torch
from common import record, spread, street
from resumable import Runs
from segnet_unet import frequency_weights
from torch import nn

from segkit.data import Augmented
from segkit.data.transforms import RandomFlip
from segkit.models import create
from segkit.training import Config, Trainer, evaluate

VARIANTS: dict[str, dict[str, Any]] = {
    "ENet": {},
    "decoder as large as the encoder": {"decoder": "mirror"},
    "no early downsampling": {"early_downsampling": False},
    "ReLU for PReLU": {"activation": "relu"},
    "5×5 for 5×1 and 1×5": {"asymmetric": False},
}
WIDTH, SIZE, BATCH, LR = 8, (64, 96), 8, 6e-3


def macs(model: nn.Module, height: int, width: int) -> int:
    """Multiply-adds of all convolutions for one picture; a transposed one spends its kernel on each input value."""
    total = 0

    def count(layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        nonlocal total
        transposed = isinstance(layer, nn.ConvTranspose2d)
        total += (inputs[0] if transposed else output).numel() * layer.weight[0].numel()  # type: ignore[union-attr,operator]

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [m.register_forward_hook(count) for m in layers]
    with torch.no_grad():
        model(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    return total


def milliseconds(models: dict[str, nn.Module], height: int, width: int, rounds: int = 15) -> dict[str, float]:
    """Median time of one picture; the models take turns, so that a busy minute hurts all of them."""
    x, seconds = torch.randn(1, 3, height, width), {name: [] for name in models}  # type: ignore[var-annotated]
    with torch.no_grad():
        for _ in range(rounds):
            for name, model in models.items():
                start = time.perf_counter()
                model(x)
                seconds[name].append(time.perf_counter() - start)
    return {name: round(1000 * statistics.median(values[2:]), 2) for name, values in seconds.items()}


def learn(options: dict[str, Any], seed: int, train: Any, test: Any, steps: int) -> dict[str, Any]:
    """One variant, one seed."""
    torch.manual_seed(seed)
    model = create("enet", train.num_classes, width=WIDTH, **options)
    config = Config(steps=steps, batch_size=BATCH, lr=LR, seed=seed, device="cpu")
    Trainer(model, Augmented(train, RandomFlip(), seed), config, frequency_weights(train)).fit(quiet=True)
    matrix = evaluate(model, test, device="cpu")
    slopes = [m.weight.detach() for m in model.modules() if isinstance(m, nn.PReLU)]
    return {
        "mean_iou": matrix.mean_iou(),
        "pixel_accuracy": matrix.pixel_accuracy(),
        "slopes": [round(float(s.mean()), 3) for s in slopes],
    }


def main(o: argparse.Namespace) -> None:
    train, test = street("train", int(400 * o.scale), SIZE), street("test", int(80 * o.scale), SIZE)
    settings = {"width": WIDTH, "size": SIZE, "steps": o.steps, "batch_size": BATCH, "lr": LR, "class_weights": "log",
                "train": len(train), "test": len(test)}  # fmt: skip
    runs = Runs("enet", settings)
    for seed in range(o.seeds):
        for name, options in VARIANTS.items():
            runs.once(f"{name}, {seed}", lambda p=options, s=seed: learn(p, s, train, test, o.steps))
    models = {name: create("enet", train.num_classes, width=WIDTH, **p).eval() for name, p in VARIANTS.items()}
    times = milliseconds(models, *SIZE)
    found = {}
    for name, model in models.items():
        scores = [runs.scores[f"{name}, {seed}"] for seed in range(o.seeds)]
        found[name] = {
            "mean_iou": spread([s["mean_iou"] for s in scores]),
            "pixel_accuracy": spread([s["pixel_accuracy"] for s in scores]),
            "parameters": sum(p.numel() for p in model.parameters()),
            "macs": macs(model, *SIZE),
            "milliseconds": times[name],
            "slopes": [
                round(sum(values) / len(values), 3) for values in zip(*(s["slopes"] for s in scores), strict=True)
            ],
        }
    record("enet", {"settings": settings, "variants": found})
    runs.forget()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the pictures, to try the script out")
    main(parser.parse_args())
