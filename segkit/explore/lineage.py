"""LineageExplorer: two networks of the main line side by side on one street, with scores and costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.analysis import cost
from segkit.data.sample import VOID, Sample
from segkit.explore.canvas import BLUE, FAINT, INK, VERMILION, Canvas
from segkit.explore.labelled import LabelledExplorer, mean_iou, panels
from segkit.models import load, read_header
from segkit.models.modes import in_evaluation
from segkit.viz import colourise, error_map, legend, log_axis, to_picture

Networks = Mapping[str, nn.Module | str | Path]
LINEAGE = {  # the end of a file's name → what the paper calls its network, in the order of the papers
    "fcn32s": "FCN-32s", "fcn16s": "FCN-16s", "fcn8s": "FCN-8s", "deeplab_v1": "DeepLab v1", "unet": "U-Net",
    "segnet": "SegNet", "parsenet": "ParseNet", "dilated": "dilated", "deeplab_v2_vgg": "DeepLab v2, VGG",
    "deeplab_v2": "DeepLab v2", "pspnet": "PSPNet", "deeplab_v3": "DeepLab v3", "deeplab_v3plus": "DeepLab v3+",
}  # fmt: skip
SIZE, SCENES, NEAR = (96, 128), 8, 1  # pixels of the streets, how many, and how near to an outline is "near"
SIDES = {"left": BLUE, "right": VERMILION}


@dataclass(frozen=True)
class Ancestor:
    """One network, and what is known about it."""

    network: nn.Module
    macs: int  # multiply-adds for one picture
    recorded: float  # mean IoU over test pictures that its file records; NaN where it records none


@dataclass(frozen=True)
class Compared:
    """Two answers to one picture.

    Args:
        names: of the two networks, left and right, as in all that follows.
        answers: int64 H×W each.
        iou: mean IoU on this picture; NaN without a truth.
        near: the same within 1 pixel of a true outline.
        differ: share of the known pixels on which they disagree.
        settled: of those pixels, the share on which each is right; NaN where they agree on everything.
    """

    names: tuple[str, str]
    answers: tuple[Tensor, Tensor]
    iou: tuple[float, float]
    near: tuple[float, float]
    differ: float
    settled: tuple[float, float]


def shipped(folder: str | Path) -> dict[str, Path]:
    """The files lineage_*.safetensors of a folder by the names of their networks, in the order of the papers."""
    files = {name: Path(folder) / f"lineage_{key}.safetensors" for key, name in LINEAGE.items()}
    return {name: path for name, path in files.items() if path.is_file()}


def gathered(
    networks: Networks | str | Path, shape: tuple[int, ...], num_classes: int
) -> tuple[dict[str, Ancestor], list[str]]:
    """The networks with their costs, and what a folder lacks; arguments and errors as of `LineageExplorer`."""
    given: Networks = shipped(networks) if isinstance(networks, str | Path) else networks
    if not given and given is not networks:
        raise FileNotFoundError(
            f"there is no lineage_*.safetensors in {networks}; `python course/experiments/lineage.py lineage` makes "
            "them, or give networks={name: file}"
        )
    if not given:
        raise ValueError("LineageExplorer got no networks; give {name: network or file}, or a folder of weights")
    found = {}
    for name, one in given.items():
        network = one if isinstance(one, nn.Module) else load(one)
        header = {} if isinstance(one, nn.Module) else read_header(one)
        if (own := getattr(network, "num_classes", num_classes)) != num_classes:
            raise ValueError(f"LineageExplorer got {name} with {own} classes for pictures that have {num_classes}")
        price = cost(network, shape)
        metrics = header.get("metrics", {})
        found[name] = Ancestor(network, price.macs, metrics.get("mean_iou", metrics.get("test_mean_iou", math.nan)))
    return found, [name for name in LINEAGE.values() if given is not networks and name not in found]


def compare(names: tuple[str, str], answers: tuple[Tensor, Tensor], labels: Tensor, num_classes: int) -> Compared:
    """Score two answers, and ask who is right where they disagree.

    Args:
        names: of the networks.
        answers: int64 H×W each.
        labels: int64 H×W, the truth; void counts nowhere.
        num_classes: K.
    """
    a, b = answers
    known = labels != VOID
    torn = known & (a != b)
    n = int(torn.sum())
    settled = tuple(float((answer == labels)[torn].sum()) / n if n else math.nan for answer in answers)
    iou, near = (tuple(mean_iou(x, labels, num_classes, band) for x in answers) for band in (None, NEAR))
    return Compared(names, answers, iou, near, n / max(1, int(known.sum())), settled)  # type: ignore[arg-type]


def drawing(canvas: Canvas, image: np.ndarray, classes: tuple[str, ...], palette: np.ndarray) -> dict[str, Any]:
    """The empty picture: picture and truth above, the two answers below, a chart of all networks and the classes."""
    places = [(x, y) for y in (0.52, 0.01) for x in (0.005, 0.335)]
    pictures, rings = panels(canvas, ("picture", "truth", *SIDES), places, (0.325, 0.43), image)
    titles = {}
    for side, colour in SIDES.items():
        axes = pictures[side].axes
        axes.set_title("")
        titles[side] = axes.text(0.5, 1.03, side, transform=axes.transAxes, ha="center", fontsize=9, color=colour)
    chart = canvas.axes(0.73, 0.6, 0.26, 0.33, "all of them, over the test scenes", ticks=True)
    chart.set_xlabel("multiply-adds, millions", fontsize=8)
    chart.set_ylabel("mean IoU, %", fontsize=8)
    (others,) = chart.plot([], [], "o", ms=5, color=FAINT, alpha=0.6)
    (ghost,) = chart.plot([], [], "o", ms=11, mfc="none", mec=FAINT)
    dots = {side: chart.plot([], [], "o", ms=9, color=colour)[0] for side, colour in SIDES.items()}
    legend(canvas.axes(0.67, 0.06, 0.325, 0.4), classes, palette, columns=1 + (len(classes) - 1) // 8)
    canvas.moves(*pictures.values(), *titles.values(), ghost, *dots.values())
    return {"pictures": pictures, "rings": rings, "titles": titles, "chart": chart, "others": others, "ghost": ghost,
            "dots": dots}  # fmt: skip


class LineageExplorer(LabelledExplorer):
    """Any two networks on the same street: labels or errors, scores and costs; click a pixel to hear what each says.

    Args:
        networks: name → a network, or a file that `segkit.models.save` wrote; or a folder, for its
            lineage_*.safetensors.
        samples: the pictures, with labels; None for street scenes.
        classes, palette: as for `LabelledExplorer`.

    Attributes:
        missing: names of the main line whose weights the folder lacks.

    Raises:
        FileNotFoundError: the folder has none of them; says what makes them.
        ValueError: no network is given, or one has another number of classes.
    """

    title = "The lineage"

    def __init__(
        self,
        networks: Networks | str | Path = "weights",
        samples: Sequence[Sample] | None = None,
        classes: tuple[str, ...] | None = None,
        palette: Any = None,
    ) -> None:
        from segkit.data.street import StreetScenes

        scenes = StreetScenes("val", size=SIZE)
        self.samples = [scenes[i] for i in range(SCENES)] if samples is None else list(samples)
        K = len(classes or StreetScenes.classes)
        self.ancestors, self.missing = gathered(networks, tuple(self.samples[0].image.shape), K)
        self._known: dict[tuple[str, int], Tensor] = {}  # answers so far
        super().__init__(Canvas(10.4, 5.2), self.samples[0], K, classes, palette)
        self.parts = drawing(self.canvas, to_picture(self.samples[0].image), self.classes, self.palette)
        self._chart()
        names, (H, W) = list(self.ancestors), self.labels.shape
        with self.together():
            streets = [(f"street {i + 1}", i) for i in range(len(self.samples))]
            self.menu("scene", "scene", streets, 0, "the picture")
            self.menu("left", "left", names, names[0], "the network whose answer is on the left, blue in the chart")
            self.menu("right", "right", names, names[-1], "the network on the right; a click in the chart chooses it")
            self.menu("show", "show", ["labels", "errors"], "labels", "the labels, or where they are wrong")
            self.ring(H, W, "the marked pixel; a click on a picture sets it")

    def _place(self, name: str) -> tuple[float, float]:  # in the chart
        return self.ancestors[name].macs / 1e6, 100 * self.ancestors[name].recorded

    def _chart(self) -> None:
        points = [self._place(name) for name in self.ancestors]
        self.parts["others"].set_data(*zip(*points, strict=True))
        across = [x for x, _ in points]
        self.parts["chart"].set(xlim=(min(across) / 1.6, max(across) * 1.6), ylim=(0, 100))
        log_axis(self.parts["chart"])
        if self.missing:
            text = f"no weights for {', '.join(self.missing)}"
            self.canvas.figure.text(0.835, 0.02, text, ha="center", fontsize=7, color=INK, wrap=True)

    def answer(self, name: str, scene: int) -> Tensor:
        """The labels that a network gives a scene; computed once."""
        if (name, scene) not in self._known:
            network = self.ancestors[name].network
            with in_evaluation(network), torch.no_grad():
                self._known[name, scene] = network(self.samples[scene].image[None]).argmax(1)[0]
        return self._known[name, scene]

    def compute(self) -> Compared:
        scene, names = self["scene"], (self["left"], self["right"])
        self.labels = self.samples[scene].labels
        answers = self.answer(names[0], scene), self.answer(names[1], scene)
        return compare(names, answers, self.labels, len(self.classes))

    def draw(self, results: Compared) -> str:
        pictures, wrong = self.parts["pictures"], self["show"] == "errors"
        pictures["picture"].set_data(to_picture(self.samples[self["scene"]].image))
        pictures["truth"].set_data(colourise(self.labels, self.palette))
        for side, name, answer in zip(SIDES, results.names, results.answers, strict=True):
            pictures[side].set_data(error_map(answer, self.labels) if wrong else colourise(answer, self.palette))
            self.parts["titles"][side].set_text(name)
            self.parts["dots"][side].set_data(*([v] for v in self._place(name)))
        before = self.last.names if self.last is not None and self.last.names != results.names else ()
        self.parts["ghost"].set_data(*(zip(*map(self._place, before), strict=True) if before else ([], [])))
        for ring in self.parts["rings"]:
            ring.set_data([self["column"]], [self["row"]])
        return self._said(results)

    def _said(self, results: Compared) -> str:
        each = [
            f"{name}: IoU {100 * iou:.0f} %, near outlines {100 * near:.0f} %, "
            f"{self.ancestors[name].macs / 1e6:.0f} M multiply-adds."
            for name, iou, near in zip(results.names, results.iou, results.near, strict=True)
        ]
        torn = [f"{name} is right on {100 * s:.0f} %" for name, s in zip(results.names, results.settled, strict=True)]
        each.append(
            f"They differ on {100 * results.differ:.0f} % of the pixels; of those, {' and '.join(torn)}."
            if results.differ
            else "They agree on every pixel."
        )
        a, b = (self.name(answer) for answer in results.answers)
        return f"{' '.join(each)} In the ring: {a} and {b}; it is {self.name(self.labels)}."

    def click(self, axes: Any, column: float, row: float) -> None:
        """A pixel of any picture, or the nearest network of the chart."""
        if axes is not self.parts["chart"]:
            return super().click(axes, column, row)
        here = self.parts["chart"].transData.transform((column, row))
        away = {n: math.dist(here, self.parts["chart"].transData.transform(self._place(n))) for n in self.ancestors}
        near = [name for name, distance in away.items() if distance == distance]
        if near:
            self.controls["right"].value = min(near, key=away.__getitem__)
