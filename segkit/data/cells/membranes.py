"""Nerve tissue in an electron microscope: cells of all sizes fill the plane, dark membranes between, organelles inside.

Cells are Voronoi regions of scattered sites, some of them joined to larger and longer cells, seen through a bent plane.
A pixel is membrane if it lies about as far from the nearest site of another cell as from the nearest of its own.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from segkit.data.cells.fields import blurred, direction, eight_bit, grain, stretched
from segkit.data.dice import Dice

_SPACING = 21.0  # between sites, in pixels
_BEND = 7.0  # how far the plane is bent, in pixels
_LEAST = 12  # pixels that a cell has at least
_REACH = 1.5 * _SPACING + _BEND  # no pixel is farther than that from its nearest site


def sites(dice: Dice, size: tuple[int, int]) -> list[tuple[float, float, int]]:
    """Row, column and cell of each site: a jittered grid beyond the picture's edges, some joined to a neighbour."""
    rows, columns = int(size[0] / _SPACING) + 5, int(size[1] / _SPACING) + 5
    cell: dict[tuple[int, int], int] = {}
    found: list[tuple[float, float, int]] = []
    for i in range(rows):
        for j in range(columns):
            y = (i - 2 + 0.15 + 0.7 * dice.unit()) * _SPACING
            x = (j - 2 + 0.15 + 0.7 * dice.unit()) * _SPACING
            joined, way = dice.chance(0.42), dice.chance(0.5)
            neighbour = (i - 1, j) if way else (i, j - 1)
            cell[i, j] = cell[neighbour] if joined and neighbour in cell else len(found)
            found.append((y, x, cell[i, j]))
    return found


def tiling(dice: Dice, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each pixel, and how much farther the nearest other cell's site is than its own, halved. H×W each."""
    height, width = size
    y = np.arange(height, dtype=np.float64)[:, None] + _BEND * stretched("smooth", dice, size, 0.9)
    x = np.arange(width, dtype=np.float64)[None, :] + _BEND * stretched("smooth", dice, size, 0.9)
    y, x = y.astype(np.float32), x.astype(np.float32)
    own, other = np.full(size, 1e9, dtype=np.float32), np.full(size, 1e9, dtype=np.float32)
    cell = np.full(size, -1, dtype=np.int64)
    for sy, sx, number in sites(dice, size):
        rows = slice(max(0, int(sy - _REACH)), min(height, max(0, int(sy + _REACH) + 1)))
        columns = slice(max(0, int(sx - _REACH)), min(width, max(0, int(sx + _REACH) + 1)))
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        window = (rows, columns)
        dy, dx = y[window] - np.float32(sy), x[window] - np.float32(sx)
        d, near, second = dy * dy + dx * dx, own[window], other[window]
        np.minimum(second, np.maximum(near, d), out=second, where=cell[window] != number)  # the loser of the two
        np.copyto(cell[window], number, where=d < near)
        np.minimum(near, d, out=near)
    return cell, (np.sqrt(other).astype(np.float64) - np.sqrt(own)) * 0.5


def render(key: tuple[int, ...], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H×W, 0–1), labels (0 membrane, 1 cell) and instances of one slice."""
    dice = Dice(*key)
    cell, rim = tiling(dice, size)
    thickness = dice.between(1.1, 1.5) * (1.0 + 0.35 * stretched("smooth", dice, size, 0.8))
    inside = rim > np.maximum(thickness, 0.8)
    ids, inside = _pieces(inside)
    tone = np.array([dice.between(0.60, 0.78) for _ in range(64)])[cell & 63]
    picture = tone + 0.07 * stretched("grain", dice, size, 1.0) + 0.05 * stretched("smooth", dice, size, 1.0)
    picture = _organelles(dice, picture, rim)
    fade = np.minimum(1.0, np.maximum(0.25, 0.85 + 0.75 * stretched("smooth", dice, size, 1.1)))  # cut aslant
    line = np.minimum(1.0, np.maximum(0.0, 1.4 - rim / np.maximum(thickness, 0.8))) * fade
    picture = picture + (dice.between(0.14, 0.24) - picture) * line
    picture = blurred(picture, 1) * (1.0 + 0.10 * stretched("smooth", dice, size, 3.0))
    picture = picture + dice.between(0.045, 0.075) * blurred(grain((*key, 1), size), 1) * 2.0
    return eight_bit(picture), inside.astype(np.int64), ids


def _pieces(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Connected pieces of the inside numbered 1, 2, …, without specks, and the inside without them."""
    ids = ndimage.label(inside)[0].astype(np.int64)
    large = np.bincount(ids.reshape(-1)) >= _LEAST
    large[0] = False
    number = np.zeros(len(large), dtype=np.int64)
    number[large] = np.arange(1, np.count_nonzero(large) + 1)
    ids = number[ids]
    return ids, ids > 0


def _organelles(dice: Dice, picture: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """Mitochondria (dark, with a rim and folds) and vesicles (small rings), only where a cell has room for them."""
    height, width = picture.shape
    picture = picture.copy()
    for kind, count in (("mitochondrion", height * width // 1100), ("vesicle", height * width // 260)):
        for _ in range(count):
            y, x = dice.whole(0, height - 1), dice.whole(0, width - 1)
            long, stretch, axis = dice.between(4.0, 7.0), dice.between(1.1, 1.9), direction(dice)
            small, dark = dice.between(1.2, 2.6), dice.between(0.5, 1.0)
            if kind == "vesicle":
                long, stretch = small, 1.0
            if rim[y, x] < long / stretch + 2.5:
                continue
            _ellipse(picture, rim, (y, x), (long, long / stretch), axis, dark, kind == "mitochondrion")
    return picture


def _ellipse(
    picture: np.ndarray, rim: np.ndarray, centre: tuple[int, int], half: tuple[float, float],
    axis: tuple[float, float], dark: float, folded: bool,
) -> None:  # fmt: skip
    """Darken an elliptic outline and, if it is folded, what it encloses."""
    reach = int(half[0]) + 3
    top, left = max(0, centre[0] - reach), max(0, centre[1] - reach)
    window = (slice(top, centre[0] + reach + 1), slice(left, centre[1] + reach + 1))
    shape = picture[window].shape
    dy = (np.arange(shape[0], dtype=np.float64) + (top - centre[0]))[:, None]
    dx = (np.arange(shape[1], dtype=np.float64) + (left - centre[1]))[None, :]
    a, b = dy * axis[0] + dx * axis[1], dx * axis[0] - dy * axis[1]
    distance = np.sqrt((a / half[0]) * (a / half[0]) + (b / half[1]) * (b / half[1]))
    outline = np.maximum(0.0, 1.0 - np.abs(distance - 1.0) * half[1] * 0.8) * 0.42
    if folded:
        fold = np.abs(a * 0.5 - np.floor(a * 0.5) - 0.5)  # stripes across, every two pixels
        outline = np.maximum(outline, np.where(distance < 1.0, 0.14 + 0.22 * fold, 0.0))
    picture[window] -= np.where(rim[window] > 2.2, dark * outline, 0.0)
