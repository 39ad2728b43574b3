"""Chapter 06's experiments on upsampling, stride and grids, recorded over three seeds.

python course/experiments/atrous.py duc       DUC against bilinear interpolation          → results/atrous_duc.json
python course/experiments/atrous.py duc --stride 32   the same from a coarser map     → results/atrous_duc_32.json
python course/experiments/atrous.py finetune  the converted network, trained on         → results/atrous_finetune.json
python course/experiments/atrous.py grids     equal fields with and without holes         → results/atrous_grids.json

The experiment on context is in atrous_context.py.
"""

from __future__ import annotations

import argparse
import copy
import json
from typing import Any

import torch
from common import COURSE, record, spread, street
from torch import Tensor, nn

from segkit.data import Augmented
from segkit.data.transforms import RandomFlip
from segkit.encoders import dilate_strides
from segkit.files import write_json
from segkit.layers import Conv2d, PixelShuffle
from segkit.metrics import TrimapIoU
from segkit.models import create
from segkit.models.duc_hdc import DUCHDC
from segkit.training import Config, Trainer, class_weights, evaluate

THIN = ("pole", "sign", "lane mark")
TIERS = {  # what a processor does in a quarter of an hour, and what a GPU does in the same time
    "cpu": {"width": 8, "size": (96, 128), "steps": 300, "train": 800, "test": 100, "device": "cpu", "suffix": ""},
    "gpu": {"width": 32, "size": (192, 256), "steps": 3000, "train": 2000, "test": 200, "device": "cuda",
            "suffix": "_gpu"},
}  # fmt: skip


class WideBilinear(DUCHDC):
    """The control for DUC: the same K·d² channels, mixed down to K at each cell instead of laid out, then bilinear."""

    def __init__(self, num_classes: int, **settings: Any) -> None:
        super().__init__(num_classes, head="bilinear", **settings)
        wide = num_classes * self.stride**2
        first = Conv2d(self.encoder.channels[-1], wide, 3, padding=1)
        self.score = nn.Sequential(first, nn.ReLU(), Conv2d(wide, num_classes, 1))


class Rows(nn.Module):
    """A network whose field is made by dilation alone: cut into 4×4 cells, six 3×3 convolutions, back by DUC.

    Args:
        num_classes: K.
        rates: dilation of each of the convolutions.
        width: channels.
        cell: side of a cell in pixels. Cells share no pixel, so what a unit reads is decided by the rates.
    """

    def __init__(self, num_classes: int, rates: tuple[int, ...], width: int = 32, cell: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv2d(3, width, cell, stride=cell), nn.BatchNorm2d(width), nn.ReLU())
        layers = [
            nn.Sequential(Conv2d(width, width, 3, padding=r, dilation=r), nn.BatchNorm2d(width), nn.ReLU())
            for r in rates
        ]
        self.layers = nn.Sequential(*layers)
        self.score = Conv2d(width, num_classes * cell**2, 1)
        self.shuffle = PixelShuffle(cell)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # N, width, H/4, W/4
        return self.shuffle(self.score(self.layers(x)))  # N, K, H, W


def converted(model: DUCHDC, output_stride: int) -> DUCHDC:
    """A trained network of stride 32 with its strides turned into dilation: the same weights, a finer map."""
    finer = copy.deepcopy(model)
    rate = model.stride // output_stride
    finer.encoder = dilate_strides(model.encoder, output_stride)  # type: ignore[assignment]
    finer.score.dilation = finer.score.padding = (rate, rate)  # it reads cells that have moved apart
    finer.stride = output_stride
    return finer


def scores(model: nn.Module, test: Any, device: str) -> dict[str, Any]:
    """Mean IoU, the same near edges, of what is thin, and class by class."""
    matrix, band = evaluate(model, test, device=device), TrimapIoU(test.num_classes, width=2)
    model.to(device).eval()
    with torch.no_grad():
        for sample in test.samples:
            band.update(model(sample.image[None].to(device)).argmax(1).cpu(), sample.labels[None])
    iou = matrix.iou().tolist()
    thin = sum(iou[test.classes.index(name)] for name in THIN) / len(THIN)
    return {"mean_iou": matrix.mean_iou(), "trimap_iou_2px": band.mean_iou(), "thin_iou": thin, "iou": iou}


def fit(
    model: nn.Module, train: Any, seed: int, steps: int, device: str, lr: float = 4e-3, weight: Tensor | None = None
) -> nn.Module:
    """Train alike: the same scenes in the same order, mirrored at random."""
    config = Config(steps=steps, seed=seed, lr=lr, device=device)
    Trainer(model, Augmented(train, RandomFlip(), seed), config, weight).fit(quiet=True)
    return model.eval()


def rare_counts(train: Any) -> Tensor:
    """Class weights: what is thin is rare, and without them nobody draws it."""
    counts = sum(torch.bincount(s.labels[s.labels != 255], minlength=train.num_classes) for s in train.samples)
    return class_weights(counts, "log")  # type: ignore[arg-type]


def summary(runs: list[dict[str, Any]], classes: tuple[str, ...]) -> dict[str, Any]:
    """Mean and spread of every figure over the seeds; of the classes' IoU the mean."""
    found: dict[str, Any] = {key: spread([run[key] for run in runs]) for key in runs[0] if key != "iou"}
    if all("iou" in run for run in runs):
        iou = torch.tensor([run["iou"] for run in runs], dtype=torch.float64).nanmean(0).tolist()
        found["iou"] = {name: round(value, 4) for name, value in zip(classes, iou, strict=True)}
    return found


def duc(o: argparse.Namespace) -> None:
    """Train at one stride with three ways up."""
    tier = TIERS[o.tier]
    steps, device = o.steps or tier["steps"], tier["device"]
    train, test = (street(s, int(tier[s] * o.scale), tier["size"]) for s in ("train", "test"))
    common = {"depth": 18, "width": tier["width"], "hdc": "none"}
    name, at = f"stride {o.stride}", {**common, "output_stride": o.stride}
    build = {
        name: lambda k: create("duc_hdc", k, head="bilinear", **at),
        f"{name}, wide": lambda k: WideBilinear(k, **at),
        f"{name}, DUC": lambda k: create("duc_hdc", k, head="duc", **at),
    }
    weight = rare_counts(train)
    runs: dict[str, list[dict[str, Any]]] = {}
    for seed in range(o.seeds):
        for name, make in build.items():
            torch.manual_seed(seed)
            model = fit(make(train.num_classes), train, seed, steps, device, weight=weight)
            runs.setdefault(name, []).append(scores(model, test, device))
            print(name, seed, _short(runs[name][-1]), flush=True)
    sizes = {name: sum(p.numel() for p in make(train.num_classes).parameters()) for name, make in build.items()}
    settings = {"net": common, "size": tier["size"], "steps": steps, "batch_size": 16, "parameters": sizes}
    settings |= {"train_scenes": len(train), "test_scenes": len(test)}
    record("atrous_duc" + (f"_{o.stride}" if o.stride != 16 else "") + tier["suffix"], {
        "settings": settings, "models": {name: summary(r, train.classes) for name, r in runs.items()},
    })  # fmt: skip


def finetune(o: argparse.Namespace) -> None:
    """Train at stride 32; then train on for a fifth of the steps, at stride 32 or converted to 8."""
    tier = TIERS["cpu"]
    steps = o.steps or tier["steps"]
    train, test = (street(s, int(tier[s] * o.scale)) for s in ("train", "test"))
    settings = {"depth": 18, "width": tier["width"], "output_stride": 32, "hdc": "none", "head": "bilinear"}
    runs: dict[str, list[dict[str, Any]]] = {}
    for seed in range(o.seeds):
        torch.manual_seed(seed)
        first = fit(create("duc_hdc", train.num_classes, **settings), train, seed, steps, "cpu")
        for stride in (32, 8):
            model = converted(first, stride)  # type: ignore[arg-type]
            runs.setdefault(f"stride {stride}", []).append(scores(model, test, "cpu"))
            fit(model, train, seed + 100, steps // 5, "cpu", lr=2e-3)
            runs.setdefault(f"stride {stride}, trained on", []).append(scores(model, test, "cpu"))
        print(seed, {name: round(r[-1]["mean_iou"], 4) for name, r in runs.items()}, flush=True)
    facts = {"net": settings, "size": tier["size"], "steps": steps, "more_steps": steps // 5, "batch_size": 16}
    record("atrous_finetune", {
        "settings": facts | {"train_scenes": len(train), "test_scenes": len(test)},
        "models": {name: summary(r, train.classes) for name, r in runs.items()},
    })  # fmt: skip


RATES = {  # the same parameters; the second and third have the same field, with holes and without
    "1 1 1 1 1 1": (1,) * 6,
    "2 2 2 2 2 2": (2,) * 6,
    "1 2 3 1 2 3": (1, 2, 3) * 2,
}


@torch.no_grad()
def disagreement(model: nn.Module, test: Any, apart: int) -> float:
    """Share of pairs of pixels `apart` pixels from each other, in one true region, that get different classes."""
    wrong = total = 0
    for sample in test.samples:
        guess, truth = model(sample.image[None]).argmax(1)[0], sample.labels
        for axis in (0, 1):
            n = truth.shape[axis] - apart
            a, b, t, u = (x.narrow(axis, s, n) for x in (guess, truth) for s in (0, apart))
            same = t == u
            wrong, total = wrong + int(((a != b) & same).sum()), total + int(same.sum())
    return wrong / total


@torch.no_grad()
def moved_by_other_grids(model: Rows, test: Any, rate: int, cell: int = 4) -> float:
    """Share of pixels in cells `rate` apart whose class changes when all the cells between show another scene."""
    kept = torch.zeros(test[0].labels.shape, dtype=torch.bool)
    rows, columns = (torch.arange(n) // cell % rate == 0 for n in kept.shape)
    kept = rows[:, None] & columns[None]
    changed = 0.0
    for i, sample in enumerate(test.samples):
        other = torch.where(kept, sample.image, test[i - 1].image)
        before, after = (model(x[None]).argmax(1)[0] for x in (sample.image, other))
        changed += float((before != after)[kept].float().mean())
    return changed / len(test)


def grids(o: argparse.Namespace) -> None:
    """Networks of equal parameters and equal fields, with holes and without."""
    tier = TIERS["cpu"]
    steps = o.steps or 200
    train, test = (street(s, int(tier[s] * o.scale)) for s in ("train", "test"))
    found: dict[str, Any] = {}
    kept = COURSE.parent / "runs" / "atrous_grids.json"
    done = json.loads(kept.read_text()) if kept.exists() else {}
    for name, rates in RATES.items():
        runs = []
        for seed in range(o.seeds):
            key = f"{name}, seed {seed}, {steps} steps, {len(train)} scenes"
            if key in done:
                runs.append(done[key])
                continue
            torch.manual_seed(seed)
            model = fit(Rows(train.num_classes, rates), train, seed, steps, "cpu", weight=rare_counts(train))
            rate = max(rates[0], 2) if len(set(rates)) == 1 else rates[1]
            runs.append({
                **scores(model, test, "cpu"),
                "neighbours_disagree": disagreement(model, test, 4),
                "moved_by_other_grids": moved_by_other_grids(model, test, rate),  # type: ignore[arg-type]
            })  # fmt: skip
            print(name, seed, _short(runs[-1]), flush=True)
            done[key] = runs[-1]
            write_json(done, kept)  # so that a run that was stopped goes on where it was
        found[name] = {"rates": rates, **summary(runs, train.classes)}
    settings = {"width": 32, "cell": 4, "size": tier["size"], "steps": steps, "batch_size": 16}
    settings |= {"train_scenes": len(train), "test_scenes": len(test)}
    record("atrous_grids", {"settings": settings, "models": found})


def _short(run: dict[str, Any]) -> dict[str, float]:
    return {key: round(value, 4) for key, value in run.items() if key != "iou"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("duc", "finetune", "grids"))
    parser.add_argument("--steps", type=int, help="default: what suits the experiment")
    parser.add_argument("--stride", type=int, default=16, help="duc only: of the map to climb from")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the scenes, to try the script out")
    parser.add_argument("--tier", choices=tuple(TIERS), default="cpu", help="duc only: network, size and device")
    options = parser.parse_args()
    {"duc": duc, "finetune": finetune, "grids": grids}[options.experiment](options)
