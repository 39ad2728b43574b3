"""Chapter 04's experiments, recorded over three seeds.

python course/experiments/fcn.py skips     FCN-32s, 16s, 8s          → results/fcn_skips.json, weights/fcn8s_street
python course/experiments/fcn.py patches   whole picture or patches  → results/fcn_patches.json
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import WEIGHTS, command, record, spread, street

from segkit.data import Augmented, Batch
from segkit.data.transforms import RandomFlip
from segkit.metrics import TrimapIoU
from segkit.models import create, save
from segkit.training import (
    Config,
    Trainer,
    class_weights,
    cross_entropy,
    evaluate,
    keep_centre,
    provenance,
    sample_patches,
    sample_pixels,
)

NET = {"width": 8, "hidden": 256, "batch_norm": True, "dropout": 0.1}  # 1.1 M parameters with VGG16
SMALL = {**NET, "encoder": "vgg11", "hidden": 128}  # for the fifteen trainings of the second experiment
SCENES = {"train": 1000, "val": 50, "test": 200}


TIERS = {  # what a processor does in twenty minutes, and what a GPU does in the same time
    "cpu": {"net": NET, "size": (96, 128), "steps": 600, "train": 1000, "device": "cpu", "result": "fcn_skips"},
    "gpu": {"net": {**NET, "width": 32, "hidden": 1024}, "size": (192, 256), "steps": 4000, "train": 2000,
            "device": "cuda", "result": "fcn_skips_gpu"},
}  # fmt: skip


def trimap(model: torch.nn.Module, scenes: Any, width: int, device: str) -> float:
    """Mean IoU within `width` pixels of a true boundary."""
    band = TrimapIoU(scenes.num_classes, width=width)
    with torch.no_grad():
        for sample in scenes.samples:
            band.update(model(sample.image[None].to(device)).argmax(1).cpu(), sample.labels[None])
    return band.mean_iou()


def one_run(
    name: str, seed: int, steps: int, train: Any, test: Any, tier: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Train one network with one seed; the network and its scores on the test scenes."""
    torch.manual_seed(seed)
    model = create(name, train.num_classes, **tier["net"])
    config = Config(steps=steps, seed=seed, lr=4e-3, device=tier["device"])
    Trainer(model, Augmented(train, RandomFlip(), seed), config).fit(quiet=True)
    matrix = evaluate(model, test, device=tier["device"])
    scores = {
        "mean_iou": matrix.mean_iou(),
        "pixel_accuracy": matrix.pixel_accuracy(),
        "trimap_iou_2px": trimap(model, test, 2, tier["device"]),
    }
    print(name, seed, {key: round(value, 4) for key, value in scores.items()}, flush=True)
    return model, {**scores, "iou": matrix.iou().tolist()}


def gpu_equals_cpu(model: torch.nn.Module, image: torch.Tensor) -> float:
    """Largest difference of the probabilities between the two devices, in float32."""
    with torch.no_grad():
        there = model(image[None].cuda()).softmax(1).cpu()
        return float((model.cpu()(image[None]).softmax(1) - there).abs().max())


def skips(o: argparse.Namespace) -> None:
    """Train the three FCNs alike and score them on the test scenes."""
    tier = TIERS[o.tier]
    steps = o.steps or tier["steps"]
    train = street("train", int(tier["train"] * o.scale), tier["size"])
    test = street("test", int(SCENES["test"] * o.scale), tier["size"])
    found: dict[str, dict[str, Any]] = {}
    for name in ("fcn32s", "fcn16s", "fcn8s"):
        runs = []
        for seed in range(o.seeds):
            model, scores = one_run(name, seed, steps, train, test, tier)
            runs.append(scores)
            if (name, seed, o.tier) == ("fcn8s", 0, "cpu"):
                facts = {"data": "street", "classes": list(train.classes), "palette": train.palette.tolist()}
                metrics = {"test_mean_iou": round(scores["mean_iou"], 4), "scenes": len(test)}
                path = WEIGHTS / f"{name}_street.safetensors"
                save(model, path, half=True, **facts, metrics=metrics, provenance=provenance(command()))
        found[name] = {key: spread([run[key] for run in runs]) for key in runs[0] if key != "iou"}
        iou = torch.tensor([run["iou"] for run in runs], dtype=torch.float64).nanmean(0).tolist()
        found[name]["iou"] = dict(zip(train.classes, [round(value, 4) for value in iou], strict=True))
        if tier["device"] == "cuda":
            found[name]["largest_difference_from_cpu"] = gpu_equals_cpu(model, test[0].image)
    settings = {"net": tier["net"], "size": tier["size"], "steps": steps, "batch_size": 16}
    settings |= {"train_scenes": len(train), "test_scenes": len(test)}
    record(tier["result"], {"settings": settings, "models": found})


def patch_loss(kind: str, seed: int, weight: torch.Tensor) -> Any:
    """How a step turns a batch into a loss; all kinds push the same number of pixels through the network."""
    generator = torch.Generator().manual_seed(seed)

    def whole(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        return cross_entropy(model(batch.image), batch.labels)

    def weighted(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        return cross_entropy(model(batch.image), batch.labels, weight)

    def sampled(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        return cross_entropy(model(batch.image), sample_pixels(batch.labels, 0.25, generator))

    def patches(model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        count = batch.labels.numel() // PATCH**2
        image, labels = sample_patches(batch.image, batch.labels, PATCH, count, generator, kind == "balanced patches")
        return cross_entropy(model(image), keep_centre(labels, 8))

    kinds = {"whole": whole, "whole, weighted": weighted, "whole, 25 % of pixels": sampled}
    return kinds.get(kind, patches)


PATCH = 64  # pixels; FCN-8s's field is wider than the scene, so a patch sees what fits
KINDS = ("whole", "whole, weighted", "whole, 25 % of pixels", "patches", "balanced patches")


def learn(kind: str, seed: int, steps: int, train: Any, val: Any, weight: torch.Tensor) -> list[dict[str, float]]:
    """Train FCN-8s with one kind of loss; score an averaged copy of the weights ten times on the way."""
    torch.manual_seed(seed)
    model = create("fcn8s", train.num_classes, **SMALL)
    compute = patch_loss(kind, seed, weight)
    config = Config(steps=steps, seed=seed, device="cpu", schedule="constant", lr=2e-3, ema=0.97)
    trainer = Trainer(model, Augmented(train, RandomFlip(), seed), config, loss=compute)
    curve = []
    for until in range(steps // 10, steps + 1, steps // 10):
        trainer.fit(until=until, quiet=True)
        matrix = evaluate(trainer.best, val, device="cpu")
        curve.append({"step": until, "mean_iou": round(matrix.mean_iou(), 4),
                      "mean_accuracy": round(matrix.mean_accuracy(), 4),
                      "pixel_accuracy": round(matrix.pixel_accuracy(), 4)})  # fmt: skip
    print(kind, seed, curve[-1], flush=True)
    return curve


def patches(o: argparse.Namespace) -> None:
    """Whole pictures, sampled pixels and patches at equal computation."""
    steps, seeds = o.steps or 300, o.seeds
    train, val = street("train", int(SCENES["train"] * o.scale)), street("val", int(SCENES["val"] * o.scale))
    counts = sum(torch.bincount(s.labels[s.labels != 255], minlength=train.num_classes) for s in train.samples)
    weight = class_weights(counts, "log")  # type: ignore[arg-type]
    curves = {kind: [learn(kind, seed, steps, train, val, weight) for seed in range(seeds)] for kind in KINDS}
    final = {
        kind: {key: spread([c[-1][key] for c in runs]) for key in ("mean_iou", "mean_accuracy", "pixel_accuracy")}
        for kind, runs in curves.items()
    }
    settings = {"net": SMALL, "steps": steps, "batch_size": 16, "patch": PATCH, "val_scenes": len(val)}
    record("fcn_patches", {"settings": settings, "final": final, "curves": curves})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("skips", "patches"))
    parser.add_argument("--steps", type=int, help="default: what suits the experiment")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the scenes, to try the script out")
    parser.add_argument("--tier", choices=tuple(TIERS), default="cpu", help="skips only: network, size and device")
    options = parser.parse_args()
    {"skips": skips, "patches": patches}[options.experiment](options)
