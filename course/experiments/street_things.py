"""Cars, pedestrians, bicyclists and buses cut out of street scenes, to be classified at any size, as by SPPNet.

A crop is a sample whose labels are all the same class, so it is kept, trained on and compared with as any picture is.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from library import Arm
from pictures import OWN, Rendered, weights_of
from torch import Tensor, nn

from segkit.data import VOID, Batch, Sample
from segkit.data.street import StreetScenes
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


def seen(model: nn.Module, images: Tensor, side: int) -> Tensor:
    """Scores of windows brought to `side` pixels; an SPPNet with a fixed head has them warped to its own size then."""
    small = resized(images, side)
    return model(resized(small, model.size[0]) if getattr(model, "head", None) == "fixed" else small)  # type: ignore[index]


def a_side_a_batch(arm: Arm, seed: int, train: Rendered) -> Any:
    """Cross-entropy at a side drawn anew for each batch; BatchNorm has counted which batch it is."""
    sides, weight = arm["recipe"]["sides"], weights_of(train, arm["recipe"]["class_weights"])

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        count = next(m.num_batches_tracked for m in model.modules() if isinstance(m, nn.BatchNorm2d))
        draw = torch.Generator().manual_seed(1_000_000 * seed + int(count))  # type: ignore[arg-type]
        side = sides[int(torch.randint(len(sides), (), generator=draw))]
        return F.cross_entropy(seen(model, batch.image, side), batch.labels[:, 0, 0], weight)

    return loss


@torch.no_grad()
def score(model: nn.Module, arm: Arm, test: Rendered) -> dict[str, Any]:
    """The mean of the classes' accuracies at each side; all other figures are of 48 pixels."""
    truth = torch.stack([s.labels[0, 0] for s in test.samples])
    found: dict[str, Any] = {}
    for side in SIDES:
        parts = [seen(model, s.image[None], side) for s in test.samples]
        labels = torch.cat([p.flatten(2).mean(2) if p.ndim == 4 else p for p in parts]).argmax(1)
        matrix = ConfusionMatrix(test.num_classes)
        matrix.update(labels[None, None], truth[None, None])
        figures = matrix.summary()
        found[f"accuracy_{side}"] = figures["mean_accuracy"]
        if side == 48:
            own = {k: figures[k] for k in ("mean_iou", "pixel_accuracy")} | {"iou": matrix.iou().tolist()}
    return {**found, **own}
