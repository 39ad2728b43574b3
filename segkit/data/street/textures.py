"""Lightness patterns of surfaces: bricks, slabs, stones, with grain and dirt already mixed in."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from segkit.data.dice import FINE, SMOOTH

PER_METRE = 26.0  # points of a pattern per metre
TILE = 256  # points on a side; patterns repeat after that
SURFACES = {"plaster": 0, "bricks": 1, "slabs": 2, "stones": 3}


def _bricks(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Courses of bricks of uneven lightness, with pale joints."""
    course = y // 4
    shifted = x + (course % 2) * 4
    brick = ((course * 7 + (shifted // 8) * 13) % 11) / 11.0
    return np.where((y % 4 == 0) | (shifted % 8 == 0), 0.16, brick * 0.24 - 0.14)


def _slabs(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Large plates with dark joints."""
    plate = ((y // 32 * 5 + x // 32 * 3) % 7) / 7.0
    return np.where((y % 32 == 0) | (x % 32 == 0), -0.22, plate * 0.10 - 0.04)


def _stones(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Rows of stones, as in cobbles and rubble walls."""
    row = y // 8
    shifted = x + (row % 2) * 8
    return np.where(
        (y % 8 == 0) | (shifted % 16 == 0), -0.18, ((row * 5 + shifted // 16 * 11) % 13) / 13.0 * 0.26 - 0.10
    )


def _patterns() -> np.ndarray:
    y, x = np.arange(TILE)[:, None], np.arange(TILE)[None, :]
    return np.stack([np.zeros((TILE, TILE)), _bricks(y, x), _slabs(y, x), _stones(y, x)])


@lru_cache(maxsize=16)
def wall_table(noise: float, shadows: float) -> np.ndarray:
    """Patterns of walls with grain and dirt; flat, surface × TILE × TILE, float32."""
    return (0.8 * _patterns() + 0.10 * noise * FINE + 0.12 * shadows * SMOOTH).astype(np.float32).reshape(-1)


@lru_cache(maxsize=16)
def ground_table(noise: float) -> np.ndarray:
    """Patterns of roads and pavements with grain; flat, surface × TILE × TILE, float32."""
    return (0.6 * _patterns() + 0.15 * noise * FINE).astype(np.float32).reshape(-1)
