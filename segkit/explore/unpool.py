"""UnpoolExplorer: five ways back from a pooled map, cell by cell on sixteen numbers and at once on a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from segkit.engine import engine
from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, Canvas
from segkit.explore.labelled import streets
from segkit.explore.shell import Explorer

METHODS = ("max-unpooling", "bed of nails", "nearest", "bilinear", "concatenation")
NUMBERS = ((1, 2, 6, 3), (3, 5, 2, 1), (1, 2, 2, 1), (7, 3, 4, 8))
SCENES = 4
KEEPS = {"max-unpooling": "kept: addresses", "concatenation": "kept: the map itself"}  # others keep nothing
DOES = {
    "max-unpooling": "goes back to where the largest value stood; the rest is 0",
    "bed of nails": "goes to the upper left corner of its window; the rest is 0",
    "nearest": "fills its window",
    "bilinear": "fades towards its neighbours (0 where they are not back yet)",
    "concatenation": "fills its window, and the map from before pooling is laid beside it",
}


@dataclass(frozen=True)
class Unpooled:
    """A map that went down by max pooling and came back up.

    Args:
        method: how it came back.
        before: H×W.
        pooled: h×w, the largest value of each window.
        indices: int64 h×w, where in `before` (row·W + column) each of them stood.
        after: H×W, what the method makes of the first `done` cells of `pooled`.
        kept: H×W, what the way down has kept for the way up: ones at the addresses, the map itself, or zeros.
        bits: how much that is, in bits for each pixel of `before` (its values are 32-bit numbers).
        done: number of cells that have come back, row by row.
        error: mean |after − before| over the whole map.
    """

    method: str
    before: Tensor
    pooled: Tensor
    indices: Tensor
    after: Tensor
    kept: Tensor
    bits: float
    done: int
    error: float


def unpool(before: Tensor, factor: int, method: str, done: int | None = None) -> Unpooled:
    """Pool a map in windows of factor×factor, then bring it back.

    Args:
        before: floating-point H×W; H and W are multiples of `factor`.
        factor: side of a window.
        method: "max-unpooling" (to where the largest value stood, as in SegNet), "bed of nails" (to the window's upper
            left corner), "nearest" (to the whole window), "bilinear", or "concatenation" (to the whole window, with
            `before` kept beside it, as in U-Net).
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
    part = torch.where(torch.arange(pooled.numel()).view_as(pooled) < done, pooled, 0.0)
    kept, bits = torch.zeros_like(before), 0.0
    if method == "max-unpooling":
        after = engine().max_unpool2d(part, indices, factor)
        kept = engine().max_unpool2d(torch.ones_like(pooled), indices, factor)[0, 0]
        bits = math.log2(factor**2) / factor**2
    elif method == "bed of nails":
        after = engine().bed_of_nails(part, factor)
    elif method == "bilinear":
        after = engine().interpolate(part, scale_factor=factor, mode="bilinear", align_corners=False)
    else:
        after = engine().interpolate(part, scale_factor=factor, mode="nearest")
        kept, bits = (before, 32.0) if method == "concatenation" else (kept, bits)
    error = float((after[0, 0] - before).abs().mean())
    return Unpooled(method, before, pooled[0, 0], indices[0, 0], after[0, 0], kept, bits, done, error)


class _Grid:
    """Numbers in squares, the cell in question framed, the one before it dotted."""

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
        self.ghost = Rectangle((0, 0), 0, 0, fill=False, edgecolor=FAINT, linewidth=2, linestyle=":", zorder=4)
        self.frame = Rectangle((0, 0), 0, 0, fill=False, edgecolor=ORANGE, linewidth=2.5, zorder=5)
        self.axes.add_patch(self.ghost)
        self.axes.add_patch(self.frame)
        canvas.moves(self.image, *self.texts, self.ghost, self.frame)

    def show(self, values: Tensor, frames: Sequence[tuple[float, float, float]], blank: bool = False) -> None:
        """Values (0 as nothing if `blank`), and frames at (row, column), each with its side in cells; 0 hides it."""
        self.image.set_data(values.numpy())
        for text, value in zip(self.texts, values.flatten().tolist(), strict=True):
            text.set_text("" if blank and not value else f"{value:.3g}")
        for patch, (row, column, cells) in zip((self.frame, self.ghost), frames, strict=True):
            patch.set_bounds(column - 0.5, row - 0.5, cells, cells)


def drawing(canvas: Canvas, numbers: Tensor, height: int, width: int) -> dict[str, Any]:
    """The empty picture: four grids of numbers above, four pictures below, a bar of the error under them."""
    lefts, scale = (0.02, 0.265, 0.51, 0.755), float(numbers.max())
    titles, sizes = ("before", "max-pooled, 2×2", "back up", ""), (4, 2, 4, 4)
    grids = [
        _Grid(canvas, (left, 0.575, 0.225, 0.36), title, size, scale)
        for left, title, size in zip(lefts, titles, sizes, strict=True)
    ]
    pictures = []
    for left, title in zip(lefts, ("before", "max-pooled", "back up", ""), strict=True):
        axes = canvas.axes(left, 0.15, 0.225, 0.34, title)
        image = axes.imshow(np.zeros((height, width)), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        canvas.moves(image)
        pictures.append(image)
    names = [p.axes.text(0.5, 1.03, "", transform=p.axes.transAxes, ha="center", va="bottom", fontsize=9, color=INK)
             for p in (grids[3], pictures[3])]  # fmt: skip
    error = canvas.axes(0.265, 0.035, 0.47, 0.045, ticks=True)
    error.set(xlim=(0, 0.6), ylim=(0, 1), yticks=[])
    error.text(-0.01, 0.5, "mean error on the picture", transform=error.transAxes, ha="right", va="center", fontsize=8)
    bar = Rectangle((0, 0.1), 0, 0.8, facecolor=BLUE)
    error.add_patch(bar)
    (ghost,) = error.plot([], [], "|", ms=14, mew=2, color=ORANGE, zorder=4)
    canvas.moves(*names, bar, ghost)
    return {"grids": grids, "pictures": pictures, "names": names, "bar": bar, "ghost": ghost}


def places(u: Unpooled) -> list[tuple[float, float, float]]:
    """Where the last cell that has come back stands in each of the four grids: row, column, cells; 0 cells if none."""
    width = u.pooled.shape[1]
    factor, shown = u.before.shape[1] // width, int(u.done > 0)
    row, column = divmod(max(u.done - 1, 0), width)
    source = divmod(int(u.indices[row, column]), u.before.shape[1])
    corner = (row * factor, column * factor)
    target = (*source, shown) if u.method == "max-unpooling" else (*corner, shown * factor)
    after = (*corner, shown) if u.method == "bed of nails" else target
    return [(*source, shown), (row, column, shown), after, target if u.method in KEEPS else (0, 0, 0)]


def draw(parts: dict[str, Any], small: Unpooled, large: Unpooled, last: tuple[Unpooled, Unpooled] | None) -> None:
    """Put two results into the picture: sixteen numbers above, a grey picture below; `last` stays as a ghost."""
    ghosts = places(last[0]) if last else [(0, 0, 0)] * 4
    values = (small.before, small.pooled, small.after, small.kept)
    for grid, numbers, frame, ghost in zip(parts["grids"], values, places(small), ghosts, strict=True):
        grid.show(numbers, (frame, ghost), blank=grid is parts["grids"][3])
    h, w = large.before.shape
    for image, grey in zip(parts["pictures"], (large.before, large.pooled, large.after, large.kept), strict=True):
        image.set_data(grey.numpy())
        image.set_extent((-0.5, w - 0.5, h - 0.5, -0.5))
    for name in parts["names"]:
        name.set_text(KEEPS.get(small.method, "kept: nothing"))
    parts["bar"].set_width(large.error)
    parts["ghost"].set_data(([last[1].error], [0.5]) if last else ([], []))


class UnpoolExplorer(Explorer):
    """Step through unpooling on sixteen numbers (click a cell), and see it on a picture.

    Args:
        picture: 3×H×W or H×W, floating-point in 0–1, or several of one size to choose from; None for street scenes.
            They are cropped to multiples of 8.
        numbers: 4×4 numbers ≥ 0 for the small example.
    """

    title = "Unpooling"

    def __init__(self, picture: Tensor | Sequence[Tensor] | None = None, numbers: Any = NUMBERS) -> None:
        super().__init__(Canvas(9.6, 5.4))
        self.greys = _greys(picture)
        self.numbers = torch.as_tensor(numbers, dtype=torch.float32)
        if self.numbers.shape != (4, 4) or self.numbers.min() < 0:
            raise ValueError(f"numbers of shape {tuple(self.numbers.shape)}; the small example is 4×4, none below 0")
        self.parts = drawing(self.canvas, self.numbers, *self.greys[0].shape)
        with self.together():
            self.menu("method", "method", METHODS, METHODS[0], "how values go back to the larger map")
            self.slider("step", "cells back", 0, 4, 3, "how many cells of the small example have come back")
            self.menu("factor", "picture pooled", [("2×2", 2), ("4×4", 4), ("8×8", 8)], 4, "window of the picture")
            names = [(f"{'street' if picture is None else 'picture'} {i + 1}", i) for i in range(len(self.greys))]
            self.menu("scene", "scene", names, 0, "the picture")

    def compute(self) -> tuple[Unpooled, Unpooled]:
        method, grey = self["method"], self.greys[self["scene"]]
        return unpool(self.numbers, 2, method, self["step"]), unpool(grey, self["factor"], method)

    def draw(self, results: tuple[Unpooled, Unpooled]) -> str:
        small, large = results
        draw(self.parts, small, large, self.last)
        return (
            f"{small.done} of {small.pooled.numel()} cells are back; each {DOES[small.method]}. Mean error: "
            f"{small.error:.2f} on the numbers, {large.error:.3f} on the picture (0–1). "
            f"Kept for the way up: {large.bits:.3g} bits for each pixel of the picture."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """A cell of any grid: step to the one that it belongs to."""
        for grid, cells in zip(self.parts["grids"], (2, 1, 2, 2), strict=True):
            if axes is grid.axes:
                i, j = (int(np.clip((v + 0.5) // cells, 0, 1)) for v in (row, column))
                self.controls["step"].value = 2 * i + j + 1


def _greys(given: Tensor | Sequence[Tensor] | None) -> list[Tensor]:
    """The pictures to choose from, grey, of one size."""
    if given is None:
        given = [scene.image for scene in streets(SCENES)]
    greys = [_grey(p) for p in ([given] if isinstance(given, Tensor) else given)]
    if not greys or len({g.shape for g in greys}) > 1:
        sizes = ", ".join("×".join(map(str, g.shape)) for g in greys) or "none"
        raise ValueError(f"pictures to choose from: {sizes}; give at least one, all of one size")
    return greys


def _grey(picture: Tensor) -> Tensor:
    if picture.ndim not in (2, 3) or not picture.is_floating_point():
        raise ValueError(f"a picture of shape {tuple(picture.shape)} and {picture.dtype}; it is 3×H×W or H×W, 0–1")
    grey = picture.mean(0) if picture.ndim == 3 else picture
    h, w = (n // 8 * 8 for n in grey.shape)
    if not h or not w:
        raise ValueError(f"a picture of {tuple(grey.shape)} is smaller than one 8×8 window")
    return grey[:h, :w].float()
