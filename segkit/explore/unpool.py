"""UnpoolExplorer: three ways back from a pooled map, cell by cell on sixteen numbers and at once on a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from segkit.engine import engine
from segkit.explore.canvas import FAINT, INK, ORANGE, Canvas
from segkit.explore.labelled import street
from segkit.explore.shell import Explorer

METHODS = ("max-unpooling", "bed of nails", "nearest")
NUMBERS = ((1, 2, 6, 3), (3, 5, 2, 1), (1, 2, 2, 1), (7, 3, 4, 8))


@dataclass(frozen=True)
class Unpooled:
    """A map that went down by max pooling and came back up.

    Args:
        before: H×W.
        pooled: h×w, the largest value of each window.
        indices: int64 h×w, where in `before` (row·W + column) each of them stood.
        after: H×W, what the method makes of the first `done` cells of `pooled`.
        done: number of cells that have come back, row by row.
        error: mean |after − before| over the whole map.
    """

    before: Tensor
    pooled: Tensor
    indices: Tensor
    after: Tensor
    done: int
    error: float


def unpool(before: Tensor, factor: int, method: str, done: int | None = None) -> Unpooled:
    """Pool a map in windows of factor×factor, then bring it back.

    Args:
        before: floating-point H×W; H and W are multiples of `factor`.
        factor: side of a window.
        method: "max-unpooling" (to where the largest value stood), "bed of nails" (to the window's upper left corner)
            or "nearest" (to the whole window).
        done: how many cells to bring back; None for all.

    Raises:
        ValueError: a method that is not there, or a size that the factor does not divide.
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r}; it is one of {', '.join(METHODS)}")
    if before.ndim != 2 or any(n % factor for n in before.shape):
        raise ValueError(f"a map of {tuple(before.shape)} does not split into windows of {factor}×{factor}; crop it")
    pooled, indices = engine().max_pool2d(before[None, None], factor, return_indices=True)  # 1, 1, h, w
    done = pooled.numel() if done is None else done
    kept = torch.arange(pooled.numel()).view_as(pooled) < done
    part = torch.where(kept, pooled, 0.0)
    if method == "max-unpooling":
        after = engine().max_unpool2d(part, indices, factor)
    elif method == "bed of nails":
        after = engine().bed_of_nails(part, factor)
    else:
        after = engine().interpolate(part, scale_factor=factor, mode="nearest")
    error = float((after[0, 0] - before).abs().mean())
    return Unpooled(before, pooled[0, 0], indices[0, 0], after[0, 0], done, error)


class _Grid:
    """Numbers in squares."""

    def __init__(
        self, canvas: Canvas, place: tuple[float, float, float, float], title: str, size: int, scale: float
    ) -> None:
        self.axes = canvas.axes(*place, title)
        self.image = self.axes.imshow(np.zeros((size, size)), cmap="Blues", vmin=0, vmax=1.8 * scale)
        for k in range(1, size):
            self.axes.axhline(k - 0.5, color=FAINT, linewidth=0.6)
            self.axes.axvline(k - 0.5, color=FAINT, linewidth=0.6)
        at = [(i, j) for i in range(size) for j in range(size)]
        self.texts = [self.axes.text(j, i, "", ha="center", va="center", fontsize=10, color=INK) for i, j in at]
        self.frame = Rectangle((0, 0), 1, 1, fill=False, edgecolor=ORANGE, linewidth=2.5, zorder=5)
        self.axes.add_patch(self.frame)
        canvas.moves(self.image, *self.texts, self.frame)

    def show(self, values: Tensor, frame: tuple[float, float, float]) -> None:
        """Values, and a frame at (row, column) of so many cells; of none to hide it."""
        self.image.set_data(values.numpy())
        for text, value in zip(self.texts, values.flatten().tolist(), strict=True):
            text.set_text(f"{value:g}")
        row, column, cells = frame
        self.frame.set_bounds(column - 0.5, row - 0.5, cells, cells)


def drawing(canvas: Canvas, numbers: Tensor, height: int, width: int) -> dict[str, Any]:
    """The empty picture: three grids of numbers above, three pictures below."""
    top, scale = 0.55, float(numbers.max())
    grids = [
        _Grid(canvas, (left, top, 0.26, 0.37), title, size, scale)
        for left, title, size in ((0.05, "before", 4), (0.37, "max-pooled, 2×2", 2), (0.69, "back up", 4))
    ]
    pictures = []
    for left, title in ((0.05, "before"), (0.37, "max-pooled"), (0.69, "back up")):
        axes = canvas.axes(left, 0.03, 0.26, 0.40, title)
        image = axes.imshow(np.zeros((height, width)), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        canvas.moves(image)
        pictures.append(image)
    return {"grids": grids, "pictures": pictures}


def draw(parts: dict[str, Any], small: Unpooled, large: Unpooled, method: str) -> None:
    """Put two results into the picture: sixteen numbers above, a grey picture below."""
    before, pooled, after = parts["grids"]
    cell = max(small.done - 1, 0)
    width = small.pooled.shape[1]
    factor = small.before.shape[1] // width
    row, column = divmod(cell, width)
    source = divmod(int(small.indices[row, column]), small.before.shape[1])
    corner = (row * factor, column * factor)
    target = source if method == "max-unpooling" else corner
    shown = 1 if small.done else 0
    before.show(small.before, (*source, shown))
    pooled.show(small.pooled, (row, column, shown))
    after.show(small.after, (*target, shown * (factor if method == "nearest" else 1)))
    for image, values in zip(parts["pictures"], (large.before, large.pooled, large.after), strict=True):
        image.set_data(values.numpy())
        h, w = large.before.shape
        image.set_extent((-0.5, w - 0.5, h - 0.5, -0.5))


class UnpoolExplorer(Explorer):
    """Step through unpooling on sixteen numbers (click a cell), and see it on a picture.

    Args:
        picture: 3×H×W or H×W, floating-point in 0–1; None for a street scene. It is cropped to multiples of 8.
        numbers: 4×4 numbers ≥ 0 for the small example.
    """

    title = "Unpooling"

    def __init__(self, picture: Tensor | None = None, numbers: Any = NUMBERS) -> None:
        super().__init__(Canvas(8.2, 5.4))
        self.grey = _grey(street().image if picture is None else picture)
        self.numbers = torch.as_tensor(numbers, dtype=torch.float32)
        if self.numbers.shape != (4, 4) or self.numbers.min() < 0:
            raise ValueError(f"numbers of shape {tuple(self.numbers.shape)}; the small example is 4×4, none below 0")
        self.parts = drawing(self.canvas, self.numbers, *self.grey.shape)
        with self.together():
            self.menu("method", "method", METHODS, METHODS[0], "how values go back to the larger map")
            self.slider("step", "cells back", 0, 4, 3, "how many cells of the small example have come back")
            self.menu("factor", "picture pooled", [("2×2", 2), ("4×4", 4), ("8×8", 8)], 4, "window of the picture")

    def compute(self) -> tuple[Unpooled, Unpooled]:
        method = self["method"]
        return unpool(self.numbers, 2, method, self["step"]), unpool(self.grey, self["factor"], method)

    def draw(self, results: tuple[Unpooled, Unpooled]) -> str:
        small, large = results
        draw(self.parts, small, large, self["method"])
        what = {
            "max-unpooling": "goes back to where the largest value stood; the rest is 0",
            "bed of nails": "goes to the upper left corner of its window; the rest is 0",
            "nearest": "fills its window",
        }[self["method"]]
        return (
            f"{small.done} of {small.pooled.numel()} cells are back; each {what}. "
            f"Mean error: {small.error:.2f} on the numbers, {large.error:.3f} on the picture (0–1)."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """A cell of any grid: step to the one that it belongs to."""
        for grid, cells in zip(self.parts["grids"], (2, 1, 2), strict=True):
            if axes is grid.axes:
                i, j = (int(np.clip((v + 0.5) // cells, 0, 1)) for v in (row, column))
                self.controls["step"].value = 2 * i + j + 1


def _grey(picture: Tensor) -> Tensor:
    if picture.ndim not in (2, 3) or not picture.is_floating_point():
        raise ValueError(f"a picture of shape {tuple(picture.shape)} and {picture.dtype}; it is 3×H×W or H×W, 0–1")
    grey = picture.mean(0) if picture.ndim == 3 else picture
    h, w = (n // 8 * 8 for n in grey.shape)
    if not h or not w:
        raise ValueError(f"a picture of {tuple(grey.shape)} is smaller than one 8×8 window")
    return grey[:h, :w].float()
