"""Explorers of labelled pictures: what networks and a CRF answer is tabulated, and the page counts and mixes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from live.packing import Live, packed
from torch import Tensor

from segkit.data.sample import VOID, Sample
from segkit.data.street import StreetScenes
from segkit.explore import CrfExplorer, LineageExplorer, MetricsExplorer, PointExplorer, SkipExplorer
from segkit.explore.asked_again import lots, macs_per_point, stops
from segkit.explore.crf_steps import STEPS
from segkit.explore.labelled import LabelledExplorer
from segkit.explore.shell import Explorer
from segkit.explore.skip import HEADS
from segkit.metrics import CONVENTIONS
from segkit.models import load
from segkit.viz import colourise, error_map, to_picture

COURSE = Path(__file__).resolve().parents[2] / "course"
SIZE = (96, 128)
MIXED = (0.0, 0.5, 1.0, 1.5, 2.0)  # weights of a head
SCENE, OTHER = 3, 6  # of the CRF: the chapter's, and one more
COLOURS = (2, 5, 10, 20, 50, 80)  # widths: the chapter asks for 2 and 80, and searched 10
BILATERAL = (0, 4, 8, 12, 15)


def bytes_of(maps: Any) -> dict[str, Any]:
    """Labels as bytes, packed."""
    return packed(np.stack([np.asarray(m) for m in maps]).astype(np.uint8))


def labelled(explorer: LabelledExplorer, samples: list[Sample]) -> dict[str, Any]:
    """What scripts need to know of labelled pictures: sizes, names, colours, pictures and truths."""
    truth = torch.stack([sample.labels for sample in samples])
    one = np.array([[0, 0, 0]])
    return {
        "size": list(truth.shape[1:]),
        "classes": list(explorer.classes),
        "palette": np.asarray(explorer.palette)[: len(explorer.classes)].tolist(),
        "void": colourise(torch.tensor([[VOID]]), explorer.palette)[0, 0].tolist(),
        "errors": error_map(one, np.array([[0, 1, VOID]]))[0].tolist(),
        "truth": bytes_of(truth),
        "images": bytes_of([to_picture(sample.image) for sample in samples]),
    }


def metrics() -> Live:
    """Chapter 01: which metric notices what, and which convention punishes a perfect prediction."""
    explorer = MetricsExplorer()
    data = labelled(explorer, explorer.samples)
    data["labels"] = data.pop("truth")
    del data["images"]
    data["conventions"] = {name: {**vars(rule), "definition": rule.definition} for name, rule in CONVENTIONS.items()}
    moves = {name: None for name in explorer.controls if name != "down"}  # shifting to the right shows as much
    return Live(explorer, moves, data, ("labels",))


def skip_explorer() -> SkipExplorer:
    """The heads of the recorded FCN-8s on four test scenes."""
    scenes = StreetScenes("test", size=SIZE)
    return SkipExplorer(load(COURSE / "weights/lineage_fcn8s.safetensors"), [scenes[i] for i in range(4)])


def skip() -> Live:
    """Chapter 04: what becomes of a picture when one of the three heads is turned down."""
    explorer, heads, mixtures = skip_explorer(), [], []
    for scene in range(len(explorer.samples)):
        with unseen(explorer, scene=scene):
            scores = explorer.heads
        heads.append(torch.stack([scores[name].argmax(0) for name in (*HEADS, "logits")]))
        mixtures.append(mixed(scores))
    data = {**labelled(explorer, explorer.samples), "heads": bytes_of(heads), "mixtures": bytes_of(mixtures)}
    moves = {"scene": None, **dict.fromkeys(HEADS, MIXED), "row": None, "column": None}
    return Live(explorer, moves, {**data, "weights": MIXED}, ("labels",))


def mixed(scores: dict[str, Tensor]) -> np.ndarray:
    """The labels of all mixtures, as segkit.explore.skip.mix has them; in place, since memory is what takes time."""
    coarse, middle, fine = (scores[name] for name in HEADS)
    part, total, found = torch.empty_like(fine), torch.empty_like(fine), []
    for a, b in product(MIXED, MIXED):
        base = a * coarse + b * middle
        for c in MIXED:
            torch.add(base, torch.mul(fine, c, out=part), out=total)
            found.append(total.argmax(0).numpy().astype(np.uint8))
    return np.stack(found)


@contextmanager
def unseen(explorer: Explorer, **moves: Any) -> Iterator[None]:
    """Controls set for a moment without anything being drawn."""
    before = {name: explorer[name] for name in moves}
    explorer._held = True
    for name, value in moves.items():
        explorer.controls[name].value = value
    yield
    for name, value in before.items():
        explorer.controls[name].value = value
    explorer._held = False


def crf_explorer() -> CrfExplorer:
    """The CRF behind the recorded DeepLab v1, with the settings that were searched for it."""
    scenes = StreetScenes("test", size=SIZE)
    network = load(COURSE / "weights/lineage_deeplab_v1.safetensors")
    chosen = json.loads((COURSE / "results/crf_sharpen.json").read_text(encoding="utf-8"))["extra"]["chosen"]
    names = ("bilateral_sxy", "bilateral_srgb", "bilateral_compat", "gaussian_compat")
    settings = tuple(chosen[name] for name in names)
    return CrfExplorer(network, [scenes[i] for i in range(8)], settings=settings, scene=SCENE)


def crf() -> Live:
    """Chapter 07: what the widths and weights of the kernels do to small things, and how the divergence falls."""
    explorer = crf_explorer()
    shown, shape = (SCENE, OTHER), (2, len(COLOURS), len(BILATERAL))
    after, kl = np.zeros((*shape, STEPS, *SIZE), np.uint8), np.zeros((*shape, STEPS + 1))
    for at in np.ndindex(shape):
        with unseen(explorer, scene=shown[at[0]], srgb=COLOURS[at[1]], bilateral=BILATERAL[at[2]]):
            inference = explorer.compute().inference
        after[at] = np.stack([inference.labels(step).numpy() for step in range(1, STEPS + 1)])
        kl[at] = inference.kl
    data = {
        **labelled(explorer, [explorer.samples[i] for i in shown]),
        "scenes": shown,
        "srgb": COLOURS,
        "bilateral": BILATERAL,
        "sxy": explorer["sxy"],
        "before": bytes_of([explorer.scores[i].argmax(0) for i in shown]),
        "after": packed(after),
        "kl": packed(kl),
    }
    moves = {"scene": shown, "srgb": COLOURS, "bilateral": BILATERAL, "iterations": None, "row": None, "column": None}
    return Live(explorer, moves, data, ("labels",))


def lineage_explorer() -> LineageExplorer:
    """The recorded networks of the main line."""
    explorer = LineageExplorer(COURSE / "weights")
    explorer.controls["left"].value = "DeepLab v3"
    return explorer


def lineage() -> Live:
    """Chapter 11: where two networks of the main line disagree, and who is right there."""
    explorer = lineage_explorer()
    names, scenes = list(explorer.ancestors), range(len(explorer.samples))
    answers = [torch.stack([explorer.answer(name, scene) for scene in scenes]) for name in names]
    each = explorer.ancestors.values()
    data = {
        **labelled(explorer, explorer.samples),
        "names": names,
        "answers": bytes_of(answers),
        "macs": [one.macs for one in each],
        "recorded": [one.recorded for one in each],
    }
    return Live(explorer, dict.fromkeys(explorer.controls), data, ("labels",))


def points() -> Live:
    """Chapter 15: how many points, and which, repair a coarse answer's borders."""
    explorer = PointExplorer()
    pixels = explorer.labels.numel()
    data = {
        **labelled(explorer, explorer.samples),
        "ranks": packed(lots(pixels, 0).numpy().astype(np.uint16)),
        "luck": packed(lots(pixels, 1).numpy().astype(np.uint16)),
        "stops": stops(pixels),
        "macs": macs_per_point(len(explorer.classes)),
    }
    return Live(explorer, dict.fromkeys(explorer.controls), data, ("labels",))
