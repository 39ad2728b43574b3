"""`sample_grid` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Function, does, gives
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE
from segkit.grading.exercises.mechanical import changed, ignored, replaced


def _unit(at: Tensor, n: int, align_corners: bool) -> Tensor:
    """From −1 … 1 to pixels, of which 0 is the centre of the first."""
    return (at + 1) / 2 * (n - 1) if align_corners else (at + 1) / 2 * n - 0.5


def _inside(at: Tensor, n: int, padding_mode: str) -> Tensor:
    return at.clamp(0, n - 1) if padding_mode == "border" else at


def _look(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The numbers of pixels, 0 outside. Shape: x N×C×H×W, row and column N×h×w → N×C×h×w."""
    known = _known(x, row, column)
    return _clamped(x, row, column) * known[:, None]


def _known(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return (row >= 0) & (row < x.shape[2]) & (column >= 0) & (column < x.shape[3])


def _clamped(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    N, C, H, W = x.shape
    place = row.long().clamp(0, H - 1) * W + column.long().clamp(0, W - 1)
    return x.flatten(2).gather(2, place.flatten(1)[:, None].expand(-1, C, -1)).reshape(N, C, *row.shape[1:])


def read(
    x: Tensor, grid: Tensor, padding_mode: str, align_corners: bool, *, unit: Function = _unit,
    inside: Function = _inside, look: Function = _look, share: Function = lambda part: part,
    sizes: Function = lambda x: (x.shape[3], x.shape[2]),
) -> Tensor:  # fmt: skip
    """Reference of `sample_grid`, with its steps replaced.

    Args:
        x, grid, padding_mode, align_corners: as the task has them.
        unit: unit(places along an axis, its size, align_corners), in pixels.
        inside: inside(places in pixels, the size, padding_mode), those that are read.
        look: look(x, rows, columns), the numbers of whole pixels.
        share: share(distance from the pixel before), that of the pixel after.
        sizes: sizes(x), by which x and y are stretched.
    """
    wide, high = sizes(x)
    column = inside(unit(grid[..., 0], wide, align_corners), x.shape[3], padding_mode)  # N, h, w
    row = inside(unit(grid[..., 1], high, align_corners), x.shape[2], padding_mode)
    left, top = column.floor(), row.floor()
    across, down = share(column - left)[:, None], share(row - top)[:, None]
    upper = (1 - across) * look(x, top, left) + across * look(x, top, left + 1)
    lower = (1 - across) * look(x, top + 1, left) + across * look(x, top + 1, left + 1)
    return (1 - down) * upper + down * lower


_step = partial(replaced, read)


def _cut_off(x: Tensor, grid: Tensor, padding_mode: str, align_corners: bool) -> Tensor:
    row, column = (_unit(grid[..., k], n, align_corners) for k, n in ((1, x.shape[2]), (0, x.shape[3])))
    known = (row >= 0) & (row <= x.shape[2] - 1) & (column >= 0) & (column <= x.shape[3] - 1)
    found = read(x, grid, "border", align_corners)
    return found if padding_mode == "border" else found * known[:, None]


def _renormalised(x: Tensor, grid: Tensor, padding_mode: str, align_corners: bool) -> Tensor:
    args = grid, padding_mode, align_corners
    shares = read(torch.ones_like(x), *args)
    return torch.where(shares > 0, read(x, *args) / shares, 0.0)


def _around(x: Tensor, row: Tensor, column: Tensor) -> Tensor:
    return _clamped(x, row % x.shape[2], column % x.shape[3])


WAYS = {
    "corners-always": ignored(3, True),
    "corners-never": ignored(3, False),
    "corners-inverted": changed(3, lambda aligned: not aligned),
    "half-pixel-missing": _step(
        "unit", lambda at, n, aligned: _unit(at, n, aligned) + (0 if aligned else 0.5)
    ),
    "last-centre-at-size": _step(
        "unit", lambda at, n, aligned: (at + 1) / 2 * n if aligned else _unit(at, n, aligned)
    ),
    "x-y-exchanged": changed(1, lambda grid: grid.flip(-1)),
    "zero-to-one": changed(1, lambda grid: 2 * grid - 1),
    "places-in-pixels": _step("unit", lambda at, n, aligned: at),
    "one-size-for-both": _step(
        "sizes", lambda x: (x.shape[3], x.shape[3]), lambda x: (x.shape[2], x.shape[2]), lambda x: x.shape[2:]
    ),
    "padding-mode-ignored": ignored(2, "zeros") + ignored(2, "border"),
    "outside-cut-off": does(_cut_off),
    "outside-renormalised": does(_renormalised),
    "wraps-around": _step("look", _around),
    "border-of-the-grid": does(
        lambda x, grid, mode, aligned: read(x, grid.clamp(-1, 1) if mode == "border" else grid, "zeros", aligned)
    ),
    "nearest": _step("share", torch.round),
    "upper-left-only": _step("share", torch.zeros_like),
    "weights-exchanged": _step("share", lambda part: 1 - part),
    "first-grid-for-all": changed(1, lambda grid: grid[:1].expand_as(grid)),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": FIRST_CHANNEL,
    "result-transposed": gives(lambda r, *a: r.mT),
}  # fmt: skip
