"""What `trade_off` is held against: the shipped networks, measured anew on the scenes of the task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

SCENES = 20  # the first of StreetScenes' test set
SIZE = (96, 128)
OTHER_SIZES = ((97, 129), (128, 96), (64, 64), (128, 128), (192, 256), (224, 224), (256, 256), (384, 512), (512, 1024))


@dataclass(frozen=True)
class Measured:
    """A network, as everybody who measures it finds it.

    Args:
        parameters, buffers: how many numbers it learns, and how many it keeps besides.
        macs: multiply-adds for one picture.
        counts: pixels by true class and answer, for each scene.
        recorded: what its file says of its scores, on other scenes.
    """

    parameters: int
    buffers: int
    macs: int
    counts: np.ndarray  # scenes, K, K
    recorded: dict[str, float]


def shipped() -> list[str]:
    """The networks of the lineage that come with the course."""
    from segkit.models import shipped

    return sorted(path.stem for path in shipped("lineage_fcn8s").parent.glob("lineage_*.safetensors"))


@cache
def scenes(split: str = "test") -> Any:
    """The batch of scenes, and the names of the classes."""
    from segkit.data import collate, create

    chosen = create("street", split, length=SCENES)
    return collate([chosen[i] for i in range(SCENES)]), tuple(chosen.classes)


def classes() -> tuple[str, ...]:
    return scenes()[1]


def _network(name: str) -> Any:
    from segkit.models import load, shipped

    return load(shipped(name)).eval()


@cache
def counted(name: str, size: tuple[int, int]) -> int:
    """Multiply-adds for one picture of a size."""
    from segkit.analysis import cost

    return int(cost(_network(name), (3, *size)).macs)


@cache
def confusion(name: str, split: str = "test") -> np.ndarray:
    """Pixels by true class and answer, for each scene."""
    batch, words = scenes(split)
    model, K = _network(name), len(words)
    with torch.no_grad():
        answers = torch.cat([model(part).argmax(1) for part in batch.image.split(10)])  # N, H, W
    found = [
        torch.bincount(K * true[true < K].long() + said[true < K].long(), minlength=K * K).reshape(K, K)
        for said, true in zip(answers, batch.labels, strict=True)
    ]
    return torch.stack(found).numpy()  # N, K, K


@cache
def measured(name: str) -> Measured:
    """All that the table of the exercise needs of one network.

    Raises:
        FileNotFoundError: the course has no such network.
    """
    from segkit.models import read_header, shipped

    model = _network(name)
    parameters, buffers = (sum(one.numel() for one in some) for some in (model.parameters(), model.buffers()))
    recorded = read_header(shipped(name))["metrics"]
    return Measured(parameters, buffers, counted(name, SIZE), confusion(name), recorded)


def ious(counts: np.ndarray) -> np.ndarray:
    """IoU of each class in %, NaN where there is none of it."""
    hit = np.diagonal(counts, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore"):
        return 100 * hit / (counts.sum(-1) + counts.sum(-2) - hit)


def mean_iou(counts: np.ndarray) -> float:
    """Mean IoU in %, of all scenes together."""
    return float(np.nanmean(ious(counts)))
