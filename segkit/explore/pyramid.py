"""PyramidExplorer: what a bin of the pooling pyramid tells a cell, and what an atrous kernel reads, on one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from torch import Tensor

from segkit import ops
from segkit.explore.canvas import BLUE, FAINT, ORANGE, VERMILION, Canvas
from segkit.explore.shell import Explorer
from segkit.ops.windows import bin_bounds
from segkit.viz import to_picture

STRIDE = 8  # pixels per cell of the map, as in PSPNet and DeepLab v2
SIZE = (192, 256)
SCENES = 4
MARGIN = 80  # pixels of nothing around the picture, for taps that fall outside


@dataclass(frozen=True)
class Heard:
    """What one cell is told by its bin, and what its kernel reads.

    Args:
        bins: rows and columns of the grid.
        bounds: of the bins on each axis, in cells: (start, end) of each.
        region: the bin that holds the cell: top, bottom, left, right, in cells.
        beside: 3×h×w, what the branch puts beside each cell: the pooled picture, enlarged again.
        taps: 9×2, row and column of the cells that the kernel reads.
        inside: for each tap, whether it lies on the map.
    """

    bins: int
    bounds: tuple[list[tuple[int, int]], list[tuple[int, int]]]
    region: tuple[int, int, int, int]
    beside: Tensor
    taps: np.ndarray
    inside: np.ndarray


def heard(cells: Tensor, bins: int, mode: str, rate: int, row: int, column: int) -> Heard:
    """Pool a map to bins×bins and look from one of its cells.

    Args:
        cells: the map, 3×h×w.
        bins: rows and columns of the grid.
        mode: "avg" or "max".
        rate: of the 3×3 kernel, in cells.
        row, column: of the cell.
    """
    h, w = cells.shape[1:]
    pool = {"avg": ops.adaptive_avg_pool2d, "max": ops.adaptive_max_pool2d}[mode]
    beside = ops.interpolate(pool(cells[None], bins), (h, w), mode="bilinear", align_corners=True)[0]  # 3, h, w
    bounds = tuple(bin_bounds(n, bins) for n in (h, w))
    (top, bottom), (left, right) = (
        next(b for b in axis if b[0] <= place < b[1]) for axis, place in zip(bounds, (row, column), strict=True)
    )
    steps = rate * (np.arange(9)[:, None] // (3, 1) % 3 - 1)  # 9, 2
    taps = np.array([row, column]) + steps
    inside = ((taps >= 0) & (taps < (h, w))).all(1)
    return Heard(bins, bounds, (top, bottom, left, right), beside, taps, inside)  # type: ignore[arg-type]


def drawing(canvas: Canvas) -> dict[str, Any]:
    """The empty picture: the grid on the scene, what the pooled branch says, the kernel's nine cells."""
    H, W = SIZE
    blank = np.ones((H, W, 3))
    grid_axes = canvas.axes(0.005, 0.05, 0.325, 0.85, "the grid, and the bin of the marked cell")
    beside_axes = canvas.axes(0.335, 0.05, 0.325, 0.85, "what this grid puts beside each cell")
    kernel_axes = canvas.axes(0.665, 0.05, 0.33, 0.85, "a 3×3 kernel at this rate: the cells it reads")
    shown, beside, under = (a.imshow(blank, extent=(0, W, H, 0)) for a in (grid_axes, beside_axes, kernel_axes))
    kernel_axes.set_xlim(-MARGIN, W + MARGIN)
    kernel_axes.set_ylim(H + MARGIN, -MARGIN)
    lines = LineCollection([], colors="white", linewidths=1.0)
    frame, ghost = (Rectangle((0, 0), 1, 1, fill=False, edgecolor=colour, linewidth=width, linestyle=style, zorder=4)
                    for colour, width, style in ((ORANGE, 2.5, "-"), (FAINT, 1.5, ":")))  # fmt: skip
    grid_axes.add_collection(lines)
    grid_axes.add_patch(ghost)
    grid_axes.add_patch(frame)
    rings = [a.plot([0], [0], "o", ms=8, mfc="none", mec=ORANGE, mew=2, zorder=5)[0] for a in (grid_axes, beside_axes)]
    (read,) = kernel_axes.plot([], [], "s", ms=6, mfc=BLUE, mec="white", mew=1, zorder=5)
    (lost,) = kernel_axes.plot([], [], "x", ms=7, color=VERMILION, mew=2, zorder=5)
    (before,) = kernel_axes.plot([], [], "s", ms=6, mfc="none", mec=FAINT, mew=1, zorder=4)
    canvas.moves(shown, beside, under, lines, ghost, frame, *rings, before, read, lost)
    return {"pictures": (shown, beside, under), "lines": lines, "frame": frame, "ghost": ghost, "rings": rings,
            "read": read, "lost": lost, "before": before}  # fmt: skip


def draw(parts: dict[str, Any], picture: np.ndarray, found: Heard, last: Heard | None, place: tuple[int, int]) -> None:
    """Put what a cell hears into the picture; `last` stays as a ghost."""
    H, W = SIZE
    shown, beside, under = parts["pictures"]
    shown.set_data(picture)
    under.set_data(picture)
    beside.set_data(to_picture(found.beside.clamp(0, 1)))
    rows, columns = ([start * STRIDE for start, _ in axis[1:]] for axis in found.bounds)
    lines = [[(0, y), (W, y)] for y in rows] + [[(x, 0), (x, H)] for x in columns]
    parts["lines"].set_segments(lines)
    for patch, one in ((parts["frame"], found), (parts["ghost"], last or found)):
        top, bottom, left, right = (STRIDE * edge for edge in one.region)
        patch.set_bounds(left, top, right - left, bottom - top)
    middle = [(v + 0.5) * STRIDE for v in place]
    for ring in parts["rings"]:
        ring.set_data([middle[1]], [middle[0]])
    points = (found.taps + 0.5) * STRIDE
    parts["read"].set_data(points[found.inside, 1], points[found.inside, 0])
    parts["lost"].set_data(points[~found.inside, 1], points[~found.inside, 0])
    ghost = ((last or found).taps + 0.5) * STRIDE
    parts["before"].set_data(ghost[:, 1], ghost[:, 0])


class PyramidExplorer(Explorer):
    """A grid of bins and an atrous kernel over a street scene; click a cell to see what each tells it."""

    title = "Pyramids over a picture"

    def __init__(self, bins: int = 2, rate: int = 6) -> None:
        from segkit.data.street import StreetScenes

        scenes = StreetScenes("val", size=SIZE)
        self.pictures = [scenes[i].image for i in range(SCENES)]
        self.cells = [ops.avg_pool2d(image[None], STRIDE)[0] for image in self.pictures]  # 3, 24, 32
        super().__init__(Canvas(10.4, 2.9))
        self.parts = drawing(self.canvas)
        h, w = (n // STRIDE for n in SIZE)
        with self.together():
            self.menu("scene", "scene", [(f"street {i + 1}", i) for i in range(SCENES)], 0, "the picture")
            self.slider("bins", "bins per side", 1, 8, bins, "rows and columns of the grid; PSPNet takes 1, 2, 3 and 6")
            self.menu("mode", "pooling", [("average", "avg"), ("maximum", "max")], "avg", "how a bin is pooled")
            self.slider("rate", "rate", 1, 18, rate, "cells between the taps of the 3×3 kernel")
            self.ring(h, w, "the marked cell of the map; a click on a picture sets it")

    def compute(self) -> Heard:
        return heard(self.cells[self["scene"]], self["bins"], self["mode"], self["rate"], self["row"], self["column"])

    def draw(self, results: Heard) -> str:
        place = self["row"], self["column"]
        draw(self.parts, to_picture(self.pictures[self["scene"]]), results, self.last, place)
        top, bottom, left, right = results.region
        share = (bottom - top) * (right - left) / self.cells[0][0].numel()
        word = "mean" if self["mode"] == "avg" else "maximum"
        span, read = 2 * self["rate"] + 1, int(results.inside.sum())
        rest = f"{read} of its nine; the other {9 - read} lie outside, on zeros" if read < 9 else "all its nine"
        return (
            f"{results.bins}×{results.bins} bins: the cell in row {place[0]}, column {place[1]} hears the {word} of "
            f"{bottom - top}×{right - left} cells, {100 * share:.0f} % of the picture, and nothing of where in them. "
            f"The kernel at rate {self['rate']} spans {span}×{span} cells and reads {rest}."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """A place on any of the pictures: mark its cell."""
        self.put(row=row // STRIDE, column=column // STRIDE)
