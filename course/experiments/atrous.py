"""Chapter 06's experiments on stride, upsampling, grids and context.

python course/experiments/atrous.py duc       DUC against bilinear interpolation          → results/atrous_duc.json
python course/experiments/atrous.py finetune  the converted network, more training       → results/atrous_finetune.json
python course/experiments/atrous.py grids     equal fields with and without holes         → results/atrous_grids.json
python course/experiments/atrous.py context   the same parameters at different rates      → results/atrous_context.json

Context: as in Yu & Koltun (2016), a front end is trained first and the context module behind it afterwards, on its
scores. It sees 30 pixels of a scene of 192×256, in which road and pavement, bus and house front look alike up close.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from atrous_networks import Behind, FrontEnd, build, converted, enlarged
from library import Arm, Experiment, ahead, main
from pictures import Rendered, pictures, scores
from torch import Tensor, nn

from segkit.data import Batch
from segkit.models.dilated import DILATIONS
from segkit.training import cross_entropy

GROUPS = {"thin_iou": ("pole", "sign", "lane mark"), "ambiguous_iou": ("road", "pavement", "building", "bus")}
RECIPE = {"steps": 1000, "batch_size": 16, "lr": 4e-3, "ema": 0.99, "flip": 0.5}
DATA = {"set": "street", "size": [96, 128], "train": 1600, "test": 100}


def duc(o: argparse.Namespace) -> Experiment:
    """Three ways up from stride 8, the paper's."""
    name, net = "stride 8", {"encoder": "resnet18", "width": 8, "hdc": "none", "output_stride": 8}
    models = {
        name: {"name": "duc_hdc", "head": "bilinear", **net},
        f"{name}, wide": {"name": "wide bilinear", **net},
        f"{name}, DUC": {"name": "duc_hdc", "head": "duc", **net},
    }
    recipe = {**RECIPE, "class_weights": "log"}
    claims = [
        ahead("06", "mean_iou", f"{name}, DUC", name),
        ahead("06", "mean_iou", f"{name}, DUC", f"{name}, wide"),
    ]
    experiment = Experiment(
        "atrous_duc",
        {arm: {"model": model, "data": DATA, "recipe": recipe} for arm, model in models.items()},
        score, build, claims=claims, ceilings=(8,), align="corners", more_seeds=dict.fromkeys(models, 5),
    )  # fmt: skip
    sizes = {arm: sum(p.numel() for p in build(m, 13, None).parameters()) for arm, m in models.items()}
    experiment.extra = lambda: {"parameters": sizes}
    return experiment


def finetune(o: argparse.Namespace) -> Experiment:
    """Train at stride 32; then go on for a fifth as many steps, at stride 32 or converted to 8."""
    net = {"name": "duc_hdc", "encoder": "resnet18", "width": 8, "output_stride": 32, "hdc": "none", "head": "bilinear"}
    more = {**RECIPE, "steps": 200, "lr": 2e-3}
    arms: dict[str, Arm] = {
        "stride 32": {"model": net, "recipe": RECIPE},
        "stride 32, more training": {"model": {"name": "converted", "stride": 32, "from": "stride 32"}, "recipe": more},
        "stride 8": {"model": {**net, "after": {"stride": 8}}, "recipe": RECIPE},
        "stride 8, more training": {"model": {"name": "converted", "stride": 8, "from": "stride 32"}, "recipe": more},
    }
    claims = [
        ahead("06", "mean_iou", "stride 32", "stride 8"),
        ahead("06", "mean_iou", "stride 8, more training", "stride 32, more training", 0.03),
    ]
    arms = {name: {**arm, "data": DATA} for name, arm in arms.items()}
    return Experiment("atrous_finetune", arms, score, build, claims=claims, ceilings=(32, 8), align="corners")


RATES = {  # the same parameters; the second and third have the same field, with holes and without
    "1 1 1 1 1 1": (1,) * 6,
    "2 2 2 2 2 2": (2,) * 6,
    "1 2 3 1 2 3": (1, 2, 3) * 2,
}


def grids(o: argparse.Namespace) -> Experiment:
    """Networks of equal parameters and equal fields, with holes and without."""
    recipe = {**RECIPE, "steps": 800, "class_weights": "log"}
    models = {n: {"name": "rows", "rates": list(rates), "width": 32, "cell": 4} for n, rates in RATES.items()}
    _, holes, whole = RATES
    claims = [
        ahead("06", "mean_iou", whole, holes),
        ahead("06", "neighbours_disagree", whole, holes, lower=True),
        ahead("06", "moved_by_other_grids", whole, holes),
    ]
    arms = {name: {"model": model, "data": DATA, "recipe": recipe} for name, model in models.items()}
    return Experiment("atrous_grids", arms, score, build, claims=claims, more_seeds=dict.fromkeys(arms, 5))


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
def moved_by_other_grids(model: nn.Module, test: Any, rate: int = 2, cell: int = 4) -> float:
    """Share of pixels in cells `rate` apart whose class changes when all the cells between show another scene."""
    rows, columns = (torch.arange(n) // cell % rate == 0 for n in test[0].labels.shape)
    kept, changed = rows[:, None] & columns[None], 0.0
    for i, sample in enumerate(test.samples):
        other = torch.where(kept, sample.image, test[i - 1].image)
        before, after = (model(x[None]).argmax(1)[0] for x in (sample.image, other))
        changed += float((before != after)[kept].float().mean())
    return changed / len(test)


RADII = (16, 32, 48, 64, 96, 128)  # pixels
SCENES = {"set": "street", "size": [192, 256], "ambiguity": 2.0, "train": 800, "test": 100}
MODULES = {  # what comes after the front end; the second and the third read all of its map of 24×32 cells
    "rates 1": (1,) * 7,
    "context module": DILATIONS,
    "context module, wider": (1, 2, 4, 8, 16, 32, 1),
    "rates 4": (4,) * 7,
    "rates 8": (8,) * 7,
    "rates 8 between ones": (1, *(8,) * 5, 1),  # reads its neighbours first and last, and still has holes
}


def every_fourth(model: Behind, batch: Batch) -> Tensor:
    """Cross-entropy at every fourth pixel: enough for what has a score for each eighth, and sixteen times as cheap."""
    return cross_entropy(enlarged(model.cells(batch.image), 2), batch.labels[:, 2::4, 2::4])


def context(o: argparse.Namespace) -> Experiment:
    """One front end, and the same parameters behind it at different rates."""
    front = {**RECIPE, "batch_size": 8}
    behind = {**RECIPE, "lr": 3e-3, "loss": "every fourth pixel"}
    models: dict[str, dict[str, Any]] = {"front end": {"name": "front end", "width": 8, "hidden": 64}}
    models |= {name: {"name": "module", "rates": list(r), "from": "front end"} for name, r in MODULES.items()}
    models |= {"global pooling": {"name": "global pooling", "from": "front end"}}
    recipes = {name: front if name == "front end" else behind for name in models}
    twice = {"front end, trained twice": {"name": "front end", "from": "front end"}}
    recipes["front end, trained twice"] = {**front, "lr": 2e-3}
    experiment = Experiment(
        "atrous_context",
        {name: {"model": m, "data": SCENES, "recipe": recipes[name]} for name, m in (models | twice).items()},
        score, build, loss=lambda arm, seed, train: every_fourth if "loss" in arm["recipe"] else None,
        claims=[
            ahead("06", "mean_iou", "context module", "front end, trained twice"),
            ahead("06", "mean_iou", "context module", "rates 1"),
            ahead("06", "mean_iou", "context module", "rates 4"),
            ahead("06", "mean_iou", "context module", "rates 8 between ones"),
            ahead("06", "mean_iou", "rates 1", "rates 8"),
            *(ahead("06", "mean_iou", name, "global pooling") for name in MODULES),
            ahead("06", "ambiguous_iou", "context module", "front end", 0.1),
        ],
    )  # fmt: skip

    def extra() -> dict[str, Any]:
        test = pictures(experiment.arms["front end"]["data"], "test")
        found = {a: [reach(experiment.network(a, s), test) for s in range(o.seeds)] for a in models}
        return {"radii": RADII, "changed": {a: torch.tensor(v).mean(0).tolist() for a, v in found.items()}}

    experiment.extra = extra
    return experiment


@torch.no_grad()
def reach(net: FrontEnd | Behind, test: Rendered, count: int = 40) -> list[float]:
    """Share of answers that change when all pixels further than each radius are another scene's."""
    H, W = test[0].labels.shape
    y, x = torch.arange(H)[:, None], torch.arange(W)[None]
    spots, changed = [(H // 3, W // 4), (2 * H // 3, W // 2), (H // 2, 3 * W // 4)], torch.zeros(len(RADII))
    for i in range(min(count, len(test))):
        image, other = test[i].image, test[(i + 1) % len(test)].image
        for row, column in spots:
            far = torch.maximum((y - row).abs().expand(H, W), (x - column).abs().expand(H, W))
            seen = torch.stack([image, *(torch.where(far <= radius, image, other) for radius in RADII)])
            here = net.cells(seen).argmax(1)[:, row // 8, column // 8]  # 1 + radii
            changed += (here[1:] != here[0]).float()
    return (changed / (min(count, len(test)) * len(spots))).tolist()


def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """What all have in common; for `grids` also what holes do to an answer."""
    if "after" in arm["model"]:
        model = converted(model, arm["model"]["after"]["stride"])  # type: ignore[arg-type]
    found = scores(model, test, groups=GROUPS)
    if arm["model"].get("name") != "rows":
        return found
    return {
        **found,
        "neighbours_disagree": disagreement(model, test, 4),
        "moved_by_other_grids": moved_by_other_grids(model, test),
    }


if __name__ == "__main__":
    main(__doc__, {"duc": duc, "finetune": finetune, "grids": grids, "context": context})
