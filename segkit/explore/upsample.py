"""UpsampleExplorer: what a transposed convolution stamps where, and how often each output pixel is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle

from segkit.checks import whole
from segkit.engine import engine
from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, Canvas, boxes
from segkit.explore.shell import Explorer

PALE = "#9cc9e4"
ZOOMS = (13, 19, 29, 48)  # pixels of the row that are in view


@dataclass(frozen=True)
class Coverage:
    """How the stamps of a transposed convolution lie, along one axis and in the plane.

    Args:
        inputs: number of input pixels along a side.
        size: number of output pixels along a side.
        starts: first output pixel of each input's stamp; outside 0 … size−1 where padding cuts it off.
        kernel: length of a stamp.
        line: int, size: how many stamps cover each output pixel of a row.
        plane: int, size×size: the same in the plane, with a kernel of kernel×kernel.
        interior: the distinct counts of `line` where the ends of the row play no part; () if there is no such place.
    """

    inputs: int
    size: int
    starts: tuple[int, ...]
    kernel: int
    line: np.ndarray
    plane: np.ndarray
    interior: tuple[int, ...]

    @property
    def uniform(self) -> bool:
        """Whether all interior pixels are covered equally often; so it is when the stride divides the kernel."""
        return len(self.interior) <= 1


def coverage(kernel: int, stride: int, padding: int = 0, output_padding: int = 0, inputs: int = 5) -> Coverage:
    """Count the stamps on every output pixel by running a transposed convolution of ones over ones.

    Raises:
        ValueError: a setting that no transposed convolution has, naming it.
    """
    given = {"kernel": (kernel, 1), "stride": (stride, 1), "padding": (padding, 0), "inputs": (inputs, 1)}
    for name, (value, least) in given.items():
        whole(value, name, "coverage", least)
    if not 0 <= output_padding < stride:
        raise ValueError(
            f"output_padding={output_padding} with stride={stride}: it chooses among the {stride} sizes that a "
            f"convolution of this stride maps to one, so it runs from 0 to {stride - 1}"
        )
    size = (inputs - 1) * stride - 2 * padding + kernel + output_padding
    if size < 1:
        raise ValueError(f"padding={padding} cuts everything off: {inputs} inputs leave {size} outputs; lower it")
    ones = torch.ones(1, 1, inputs, inputs)
    stamps = engine().conv_transpose2d(ones, torch.ones(1, 1, kernel, kernel), None, stride, padding, output_padding)
    plane = stamps[0, 0].round().int().numpy()  # size, size
    line = np.sqrt(plane.diagonal()).round().astype(int)
    starts = tuple(i * stride - padding for i in range(inputs))
    first, last = starts[0] + kernel - 1, starts[-1]  # from the end of the first stamp to the start of the last
    interior = tuple(sorted(set(line[max(first, 0) : max(last + 1, 0)].tolist())))
    return Coverage(inputs, size, starts, kernel, line, plane, interior)


def drawing(canvas: Canvas) -> dict[str, Any]:
    """The empty picture: a row of stamps, the counts under it, the plane beside it."""
    stamps = canvas.axes(0.06, 0.36, 0.50, 0.54, "each input pixel stamps the kernel, one stride apart")
    counts = canvas.axes(0.06, 0.11, 0.50, 0.21, ticks=True)
    counts.set_xlabel("output pixel", fontsize=8)
    counts.set_ylabel("stamps", fontsize=8)
    counts.set_ylim(0, 7.6)
    plane = canvas.axes(0.62, 0.11, 0.36, 0.79, "stamps on each pixel of the plane")
    stamps.set_ylabel("input pixel", fontsize=8)
    for axes in (stamps, counts):
        axes.set_xlim(-2.6, ZOOMS[0])
    stamps.set_ylim(8.5, -0.5)
    rows = PolyCollection([], linewidths=0.8)
    bars = PolyCollection([], linewidths=0.8)
    stamps.add_collection(rows)
    counts.add_collection(bars)
    (ghost,) = counts.plot([], [], drawstyle="steps-mid", color=FAINT, linewidth=1.5, linestyle=":", zorder=4)
    image = plane.imshow(np.zeros((1, 1)), extent=(0, 1, 1, 0), cmap="cividis", vmin=0, vmax=9, interpolation="nearest")
    frame = Rectangle((0, 0), 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.5, zorder=5)
    plane.add_patch(frame)
    text = plane.text(0.5, -0.03, "", transform=plane.transAxes, ha="center", va="top", fontsize=8, color=INK)
    text.set_in_layout(False)
    canvas.moves(rows, bars, ghost, image, frame, text)
    return {"stamps": stamps, "counts": counts, "plane": plane, "rows": rows, "bars": bars, "ghost": ghost,
            "image": image, "frame": frame, "text": text}  # fmt: skip


def draw(parts: dict[str, Any], c: Coverage, chosen: tuple[int, int], last: Coverage | None = None) -> None:
    """Put a coverage into the picture; the stamp of input pixel `chosen` (row, column) stands out.

    The counts of `last` stay as a dotted ghost.
    """
    starts, steps = np.array(c.starts), np.arange(c.kernel)
    places, inputs = (starts[:, None] + steps).ravel(), np.repeat(np.arange(c.inputs), c.kernel)
    colours = np.where(inputs == chosen[1], ORANGE, BLUE)
    inside = (places >= 0) & (places < c.size)  # the rest is cut off by padding
    parts["rows"].set_verts(boxes(places - 0.46, inputs - 0.4, places + 0.46, inputs + 0.4))
    parts["rows"].set_facecolor(list(np.where(inside, colours, "white")))
    parts["rows"].set_edgecolor(list(colours))
    where = np.arange(c.size)
    usual = c.interior[-1] if c.interior else 0
    parts["bars"].set_verts(boxes(where - 0.46, 0 * where, where + 0.46, c.line))
    parts["bars"].set_facecolor(list(np.where(c.line < usual, PALE, BLUE)))
    before = np.pad(last.line, 1) if last else np.zeros(0)
    parts["ghost"].set_data(np.arange(len(before)) - 1, before)
    parts["image"].set_data(c.plane)
    parts["image"].set_clim(0, max(int(c.plane.max()), 1))
    top, left = max(c.starts[chosen[0]], 0), max(c.starts[chosen[1]], 0)
    bottom, right = (min(c.starts[k] + c.kernel, c.size) for k in chosen)
    sides = (left, top, max(right - left, 0), max(bottom - top, 0))
    parts["frame"].set_bounds(*(side / c.size for side in sides))
    counts = sorted(set(c.plane.flatten().tolist()))
    parts["text"].set_text(f"{c.size}×{c.size} pixels; dark to bright: {', '.join(map(str, counts))}")


class UpsampleExplorer(Explorer):
    """Kernel, stride, padding and output padding of a transposed convolution; click an input's stamp to follow it."""

    title = "Stamps of a transposed convolution"

    def __init__(
        self, kernel: int = 3, stride: int = 2, padding: int = 0, output_padding: int = 0, inputs: int = 5
    ) -> None:
        super().__init__(Canvas(9.2, 3.7))
        coverage(kernel, stride, padding, output_padding, inputs)  # refuse what cannot be before anything is drawn
        self.parts = drawing(self.canvas)
        with self.together():
            self.slider("kernel", "kernel", 1, 7, kernel, "length of the kernel's side")
            self.slider("stride", "stride", 1, 5, stride, "distance between neighbouring stamps")
            self.slider("padding", "padding", 0, 4, padding, "pixels cut off on every side")
            self.slider(
                "output_padding", "output padding", 0, 4, output_padding, "pixels added at the right and bottom"
            )
            self.slider("inputs", "input pixels", 1, 8, inputs, "pixels along a side of the input")
            self.slider("row", "marked row", 0, 7, 2, "row of the input pixel whose stamp is marked")
            self.slider("column", "marked column", 0, 7, 2, "column of the input pixel whose stamp is marked")

    def compute(self) -> Coverage:
        return coverage(self["kernel"], self["stride"], self["padding"], self["output_padding"], self["inputs"])

    def draw(self, results: Coverage) -> str:
        chosen = (min(self["row"], results.inputs - 1), min(self["column"], results.inputs - 1))
        self._fit(results)
        draw(self.parts, results, chosen, self.last)
        k, s = self["kernel"], self["stride"]
        rule = f"{s} divides {k}" if k % s == 0 else f"{s} does not divide {k}"
        if not results.interior:
            return f"{results.size} output pixels along a side; too few inputs for an inside. {rule}."
        counts = " or ".join(map(str, results.interior))
        verdict = "evenly" if results.uniform else "unevenly, which paints a grid"
        return f"{results.size} output pixels along a side; inside, each is stamped {counts} times: {verdict}. {rule}."

    def _fit(self, results: Coverage) -> None:
        """Zoom in steps, so that the row fills most of the width and the frame rarely has to be drawn anew."""
        high = max(results.starts[-1] + results.kernel, results.size)
        low = -2.6 if self["padding"] <= 2 else -4.6
        limits = low, next(z for z in ZOOMS if z >= high), 5 if results.inputs <= 5 else 8
        if getattr(self, "_limits", None) != limits:
            self._limits = limits
            for name in ("stamps", "counts"):
                self.parts[name].set_xlim(low, limits[1] - 0.2)
            self.parts["stamps"].set_ylim(limits[2] - 0.4, -0.6)
            self.canvas.stale()

    def click(self, axes: Any, column: float, row: float) -> None:
        """A stamp in the row, or a pixel of the plane: mark the input whose stamp is nearest."""
        c = self.results
        centres = np.array(c.starts) + (c.kernel - 1) / 2
        if axes is self.parts["stamps"]:
            self.put(column=min(row, c.inputs - 1))
        elif axes is self.parts["plane"]:
            nearest = [int(np.abs(centres + 0.5 - place * c.size).argmin()) for place in (row, column)]
            self.put(row=nearest[0], column=nearest[1])
