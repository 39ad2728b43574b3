"""PointExplorer: how many points of a coarse answer must be asked again, and which, before its borders are right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from segkit.data.sample import VOID
from segkit.explore.asked_again import STRIDES, WAYS, Coarse, asked, curve, macs_per_point, stops
from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, VERMILION, Canvas
from segkit.explore.labelled import LabelledExplorer, panels, streets
from segkit.viz import colourise, error_map, legend, to_picture

SCENES = 4
LOOKS = {"the most uncertain": (BLUE, "-", "o"), "nearest to borders": (ORANGE, "--", "s"), "random": (INK, ":", "^")}
NAMES = (
    "picture",
    "coarse answer",
    "after asking again",
    "asked again (orange)",
    "errors before (orange)",
    "errors after",
)
MARK = np.array([230, 159, 0], np.uint8)  # ORANGE


@dataclass(frozen=True)
class Refined:
    """A coarse answer before and after some of its points are asked again.

    Args:
        before, after: int64 H×W.
        points: int64 n, the pixels that are asked, row by row.
        curves: by way of choosing points, mean IoU and Boundary IoU at every stop of the budget.
        at: the place of n among the stops.
        way: how the points are chosen.
        wrong: how many of the points are wrong before and after.
    """

    before: Tensor
    after: Tensor
    points: Tensor
    curves: dict[str, tuple[tuple[float, float], ...]]
    at: int
    way: str
    wrong: tuple[int, int]

    @property
    def figures(self) -> tuple[float, float]:
        """Mean IoU and Boundary IoU after asking."""
        return self.curves[self.way][self.at]


def drawing(canvas: Canvas, image: np.ndarray, counts: tuple[int, ...]) -> dict[str, Any]:
    """The empty picture: answers above, points and errors below; on the right the curves and the classes."""
    places = [(0.005 + 0.225 * k, 0.52 - 0.505 * row) for row in range(2) for k in range(3)]
    pictures, rings = panels(canvas, NAMES, places, (0.22, 0.42), image)
    chart = canvas.axes(0.725, 0.53, 0.265, 0.38, "Boundary IoU by points asked", True)
    chart.set(xlim=(-0.3, len(counts) - 0.7), ylim=(0, 1.03))
    chart.set_xticks(range(0, len(counts), 2), [short(n, counts[-1]) for n in counts[::2]])
    chart.spines[["top", "right"]].set_visible(False)
    lines = {
        way: chart.plot([], [], style, color=colour, marker=mark, markersize=3.5, linewidth=1.3, label=way)[0]
        for way, (colour, style, mark) in LOOKS.items()
    }
    (ghost,) = chart.plot([], [], "o", markersize=10, markerfacecolor="none", color=FAINT, markeredgewidth=1.5)
    (now,) = chart.plot([], [], "o", markersize=10, markerfacecolor="none", color=VERMILION, markeredgewidth=2)
    chart.legend(loc="upper left", fontsize=7, frameon=False)
    canvas.moves(*(pictures[name] for name in NAMES), *lines.values(), ghost, now)
    return {"pictures": pictures, "rings": rings, "lines": lines, "ghost": ghost, "now": now}


def short(n: int, every: int) -> str:
    """A number of points for an axis: 512, 2k, all."""
    return "all" if n == every else f"{n // 1024}k" if n >= 1024 else str(n)


def draw(parts: dict[str, Any], found: Refined, last: Refined | None, margin: Tensor, truth: Tensor) -> None:
    """Put points, errors and curves into the picture."""
    grey = (140 + 115 * margin.clamp(0, 1).numpy()).astype(np.uint8)  # dark where the answer is uncertain
    points = np.stack([grey] * 3, -1)
    points.reshape(-1, 3)[found.points.numpy()] = MARK
    shown = (points, error_map(found.before, truth), error_map(found.after, truth))
    for name, pixels in zip(NAMES[3:], shown, strict=True):
        parts["pictures"][name].set_data(pixels)
    for way, line in parts["lines"].items():
        values = [boundary for _, boundary in found.curves[way]]
        line.set_data(range(len(values)), values)
    for mark, one in (("now", found), ("ghost", last)):
        parts[mark].set_data(*([], []) if one is None else ([one.at], [one.figures[1]]))


class PointExplorer(LabelledExplorer):
    """Ask some points of a coarse answer again: how many, which, and how often the second answer is right.

    The coarse answer is made of the true labels, averaged over cells of stride × stride pixels and enlarged: that of a
    network which knows the shares of the classes in each cell, and nothing finer. The second answer is the truth at a
    share of all pixels that a slider sets, drawn by lot, and the likeliest other class at the rest: at 1, a ceiling.
    All points are asked at the picture's size at once, where PointRend enlarges by twos and asks in each step.

    Args:
        stride: 4, 8 or 16.
        count: how many points are asked to begin with: 0 or a power of 2 from 32 to 8192, or all.
        way: "the most uncertain", "nearest to borders" or "random".

    Raises:
        ValueError: what is not among these.
    """

    title = "Points of a coarse answer, asked again"

    def __init__(self, stride: int = 8, count: int = 1024, way: str = "the most uncertain") -> None:
        from segkit.data.street import StreetScenes

        self.samples = streets(SCENES)
        pixels = self.samples[0].labels.numel()
        for name, value, known in (("stride", stride, STRIDES), ("count", count, stops(pixels)), ("way", way, WAYS)):
            if value not in known:
                offered = ", ".join(repr(one) for one in known)
                raise ValueError(f"PointExplorer got {name}={value!r}; it takes {offered}")
        super().__init__(Canvas(11.4, 4.3), self.samples[0], len(StreetScenes.classes), None, None)
        self.parts = drawing(self.canvas, to_picture(self.samples[0].image), stops(pixels))
        legend(self.canvas.axes(0.70, 0.01, 0.295, 0.42), self.classes, self.palette, columns=2)
        self.coarse = lru_cache(maxsize=None)(self._coarse)
        self.curves = lru_cache(maxsize=64)(self._curves)
        H, W = self.labels.shape
        shares = [(f"{n} ({n / pixels:.1%})", n) for n in stops(pixels)]
        with self.together():
            self.menu("scene", "scene", [(f"scene {i + 1}", i) for i in range(SCENES)], 0, "the picture")
            self.menu("stride", "stride", list(STRIDES), stride, "side of the cells that the coarse answer is made of")
            self.stops("count", "points asked", shares, count, "how many points of the picture are asked again")
            self.menu("way", "which points", list(WAYS), way, "which points are asked again")
            self.share("right", "right", 1.0, "share of all pixels at which the second answer is the true label")
            self.slider("width", "edge width", 1, 4, 3, "width of Boundary IoU's band, in pixels")
            self.ring(H, W, "the marked pixel; a click on a picture sets it")

    def _coarse(self, scene: int, stride: int) -> Coarse:
        return Coarse(self.samples[scene].labels, stride, len(self.classes))

    def _curves(self, scene: int, stride: int, right: float, width: int) -> dict[str, tuple[tuple[float, float], ...]]:
        coarse = self.coarse(scene, stride)
        answers = coarse.answers(right)
        return {way: curve(coarse, answers, way, width) for way in WAYS}

    def compute(self) -> Refined:
        coarse = self.coarse(self["scene"], self["stride"])
        self.labels, count, way = coarse.truth, self["count"], self["way"]
        points = coarse.order(way)[:count]
        after = asked(coarse, coarse.answers(self["right"]), points, count)
        curves = self.curves(self["scene"], self["stride"], self["right"], self["width"])
        truth = self.labels.flatten()[points]
        before_at, after_at = (x.flatten()[points] for x in (coarse.labels, after))
        counted = [int(((said != truth) & (truth != VOID)).sum()) for said in (before_at, after_at)]
        at = stops(after.numel()).index(count)
        return Refined(coarse.labels, after, points, curves, at, way, (counted[0], counted[1]))

    def draw(self, results: Refined) -> str:
        coarse = self.coarse(self["scene"], self["stride"])
        pictures = self.parts["pictures"]
        pictures["picture"].set_data(to_picture(self.samples[self["scene"]].image))
        for name, labels in (("coarse answer", results.before), ("after asking again", results.after)):
            pictures[name].set_data(colourise(labels, self.palette))
        draw(self.parts, results, self.last, coarse.margin, self.labels)
        for ring in self.parts["rings"]:
            ring.set_data([self["column"]], [self["row"]])
        return self._words(results, coarse)

    def _words(self, results: Refined, coarse: Coarse) -> str:
        row, column, n = self["row"], self["column"], self["count"]
        every, per = self.labels.numel(), macs_per_point(len(self.classes))
        (mean, edge), (mean_after, edge_after) = results.curves[results.way][0], results.figures
        who = "the true labels, a ceiling" if self["right"] == 1 else f"right at {self['right']:.0%} of all pixels"
        shares, classes = coarse.shares[:, row, column].sort(descending=True, stable=True)
        first, second = (f"{self.classes[int(classes[k])]} {float(shares[k]):.2f}" for k in (0, 1))
        again = bool((results.points == row * self.labels.shape[1] + column).any())
        told = f"asked again, it is now {self.name(results.after)}" if again else "it is not asked again"
        return (
            f"True labels averaged to stride {self['stride']}: mean IoU {mean:.3f}, Boundary IoU {edge:.3f}. Asked "
            f"again are {n} of {every} pixels ({results.way}): {results.wrong[0]} of them were wrong, "
            f"{results.wrong[1]} are now. That makes mean IoU {mean_after:.3f} and Boundary IoU {edge_after:.3f}. The "
            f"second answers come from no network but are {who}. PointRend's head takes {n * per / 1e9:.3f} billion "
            f"multiply-adds for this many points, {every * per / 1e9:.3f} for all. In the ring (row {row}, column "
            f"{column}) the coarse answer says {first}, {second}; {told}, and {self.name(self.labels)} is right."
        )
