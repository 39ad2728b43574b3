"""GriddingExplorer: which inputs a unit behind atrous convolutions reads, how often, and what HDC's rule says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from segkit.analysis import Contributions, Verdict, contributions, hdc_verdict
from segkit.explore.canvas import BLUE, FAINT, INK, VERMILION, Canvas, boxes
from segkit.explore.shell import Explorer

HOLE = "#f0c3a5"
PALE = "#d8eaf5"
GHOST = "#6b6b6b"
TICKS = MaxNLocator(nbins=8, integer=True)


@dataclass(frozen=True)
class Reach:
    """What one unit reads, layer by layer and in total.

    Args:
        counted: the counts.
        verdict: HDC's rule and the count in words.
        levels: for each level, the input first and the unit itself last, the places that lead to the unit, in inputs
            from the left end of its field.
        row, column: a chosen input of the field.
    """

    counted: Contributions
    verdict: Verdict
    levels: tuple[np.ndarray, ...]
    row: int
    column: int

    @property
    def paths(self) -> int:
        """Over how many paths the chosen input reaches the unit."""
        return int(self.counted.plane[self.row, self.column])


def reach(rates: list[int], kernel: int = 3, row: int = 0, column: int = 0) -> Reach:
    """Follow one unit down through the layers.

    Args:
        rates: dilation of each layer, the layer at the input first.
        kernel: length of the kernels' sides.
        row, column: the chosen input, counted from the middle of the field; outside, the nearest one inside is taken.

    Raises:
        ValueError: as `contributions`.
    """
    counted = contributions(rates, kernel)
    n = counted.field
    levels: list[np.ndarray] = []
    above = 0  # `above` is what the layers between a level and the input span to either side, in all
    for r in (0, *rates):
        above += (kernel - 1) * r
        rest = rates[len(levels) :]
        places = np.flatnonzero(contributions(rest, kernel).line) if rest else np.zeros(1, dtype=int)
        levels.append(places + above / 2)
    row, column = (int(np.clip(n // 2 + k, 0, n - 1)) for k in (row, column))
    return Reach(counted, hdc_verdict(rates, kernel), tuple(levels), row, column)


def drawing(canvas: Canvas) -> dict[str, Any]:
    """The empty picture: the paths through the layers, a row of counts under them, the plane beside."""
    tree = canvas.axes(0.065, 0.44, 0.50, 0.48, "one unit (top) and what it reads, layer by layer, down to the input")
    told = "use of the marked row (most used input = 1; grey: before the last move)"
    bars = canvas.axes(0.065, 0.12, 0.50, 0.25, told, True)
    bars.set_xlabel("input, from the middle of the field", fontsize=8, labelpad=14)
    bars.set_ylim(0, 1.08)
    bars.set_xticks([])
    for axes in (tree, bars):  # always the whole field, so that what does not move never has to be drawn anew
        axes.set_xlim(-1, 1)
    tree.set_ylim(-0.1, 1.1)
    plane = canvas.axes(0.62, 0.12, 0.36, 0.80, "paths from each input of the plane; orange: none")
    lines = LineCollection([], colors=FAINT, linewidths=0.5)
    dots, holes, counts = PolyCollection([]), PolyCollection([]), PolyCollection([])
    ghost = PolyCollection([], facecolors="none", edgecolors=GHOST, linewidths=1, zorder=3)
    for axes, artist in ((tree, lines), (tree, dots), (tree, holes), (bars, counts), (bars, ghost)):
        axes.add_collection(artist)
    mark = tree.plot([], [], "o", markersize=9, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.4)[0]
    names = [tree.text(0, 0, "", fontsize=7, color=INK, ha="right", va="center") for _ in range(6)]
    ticks = [bars.text(0, -0.05, "", fontsize=7, color=INK, ha="center", va="top") for _ in range(12)]
    image = plane.imshow(np.ones((1, 1, 3)), extent=(0, 1, 1, 0), interpolation="nearest")
    frame = Rectangle((0, 0), 1, 1, fill=False, edgecolor=INK, linewidth=1.6, zorder=5)
    strip = Rectangle((0, 0), 1, 1, fill=False, edgecolor=INK, linewidth=0.8, linestyle="--", zorder=4)
    plane.add_patch(frame)
    plane.add_patch(strip)
    text = plane.text(0.5, -0.03, "", transform=plane.transAxes, ha="center", va="top", fontsize=8, color=INK)
    text.set_in_layout(False)
    for part in (*names, *ticks, text):
        part.set_clip_on(False)
    canvas.moves(lines, dots, holes, mark, *names, *ticks, counts, ghost, image, frame, strip, text)
    return {"tree": tree, "bars": bars, "plane": plane, "lines": lines, "dots": dots, "holes": holes, "mark": mark,
            "names": names, "ticks": ticks, "counts": counts, "ghost": ghost, "image": image, "frame": frame,
            "strip": strip, "text": text}  # fmt: skip


def draw(parts: dict[str, Any], r: Reach, last: Reach | None = None) -> None:
    """Put what a unit reads into the picture, and in grey outline how often it read the row before."""
    counted, middle = r.counted, r.counted.field // 2
    n = counted.field
    _draw_tree(parts, r, middle)
    half, scale = _half(n), float(counted.plane.max())
    parts["counts"].set_verts(_bars(r, half))
    parts["ghost"].set_verts([] if last is None or last.counted == counted else _bars(last, half))
    places = [v for v in TICKS.tick_values(-middle, middle) if abs(v) <= middle] + [None] * 12
    for tick, place in zip(parts["ticks"], places, strict=False):
        tick.set_text("" if place is None else f"{place:.0f}")
        tick.set_x(0 if place is None else place / half)
    parts["counts"].set_facecolor(list(np.where(np.arange(n) == r.column, INK, BLUE)))
    share = np.sqrt(counted.plane.astype(float) / scale)[..., None]  # the root, so that rare paths show
    colours = (1 - share) * np.array(to_rgb(PALE)) + share * np.array(to_rgb(BLUE))
    parts["image"].set_data(np.where(counted.plane[..., None] > 0, colours, np.array(to_rgb(HOLE))))  # n, n, 3
    parts["frame"].set_bounds(r.column / n, r.row / n, 1 / n, 1 / n)
    parts["strip"].set_bounds(0, r.row / n, 1, 1 / n)
    parts["text"].set_text(f"{n}×{n} inputs, {100 * counted.share:.0f} % of them contribute")


def _bars(r: Reach, half: float) -> np.ndarray:
    """A bar for each input of the marked row, as high as it is used, where a row shows `half` inputs to each side."""
    where = np.arange(r.counted.field) - r.counted.field // 2
    heights = r.counted.plane[r.row].astype(float) / float(r.counted.plane.max())
    return boxes((where - 0.46) / half, 0 * where, (where + 0.46) / half, heights)


def _half(field: int) -> float:
    """Half of what a row shows, in inputs: the field and a little air."""
    return field / 2 + 0.7


def _draw_tree(parts: dict[str, Any], r: Reach, middle: int) -> None:
    layers, scale = len(r.levels) - 1, _half(r.counted.field)
    half = (r.counted.kernels[0] - 1) / 2
    half_dot, lines = 0.36 / scale, []
    for level, rate in enumerate(r.counted.rates):
        tops = r.levels[level + 1][:, None]
        taps = np.arange(r.counted.kernels[0])[None] * rate - half * rate
        below = tops + taps  # n, k
        ends = (np.stack([np.broadcast_to(tops, below.shape), below], -1) - middle) / scale
        ys = np.broadcast_to(np.array([level + 1, level]) / layers, ends.shape)
        lines.append(np.stack([ends, ys], -1).reshape(-1, 2, 2))
    parts["lines"].set_segments(list(np.concatenate(lines)))
    places = (np.concatenate(r.levels) - middle) / scale
    heights = np.concatenate([np.full(len(level), i / layers) for i, level in enumerate(r.levels)])
    parts["dots"].set_verts(boxes(places - half_dot, heights - 0.035, places + half_dot, heights + 0.035))
    parts["dots"].set_facecolor(BLUE)
    empty = (np.flatnonzero(r.counted.line == 0) - middle) / scale
    parts["holes"].set_verts(boxes(empty - half_dot, 0 * empty - 0.035, empty + half_dot, 0 * empty + 0.035))
    parts["holes"].set_facecolor(HOLE)
    parts["holes"].set_edgecolor(VERMILION if r.counted.field < 80 else HOLE)
    parts["lines"].set_linewidth(0.6 if r.counted.field < 80 else 0.15)
    parts["mark"].set_data([(r.column - middle) / scale], [0])
    for i, name in enumerate(parts["names"]):
        name.set_text(f"rate {r.counted.rates[i]} " if i < layers else "")
        name.set_position((-1, (i + 0.5) / layers))


class GriddingExplorer(Explorer):
    """Three rates, a kernel, and how often the group repeats; click an input to count the paths that lead from it."""

    title = "Gridding of atrous convolutions"

    def __init__(self, rates: tuple[int, int, int] = (2, 2, 2), kernel: int = 3, groups: int = 1) -> None:
        super().__init__(Canvas(9.2, 4.4))
        contributions(list(rates) * groups, kernel)  # refuse what cannot be before anything is drawn
        self.parts = drawing(self.canvas)
        with self.together():
            for i, (rate, place) in enumerate(
                zip(rates, ("nearest the input", "in the middle", "nearest the unit"), strict=True)
            ):
                self.slider(f"rate_{i + 1}", f"rate {i + 1}", 1, 10, rate, f"dilation of the group's layer {place}")
            self.slider("kernel", "kernel", 2, 5, kernel, "taps along a side of every kernel")
            self.slider("groups", "groups of three", 1, 2, groups, "how many times the three layers follow each other")
            for name in ("row", "column"):  # from edge to edge of the field, whatever it is
                self.slider(name, f"marked {name}", 0, 0, 0, f"{name} of the marked input, from the middle")

    def compute(self) -> Reach:
        rates = [self[f"rate_{i}"] for i in (1, 2, 3)] * self["groups"]
        field = contributions(rates, self["kernel"]).field
        held, self._held = self._held, True  # a smaller field may move the mark: that is no second change
        for name in ("row", "column"):
            self.controls[name].min, self.controls[name].max = -(field // 2), field - 1 - field // 2
        self._held = held
        return reach(rates, self["kernel"], self["row"], self["column"])

    def draw(self, results: Reach) -> str:
        draw(self.parts, results, self.last)
        middle, paths = results.counted.field // 2, results.paths
        place = f"row {results.row - middle}, column {results.column - middle}"
        word = "over 1 path" if paths == 1 else f"over {paths} paths" if paths else "by no path"
        return f"{results.verdict} The marked input ({place}) reaches the unit {word}."

    def click(self, axes: Any, column: float, row: float) -> None:
        """A pixel of the plane, or a place in a row: mark that input."""
        n = self.results.counted.field
        if axes is self.parts["plane"]:
            self.put(row=int(row * n) - n // 2, column=int(column * n) - n // 2)
        else:
            self.put(column=column * _half(n))
