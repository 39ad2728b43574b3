"""AsppExplorer: how many of an atrous kernel's nine weights lie on the map, by rate, output stride and picture size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap

from segkit.analysis.valid_weights import ValidWeights, valid_weights
from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, VERMILION, Canvas
from segkit.explore.shell import Explorer
from segkit.heads import rates_at

SIDES = (65, 129, 257, 321, 513, 769, 1025)  # pixels: 16·k + 1, so that cells stand on both corners
STRIDES = (32, 16, 8, 4)
LIMIT = 72  # the largest rate that can be chosen: 36, doubled at stride 8
RATES = tuple(range(1, LIMIT + 1))
SHADES = (
    "#f0c3a5",
    "#e3e3e3",
    "#d3dbe4",
    "#bfd0e2",
    "#a9c5e0",
    "#8fb8dd",
    "#72a8d8",
    "#4f94cd",
    BLUE,
)  # 1 to 9 weights


@dataclass(frozen=True)
class Validity:
    """What is left of a kernel on one map.

    Args:
        side: cells of the map along one axis.
        rate: of the kernel on this map, in cells.
        counted: valid weights, cell by cell and in figures.
        taps: 9×2, the cells that the marked cell's kernel reads.
        inside: for each tap, whether it lies on the map.
        cell: row and column of the marked cell.
    """

    side: int
    rate: int
    counted: ValidWeights
    taps: np.ndarray
    inside: np.ndarray
    cell: tuple[int, int]


def validity(pixels: int, output_stride: int, rate: int, follow: bool, across: float, down: float) -> Validity:
    """Count the valid weights of a 3×3 kernel.

    Args:
        pixels: side of the picture, k·output_stride + 1.
        output_stride: pixels from one cell to the next.
        rate: as written for output stride 16.
        follow: whether the rate follows the output stride, as in DeepLab v3.
        across, down: where the marked cell stands, 0 to 1.

    Raises:
        ValueError: an odd rate that would have to be halved.
    """
    side = (pixels - 1) // output_stride + 1
    own = rates_at(output_stride, (rate,))[0] if follow else rate
    cell = round(down * (side - 1)), round(across * (side - 1))
    taps = np.array(cell) + own * (np.stack(np.divmod(np.arange(9), 3), 1) - 1)  # 9, 2
    inside = ((taps >= 0) & (taps < side)).all(1)
    return Validity(side, own, valid_weights(side, own), taps, inside, cell)


@lru_cache(maxsize=64)
def curves(side: int) -> dict[str, list[float]]:
    """Against the rate: mean valid weights, cells that use all nine, cells that use the centre alone (shares × 9)."""
    found = [valid_weights(side, rate) for rate in RATES]
    return {"mean": [f.mean for f in found], "all nine": [9 * f.all_valid for f in found],
            "centre only": [9 * f.centre_only for f in found]}  # fmt: skip


def drawing(canvas: Canvas) -> dict[str, Any]:
    """The empty picture: the map with its counts, and the curves over the rate."""
    cells = canvas.axes(0.01, 0.05, 0.34, 0.85, "the map: weights on cells, out of nine")
    shades = ListedColormap(SHADES)
    image = cells.imshow(np.ones((1, 1)), cmap=shades, norm=BoundaryNorm(np.arange(0.5, 10), 9), extent=(0, 1, 1, 0))
    cells.set_xlim(-0.3, 1.3)
    cells.set_ylim(1.3, -0.3)
    (read,) = cells.plot([], [], "s", ms=6, mfc="white", mec=INK, mew=1.2)
    (lost,) = cells.plot([], [], "x", ms=7, color=VERMILION, mew=2)
    (ring,) = cells.plot([], [], "o", ms=11, mfc="none", mec=ORANGE, mew=2)
    bar = canvas.figure.colorbar(image, cax=canvas.axes(0.36, 0.1, 0.012, 0.75, "", True), ticks=range(1, 10))
    bar.ax.tick_params(labelsize=7)
    lines = canvas.axes(0.45, 0.15, 0.54, 0.75, "over the whole map, by rate", True)
    lines.set_xlim(0, LIMIT)
    lines.set_ylim(0, 9.3)
    lines.set_xlabel("rate on this map, cells", fontsize=8)
    drawn = {}
    for name, colour, style in (("mean", BLUE, "-"), ("all nine", INK, "--"), ("centre only", VERMILION, ":")):
        label = f"{name}: weights" if name == "mean" else f"{name}: share of the cells × 9"
        (drawn[name],) = lines.plot([], [], style, color=colour, lw=1.8, label=label)
    (ghost,) = lines.plot([], [], "-", color=FAINT, lw=1.2, label="mean, before the last move")
    (here,) = lines.plot([], [], "o", color=ORANGE, ms=9)
    lines.legend(loc="center right", fontsize=7, frameon=True, framealpha=0.9, edgecolor="none")
    canvas.moves(image, read, lost, ring, ghost, *drawn.values(), here)
    return {"cells": cells, "image": image, "read": read, "lost": lost, "ring": ring, "lines": lines, "curves": drawn,
            "ghost": ghost, "here": here}  # fmt: skip


def draw(parts: dict[str, Any], found: Validity, last: Validity | None) -> None:
    """Put the counts into the picture; the curve of the last map stays as a ghost."""
    parts["image"].set_data(found.counted.map.numpy())
    places = (found.taps + 0.5) / found.side
    parts["read"].set_data(places[found.inside, 1], places[found.inside, 0])
    parts["lost"].set_data(places[~found.inside, 1], places[~found.inside, 0])
    parts["ring"].set_data([places[4, 1]], [places[4, 0]])
    for name, values in curves(found.side).items():
        parts["curves"][name].set_data(RATES, values)
    parts["ghost"].set_data(RATES, curves((last or found).side)["mean"])
    parts["here"].set_data([min(found.rate, LIMIT)], [found.counted.mean])


class AsppExplorer(Explorer):
    """The nine weights of an atrous kernel on maps of every size; click a cell to see where its kernel reads."""

    title = "Valid weights of an atrous kernel"

    def __init__(self, pixels: int = 513, output_stride: int = 16, rate: int = 18) -> None:
        super().__init__(Canvas(9.8, 3.5))
        self.parts = drawing(self.canvas)
        with self.together():
            self.stops("pixels", "picture, side", SIDES, pixels, "in pixels; the picture is square")
            self.stops("stride", "output stride", STRIDES, output_stride, "pixels from one cell to the next")
            self.slider("rate", "rate at stride 16", 2, 36, rate, "as DeepLab v3 writes it: 6, 12, 18 for stride 16")
            follow = [("follows the output stride", True), ("stays as it is", False)]
            self.menu("follow", "the rate", follow, True, "doubled at stride 8 and halved at 32, or the same cells")
            self.share("across", "cell, across", 0.5, "the marked cell, from the left border (0) to the right (1)")
            self.share("down", "cell, down", 0.5, "the marked cell, from the top (0) to the bottom (1)")

    def compute(self) -> Validity:
        return validity(*(self[name] for name in ("pixels", "stride", "rate", "follow", "across", "down")))

    def draw(self, results: Validity) -> str:
        draw(self.parts, results, self.last)
        counted, span = results.counted, 2 * results.rate * self["stride"] + 1
        return (
            f"{results.side}×{results.side} cells, rate {results.rate}: the kernel spans {span} pixels of "
            f"{self['pixels']}. On average {counted.mean:.2f} of its nine weights lie on the map; "
            f"{100 * counted.all_valid:.0f} % of the cells use all nine, {100 * counted.centre_only:.0f} % only the "
            f"centre. The marked cell (row {results.cell[0]}, column {results.cell[1]}) uses "
            f"{int(results.inside.sum())}."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """A cell of the map, or a rate under the curves."""
        if axes is self.parts["cells"]:
            with self.together():
                for name, place in (("across", column), ("down", row)):
                    self.controls[name].value = min(max(round(place * 20) / 20, 0.0), 1.0)
        elif axes is self.parts["lines"]:
            factor = 16 / self["stride"] if self["follow"] else 1
            self.put(rate=column / factor)
