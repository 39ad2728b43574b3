"""Stained nuclei in a fluorescence microscope: bright blobs, alone, touching, overlapping, on a dark uneven ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.data.cells.fields import blurred, direction, eight_bit, grain, stretched
from segkit.data.dice import Dice

_LEAST = 24  # pixels that must show of a nucleus


@dataclass(frozen=True)
class Blob:
    """One nucleus: centre and half axes in pixels, direction of the long axis, two bumps of its outline, brightness."""

    y: float
    x: float
    long: float
    short: float
    axis: tuple[float, float]
    bumps: tuple[float, float]
    light: float


def scatter(dice: Dice, size: tuple[int, int]) -> list[Blob]:
    """Nuclei in clumps of one to six, each next one against an earlier one of its clump."""
    height, width = size
    radius = dice.between(6.5, 8.5)  # of this preparation
    crowd = dice.between(0.6, 1.5)  # how crowded it is
    clumps = 1 + int(crowd * (height + 30) * (width + 30) / 2600.0)
    light, blobs = dice.between(0.35, 0.75), []
    for _ in range(clumps):
        y, x = dice.between(-8.0, height + 8.0), dice.between(-8.0, width + 8.0)
        clump = [_blob(dice, y, x, radius, light)]
        for _ in range(dice.choose((0, 0, 1, 1, 2, 3, 5))):
            host, (dy, dx) = dice.choose(clump), direction(dice)
            gap = dice.between(0.72, 1.02) * 1.9 * radius
            clump.append(_blob(dice, host.y + dy * gap, host.x + dx * gap, radius, light))
        blobs += clump
    return blobs


def _blob(dice: Dice, y: float, x: float, radius: float, light: float) -> Blob:
    r, stretch = radius * dice.between(0.78, 1.22), dice.between(1.0, 1.3)
    bumps = (dice.between(-0.07, 0.07), dice.between(-0.06, 0.06))
    return Blob(y, x, r * stretch, r / stretch, direction(dice), bumps, light * dice.between(0.55, 1.35))


def depth_inside(blob: Blob, size: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray] | None:
    """A window around a nucleus and, in it, 1 at its centre, 0 on its outline, below 0 outside; None if not in it."""
    reach = blob.long * 1.2 + 2.0
    top, left = max(0, int(blob.y - reach)), max(0, int(blob.x - reach))
    bottom, right = min(size[0], int(blob.y + reach) + 1), min(size[1], int(blob.x + reach) + 1)
    if bottom <= top or right <= left:
        return None
    dy = (np.arange(top, bottom, dtype=np.float64) - blob.y)[:, None]
    dx = (np.arange(left, right, dtype=np.float64) - blob.x)[None, :]
    a = (dy * blob.axis[0] + dx * blob.axis[1]) / blob.long
    b = (dx * blob.axis[0] - dy * blob.axis[1]) / blob.short
    distance = np.sqrt(a * a + b * b)
    c, s = a / (distance + 1e-9), b / (distance + 1e-9)  # cosine and sine of the angle
    outline = 1.0 + blob.bumps[0] * c * (4.0 * c * c - 3.0) + blob.bumps[1] * s * (3.0 - 4.0 * s * s)  # three lobes
    return (slice(top, bottom), slice(left, right)), 1.0 - distance / outline


def render(key: tuple[int, ...], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H×W, 0–1), labels (0 background, 1 nucleus) and instances of one preparation."""
    dice = Dice(*key)
    ids, whole, glow = np.zeros(size, dtype=np.int64), [0], np.zeros(size)
    chromatin = 0.85 + 0.3 * stretched("grain", dice, size, 0.8)
    for blob in scatter(dice, size):
        seen = depth_inside(blob, size)
        if seen is None:
            continue
        window, depth = seen
        inside = depth > 0.0
        free = inside & (ids[window] == 0)
        shown, total = int(np.count_nonzero(free)), int(np.count_nonzero(inside))
        if shown < _LEAST or 10 * shown < 7 * total:
            continue  # lies under others: left out of the picture too
        ids[window][free] = len(whole)
        whole.append(shown)
        body = np.minimum(1.0, np.maximum(0.0, depth * 4.0 + 0.35))
        glow[window] += blob.light * body * (0.8 + 0.2 * np.maximum(depth, 0.0)) * chromatin[window]
    return _photograph(dice, key, glow), (ids > 0).astype(np.int64), ids


def _photograph(dice: Dice, key: tuple[int, ...], glow: np.ndarray) -> np.ndarray:
    """Lens, stray light, uneven lamp, shot noise."""
    size = (int(glow.shape[0]), int(glow.shape[1]))
    haze = blurred(glow, 12)
    lamp = 1.0 + dice.between(0.15, 0.4) * stretched("smooth", dice, size, dice.between(2.0, 4.0))
    ground = dice.between(0.03, 0.10)
    light = (blurred(glow, dice.whole(1, 3)) + dice.between(0.1, 0.3) * haze + ground) * lamp
    noise = dice.between(0.4, 1.0) * (0.012 + 0.06 * np.sqrt(light))
    return eight_bit(light + noise * grain((*key, 1), size))
