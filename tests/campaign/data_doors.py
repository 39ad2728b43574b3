"""Doors of data sets, transforms, pictures and whole-picture inference."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit import data, inference, viz
from segkit.data import Sample, transforms
from tests.campaign.doors import Door, close, labels, normal, uniform

K = 4
COUNT = (0, -1, True)
SETS = (None, 3, "street", object())


def sample(random: Random) -> Sample:
    h, w = random.randint(4, 9), random.randint(4, 9)
    return Sample(uniform(random, 3, h, w), labels(random, K, h, w))


class Two(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """Two samples of four classes."""

    classes = ("a", "b", "c", "d")

    def __init__(self, random: Random) -> None:
        self.samples = [sample(random) for _ in range(2)]

    def __len__(self) -> int:
        return 2

    def __getitem__(self, i: int) -> Sample:
        return self.samples[i]


def known_pixels(transform: Any, given: dict[str, Any]) -> None:
    """Labels stay labels of the sample (or void), pictures stay in 0–1, and sizes agree; seeded it repeats itself."""
    before = sample(Random(9))
    after, again = (transform(before, np.random.default_rng(3)) for _ in range(2))
    assert after.image.shape[1:] == after.labels.shape and after.image.dtype == torch.float32
    assert 0 <= after.image.min() and after.image.max() <= 1
    assert set(after.labels.unique().tolist()) <= {*before.labels.unique().tolist(), 255}
    close(after.image, again.image)


def made(dataset: Any, given: dict[str, Any]) -> None:
    """A sample of the asked size, its labels classes, and the same when it is asked for again."""
    item = dataset[0]
    assert tuple(item.labels.shape) == given.get("size", (32, 40)) and item.image.shape[0] == 3
    assert ((item.labels < dataset.num_classes) | (item.labels == 255)).all() and 0 <= item.image.min()
    assert item.image.max() <= 1
    close(dataset[0].image, item.image)


def batched(batch: Any, given: dict[str, Any]) -> None:
    close(batch.image[0], given["samples"][0].image)
    assert len(batch.image) == len(batch.labels) == len(given["samples"])


def coloured(picture: np.ndarray, given: dict[str, Any]) -> None:
    numbers, palette = given["labels"].numpy(), given["palette"]
    assert picture.dtype == np.uint8
    assert all((picture[numbers == k] == palette[k]).all() for k in range(K)) and picture.shape == (*numbers.shape, 3)


def in_range(palette: np.ndarray, given: dict[str, Any]) -> None:
    assert palette.shape == (given["num_classes"], 3) and palette.dtype == np.uint8


def wrongs(picture: np.ndarray, given: dict[str, Any]) -> None:
    right = (given["prediction"] == given["target"]) & (given["target"] != 255)
    assert len({tuple(c) for c in picture[right.numpy()].tolist()}) <= 1


def two_maps(random: Random) -> dict[str, Any]:
    return {"prediction": labels(random, K, 6, 7, void=0), "target": labels(random, K, 6, 7)}


def draws(figure: Any, given: dict[str, Any]) -> None:
    figure.canvas.draw()
    assert figure.axes


def legend(random: Random) -> dict[str, Any]:
    from matplotlib.figure import Figure

    return {"axis": Figure().subplots(), "classes": Two.classes[: random.randint(1, 4)]}


def chart(random: Random) -> dict[str, Any]:
    x, y = ([random.random() for _ in range(6)] for _ in "xy")
    return {"axes": legend(random)["axis"], "x": x, "y": y, "names": [f"point {i}" for i in range(6)]}


def named(texts: list[Any], given: dict[str, Any]) -> None:
    """Each point has its own name or none, and no two cover each other."""
    boxes = [t.get_window_extent() for t in texts if t]
    assert all(t is None or t.get_text() == name for t, name in zip(texts, given["names"], strict=True))
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def parts() -> Any:
    from segkit.analysis import anatomy

    return anatomy(nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1)), (16, 16))


PALETTE = np.arange(12, dtype=np.uint8).reshape(4, 3)
BAD_PALETTE = ("x", np.zeros((2, 2)), np.full((4, 3), 300), np.full((4, 3), 0.5))
BAD_LABELS = (torch.full((4, 4), 9), torch.full((4, 4), -1), torch.rand(4, 4), torch.zeros(4), torch.zeros(1, 2, 3, 4))
BAD_PICTURE = (torch.full((3, 4, 4), 7.0), torch.full((3, 4, 4), math.nan), torch.full((3, 4, 4), 300), torch.zeros(5))
STREET = {"size": (3, (3, 5), "ab", (32, 40.5), None), "length": (-1, 1.5), "seed": (-1, 1.5), "thin": (-1, math.nan),
          "domain": ("noon",), "void_border": (-1, 1.5), "supersample": (0, 1.5), "split": ("all",)}  # fmt: skip
DOORS: dict[str, Door] = {
    "data.StreetScenes": Door(data.StreetScenes, lambda r: {"size": (32, r.choice((40, 48))), "length": 2,
                              "seed": r.randint(0, 99), "void_border": r.randint(0, 2), "supersample": r.randint(1, 2)},
                              made, STREET, ("transform",)),
    "data.Cells": Door(data.Cells, lambda r: {"size": (32, r.choice((40, 48))), "length": 2, "seed": r.randint(0, 99),
                       "kind": r.choice(("nuclei", "membranes"))}, made, {"size": STREET["size"], "length": (-1,),
                       "seed": (-1,), "kind": ("dogs",), "split": ("all",)}),
    "data.create": Door(data.create, lambda r: {"name": r.choice(("street", "cells"))},
                        lambda d, g: made(d, {"size": tuple(d[0].labels.shape)}),
                        {"name": ("streets", None, 3, "folder:/no/such"), "split": ("all",)}, ("root",)),
    "data.describe": Door(data.describe, lambda r: {"dataset": torch.utils.data.Subset(Two(r), [0])},
                          lambda f, g: close(f.num_classes, K), {"dataset": (None, 3, object())}),
    "data.collate": Door(data.collate, lambda r: {"samples": [sample(r)] * r.randint(1, 3)}, batched,
                         {"samples": ([], None, 3, [None], [(1, 2)])}),
    "data.Augmented": Door(data.Augmented, lambda r: {"dataset": Two(r), "transform": transforms.RandomFlip(1.0)},
                           lambda d, g: close(d[0].image.flip(-1), g["dataset"][0].image),
                           {"dataset": SETS, "seed": (-1,), "transform": (None, 3)}),
    "data.SeenThrough": Door(data.SeenThrough, lambda r: {"dataset": Two(r)},
                             lambda d, g: close(d[1].image, g["dataset"][1].image), {"dataset": SETS}),
    "data.Folder": Door(data.Folder, lambda r: {"path": "course"}, lambda d, g: None),  # see files.py: real folders
    "data.transforms.Compose": Door(transforms.Compose, lambda r: {"transforms": [transforms.RandomFlip()]},
                                    known_pixels, {"transforms": (None, 3, [None])}),
    "data.transforms.RandomFlip": Door(transforms.RandomFlip, lambda r: {"p": r.random()}, known_pixels,
                                       {"p": (-1, 2)}),
    "data.transforms.Resize": Door(transforms.Resize, lambda r: {"size": (r.randint(1, 9), r.randint(1, 9))},
                                   known_pixels, {"size": (0, -1, (0, 3), None)}),
    "data.transforms.RandomScale": Door(transforms.RandomScale, lambda r: {"low": 0.5, "high": r.uniform(0.5, 2)},
                                        known_pixels, {"low": (0, -1, 9), "high": (math.inf, 0)}),
    "data.transforms.RandomCrop": Door(transforms.RandomCrop, lambda r: {"size": (r.randint(1, 9), r.randint(1, 12))},
                                       known_pixels, {"size": (0, -1, None), "fill": ((1,), "abc", None, 3)}),
    "data.transforms.ColourJitter": Door(transforms.ColourJitter, lambda r: {"hue": r.uniform(0, 0.5)}, known_pixels,
                                         {"hue": (0.6, -1), "brightness": (2, -1)}),
    "data.transforms.Elastic": Door(transforms.Elastic, lambda r: {"alpha": r.uniform(0, 50)}, known_pixels,
                                    {"alpha": (-1, math.inf), "sigma": (0,), "p": (2,)}),
    "data.transforms.ElasticGrid": Door(transforms.ElasticGrid, lambda r: {"std": r.uniform(0, 9)}, known_pixels,
                                        {"std": (-1,), "points": (1,), "p": (2,)}),
    "viz.colourise": Door(viz.colourise, lambda r: {"labels": labels(r, K, 5, 6), "palette": PALETTE}, coloured,
                          {"labels": BAD_LABELS, "palette": BAD_PALETTE, "void_colour": ((1,), "abc", (300, 0, 0))}),
    "viz.default_palette": Door(viz.default_palette, lambda r: {"num_classes": r.randint(1, 40)}, in_range,
                                {"num_classes": COUNT[1:]}),
    "viz.error_map": Door(viz.error_map, two_maps, wrongs, {"prediction": BAD_LABELS[2:], "target": BAD_LABELS[2:]}),
    "viz.overlay": Door(viz.overlay, lambda r: {"image": uniform(r, 3, 5, 6), "labels": labels(r, K, 5, 6), "alpha": 0},
                        lambda o, g: close(o, viz.to_picture(g["image"])), {
                            "alpha": (-1, 2), "labels": BAD_LABELS, "image": BAD_PICTURE, "palette": BAD_PALETTE}),
    "viz.to_picture": Door(viz.to_picture, lambda r: {"image": uniform(r, 3, 5, 6)},
                           lambda p, g: close(p / 255.0, g["image"].permute(1, 2, 0).double(), 0.003),
                           {"image": BAD_PICTURE}),
    "viz.legend": Door(viz.legend, legend, lambda a, g: draws(g["axis"].figure, g),
                       {"axis": (None, 3), "columns": COUNT, "palette": BAD_PALETTE, "classes": (None, 3)}),
    "viz.show": Door(viz.show, lambda r: {"pictures": [uniform(r, 3, 5, 6)] * r.randint(1, 3)}, draws,
                     {"pictures": ([], None, 3, "ab"), "columns": COUNT, "height": (0, -1, math.inf),
                      "titles": (["a"] * 9, 3)}, ("classes", "palette", "caption", "titles")),
    "viz.log_axis": Door(viz.log_axis, lambda r: {"axes": legend(r)["axis"], "which": r.choice("xy")},
                         lambda a, g: draws(g["axes"].figure, g), {"axes": (None, 3), "which": ("z",)}),
    "viz.name_points": Door(viz.name_points, chart, named, {
        "axes": (None, 3), "x": (None, [math.inf] * 9), "y": ([], [math.nan]), "names": (None, "ab"),
        "fontsize": (0, math.inf), "avoid": (3, "ab")}),
    "viz.network": Door(viz.network, lambda r: {"parts": parts()}, draws, {"parts": ([], None, 3, [None]),
                        "width": (0, -1)}, ("names", "caption")),
}  # fmt: skip


# inference: a network that looks at one pixel gives the same however the picture is cut ---------------------------


def point_net() -> nn.Module:
    layer = nn.Conv2d(3, K, 1)
    layer.weight.data = normal(Random(1), K, 3, 1, 1)
    return layer


def whole_picture(random: Random) -> dict[str, Any]:
    return {"network": point_net(), "image": uniform(random, 1, 3, random.randint(8, 70), random.randint(8, 70)),
            "tile": 64, "overlap": random.choice((0, 32))}  # fmt: skip


def uncut(answer: Tensor, given: dict[str, Any]) -> None:
    close(answer.long(), given["network"](given["image"]).argmax(1))


def sum_to_one(answer: Tensor, given: dict[str, Any]) -> None:
    close(answer.sum(1), torch.ones_like(answer[:, 0]))
    assert answer.shape[2:] == given["image"].shape[2:]


IMAGE = (torch.zeros(3, 8, 8), torch.full((1, 3, 8, 8), math.nan), torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 0, 8))
CUT = {"image": IMAGE, "tile": (0, -1, 1.5), "overlap": (-1, 64, 1.5), "network": (None, 3), "stride": (0,)}
DOORS |= {
    "inference.tiled": Door(inference.tiled, whole_picture, uncut, CUT, ("bar",)),
    "inference.strips": Door(
        lambda **g: torch.cat([s.clone() for _, s in inference.strips(**g)], -2), whole_picture,
        lambda s, g: close(s.argmax(1), g["network"](g["image"]).argmax(1)), CUT),
    "inference.seam_differences": Door(inference.seam_differences, lambda r: whole_picture(r) | {"overlap": 32},
                                       lambda b, g: close(float(sum(x.differ for x in b)), 0.0), {
                                           **CUT, "stride": (), "edges": ((), "ab", (3,))}),
    "inference.multi_scale": Door(
        inference.multi_scale, lambda r: {"network": point_net(), "image": uniform(r, 1, 3, 8, r.randint(4, 9)),
                                          "scales": (1.0, r.choice((0.5, 2.0)))}, sum_to_one,
        {"scales": ((), 1, "ab", (0,), (99,), (math.nan,)), "fuse": ("sum",), "image": IMAGE}),
    "inference.MultiScale": Door(
        inference.MultiScale, lambda r: {"network": point_net(), "scales": (1.0,)},
        lambda m, g: sum_to_one(m(x := uniform(Random(1), 1, 3, 5, 6)), {"image": x}),
        {"scales": ((), 1, "ab", (0,)), "fuse": ("sum",)}),
    "inference.Segmenter": Door(
        inference.Segmenter, lambda r: {"network": point_net()},
        lambda s, g: close(s(x := uniform(Random(1), 3, 9, 8)).long(), g["network"](x[None]).argmax(1)[0]),
        {"short_side": (0, -1, 1.5), "tile": (-1, 1.5)}, ("refine", "network")),
    "inference.Normalised": Door(
        inference.Normalised, lambda r: {"module": point_net(), "mean": (0.1, 0.2, 0.3), "deviation": (1.0, 2.0, 3.0)},
        lambda m, g: m(torch.zeros(1, 3, 2, 2)), {"mean": ((1,), "abc", None), "deviation": ((0, 1, 1), (1,), None)}),
    "inference.spans": Door(
        inference.spans, lambda r: {"length": r.randint(1, 99), "tile": 32, "overlap": r.choice((0, 8)), "stride": 8},
        lambda s, g: close(len({i for x in s for i in range(x[0], min(x[1], g["length"]))}), g["length"]),
        {"length": (0, -1), "tile": (0,), "overlap": (-1, 32), "stride": (0,)}),
    "inference.blend": Door(
        inference.blend, lambda r: {"places": inference.spans(r.randint(40, 99), 32, 8, 8)},
        lambda w, g: None, {"places": (None, 3)}),
    "inference.to_short_side": Door(
        inference.to_short_side, lambda r: {"image": uniform(r, 1, 3, 8, 11), "short_side": r.randint(1, 20)},
        lambda a, g: close(min(a.shape[-2:]), g["short_side"]), {"short_side": (0, -1), "image": IMAGE[:1]}),
    "inference.labels_at": Door(
        inference.labels_at, lambda r: {"scores": normal(r, 1, K, 4, 5), "height": r.randint(1, 20), "width": 9},
        lambda a, g: close((a.long() == nn.functional.interpolate(
            g["scores"], (g["height"], 9), mode="bilinear").argmax(1)).float().mean(), 1.0, 0.02),
        {"height": COUNT, "width": COUNT, "scores": (torch.zeros(4, 5), torch.full((1, 2, 3, 3), math.nan),
                                                     torch.zeros(1, 300, 2, 2))}),
    "inference.cell_stride": Door(inference.cell_stride, lambda r: {"network": point_net()},
                                  lambda s, g: close(s, 32)),
    "inference.corner_aligned": Door(inference.corner_aligned, lambda r: {"network": point_net()},
                                     lambda s, g: close(s, False)),
}  # fmt: skip
