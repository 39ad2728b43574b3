"""Smooth fields, blur and grain that are the same to the last bit everywhere: +, −, ×, ÷, √ and look-ups only."""

from __future__ import annotations

import numpy as np

from segkit.data.dice import LEAF, SMOOTH, Dice, raw

TILES = {"smooth": SMOOTH.astype(np.float64), "grain": LEAF.astype(np.float64)}  # 256×256, periodic, −1…1


def stretched(name: str, dice: Dice, size: tuple[int, int], scale: float) -> np.ndarray:
    """A random window of a tile, enlarged `scale` times with linear steps between its values; H×W, float64."""
    tile = TILES[name]
    top, left = dice.whole(0, 255), dice.whole(0, 255)
    y = top + np.arange(size[0], dtype=np.float64) / scale
    x = left + np.arange(size[1], dtype=np.float64) / scale
    y0, x0 = y.astype(np.int64), x.astype(np.int64)
    v, u = (y - y0)[:, None], x - x0
    left_columns, right_columns = x0 & 255, (x0 + 1) & 255
    upper, lower = tile[y0 & 255], tile[(y0 + 1) & 255]  # H, 256
    rows = upper + (lower - upper) * v
    before, after = rows.take(left_columns, axis=1), rows.take(right_columns, axis=1)  # H, W
    return before + (after - before) * u


def blurred(x: np.ndarray, times: int) -> np.ndarray:
    """[1, 2, 1] / 4 down and across, `times` times: a standard deviation of √(times / 2) pixels."""
    for _ in range(times):
        p = np.concatenate((x[:1], x, x[-1:]))
        x = (p[:-2] + p[2:] + 2.0 * x) * 0.25
        p = np.concatenate((x[:, :1], x, x[:, -1:]), axis=1)
        x = (p[:, :-2] + p[:, 2:] + 2.0 * x) * 0.25
    return x


def grain(key: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
    """Independent, nearly normal values of mean 0 and variance 1 for each pixel: four bytes summed. H×W."""
    words = raw(key, (size[0] * size[1] + 1) // 2)
    total = np.zeros((2, len(words)))
    for half in (0, 1):
        for byte in range(4):
            shift = np.uint64(8 * (4 * half + byte))
            total[half] += ((words >> shift) & np.uint64(255)).astype(np.float64)
    flat = total.reshape(-1)[: size[0] * size[1]]
    return (flat.reshape(size) - 510.0) * (1.0 / 147.8)


def direction(dice: Dice) -> tuple[float, float]:
    """A unit vector, every direction alike: a point of the disc, divided by its length."""
    while True:
        x, y = dice.between(-1.0, 1.0), dice.between(-1.0, 1.0)
        length = float(np.sqrt(x * x + y * y))
        if 0.05 < length < 1.0:
            return x / length, y / length


def eight_bit(x: np.ndarray) -> np.ndarray:
    """float32 in 0–1 in steps of 1/255, as a camera hands it out."""
    return np.floor(np.minimum(np.maximum(x, 0.0), 1.0) * 255.0 + 0.5).astype(np.float32) / np.float32(255.0)
