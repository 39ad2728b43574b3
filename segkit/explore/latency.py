"""LatencyExplorer: the layers of a small network, what each multiplies, and how long it takes on this machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection

from segkit.analysis.printed import number_text
from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, SKY, VERMILION, Canvas, boxes
from segkit.explore.latency_chain import (
    KINDS,
    SCHEDULES,
    SIDES,
    WIDTHS,
    Latency,
    LayerTime,
    Setting,
    latency,
)
from segkit.explore.shell import Explorer

NAMES = tuple(layer.name for layer in Setting(32, 8, "as usual", "dense").layers())
COLUMNS = ("multiply-adds", "milliseconds", "multiply-adds each nanosecond")
LONGEST = 0.70  # bar, in shares of a column's width; the figure stands on its right


def figures(layer: LayerTime) -> tuple[float, ...]:
    """In the order of COLUMNS."""
    return layer.macs, 1000 * layer.seconds, layer.pace


def texts(layer: LayerTime) -> tuple[str, ...]:
    """The same for readers."""
    return number_text(layer.macs), f"{1000 * layer.seconds:.3f}", f"{layer.pace:.1f}" if layer.macs else "–"


def drawing(canvas: Canvas) -> dict[str, Any]:
    """The empty picture: a row for each layer and one for all; the maps as a funnel, and a column for each figure."""
    rows = len(NAMES) + 1
    parts: dict[str, Any] = {"columns": [], "bars": [], "texts": [], "ghosts": []}
    for k, title in enumerate(("the map that it gives", *COLUMNS)):
        axes = canvas.axes(0.062 + 0.237 * k, 0.075, 0.218, 0.86, title, True)
        axes.set_xlim(0, 1)
        axes.set_ylim(rows - 0.4, -0.6)
        axes.set_xticks([])
        axes.set_yticks(range(rows), [*NAMES, "all"] if k == 0 else [""] * rows, fontsize=8)
        axes.axhline(rows - 1.5, color=FAINT, linewidth=0.8)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        bars = PolyCollection([], linewidths=0)
        axes.add_collection(bars)
        (ghost,) = axes.plot([], [], "|", markersize=12, markeredgewidth=1.8, color=ORANGE, zorder=4)
        parts["texts"].append([axes.text(0.99, row, "", ha="right", va="center", fontsize=8) for row in range(rows)])
        parts["columns"].append(axes)
        parts["bars"].append(bars)
        parts["ghosts"].append(ghost)
        canvas.moves(bars, ghost, *parts["texts"][-1])
    note = "bars in shares of the longest of a column; orange: before the last move; one thread of this machine"
    canvas.figure.text(0.5, 0.02, note, ha="center", fontsize=8, color=INK)
    return parts


def draw(parts: dict[str, Any], found: Latency, last: Latency | None, chosen: str) -> None:
    """Bars for what was found, a mark where each ended before, and the chosen layer in another colour."""
    rows, whole = np.arange(len(NAMES)), found.all
    colours = [VERMILION if layer.name == chosen else BLUE if layer.macs else SKY for layer in found.layers]
    shares = [np.array([layer.side / x.all.side for layer in x.layers]) for x in (found, last or found)]
    half, earlier = (LONGEST / 2 * share for share in shares)  # of the funnel, about its middle
    parts["bars"][0].set_verts(boxes(LONGEST / 2 - half, rows - 0.3, LONGEST / 2 + half, rows + 0.3))
    parts["ghosts"][0].set_data(*([], []) if last is None else (LONGEST / 2 + earlier, rows))
    for text, layer in zip(parts["texts"][0], (*found.layers, whole), strict=True):
        text.set_text(f"{layer.side}²×{layer.channels}" if layer is not whole else f"picture {layer.side}²")
    now = np.array([figures(layer) for layer in found.layers])  # layers, columns
    before = None if last is None else np.array([figures(layer) for layer in last.layers])
    for k in range(len(COLUMNS)):
        longest = max(float(values[:, k].max()) for values in (now, before) if values is not None)
        ends = LONGEST * now[:, k] / longest
        parts["bars"][k + 1].set_verts(boxes(0 * ends, rows - 0.3, ends, rows + 0.3))
        marks = ([], []) if before is None else (LONGEST * before[:, k] / longest, rows)
        parts["ghosts"][k + 1].set_data(*marks)
        for text, layer in zip(parts["texts"][k + 1], (*found.layers, whole), strict=True):
            text.set_text(texts(layer)[k])
    for bars in parts["bars"]:
        bars.set_facecolor(colours)


class LatencyExplorer(Explorer):
    """A small network's layers by multiply-adds and by the clock; a click on a row chooses what the sentence is about.

    A setting is timed when it is first chosen, within about a second, and then kept; a click on the sum of the
    milliseconds times it again. The milliseconds are those of the machine, so a notebook's stored picture of them is
    not compared.

    Args:
        side: of the picture, in pixels: a multiple of 8 up to 192.
        width: channels of the first layer, 5 to 32.
        schedule: where the map is halved: "early", "as usual" or "late".
        kind: of the layers: "dense", "separable", "strips" or "ESP".

    Raises:
        TypeError, ValueError: what is not among these.
    """

    title = "Milliseconds, layer by layer"

    def __init__(self, side: int = 96, width: int = 16, schedule: str = "as usual", kind: str = "dense") -> None:
        asked = Setting(side, width, schedule, kind)
        super().__init__(Canvas(10.4, 4.4))
        self.parts = drawing(self.canvas)
        with self.together():
            self.stops("side", "picture, side", sorted({*SIDES, asked.side}), asked.side, "in pixels; it is square")
            self.stops("width", "width", sorted({*WIDTHS, asked.width}), asked.width, "channels of the first layer")
            self.menu("schedule", "is shrunk", list(SCHEDULES), asked.schedule, "where three layers halve the map")
            self.menu("kind", "kind of layer", list(KINDS), asked.kind, "of all but the first layer and the scores")
            self.menu("layer", "tell about", NAMES, "conv2", "the layer that the sentence is about; a click chooses it")

    @property
    def setting(self) -> Setting:
        """The chain that the controls ask for."""
        return Setting(self["side"], self["width"], self["schedule"], self["kind"])

    def compute(self) -> Latency:
        return latency(self.setting)

    def draw(self, results: Latency) -> str:
        draw(self.parts, results, self.last, self["layer"])
        every, n = results.all, self["side"]
        one = results.layers[NAMES.index(self["layer"])]
        enlarging = sum(layer.seconds for layer in results.layers if not layer.macs)
        most, longest = (max(results.layers, key=lambda layer: figures(layer)[k]).name for k in (0, 1))
        macs, took = number_text(every.macs), f"{1000 * every.seconds:.2f} ms"
        share, time = f"{one.macs / every.macs:.0%}", f"{one.seconds / every.seconds:.0%}"
        rest = " and takes" if most == longest else f", {longest} takes"
        return (
            f"{n}×{n} pixels, width {self['width']}, {KINDS[self['kind']]}, shrunk {self['schedule']}: {macs} "
            f"multiply-adds in {took}, the sum of its layers, each the median of {results.rounds} rounds on one "
            f"thread; that is {every.pace:.1f} each nanosecond. {one.name} has {share} of the multiply-adds and takes "
            f"{time} of the time. {most} has the most multiply-adds{rest} the longest. To enlarge takes "
            f"{enlarging / every.seconds:.0%}, without a multiply-add."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """Tell about the layer of this row; on the sum of the milliseconds, time the chain again."""
        place = round(row)
        if 0 <= place < len(NAMES):
            self.controls["layer"].value = NAMES[place]
        elif place == len(NAMES) and axes is self.parts["columns"][2]:
            latency(self.setting, again=True)
