"""Doors of metrics: what they say is written out again in numpy, pixel by pixel or pair by pair."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from segkit import metrics
from tests.campaign.doors import Door, close, labels, uniform

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
