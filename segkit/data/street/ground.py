"""Road, pavement, paint, stains, puddles and the shadows of houses that fall on them."""

from __future__ import annotations

import numpy as np

from segkit.data.dice import SMOOTH
from segkit.data.street import textures
from segkit.data.street.camera import Camera
from segkit.data.street.domains import Domain
from segkit.data.street.knobs import Knobs
from segkit.data.street.painting import Painting
from segkit.data.street.scene import BEHIND, REACH, Street

CELLS = 20  # of the table across the street, per metre
HALF = 400  # cells on either side of the middle
AREA = textures.TILE * textures.TILE
FAR = 600.0  # metres; the ground ends here


def across_tables(street: Street, domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """For each 5 cm across the street: the key of the ground, and where its surface pattern starts."""
    keys, half = street.ground, street.half_width
    key = np.full(2 * HALF, keys["pavement"], np.int64)
    pattern = np.full(2 * HALF, textures.SURFACES[domain.pavement_surface] * AREA, np.int64)

    def fill(low: float, high: float, name: str, surface: int) -> None:
        low, high = min(low, high), max(low, high)
        a, b = (min(2 * HALF, max(0, int(edge * CELLS + HALF + 0.5))) for edge in (low, high))
        key[a:b] = keys[name]
        pattern[a:b] = surface * AREA

    for sign, side in zip((-1.0, 1.0), street.sides, strict=True):
        edge = abs(side.offset)
        lawn = edge if side.park else half + 2.3 if edge > half + 4.4 else None
        if lawn is not None:
            fill(sign * lawn, sign * 40.0, "grass", 0)
        fill(sign * half, sign * (half + 0.2), "kerb", 0)
    road = textures.SURFACES[domain.road_surface]
    fill(-half, half, "gutter", road)
    fill(-half + 0.3, half - 0.3, "road", road)
    return key, pattern


def paint_ground(painting: Painting, street: Street, domain: Domain, knobs: Knobs) -> None:
    """Fill everything below the horizon with ground."""
    cam = painting.camera
    first = int(np.count_nonzero(cam.down <= 0.0))
    if first >= cam.size[0]:
        return
    rows = slice(first, cam.size[0])
    z = np.minimum(cam.height / cam.down[rows], FAR)
    world = z + cam.z
    z32 = z.astype(np.float32)
    x = cam.across.astype(np.float32) * z32[:, None] + (cam.x - cam.bend * world * world).astype(np.float32)[:, None]
    key_table, pattern_table = across_tables(street, domain)
    cell = np.minimum(np.maximum(x * float(CELLS) + float(HALF), 0.0), 2.0 * HALF - 1.0).astype(np.int64)
    key = key_table.take(cell)
    shade = _texture(cell, pattern_table, x, world, z32, street, knobs)
    _paint_lines(key, x, world, cam, street, knobs)
    _paint_puddles(key, shade, x, world, street, knobs)
    painting.key[rows] = key
    painting.shade[rows] = shade
    painting.depth[rows] = z32[:, None]
    painting.lit[rows] = _house_shadow(x, world, street, knobs)


def _texture(
    cell: np.ndarray,
    pattern_table: np.ndarray,
    x: np.ndarray,
    world: np.ndarray,
    z: np.ndarray,
    street: Street,
    knobs: Knobs,
) -> np.ndarray:
    """Lightness of the ground: grain and joints near by, stains farther out."""
    shift = float(street.offset)
    fade = 1.0 / (1.0 + z * (1.0 / 12.0))
    row = ((world * textures.PER_METRE).astype(np.int64) & 255) * textures.TILE
    column = (x * textures.PER_METRE + (2600.0 + shift)).astype(np.int64)
    column &= 255
    column += row[:, None]
    column += pattern_table.take(cell)
    shade = textures.ground_table(knobs.noise).take(column) * fade[:, None]
    shade += 1.0
    shade += _stains(x, world, street) * (0.14 * knobs.shadows)
    return shade


def _stains(x: np.ndarray, world: np.ndarray, street: Street) -> np.ndarray:
    row = ((world * 5.0 + street.offset).astype(np.int64) & 255) * 256
    return SMOOTH.take(row[:, None] + ((x * 9.0 + (900.0 + street.offset)).astype(np.int32) & 255))


def _paint_lines(key: np.ndarray, x: np.ndarray, world: np.ndarray, cam: Camera, street: Street, knobs: Knobs) -> None:
    """Lane lines, never thinner than a pixel, and the bars of a zebra crossing."""
    z = world - cam.z
    start = int(np.count_nonzero(z > 60.0))
    half_pixel = 0.5 * cam.pixel / cam.focal
    beat = world * (1.0 / 6.0)
    dash = (beat - np.floor(beat)) < 0.55
    for middle, width, dashed in street.lines:
        half = np.maximum(half_pixel * z[start:], 0.5 * width).astype(np.float32)
        mask = np.abs(x[start:] - middle) < half[:, None]
        if dashed:
            mask &= dash[start:, None]
        key[start:][mask] = street.ground["paint"]
    if street.crossing is not None:
        at = np.flatnonzero((world > street.crossing) & (world < street.crossing + 3.0))
        if at.size:
            rows = slice(int(at[0]), int(at[-1]) + 1)
            bar = x[rows] + 100.25
            mask = (bar - np.floor(bar) < 0.25 + 0.25 * min(1.0, knobs.width)) & (
                np.abs(x[rows]) < street.half_width - 0.4
            )
            key[rows][mask] = street.ground["paint"]


def _paint_puddles(
    key: np.ndarray, shade: np.ndarray, x: np.ndarray, world: np.ndarray, street: Street, knobs: Knobs
) -> None:
    """Wet patches on the road that mirror the sky: same class, another colour."""
    if street.offset % 3 or knobs.shadows == 0.0:
        return
    wet = (_stains(x + 3.0, world, street) > 0.62 - 0.12 * knobs.shadows) & (key == street.ground["road"])
    key[wet] = street.ground["puddle"]
    shade[wet] = 1.0


def _house_shadow(x: np.ndarray, world: np.ndarray, street: Street, knobs: Knobs) -> np.ndarray | float:
    """How much sun reaches the ground past the houses on the sun's side: 1 all, 0 none."""
    depth = street.sun_power * min(1.0, 0.85 * knobs.shadows)
    if depth == 0.0:
        return 1.0
    side = street.sides[0] if street.sun_side < 0.0 else street.sides[1]
    away = (x - side.offset) * (-street.sun_side)  # metres from the wall that casts the shadow
    z = world.astype(np.float32)[:, None] - away * street.sun_skew
    cell = np.minimum(np.maximum(z + float(BEHIND), 0.0), REACH - 1.0).astype(np.int32)
    over = away * street.sun_tan - side.shade_height.take(cell)
    return np.minimum(np.maximum(over * 2.0 + 0.5, 0.0), 1.0) * depth + (1.0 - depth)
