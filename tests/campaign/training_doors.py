"""Doors of losses, sampling and training: torch's own cross-entropy, or what follows from a definition."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit import training
from tests.campaign.doors import Door, close, labels, normal, uniform
from tests.campaign.made import SCENES, network, small_set
from tests.campaign.metric_doors import COUNT, MAPS, K, things

DOORS: dict[str, Door] = {}


def scored(random: Random) -> dict[str, Any]:
    n, h, w = random.randint(1, 2), random.randint(1, 6), random.randint(1, 6)
    weight = random.choice((None, uniform(random, K) + 0.1))
    return {"logits": normal(random, n, K, h, w), "target": labels(random, K, n, h, w), "weight": weight}


def as_torch(answer: Tensor, given: dict[str, Any]) -> None:
    theirs = nn.functional.cross_entropy(given["logits"], given["target"], given["weight"], ignore_index=255)
    close(answer, theirs.nan_to_num(0))


def pupils(random: Random) -> dict[str, Any]:
    given = scored(random)
    return {"student": given["logits"], "teacher": normal(random, *given["logits"].shape), "target": given["target"],
            "temperature": random.uniform(0.5, 3)}  # fmt: skip


def divergence(answer: Tensor, given: dict[str, Any]) -> None:
    s, t = (
        given[name].movedim(1, -1)[given["target"] != 255] / given["temperature"] for name in ("student", "teacher")
    )
    theirs = nn.functional.kl_div(s.log_softmax(-1), t.softmax(-1), reduction="sum") / max(1, len(s))
    close(answer, given["temperature"] ** 2 * theirs)


def dice(answer: Tensor, given: dict[str, Any]) -> None:
    assert 0 <= float(answer) <= 1 + 1e-6


def hard(answer: Tensor, given: dict[str, Any]) -> None:
    """Never below the mean over all pixels, where the classes weigh the same."""
    if given["weight"] is None:
        everything = nn.functional.cross_entropy(given["logits"], given["target"], ignore_index=255).nan_to_num(0)
        assert answer >= everything - 1e-5


LOSS = {
    "logits": (torch.zeros(2, K), torch.zeros(1, 1, 1, 1), torch.zeros(1, K, 2, 2, dtype=torch.long)),
    "target": (torch.zeros(1, 1, 1), torch.full((1, 9, 9), 7), torch.zeros(2, dtype=torch.long)),
    "weight": (torch.ones(2), -torch.ones(K), torch.full((K,), math.nan), [1.0] * K, "log"),
    "ignore_index": MAPS["ignore_index"],
}
WEIGHT_MAP = {"w0": (-1, math.inf), "sigma": (0, -1), "class_weights": ((1,), "xy", (1, -1), 3),
              "instances": (torch.full((4, 4), -1), torch.rand(4, 4), torch.zeros(4, dtype=torch.long))}  # fmt: skip


def masks(random: Random) -> dict[str, Any]:
    return {"target": labels(random, K, 2, 6, 7), "side": random.randint(1, 6)}


def centre(answer: Tensor, given: dict[str, Any]) -> None:
    side, (h, w) = given["side"], given["target"].shape[-2:]
    block = (
        slice(None),
        slice((h - side) // 2, (h - side) // 2 + side),
        slice((w - side) // 2, (w - side) // 2 + side),
    )
    close(answer[block], given["target"][block])
    assert (answer == 255).sum() >= answer.numel() - side * side * len(answer)


def parted(answer: tuple[Tensor, Tensor], given: dict[str, Any]) -> None:
    """No two cells touch any more, and nothing but cells became background."""
    ids = answer[1].numpy()
    assert not any((ids[:, :-1] != ids[:, 1:])[(ids[:, :-1] > 0) & (ids[:, 1:] > 0)]) or given["border"] == 0
    assert ((answer[1] == given["instances"]) | (answer[1] == 0)).all()


DOORS |= {
    "training.cross_entropy": Door(training.cross_entropy, scored, as_torch, LOSS | {"reduction": ("max",),
                                   "pixel_weight": (torch.ones(3), "x", torch.full((1, 1, 1), -1.0))}),
    "training.dice_loss": Door(training.dice_loss, scored, dice, LOSS),
    "training.ohem_cross_entropy": Door(training.ohem_cross_entropy, scored, hard,
                                        LOSS | {"threshold": (-1, 2), "kept": (-1, 2)}),
    "training.distillation_loss": Door(training.distillation_loss, pupils, divergence, {
        **{key: values for key, values in LOSS.items() if key in ("target", "ignore_index")},
        "student": LOSS["logits"], "teacher": LOSS["logits"], "temperature": (0, -1, math.inf)}),
    "training.check_labels": Door(training.check_labels, lambda r: {"target": labels(r, K, 1, 4, 5), "num_classes": K},
                                  lambda a, g: None, {"target": (*LOSS["target"][1:2], torch.rand(1, 4, 4)),
                                                      "num_classes": COUNT, "ignore_index": MAPS["ignore_index"]}),
    "training.class_weights": Door(
        training.class_weights, lambda r: {"counts": torch.tensor([r.randint(1, 99) for _ in range(r.randint(1, 5))])},
        lambda w, g: close(w, np.median(g["counts"] / g["counts"].sum()) / (g["counts"] / g["counts"].sum())),
        {"counts": (torch.tensor([-1, 2]), torch.zeros(3), torch.tensor([math.nan, 1]), [1, 2], torch.ones(2, 2))}),
    "training.count_pixels": Door(training.count_pixels, lambda r: {"dataset": small_set()}, lambda c, g: close(
        c.sum(), sum((g["dataset"][i].labels != 255).sum() for i in range(2))), SCENES),
    "training.keep_centre": Door(training.keep_centre, masks, centre, {"side": (0, 7)}, ("target",)),
    "training.sample_pixels": Door(
        training.sample_pixels, lambda r: {"target": labels(r, K, 2, 6, 7), "share": r.random()},
        lambda a, g: close(a[a != 255], g["target"][a != 255]), {"share": (-1, 2)}, ("generator",)),
    "training.sample_patches": Door(
        training.sample_patches, lambda r: {"image": uniform(r, 2, 3, 8, 9), "target": labels(r, K, 2, 8, 9),
                                            "size": r.randint(1, 4), "count": r.randint(1, 3)},
        lambda a, g: close(torch.tensor(a[1].shape), torch.tensor([g["count"], g["size"], g["size"]])),
        {"size": (0,), "count": (0,), "target": (torch.full((2, 8, 9), 255), torch.zeros(1, 8, 9))}, ("generator",)),
    "training.unet_weight_map": Door(
        training.unet_weight_map, lambda r: {"instances": things(r)["truth"], "w0": r.uniform(0, 9)},
        lambda m, g: close(m[g["instances"] > 0], torch.ones(int((g["instances"] > 0).sum()))), WEIGHT_MAP),
    "training.weight_map_loss": Door(training.weight_map_loss, lambda r: {"w0": r.uniform(0, 9)},
                                     lambda f, g: None, {k: v for k, v in WEIGHT_MAP.items() if k != "instances"}
                                     | {"border": (-1,)}),
    "training.separate": Door(training.separate, lambda r: {"labels": (t := things(r)["truth"]) * 0 + 1,
                              "instances": t, "border": r.randint(0, 2)}, parted,
                              {"border": (-1,), "instances": (torch.full((9, 9), -1), torch.zeros(3, 3))}),
    "training.evaluate": Door(
        training.evaluate, lambda r: {"model": network(), "dataset": small_set(), "device": "cpu"},
        lambda m, g: close(m.matrix.sum(), sum((g["dataset"][i].labels != 255).sum() for i in range(2))),
        SCENES | {"batch_size": COUNT, "device": ("gpu", "", "cuda:99"), "model": (network(0, 5),),
                  "also": (None, 3, ["edges"])}),
    "training.pick_device": Door(training.pick_device, lambda r: {"name": "cpu"},
                                 lambda d, g: close(d.type == "cpu", True), {"name": ("gpu", "", None, "meta")}),
    "training.provenance": Door(training.provenance, lambda r: {}, lambda p, g: json.dumps(p, allow_nan=False), {},
                                ("command",)),
    "training.Recipe": Door(training.Recipe, lambda r: {"steps": r.randint(1, 99), "schedule": "poly"},
                            lambda c, g: close(c.rate(0), c.lr), {"crop": (0, (1, 2, 3)), "lr": (0, -1, math.inf)},
                            ("device", "name")),
    "training.Trainer": Door(
        training.Trainer, lambda r: {"model": network(), "train_set": small_set(),
                                     "recipe": training.Recipe(steps=1, batch_size=2, device="cpu")},
        lambda t, g: t.fit(quiet=True), {"train_set": (None, 3, [], "street"), "recipe": (None, {}, "street"),
                                         "model": (network(0, 5),), "weight": (torch.ones(2), [1.0])},
        ("loss", "facts")),
}  # fmt: skip
DOORS["training.Config"] = DOORS["training.Recipe"]
