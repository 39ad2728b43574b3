"""Random draws and noise tables that are the same on every machine.

numpy promises that PCG64 seeded through a SeedSequence gives the same raw 64-bit integers for ever, on every machine
(its "compatibility guarantee"); it does not promise that for `Generator`'s distributions. So only raw integers are
taken from numpy, and what is made of them here uses +, −, ×, ÷ and comparisons, which IEEE 754 defines to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
_TO_UNIT = 1.0 / (1 << 53)


def raw(key: Sequence[int], count: int) -> np.ndarray:
    """`count` raw 64-bit integers that depend on the key only."""
    return np.random.PCG64(np.random.SeedSequence(key)).random_raw(count)


class Dice:
    """A stream of draws for one topic of one scene; another topic has its own, so that knobs do not disturb it."""

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))
        self._left: list[int] = []

    def unit(self) -> float:
        """A number in [0, 1)."""
        if not self._left:
            self._left = self._bits.random_raw(128).tolist()
        return (self._left.pop() >> 11) * _TO_UNIT

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.unit()

    def bell(self) -> float:
        """A number that is normally distributed to within 1 % or so: mean 0, standard deviation 1, never beyond 6."""
        total = -6.0
        for _ in range(12):
            total += self.unit()
        return total

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int((high - low + 1) * self.unit())

    def chance(self, probability: float) -> bool:
        """True with this probability; a draw is taken whatever it is."""
        return self.unit() < probability

    def choose(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(len(options) * self.unit())]

    def colour(self, base: tuple[float, float, float], jitter: float, tint: float = 0.5) -> tuple[float, float, float]:
        """A colour near `base`: lighter or darker as a whole, and by `tint` times as much in each channel."""
        scale, tint = 1.0 - jitter + 2.0 * jitter * self.unit(), tint * jitter
        r = base[0] * scale + tint * (self.unit() - 0.5)
        g = base[1] * scale + tint * (self.unit() - 0.5)
        b = base[2] * scale + tint * (self.unit() - 0.5)
        return (r if r > 0.02 else 0.02), (g if g > 0.02 else 0.02), (b if b > 0.02 else 0.02)


def _white(key: int, size: int) -> np.ndarray:
    """Independent values in [0, 1), size×size, from raw bytes."""
    words = raw((key, 20111), size * size)
    return ((words >> np.uint64(40)).astype(np.float64) * (1.0 / (1 << 24))).reshape(size, size)


def _stretch(grid: np.ndarray, factor: int) -> np.ndarray:
    """Smooth periodic enlargement of a square grid by a whole factor."""
    at = (np.arange(grid.shape[0] * factor, dtype=np.float64)) / factor
    low = at.astype(np.int64)
    t = at - low
    t = t * t * (3.0 - 2.0 * t)
    high = (low + 1) % grid.shape[0]
    rows = grid[low] * (1.0 - t)[:, None] + grid[high] * t[:, None]
    return rows[:, low] * (1.0 - t) + rows[:, high] * t


def _octaves(key: int, factors: Sequence[int], weights: Sequence[float]) -> np.ndarray:
    """A 256×256 periodic tile in −1…1: smooth noise of several grain sizes, summed."""
    tile = np.zeros((256, 256))
    for i, (factor, weight) in enumerate(zip(factors, weights, strict=True)):
        tile = tile + weight * _stretch(_white(key + i, 256 // factor), factor)
    low, high = float(tile.min()), float(tile.max())
    return np.ascontiguousarray((tile - low) * (2.0 / (high - low)) - 1.0, np.float32)


FINE = (_white(1, 256) * 2.0 - 1.0).astype(np.float32)  # grain of asphalt, stone and film
SMOOTH = _octaves(10, (64, 32, 16, 8), (1.0, 0.6, 0.35, 0.2))  # stains, clouds
LEAF = _octaves(20, (32, 16, 8, 4, 2), (0.8, 0.8, 0.7, 0.6, 0.4))  # foliage
HASH = (_white(30, 64) * 256.0).astype(np.int32).reshape(-1)  # 4096 bytes: the mood of each window
