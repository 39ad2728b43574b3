"""Doors of metrics, losses and training: what they say is written out again in numpy, or follows from a definition."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn

from segkit import metrics, models, training
from segkit.data import StreetScenes
from tests.campaign.doors import Door, close, labels, normal, uniform

DOORS: dict[str, Door] = {}
K = 4
MAPS = {"prediction": (torch.zeros(2, 3, dtype=torch.long), torch.full((8, 9), 1.5)),
        "target": (torch.zeros(2, 3, dtype=torch.long), torch.zeros(8, 9), torch.full((8, 9), 77)),
        "ignore_index": ("255", 1.5, True)}  # fmt: skip
COUNT = (0, -1, True)


def maps(random: Random) -> dict[str, Any]:
    t = labels(random, K, 8, 9)
    p = torch.where(uniform(random, 8, 9) < 0.7, t.where(t != 255, torch.tensor(1)), labels(random, K, 8, 9, void=0))
    kinds = random.choice((Tensor.numpy, lambda x: x, lambda x: x.to(torch.uint8), lambda x: x.numpy().astype("i2")))
    return {"prediction": kinds(p), "target": kinds(t), "num_classes": K}


def matrix(given: dict[str, Any], where: np.ndarray | None = None) -> np.ndarray:
    p, t = np.asarray(given["prediction"]).astype(int), np.asarray(given["target"]).astype(int)
    known = (t != 255) if where is None else (t != 255) & where
    return np.histogram2d(t[known], p[known], bins=K, range=[[-0.5, K - 0.5]] * 2)[0]


def iou(n: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.diag(n) / (n.sum(0) + n.sum(1) - np.diag(n))


def accuracy(counted: Any, given: dict[str, Any]) -> None:
    pair = maps(Random(7))
    counted.update(pair["prediction"], pair["target"])
    close(counted.iou(), iou(matrix(pair)))
    close(counted.pixel_accuracy(), np.trace(matrix(pair)) / matrix(pair).sum())


def near(t: np.ndarray, d: int, outside: float | None = None) -> np.ndarray:
    """Whether another label lies within d, one pixel after the other."""
    wide = np.pad(t.astype(float), d, constant_values=-7 if outside is None else outside)
    found = np.zeros(t.shape, bool)
    for dy in range(2 * d + 1):
        for dx in range(2 * d + 1):
            other = wide[dy : dy + t.shape[0], dx : dx + t.shape[1]]
            found |= (other != t) & ((other != -7) | (outside is not None))
    return found


def band(answer: float, given: dict[str, Any]) -> None:
    values = iou(matrix(given, near(np.asarray(given["target"]).astype(int), given["width"])))
    close(answer, float(np.nanmean(values)) if not np.isnan(values).all() else math.nan)


def edges(answer: float, given: dict[str, Any]) -> None:
    t = np.asarray(given["target"]).astype(int)
    p = np.where(t == 255, 255, np.asarray(given["prediction"]).astype(int))
    at_p, at_t = near(p, given["width"], -1) & (p != 255), near(t, given["width"], -1) & (t != 255)
    both = np.array([(at_p & at_t & (p == k) & (t == k)).sum() for k in range(K)])
    with np.errstate(invalid="ignore"):
        values = both / (np.array([(at_p & (p == k)).sum() + (at_t & (t == k)).sum() for k in range(K)]) - both)
    close(answer, float(np.nanmean(values)) if not np.isnan(values).all() else math.nan)


def things(random: Random) -> dict[str, Any]:
    truth = torch.from_numpy(ndimage.label(labels(random, 2, 9, 9, void=0).numpy())[0].astype(np.int64))
    moved = torch.roll(truth, random.randint(0, 1), 0) * random.choice((1, 3))
    return {"prediction": moved, "truth": truth}


def matched(answer: Any, given: dict[str, Any]) -> None:
    p, t = (np.asarray(given[name]) for name in ("prediction", "truth"))
    ids = [[int(i) for i in np.unique(x) if i] for x in (p, t)]
    good = [(a, b) for a in ids[0] for b in ids[1] if ((p == a) & (t == b)).sum() > 0.5 * ((p == a) | (t == b)).sum()]
    assert [pair[:2] for pair in answer.pairs] == good and answer.tp == len(good)
    assert (answer.fp, answer.fn) == (len(ids[0]) - len(good), len(ids[1]) - len(good))


def halves(answer: float, given: dict[str, Any]) -> None:
    found = metrics.match_objects(**{name: given[name] for name in ("prediction", "truth")})
    things = found.tp + found.fp + found.fn
    close(answer, found.tp / things if things else math.nan)


def rand(answer: Any, given: dict[str, Any]) -> None:
    p, t = (np.asarray(given[name]).ravel() for name in ("prediction", "truth"))
    alone = np.where(p == 0, 10**6 + np.arange(len(p)), p)[t > 0]
    t = t[t > 0]
    if not len(t):
        assert math.isnan(answer)
        return
    table = np.array([[((alone == a) & (t == b)).sum() for b in np.unique(t)] for a in np.unique(alone)], float)
    close(answer, 2 * (table**2).sum() / ((table.sum(1) ** 2).sum() + (table.sum(0) ** 2).sum()))


def conventions(answer: dict[str, float], given: dict[str, Any]) -> None:
    pairs = [{"prediction": p, "target": t} for p, t in zip(given["predictions"], given["targets"], strict=True)]
    close(answer["data set"], float(np.nanmean(iou(sum(map(matrix, pairs))))))
    close(answer["absent as 0"], float(np.nan_to_num(iou(sum(map(matrix, pairs)))).mean()))
    close(answer["mean over pictures"], float(np.mean([np.nanmean(iou(matrix(p))) for p in pairs])))


def several(random: Random) -> dict[str, Any]:
    found = [maps(random) for _ in range(random.randint(1, 3))]
    return {"predictions": [f["prediction"] for f in found], "targets": [f["target"] for f in found], "num_classes": K}


def counted(random: Random) -> dict[str, Any]:
    name = random.choice(list(metrics.CONVENTIONS))
    return {"convention": metrics.CONVENTIONS[name], "counts": metrics.picture_counts(**several(random))}


IDS = {name: (torch.full((9, 9), -1), torch.zeros(9, 9), torch.zeros(3, 3, dtype=torch.long),
              np.full((9, 9), 2**63, np.uint64), np.ma.masked_array(np.zeros((9, 9), int), True))
       for name in ("prediction", "truth")}  # fmt: skip
SETTINGS = {"num_classes": COUNT, "ignore_index": MAPS["ignore_index"]}
DOORS |= {
    "metrics.ConfusionMatrix": Door(metrics.ConfusionMatrix, lambda r: {"num_classes": K}, accuracy, SETTINGS),
    "metrics.BoundaryIoU": Door(
        metrics.BoundaryIoU, lambda r: {"num_classes": K, "width": 1},
        lambda b, g: (b.update(**(m := {k: v for k, v in maps(Random(5)).items() if k != "num_classes"})),
                      edges(b.mean_iou(), {**m, "width": g["width"]})),
        SETTINGS | {"width": COUNT, "dilation_ratio": (0, 1, -1)}),
    "metrics.TrimapIoU": Door(
        metrics.TrimapIoU, lambda r: {"num_classes": K, "width": 1},
        lambda b, g: (b.update(**(m := {k: v for k, v in maps(Random(5)).items() if k != "num_classes"})),
                      band(b.mean_iou(), {**m, "width": g["width"]})), SETTINGS | {"width": COUNT}),
    "metrics.boundary_iou": Door(metrics.boundary_iou, lambda r: maps(r) | {"width": r.randint(1, 2)}, edges,
                                 MAPS | {"num_classes": COUNT, "width": COUNT, "dilation_ratio": (0, 2)}),
    "metrics.trimap_iou": Door(metrics.trimap_iou, lambda r: maps(r) | {"width": r.randint(1, 2)}, band,
                               MAPS | {"num_classes": COUNT, "width": COUNT}),
    "metrics.near_other_class": Door(
        metrics.near_other_class, lambda r: {"labels": labels(r, K, 8, 9, void=0), "distance": r.randint(1, 3)},
        lambda n, g: close(n, near(g["labels"].numpy(), g["distance"])),
        {"distance": COUNT, "labels": (torch.rand(4, 4), torch.full((4, 4), -1), torch.full((4, 4), 40_000))}),
    "metrics.match_objects": Door(metrics.match_objects, things, matched, IDS | {"iou": (0.4, 1, -1)}),
    "metrics.average_precision": Door(
        metrics.average_precision, lambda r: things(r) | {"thresholds": (0.5,)},
        halves, IDS | {"thresholds": ((), (0.4,), (1.0,), 0.5, None)}),
    "metrics.CellScores": Door(
        metrics.CellScores, lambda r: {}, lambda c, g: (c.update(**things(Random(3))), rand(
            c.summary()["rand"], things(Random(3)))), {"iou": (0.4, 1), "zero": ("neither",)}),
    "metrics.partition_scores": Door(metrics.partition_scores, things, lambda s, g: rand(s.rand, g), IDS),
    "metrics.rand_score": Door(metrics.rand_score, things, rand, IDS),
    "metrics.adapted_rand_error": Door(metrics.adapted_rand_error, things, lambda e, g: rand(1 - e, g), IDS),
    "metrics.label_components": Door(
        metrics.label_components, lambda r: {"mask": labels(r, 2, 9, 9, void=0) > 0, "connectivity": r.choice((4, 8))},
        lambda c, g: close(c.max(), ndimage.label(np.asarray(g["mask"]), np.ones((3, 3)) if g["connectivity"] == 8
                                                  else None)[1]), {"connectivity": (0, 6, True)}, ()),
    "metrics.iou_conventions": Door(metrics.iou_conventions, several, conventions, {
        "num_classes": COUNT, "batch": COUNT, "ignore_index": MAPS["ignore_index"], "predictions": ([], None, 3),
        "targets": ([], None, 3)}, ("predictions", "targets")),
    "metrics.picture_counts": Door(
        metrics.picture_counts, several, lambda c, g: close(c.truth.sum() + c.void.sum(), sum(
            np.asarray(t).size for t in g["targets"])), {"num_classes": COUNT, "predictions": (None, 3)},
        ("predictions", "targets")),
    "metrics.mean_iou_as": Door(metrics.mean_iou_as, counted,
                                lambda v, g: None if math.isnan(v) else close(v, min(1.0, max(0.0, v))),
                                {"batch": COUNT, "convention": (None, "VOC"), "counts": (None, 3)}),
    "metrics.Convention": Door(metrics.Convention, lambda r: {"over": r.choice(("batch", "picture"))},
                               lambda c, g: c.definition, {"over": ("all",), "mean": ("sum",)}, ("who",)),
}  # fmt: skip


# losses and training ------------------------------------------------------------------------------------------------


def scored(random: Random) -> dict[str, Any]:
    n, h, w = random.randint(1, 2), random.randint(1, 6), random.randint(1, 6)
    weight = random.choice((None, uniform(random, K) + 0.1))
    return {"logits": normal(random, n, K, h, w), "target": labels(random, K, n, h, w), "weight": weight}


def as_torch(answer: Tensor, given: dict[str, Any]) -> None:
    theirs = nn.functional.cross_entropy(given["logits"], given["target"], given["weight"], ignore_index=255)
    close(answer, theirs.nan_to_num(0))


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


def small_set() -> StreetScenes:
    return StreetScenes("train", size=(32, 32), length=2)


def network(seed: int = 0, classes: int = 13) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return models.create("fcn32s", classes, width=1, hidden=2)


def parted(answer: tuple[Tensor, Tensor], given: dict[str, Any]) -> None:
    """No two cells touch any more, and nothing but cells became background."""
    ids = answer[1].numpy()
    assert not any((ids[:, :-1] != ids[:, 1:])[(ids[:, :-1] > 0) & (ids[:, 1:] > 0)]) or given["border"] == 0
    assert ((answer[1] == given["instances"]) | (answer[1] == 0)).all()


SCENES = {"dataset": (None, 3, "street", [], object())}
DOORS |= {
    "training.cross_entropy": Door(training.cross_entropy, scored, as_torch, LOSS | {"reduction": ("max",),
                                   "pixel_weight": (torch.ones(3), "x", torch.full((1, 1, 1), -1.0))}),
    "training.dice_loss": Door(training.dice_loss, scored, dice, LOSS),
    "training.ohem_cross_entropy": Door(training.ohem_cross_entropy, scored, hard,
                                        LOSS | {"threshold": (-1, 2), "kept": (-1, 2)}),
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
        SCENES | {"batch_size": COUNT, "device": ("gpu", "", "cuda:99"), "model": (network(0, 5),)}),
    "training.pick_device": Door(training.pick_device, lambda r: {"name": "cpu"},
                                 lambda d, g: close(torch.ones(1, device=d), torch.ones(1)), {"name": ("gpu", "", None)}),
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
