"""The picture before light: for every pixel a material, a lightness, how much sun it gets, and its depth.

Upright planes are painted with a depth test, so that whatever is nearer wins, in any order of painting.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from segkit.data.dice import LEAF
from segkit.data.street.camera import NEAR, SKY_DEPTH, Camera
from segkit.data.street.sprites import Sprite


class Painting:
    """Four H×W maps: key (int64), shade, lit, depth (float32)."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        self.key = np.zeros(camera.size, np.int64)
        self.shade = np.ones(camera.size, np.float32)
        self.lit = np.ones(camera.size, np.float32)
        self.depth = np.full(camera.size, SKY_DEPTH, np.float32)
        self._y, self._x = (np.arange(n) + 0.5 for n in camera.size)  # centres of rows and columns

    def _write(self, window: tuple[slice, slice], mask, key, shade, lit, depth) -> None:  # type: ignore[no-untyped-def]
        for part, value in ((self.key, key), (self.shade, shade), (self.lit, lit), (self.depth, depth)):
            np.copyto(part[window], value, where=mask)

    def _rows(self, low: float, high: float, z: float) -> tuple[int, int, float, float]:
        """First and last row of the heights low…high at distance z; their exact top and extent in pixels."""
        cam, scale = self.camera, self.camera.focal / z
        return self._whole(cam.cy + (cam.height - high) * scale, (high - low) * scale, cam.size[0])

    def _columns(self, x0: float, x1: float, z: float) -> tuple[int, int, float, float]:
        cam, scale = self.camera, self.camera.focal / z
        return self._whole(cam.cx + x0 * scale, (x1 - x0) * scale, cam.size[1])

    def _whole(self, start: float, count: float, end: int) -> tuple[int, int, float, float]:
        pixel = self.camera.pixel
        if count < pixel:  # never thinner than one pixel
            start, count = start - 0.5 * (pixel - count), pixel
        return max(0, ceil(start - 0.5)), min(end, ceil(start + count - 0.5)), start, count

    def front(
        self, sprite: Sprite, x0: float, x1: float, low: float, high: float, z: float, base: int, lit: float, flip: bool
    ) -> None:
        """Paint a sprite on the plane at distance z, from x0 to x1 (from the camera's X) and from low to high."""
        if z < NEAR:
            return
        c0, c1, left, wide = self._columns(x0, x1, z)
        r0, r1, top, tall = self._rows(low, high, z)
        if c0 >= c1 or r0 >= r1:
            return
        window = (slice(r0, r1), slice(c0, c1))
        seen = self.depth[window] > z
        if not seen.any():
            return
        h, w = sprite.part.shape
        ix = np.minimum(((self._x[c0:c1] - left) * (w / wide)).astype(np.int64), w - 1)
        if h == 1:  # a rod: the same all the way down, without holes
            self._write(window, seen, sprite.part[0, 0] + base, sprite.shade[0].take(ix), lit, z)
            return
        iy = np.minimum(((self._y[r0:r1] - top) * (h / tall)).astype(np.int64), h - 1)
        if flip:
            ix = w - 1 - ix
        part = sprite.part.take(iy, 0).take(ix, 1)
        seen &= part != 0
        self._write(window, seen, part + base, sprite.shade.take(iy, 0).take(ix, 1), lit, z)

    def side(
        self,
        sprite: Sprite,
        x: float,
        z0: float,
        z1: float,
        low: float,
        high: float,
        base: int,
        lit: float,
        shade: float,
    ) -> None:
        """Paint a sprite on the plane X = x (from the camera's), from distance z0 (its left edge) to z1."""
        cam = self.camera
        z0 = max(z0, NEAR)
        if z0 >= z1 or abs(x) < 1e-3:
            return
        ends = (cam.cx + cam.focal * x / z0, cam.cx + cam.focal * x / z1)
        c0, c1 = max(0, ceil(min(ends) - 0.5)), min(cam.size[1], ceil(max(ends) - 0.5))
        r0, r1 = self._rows(low, high, z0)[:2] if high > cam.height else (self._rows(low, high, z1)[0], cam.size[0])
        if c0 >= c1 or r0 >= r1:
            return
        h, w = sprite.part.shape
        z = x / cam.across[c0:c1]
        ix = np.minimum(np.maximum((z - z0) * (w / (z1 - z0)), 0.0), w - 1.0).astype(np.int64)
        y = cam.height - cam.down[r0:r1, None] * z
        drop = (high - y) * (h / (high - low))
        inside = (drop >= 0.0) & (drop < h)
        at = np.where(inside, drop, 0.0).astype(np.int64) * w + ix
        window = (slice(r0, r1), slice(c0, c1))
        part = sprite.part.take(at)
        z32 = z.astype(np.float32)
        mask = (part != 0) & inside & (self.depth[window] > z32)
        self._write(window, mask, part + base, sprite.shade.take(at) * np.float32(shade), lit, z32)

    def crown(
        self, x: float, width: float, low: float, high: float, z: float, key: int, lit: float, seed: int, sun: float
    ) -> None:
        """Paint a tree's crown at distance z: an ellipse frayed by noise, darker below and away from the sun."""
        if z < NEAR:
            return
        half = 0.5 * width
        c0, c1, left, wide = self._columns(x - half, x + half, z)
        r0, r1, top, tall = self._rows(low, high, z)
        if c0 >= c1 or r0 >= r1:
            return
        window = (slice(r0, r1), slice(c0, c1))
        seen = self.depth[window] > z
        if not seen.any():
            return
        p = ((self._x[c0:c1] - left) * (2.0 / wide) - 1.0).astype(np.float32)
        q = ((self._y[r0:r1] - top) * (2.0 / tall) - 1.0).astype(np.float32)
        grain = 34.0  # points of the noise table across the crown
        ix = ((p + 1.0) * grain).astype(np.int64) + (seed & 255)
        iy = ((q + 1.0) * (grain * (high - low) / width)).astype(np.int64) + (seed >> 8)
        noise = LEAF.take(iy & 255, 0).take(ix & 255, 1)
        body = (0.72 - p * p) - (q * q)[:, None]
        seen &= body + noise * 0.55 > 0.0
        shade = noise * 0.42 + (0.86 - 0.26 * q)[:, None] + (0.16 * sun) * p
        self._write(window, seen, key, shade, lit, z)

    def ground_shadow(
        self, x: float, z: float, half_x: float, half_z: float, depth: float, dapple: float, seed: int
    ) -> None:
        """Take sun away from an elliptic patch of ground; `dapple` lets light through as leaves do."""
        cam = self.camera
        near, far = max(z - half_z, NEAR), z + half_z
        if far <= near:
            return
        r0 = max(0, ceil(cam.cy + cam.focal * cam.height / far - 0.5))
        r1 = min(cam.size[0], ceil(cam.cy + cam.focal * cam.height / near - 0.5))
        c0 = max(0, ceil(cam.cx + cam.focal * min((x - half_x) / near, (x - half_x) / far) - 0.5))
        c1 = min(cam.size[1], ceil(cam.cx + cam.focal * max((x + half_x) / near, (x + half_x) / far) - 0.5))
        if r0 >= r1 or c0 >= c1:
            return
        zr = cam.height / cam.down[r0:r1]
        q = (zr - z) * (1.0 / half_z)
        p = cam.across[c0:c1].astype(np.float32) * (zr * (1.0 / half_x)).astype(np.float32)[:, None]
        p -= x / half_x
        inside = (2.0 - 2.0 * q * q).astype(np.float32)[:, None] - 2.0 * p * p
        if dapple > 0.0:
            ix = ((p + 1.0) * 24.0).astype(np.int64) + (seed & 255)
            iy = ((q + 1.0) * 24.0).astype(np.int64) + (seed >> 8)
            inside += 2.0 * dapple * LEAF.take(((iy & 255) * 256)[:, None] + (ix & 255)) - 0.4
        np.minimum(np.maximum(inside, 0.0, out=inside), 1.0, out=inside)
        inside *= -depth
        inside += 1.0
        self.lit[r0:r1, c0:c1] *= inside
