"""Chapter 07's experiments, recorded over three seeds. A run that was stopped goes on where it was.

python course/experiments/crf.py fields     four first fully connected layers     → results/deeplab_fields.json
python course/experiments/crf.py sharpen    with and without multi-scale prediction, with and without the CRF
                                            → results/crf_sharpen.json, weights/deeplab_v1_street
python course/experiments/crf.py joint      a CRF trained with its network         → results/crf_joint.json (last)

The CRF's parameters are chosen on val scenes, for the first seed only; all scores are of test scenes.
"""

from __future__ import annotations

import argparse
import itertools
import json
from typing import Any

import torch
from common import COURSE, RESULTS, WEIGHTS, command, record, spread, street
from resumable import Runs
from torch import Tensor, nn

from segkit.crf import CRFasRNN, DenseCRF
from segkit.data import Augmented, collate
from segkit.data.transforms import RandomFlip
from segkit.metrics import ConfusionMatrix, TrimapIoU
from segkit.models import create, load, save
from segkit.training import Config, Trainer, cross_entropy, provenance

NET: dict[str, Any] = {"width": 8, "batch_norm": True, "dropout": 0.1, "depth": 11}
FIELDS = {  # kernel, rate, channels of fc6: the paper's Table 2 with its rates divided by 4, for a map of 12×16 cells
    "7x7 rate 1": ((7, 1), 384),
    "4x4 rate 1": ((4, 1), 384),
    "4x4 rate 2": ((4, 2), 384),
    "3x3 rate 3": ((3, 3), 96),
    "3x3 rate 3, wide": ((3, 3), 384),  # is it the kernel or the channels?
}
LARGE = {"fov": (3, 3), "hidden": 128}
SCENES = {"train": 600, "val": 20, "test": 100}
BANDS = (1, 2, 4, 8, 16)
SPATIAL = 2  # pixels; the kernel of places alone, not searched
CRF: dict[str, Any] = {"iterations": 10, "picture_max": 1}
KEPT = COURSE.parent / "runs" / "course" / "deeplab_v1"  # networks from one experiment to the next


def fit(model: nn.Module, seed: int, steps: int, train: Any, batch_size: int) -> None:
    config = Config(steps=steps, batch_size=batch_size, seed=seed, lr=6e-3, device="cpu")
    Trainer(model, Augmented(train, RandomFlip(), seed), config).fit(quiet=True)


@torch.no_grad()
def logits_of(model: nn.Module, scenes: Any) -> list[Tensor]:
    """1×K×H×W for each scene."""
    return [model(sample.image[None]) for sample in scenes.samples]


@torch.no_grad()
def scores(answers: list[Tensor], scenes: Any, bands: tuple[int, ...] = (2,)) -> dict[str, Any]:
    """Mean IoU over all pixels, and near the edges; the answers are logits or probabilities 1×K×H×W."""
    matrix = ConfusionMatrix(scenes.num_classes)
    near = [TrimapIoU(scenes.num_classes, width=w) for w in bands]
    counters: list[Any] = [matrix, *near]
    for answer, sample in zip(answers, scenes.samples, strict=True):
        for counter in counters:
            counter.update(answer.argmax(1), sample.labels[None])
    found = {"mean_iou": matrix.mean_iou(), "pixel_accuracy": matrix.pixel_accuracy()}
    found |= {f"trimap_iou_{w}px": band.mean_iou() for w, band in zip(bands, near, strict=True)}
    return {**found, "iou": matrix.iou().tolist()}


def summary(runs: list[dict[str, Any]], classes: tuple[str, ...]) -> dict[str, Any]:
    """Mean and spread of every figure over the seeds; of the classes' IoU the mean."""
    found: dict[str, Any] = {key: spread([run[key] for run in runs]) for key in runs[0] if key != "iou"}
    iou = torch.tensor([run["iou"] for run in runs], dtype=torch.float64).nanmean(0).tolist()
    return {**found, "iou": {name: round(value, 4) for name, value in zip(classes, iou, strict=True)}}


def fields(o: argparse.Namespace) -> None:
    """The four first fully connected layers of Table 2, trained alike."""
    steps = o.steps or 400
    train, test = (street(s, int(SCENES[s] * o.scale)) for s in ("train", "test"))
    net = {**NET, "width": 6}  # the original layer is what takes the time
    settings = {"net": net, "fields": FIELDS, "steps": steps, "batch_size": 8, "scenes": SCENES, "scale": o.scale}
    runs = Runs("deeplab_fields", settings)

    def one(name: str, seed: int) -> dict[str, Any]:
        torch.manual_seed(seed)
        fov, hidden = FIELDS[name]
        model = create("deeplab_v1", train.num_classes, fov=fov, hidden=hidden, **net)
        fit(model, seed, steps, train, 8)
        return {**scores(logits_of(model, test), test), "parameters": sum(p.numel() for p in model.parameters())}

    found: dict[str, list[dict[str, Any]]] = {name: [] for name in FIELDS}
    for seed, name in itertools.product(range(o.seeds), FIELDS):
        found[name].append(runs.once(f"{name}, seed {seed}", lambda n=name, s=seed: one(n, s)))  # type: ignore[misc]
    models: dict[str, Any] = {}
    for name, its in found.items():
        parameters = its[0]["parameters"]
        its = [{k: v for k, v in run.items() if k != "parameters"} for run in its]
        models[name] = {"fov": FIELDS[name][0], "parameters": parameters, **summary(its, train.classes)}
    record("deeplab_fields", {"settings": settings, "models": models})


def network(kind: str, seed: int, steps: int, train: Any) -> nn.Module:
    """A trained DeepLab v1, plain or with multi-scale prediction; kept in runs/ so that it is trained once."""
    path = KEPT / f"{kind}_{seed}_{steps}_{len(train)}.safetensors"
    if not path.is_file():
        torch.manual_seed(seed)
        model = create({"plain": "deeplab_v1", "msc": "deeplab_v1_msc"}[kind], train.num_classes, **LARGE, **NET)
        fit(model, seed, steps, train, 12)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(model, path)
        print(kind, seed, "trained", flush=True)
    return load(path)


GRID = {"bilateral_sxy": (5, 10, 20, 40), "bilateral_srgb": (5, 10, 20, 40), "bilateral_compat": (2, 4, 8),
        "gaussian_compat": (1, 3)}  # fmt: skip


def dense(**chosen: Any) -> DenseCRF:
    return DenseCRF(gaussian_sxy=SPATIAL, **chosen, **CRF)


def search(model: nn.Module, val: Any) -> list[dict[str, Any]]:
    """Every point of the grid, scored near the edges of val scenes; best first."""
    logits, found = logits_of(model, val), []
    for values in itertools.product(*GRID.values()):
        chosen = dict(zip(GRID, values, strict=True))
        crf = dense(**chosen)
        answers = sharpened(crf, logits, val)
        found.append({**chosen, **{k: round(v, 4) for k, v in scores(answers, val).items() if k != "iou"}})
    return sorted(found, key=lambda row: -row["trimap_iou_2px"])


@torch.no_grad()
def sharpened(crf: DenseCRF, logits: list[Tensor], scenes: Any) -> list[Tensor]:
    return [crf(x, sample.image[None]) for x, sample in zip(logits, scenes.samples, strict=True)]


@torch.no_grad()
def curves(crf: DenseCRF, logits: list[Tensor], scenes: Any) -> dict[str, Any]:
    """Energy and KL a pixel at each iteration, means over the scenes, and how many scenes fall at every one."""
    traces = [crf(x, s.image[None], trace=True)[1] for x, s in zip(logits, scenes.samples, strict=True)]
    found: dict[str, Any] = {}
    for name in ("energy", "kl"):
        rows = torch.cat([getattr(t, name) for t in traces]) / logits[0][0, 0].numel()  # scenes, iterations + 1
        steps = rows.diff(dim=1)
        found[name] = [round(v, 5) for v in rows.mean(0).tolist()]
        found[f"{name}_falls_at_every_step"] = int((steps < 0).all(1).sum())
        found[f"{name}_largest_rise"] = float(steps.max())
    return {**found, "scenes": len(traces)}


def sharpen(o: argparse.Namespace) -> None:
    """The plain network and the one with multi-scale prediction, before and after the CRF."""
    steps = o.steps or 250
    train, val, test = (street(s, int(SCENES[s] * o.scale)) for s in ("train", "val", "test"))
    settings = {"net": {**NET, **LARGE}, "steps": steps,
                "batch_size": 12, "scenes": SCENES, "scale": o.scale, "grid": GRID, "crf": CRF}  # fmt: skip
    runs = Runs("crf_sharpen", settings)
    chosen = runs.once("search", lambda: {"rows": search(network("plain", 0, steps, train), val)})["rows"]
    best = {key: chosen[0][key] for key in GRID}
    crfs: dict[str, DenseCRF | None] = {
        "": None,
        " + places alone": dense(**{**best, "bilateral_compat": 0}),
        " + CRF": dense(**best),
    }

    def one(kind: str, after: str, seed: int) -> dict[str, Any]:
        logits = logits_of(network(kind, seed, steps, train), test)
        crf = crfs[after]
        found = scores(logits if crf is None else sharpened(crf, logits, test), test, BANDS)
        return {**found, "curves": curves(crf, logits, test)} if crf and after == " + CRF" else found

    found: dict[str, Any] = {}
    for kind, after in itertools.product(("plain", "msc"), crfs):
        its = [
            runs.once(f"{kind}{after}, seed {s}", lambda k=kind, a=after, s=s: one(k, a, s))  # type: ignore[misc]
            for s in range(o.seeds)
        ]
        plain = [{k: v for k, v in run.items() if k != "curves"} for run in its]
        found[kind + after] = summary(plain, train.classes)
        if "curves" in its[0]:
            found[kind + after]["curves"] = [run["curves"] for run in its]
    ship(network("plain", 0, steps, train), found["plain"], best, train)
    record("crf_sharpen", {"settings": settings, "chosen": best, "search": chosen, "models": found})


def ship(model: nn.Module, row: dict[str, Any], best: dict[str, Any], train: Any) -> None:
    """The first seed's network, with the course."""
    facts = {"data": "street", "classes": list(train.classes), "palette": train.palette.tolist(), "crf": best}
    metrics = {"test_mean_iou": row["mean_iou"]["seeds"][0]}
    path = WEIGHTS / "deeplab_v1_street.safetensors"
    save(model, path, half=True, **facts, metrics=metrics, provenance=provenance(command()))


class WithCRF(nn.Module):
    """A network and the CRF behind it, as one; what does not learn stays in evaluation mode."""

    def __init__(self, net: nn.Module, chosen: dict[str, Any], learns: tuple[str, ...]) -> None:
        super().__init__()
        sizes = (chosen["bilateral_sxy"], chosen["bilateral_srgb"], SPATIAL)
        weights = (chosen["bilateral_compat"], chosen["gaussian_compat"])
        self.net = net
        self.crf = CRFasRNN(net.num_classes, *sizes, *weights, iterations=5, picture_max=1)  # type: ignore[arg-type]
        for name in ("net", "crf"):
            self.get_submodule(name).requires_grad_(name in learns)

    def train(self, mode: bool = True) -> WithCRF:
        super().train(mode)
        self.net.train(mode and next(self.net.parameters()).requires_grad)
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.crf(self.net(x), x)


def train_on(model: WithCRF, seed: int, steps: int, train: Any, through_crf: bool) -> None:
    """More steps of AdamW with a cosine to nought; the CRF's few parameters take larger ones."""
    groups = [{"params": model.net.parameters(), "lr": 1e-3}, {"params": model.crf.parameters(), "lr": 3e-2}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    torch.manual_seed(seed)
    model.train()
    scenes = Augmented(train, RandomFlip(), seed)
    for step in range(steps):
        scenes.set_epoch(step)
        batch = collate([scenes[int(i)] for i in torch.randint(len(train), (8,))])
        logits = model(batch.image) if through_crf else model.net(batch.image)
        optimizer.zero_grad()
        cross_entropy(logits, batch.labels).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    model.eval()


PARTS = {"nothing": (), "the network": ("net",), "the CRF": ("crf",), "both": ("net", "crf")}


def joint(o: argparse.Namespace) -> None:
    """Thirty more steps: for the network without a CRF, for the CRF alone, for both through the CRF's iterations."""
    recorded = json.loads((RESULTS / "crf_sharpen.json").read_text())
    chosen, before = recorded["chosen"], recorded["settings"]["steps"]
    steps = o.steps or 30
    train, test = (street(s, int(SCENES[s] * o.scale)) for s in ("train", "test"))
    settings = {"steps": steps, "batch_size": 8, "lr": 1e-3, "crf_lr": 3e-2, "chosen": chosen, "steps_before": before}
    runs = Runs("crf_joint", {**settings, "scale": o.scale})

    def one(learns: str, seed: int) -> dict[str, Any]:
        model = WithCRF(network("plain", seed, before, train), chosen, PARTS[learns])
        if PARTS[learns]:
            train_on(model, seed, steps, train, through_crf="crf" in PARTS[learns])
        model.eval()
        model.crf.iterations = 10  # as in the paper: five to learn, ten to answer
        found = scores(logits_of(model, test), test)
        return {**found, "without_crf": scores(logits_of(model.net, test), test)["trimap_iou_2px"]}

    found = {}
    for learns in PARTS:
        its = [runs.once(f"{learns}, seed {s}", lambda n=learns, s=s: one(n, s)) for s in range(o.seeds)]  # type: ignore[misc]
        found[learns] = summary(its, train.classes)
    record("crf_joint", {"settings": settings, "models": found})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("fields", "sharpen", "joint"))
    parser.add_argument("--steps", type=int, help="default: what suits the experiment")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the scenes, to try the script out")
    options = parser.parse_args()
    {"fields": fields, "sharpen": sharpen, "joint": joint}[options.experiment](options)
