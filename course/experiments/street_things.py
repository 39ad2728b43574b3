"""Cars, pedestrians, bicyclists and buses cut out of street scenes, to be classified at any size, as by SPPNet.

A crop is a sample whose labels are all the same class, so it is kept, trained on and compared with as any picture is.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from library import Arm
from pictures import OWN, Rendered, weights_of
from torch import Tensor, nn

from segkit.data import VOID, Batch, Sample
from segkit.data.street import StreetScenes
from segkit.engine import engine
from segkit.layers import Conv2d, MaxPool2d
from segkit.layers.blocks import conv_norm_relu
from segkit.metrics import ConfusionMatrix

SIDES = (32, 40, 48, 56, 64, 80)  # pixels, at which a network is tested


class Things:
    """Square windows around the things of StreetScenes, each brought to `side` pixels.

    Args:
        split: of the scenes.
        size: of the scenes, in pixels.
        side: of the windows that are handed out; they are 1.2 times as long as the thing, within the scene.
        least: things whose box is not this many pixels long are left out.
        **knobs: of StreetScenes.
    """

    name, ignore_index, num_classes = "street things", VOID, len(StreetScenes.things)
    classes = tuple(StreetScenes.classes[k] for k in StreetScenes.things)
    palette = StreetScenes.palette[list(StreetScenes.things)]

    def __init__(
        self, split: str, size: tuple[int, int] = (192, 256), side: int = 80, least: int = 16, **knobs: float
    ) -> None:
        self.scenes = StreetScenes(split, size=size, length=1 << 20, **knobs)  # type: ignore[arg-type]
        self.side, self.least, self.seen = side, least, 0
        self.found: list[Sample] = []

    def __getitem__(self, i: int) -> Sample:
        while len(self.found) <= i:
            self.found += self.of(self.scenes[self.seen])
            self.seen += 1
        return self.found[i]

    def of(self, scene: Sample) -> list[Sample]:
        """The things of one scene, in the order of their numbers."""
        assert scene.instances is not None
        H, W = scene.labels.shape
        crops = []
        for number in scene.instances.unique().tolist():
            rows, columns = (scene.instances == number).nonzero(as_tuple=True)
            box = [int(v) for v in (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1)]
            longest = max(box[1] - box[0], box[3] - box[2])
            if number == 0 or longest < self.least:
                continue
            n = min(H, W, round(1.2 * longest))
            top, left = (max(0, min((a + b - n) // 2, s - n)) for a, b, s in ((*box[:2], H), (*box[2:], W)))
            image = resized(scene.image[None, :, top : top + n, left : left + n], self.side)[0]
            k = StreetScenes.things.index(int(scene.labels[rows[0], columns[0]]))
            crops.append(Sample(image, torch.tensor(k).expand(self.side, self.side), name=f"{scene.name}/{number}"))
        return crops


OWN[Things.name] = Things


def resized(x: Tensor, side: int) -> Tensor:
    """N×C×n×n → N×C×side×side, bilinear, each pixel a mean where it shrinks."""
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)


class Classifier(nn.Module):
    """Three convolutions with pooling, then two fully connected layers on what is made of the last map.

    Args:
        pool: "fixed" (the map itself, for which every picture is warped to `side`), "pyramid" (SPP's bins) or "mean".

    Shape:
        N×3×H×W → N×num_classes.
    """

    def __init__(
        self, num_classes: int, pool: str, bins: Sequence[int] = (3, 2, 1), side: int = 48, width: int = 12
    ) -> None:
        super().__init__()
        self.pool, self.bins, self.side = pool, tuple(bins), side
        channels = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            layers += [*conv_norm_relu(Conv2d(before, after, 3, padding=1, bias=False)), MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        cells = {"fixed": (side // 8) ** 2, "pyramid": sum(b * b for b in self.bins), "mean": 1}[pool]
        last = channels[-1]
        self.classify = nn.Sequential(nn.Linear(last * cells, last), nn.ReLU(), nn.Linear(last, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(resized(x, self.side) if self.pool == "fixed" else x)  # N, 4·width, H/8, W/8
        if self.pool == "pyramid":
            x = engine().spatial_pyramid_pool(x, self.bins)  # N, 4·width·Σb²
        return self.classify(x.mean((2, 3)) if self.pool == "mean" else x.flatten(1))  # N, K


def build(model: Mapping[str, Any], num_classes: int, base: nn.Module | None) -> nn.Module:
    return Classifier(num_classes, **{k: v for k, v in model.items() if k != "name"})


def sides_by_epoch(arm: Arm, seed: int, train: Rendered) -> Any:
    """Cross-entropy at one side an epoch, in turn; which epoch it is, BatchNorm has counted."""
    sides, weight = arm["recipe"]["sides"], weights_of(train, arm["recipe"]["class_weights"])

    def loss(model: Classifier, batch: Batch) -> Tensor:
        epoch = int(model.features[1].num_batches_tracked) * len(batch.labels) // len(train)  # type: ignore[arg-type, operator]
        scores = model(resized(batch.image, sides[epoch % len(sides)]))
        return F.cross_entropy(scores, batch.labels[:, 0, 0], weight)

    return loss


@torch.no_grad()
def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """The mean of the classes' accuracies at each side; all other figures are of 48 pixels."""
    truth = torch.stack([s.labels[0, 0] for s in test.samples])
    found: dict[str, Any] = {}
    for side in SIDES:
        parts = [model(resized(s.image[None], side)) for s in test.samples]
        labels = torch.cat([p.flatten(2).mean(2) if p.ndim == 4 else p for p in parts]).argmax(1)
        matrix = ConfusionMatrix(test.num_classes)
        matrix.update(labels[None, None], truth[None, None])
        figures = matrix.summary()
        found[f"accuracy_{side}"] = figures["mean_accuracy"]
        if side == 48:
            own = {k: figures[k] for k in ("mean_iou", "pixel_accuracy")} | {"iou": matrix.iou().tolist()}
    return {**found, **own}
