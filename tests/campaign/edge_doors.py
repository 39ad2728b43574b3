"""Doors of what part 15 stands on: networks of high resolution and of borders."""

from __future__ import annotations

import inspect
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from segkit import heads, models, training
from tests.campaign.doors import Door, close, labels, normal
from tests.campaign.metric_doors import MAPS, K
from tests.campaign.network_doors import CHANNELS, COUNT, SMALL, scores

DOORS: dict[str, Door] = {}
OPTIONS: dict[str, dict[str, Any]] = {
    "HRNet": {"base": 18, "width": 8}, "HRNetOCR": {"base": 18, "width": 8},
    "PointRend": {"encoder": "resnet18", "width": 4, "points": 5, "train_points": 4},
    "HMSA": {"base": 18, "width": 8, "scales": (1.0, 2.0)}, "DecoupleSegNet": {"encoder": "resnet18", "width": 4},
}  # fmt: skip
WRONG = {
    **SMALL,
    "base": (0, 64, 18.5),
    "points": COUNT,
    "train_points": COUNT,
    "scales": ((0.5,), (1.0, 1.0), (1.0, 99.0), 1.0),
}
for name, own in OPTIONS.items():
    cls = getattr(models, name)
    takes = inspect.signature(cls.__init__).parameters
    DOORS[f"models.{name}"] = Door(
        cls, lambda r, own=own: {"num_classes": r.randint(1, 4), **own, "in_channels": r.choice((1, 3))}, scores,
        {key: values for key, values in WRONG.items() if key in takes},
    )  # fmt: skip


# heads ----------------------------------------------------------------------------------------------------------------


def halved(channels: list[int]) -> list[Tensor]:
    """Maps of odd sizes, each half of the one before, rounded up."""
    return [normal(Random(i), 2, c, -(-9 // 2**i), -(-13 // 2**i)) for i, c in enumerate(channels)]


def pyramid(module: nn.Module, given: dict[str, Any]) -> None:
    maps = halved(list(given["channels"]))
    found = module.eval()(maps)
    assert [m.shape for m in found] == [(2, given["width"], *m.shape[2:]) for m in maps]


def read(module: nn.Module, given: dict[str, Any]) -> None:
    found = module.eval()(halved([given["channels"]] * given["levels"]))
    assert found.shape == (2, given["num_classes"], 9, 13) and found.isfinite().all()


DOORS |= {
    "heads.FPN": Door(heads.FPN, lambda r: {"channels": (4, 3, 5)[: r.randint(1, 3)], "width": r.randint(1, 4)},
                      pyramid, {"channels": ((0,), (1.5, 2), 4, None), "width": COUNT}),
    "heads.FPNHead": Door(
        heads.FPNHead, lambda r: {"channels": r.randint(1, 4), "levels": r.randint(1, 4), "width": 4,
                                  "num_classes": r.randint(1, 4)}, read, {**CHANNELS, "levels": COUNT}),
}  # fmt: skip


# the loss -------------------------------------------------------------------------------------------------------------


def pictures(random: Random) -> dict[str, Any]:
    n, H, W = random.randint(1, 3), random.randint(1, 6), random.randint(1, 6)
    return {
        "scores": normal(random, n, 1, H, W),
        "target": labels(random, K, n, H, W),
        "distance": random.randint(1, 2),
    }


def weighed(answer: Tensor, given: dict[str, Any]) -> None:
    """Pixel by pixel, each looking around itself."""
    scores, target, d = given["scores"][:, 0], given["target"], given["distance"]
    said: dict[bool, list[float]] = {True: [], False: []}
    for n, y, x in (target != 255).nonzero().tolist():
        around = target[n, max(0, y - d) : y + d + 1, max(0, x - d) : x + d + 1]
        edge = bool(((around != 255) & (around != target[n, y, x])).any())
        said[edge].append(float(torch.log1p(torch.exp(scores[n, y, x] * (-1 if edge else 1)))))
    yes, no = len(said[True]), len(said[False])
    total = sum(said[True]) * no + sum(said[False]) * yes
    close(answer, torch.tensor(total / max(1, yes + no) ** 2))


DOORS["training.edge_loss"] = Door(
    training.edge_loss, pictures, weighed,
    {"scores": (torch.zeros(1, 2, 9, 9), torch.zeros(9, 9), torch.zeros(1, 1, 9, 9).long()), "distance": COUNT,
     "target": (torch.zeros(1, 99, 99).long(),), "ignore_index": MAPS["ignore_index"]},
)  # fmt: skip
