"""Chapter 06's experiment on context: one front end, and the same parameters behind it at different rates.

python course/experiments/atrous_context.py      → results/atrous_context.json

As in Yu & Koltun (2016), a front end is trained first and the context module behind it afterwards, on its scores. The
front end sees 30 pixels of a scene of 192×256, and the scenes are made so that road and pavement, bus and house front
look alike up close (`ambiguity=2`).
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
import torch.nn.functional as F
from common import Rendered, record, spread
from torch import Tensor, nn

from segkit.data import Augmented, StreetScenes
from segkit.data.transforms import RandomFlip
from segkit.encoders import VGGEncoder
from segkit.layers import Conv2d, MaxPool2d
from segkit.metrics import ConfusionMatrix
from segkit.models.dilated import DILATIONS, ContextModule
from segkit.training import Config, Trainer, cross_entropy

SIZE, STRIDE = (192, 256), 8
AMBIGUOUS = ("road", "pavement", "building", "bus")
RADII = (16, 32, 48, 64, 96, 128)  # pixels
MODULES = {  # what stands behind the front end
    "holes closed": (1,) * 7,
    "context module": DILATIONS,
    "all rates 4": (4,) * 7,
    "all rates 8": (8,) * 7,
}


class FrontEnd(nn.Module):
    """VGG11 down to its third pooling, and a score for each cell: it sees 30×30 pixels."""

    def __init__(self, num_classes: int, width: int = 8, hidden: int = 64) -> None:
        super().__init__()
        layers = VGGEncoder(11, width, batch_norm=True).features
        third = [i for i, layer in enumerate(layers) if isinstance(layer, MaxPool2d)][2]
        self.features = layers[: third + 1]
        self.hidden = nn.Sequential(Conv2d(4 * width, hidden, 1), nn.BatchNorm2d(hidden), nn.ReLU())
        self.score = Conv2d(hidden, num_classes, 1)
        nn.init.constant_(self.score.bias, 1.0)  # type: ignore[arg-type]  # the module behind cuts off what is below 0

    def cells(self, x: Tensor) -> Tensor:
        return self.score(self.hidden(self.features(x)))  # N, K, H/8, W/8

    def forward(self, x: Tensor) -> Tensor:
        return enlarged(self.cells(x))  # N, K, H, W


class GlobalPooling(nn.Module):
    """The largest field there is: the mean scores of the whole scene, through a small MLP, added to every cell."""

    def __init__(self, num_classes: int, hidden: int = 64) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(num_classes, hidden), nn.ReLU(), nn.Linear(hidden, num_classes))
        nn.init.zeros_(self.mlp[2].weight)
        nn.init.zeros_(self.mlp[2].bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(x.mean((2, 3)))[:, :, None, None]  # N, K, h, w


def module(name: str, classes: int) -> nn.Module:
    """A context module, its rates changed."""
    if name == "global pooling":
        return GlobalPooling(classes)
    built = ContextModule(classes)
    for layer, rate in zip([m for m in built if isinstance(m, nn.Conv2d)], MODULES[name], strict=False):
        layer.dilation = layer.padding = (rate, rate)
    return built


def enlarged(scores: Tensor, factor: int = STRIDE) -> Tensor:
    return F.interpolate(scores, scale_factor=factor, mode="bilinear", align_corners=False)


@torch.no_grad()
def cells_of(front: FrontEnd, scenes: Rendered) -> Tensor:
    """The front end's scores for all scenes. Shape: N×K×24×32."""
    images = [s.image for s in scenes.samples]
    return torch.cat([front.cells(torch.stack(images[i : i + 8])) for i in range(0, len(images), 8)])


def train_module(net: nn.Module, cells: Tensor, labels: Tensor, seed: int, steps: int) -> nn.Module:
    """Train what stands behind the front end on its scores, with the labels of every fourth pixel."""
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-2)
    config, g = Config(steps=steps, lr=3e-3), torch.Generator().manual_seed(seed)
    small = labels[:, STRIDE // 4 :: STRIDE // 2, STRIDE // 4 :: STRIDE // 2]  # N, H/4, W/4
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = config.rate(step)
        chosen = torch.randperm(len(cells), generator=g)[:16]
        x, y = cells[chosen], small[chosen]
        if torch.rand((), generator=g) < 0.5:
            x, y = x.flip(-1), y.flip(-1)
        loss = cross_entropy(enlarged(net(x), 2), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
    return net.eval()


@torch.no_grad()
def scores(net: nn.Module, cells: Tensor, test: Rendered) -> dict[str, Any]:
    """Mean IoU, class by class, and the mean over the classes that look alike up close."""
    matrix = ConfusionMatrix(test.num_classes)
    for i, sample in enumerate(test.samples):
        matrix.update(enlarged(net(cells[i : i + 1])).argmax(1), sample.labels[None])
    iou = matrix.iou().tolist()
    alike = sum(iou[test.classes.index(name)] for name in AMBIGUOUS) / len(AMBIGUOUS)
    return {"mean_iou": matrix.mean_iou(), "ambiguous_iou": alike, "iou": iou}


@torch.no_grad()
def reach(front: FrontEnd, nets: dict[str, nn.Module], test: Rendered, count: int = 40) -> dict[str, list[float]]:
    """Share of answers that change when all pixels further than each radius are another scene's."""
    changed = {name: torch.zeros(len(RADII)) for name in nets}
    H, W = SIZE
    y, x = torch.arange(H)[:, None], torch.arange(W)[None]
    spots = [(H // 3, W // 4), (2 * H // 3, W // 2), (H // 2, 3 * W // 4)]
    for i in range(count):
        image, other = test[i].image, test[(i + 1) % len(test)].image
        pictures = [image]
        for row, column in spots:
            far = torch.maximum((y - row).abs().expand(H, W), (x - column).abs().expand(H, W))
            pictures += [torch.where(far <= radius, image, other) for radius in RADII]
        cells = front.cells(torch.stack(pictures))
        for name, net in nets.items():
            guess = net(cells).argmax(1)  # 1 + spots·radii, h, w
            for s, (row, column) in enumerate(spots):
                here = guess[:, row // STRIDE, column // STRIDE]
                changed[name] += (here[1 + s * len(RADII) :][: len(RADII)] != here[0]).float()
    return {name: (total / (count * len(spots))).tolist() for name, total in changed.items()}


def one_seed(seed: int, o: argparse.Namespace, train: Rendered, test: Rendered) -> dict[str, dict[str, Any]]:
    """The front end, trained once more, and everything behind it."""
    K = train.num_classes
    torch.manual_seed(seed)
    front = FrontEnd(K)
    Trainer(front, Augmented(train, RandomFlip(), seed), Config(steps=o.steps, batch_size=8, lr=4e-3, seed=seed,
            device="cpu")).fit(quiet=True)  # fmt: skip
    front.eval()
    cells, seen = cells_of(front, train), cells_of(front, test)
    labels = torch.stack([s.labels for s in train.samples])
    nets: dict[str, nn.Module] = {"front end": nn.Identity()}
    for name in (*MODULES, "global pooling"):
        torch.manual_seed(seed)
        nets[name] = train_module(module(name, K), cells, labels, seed, 2 * o.steps)
    found = {name: scores(net, seen, test) for name, net in nets.items()}
    for name, shares in reach(front, nets, test, min(40, len(test))).items():
        found[name]["changed"] = shares
    torch.manual_seed(seed)  # the front end given as many steps again instead of a module
    Trainer(front, Augmented(train, RandomFlip(), seed), Config(steps=o.steps, batch_size=8, lr=2e-3, seed=seed + 100,
            device="cpu")).fit(quiet=True)  # fmt: skip
    found["front end, trained twice"] = scores(nn.Identity(), cells_of(front.eval(), test), test)  # type: ignore[arg-type]
    for name, row in found.items():
        print(seed, name, {k: round(v, 4) for k, v in row.items() if isinstance(v, float)}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=250, help="of the front end; the modules take twice as many")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the scenes, to try the script out")
    o = parser.parse_args()
    train, test = (
        Rendered(StreetScenes(split=split, size=SIZE, ambiguity=2.0), int(n * o.scale))
        for split, n in (("train", 400), ("test", 100))
    )
    runs = [one_seed(seed, o, train, test) for seed in range(o.seeds)]
    models: dict[str, Any] = {}
    for name in runs[0]:
        rows = [run[name] for run in runs]
        models[name] = {key: spread([row[key] for row in rows]) for key in ("mean_iou", "ambiguous_iou")}
        means = {key: torch.tensor([row[key] for row in rows], dtype=torch.float64).nanmean(0) for key in rows[0]
                 if key in ("iou", "changed")}  # fmt: skip
        models[name]["iou"] = dict(zip(train.classes, [round(v, 4) for v in means["iou"].tolist()], strict=True))
        if "changed" in means:
            models[name]["changed"] = [round(v, 4) for v in means["changed"].tolist()]
    settings = {"size": SIZE, "ambiguity": 2.0, "steps": o.steps, "module_steps": 2 * o.steps, "radii": RADII,
                "rates": MODULES, "train_scenes": len(train), "test_scenes": len(test)}  # fmt: skip
    record("atrous_context", {"settings": settings, "models": models})


if __name__ == "__main__":
    main()
