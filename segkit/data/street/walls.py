"""House fronts, fences and the skyline, by one ray per column: all of a column's wall is at one distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.data.dice import FINE, HASH, LEAF, SMOOTH
from segkit.data.street import facades, textures
from segkit.data.street.camera import SKY_DEPTH, Camera
from segkit.data.street.domains import Domain
from segkit.data.street.knobs import Knobs
from segkit.data.street.painting import Painting
from segkit.data.street.scene import BEHIND, GAP_DEPTH, REACH, Side, Street

SKYLINE = 260.0  # metres
FLANK, END = 2, 3  # faces: 0 and 1 are the left and right side of the street


@dataclass
class Columns:
    """What each column's ray hits: distance (inf: nothing), block number, metres along the wall, which face."""

    z: np.ndarray
    block: np.ndarray
    along: np.ndarray
    face: np.ndarray


def _bucket(world: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(world + float(BEHIND), 0.0), REACH - 1.0).astype(np.int64)


def trace_houses(cam: Camera, street: Street) -> Columns:
    """Follow each column's ray to the first house."""
    w = cam.size[1]
    hit = Columns(np.full(w, np.inf), np.zeros(w, np.int64), np.zeros(w), np.zeros(w, np.int64))
    limit = min(street.end, float(REACH - BEHIND)) - cam.z
    for face, side in enumerate(street.sides):
        z = cam.wall_distance(side.offset)
        at = _bucket(z + cam.z)
        block = side.block[at]
        _keep(hit, z, block, z + cam.z, face, (block >= 0) & (z < limit))
        if not (block < 0).any():
            continue
        # through a gap: the ray may meet the flank of the next house, which stands across the street's direction
        flank = side.next_start[at] - cam.z
        safe = np.where(flank < limit, flank, 1.0)
        world = safe + cam.z
        beyond = (cam.across * safe + cam.x - cam.bend * world * world - side.offset) * (
            1.0 if side.offset > 0.0 else -1.0
        )
        seen = (block < 0) & (z < limit) & (flank < limit) & (beyond >= 0.0) & (beyond < GAP_DEPTH)
        _keep(hit, safe, side.block[_bucket(world)], beyond, FLANK, seen)
    if street.end < 1e6:
        z_end = np.full(w, street.end - cam.z)
        x = cam.across * z_end + cam.x + 200.0
        number = np.array(street.end_blocks)[(x * (1.0 / 17.0)).astype(np.int64) % len(street.end_blocks)]
        _keep(hit, z_end, number, x, END, np.abs(x - 200.0) < 120.0)
    return hit


def _keep(hit: Columns, z: np.ndarray, block: np.ndarray, along: np.ndarray, face: int, valid: np.ndarray) -> None:
    nearer = valid & (z < hit.z)
    for kept, new in ((hit.z, z), (hit.block, block), (hit.along, along), (hit.face, face)):
        np.copyto(kept, new, where=nearer)  # type: ignore[call-overload]


def paint_houses(painting: Painting, street: Street, domain: Domain, knobs: Knobs) -> None:
    """Paint what `trace_houses` found: walls, windows, doors, roofs."""
    cam = painting.camera
    hit = trace_houses(cam, street)
    columns = np.flatnonzero(hit.z < SKY_DEPTH)
    if not columns.size:
        return
    window = slice(int(columns[0]), int(columns[-1]) + 1)
    z = np.minimum(hit.z[window], SKY_DEPTH)
    block, along, face = hit.block[window], hit.along[window], hit.face[window]
    facts = np.array([(b.height, b.storey, b.bay, b.roof, b.phase, b.style, b.surface, b.base) for b in street.blocks])[
        block
    ]
    height = np.where(hit.z[window] < SKY_DEPTH, facts[:, 0], -1.0)
    top = cam.cy + cam.focal * ((cam.height - height) / z)
    low = cam.cy + cam.focal * (cam.height / z)
    r0, r1 = max(0, int(max(0.0, float(top.min())) - 0.5)), min(cam.size[0], int(float(low.max()) + 1.5))
    if r0 >= r1:
        return
    y = (cam.height - cam.down[r0:r1, None] * z).astype(np.float32)  # R, C: metres above the ground
    mask = (y >= 0.0) & (y < height.astype(np.float32))
    part, glass = _pattern(y, along, facts, block, domain)
    mask &= painting.depth[r0:r1, window] > z.astype(np.float32)
    shade = _surface(y, along, z, facts, street, knobs)
    np.add(shade, glass, out=shade, where=part == facades.GLASS)
    lit = _sunlight(y, z + cam.z, face, street, knobs)
    key = part + facts[:, 7].astype(np.int64)
    painting._write((slice(r0, r1), window), mask, key, shade, lit, z.astype(np.float32))


def _pattern(
    y: np.ndarray, along: np.ndarray, facts: np.ndarray, block: np.ndarray, domain: Domain
) -> tuple[np.ndarray, np.ndarray]:
    """Part numbers of every wall pixel, and how much lighter each pane is than its neighbours."""
    height, storey, bay, roof, phase, style = (facts[:, i] for i in range(6))
    bays = along * (1.0 / bay) + phase
    number = np.floor(bays)
    fx = ((bays - number) * facades.CELL).astype(np.int64)
    number = number.astype(np.int64)
    door = 1 + ((number * 5 + block * 3) % 4 == 0)
    cell = facades.CELL * facades.CELL
    upper, ground = (style.astype(np.int64) * 3) * cell + fx, (style.astype(np.int64) * 3 + door) * cell + fx
    storeys = np.maximum(y, 0.0) * (1.0 / storey).astype(np.float32)
    floor = storeys.astype(np.int32)
    fy = facades.CELL - 1 - np.minimum(((storeys - floor) * float(facades.CELL)).astype(np.int32), facades.CELL - 1)
    part = facades.PATTERN.take(
        np.where(floor == 0, ground.astype(np.int32), upper.astype(np.int32)) + fy * facades.CELL
    )
    mood = HASH.take((floor * 1117 + (number * 37 + block * 71).astype(np.int32)) & 4095)
    curtain = (part == facades.GLASS) & (mood < 40 + int(150 * domain.night))
    part[curtain] = facades.CURTAIN
    eaves = (height - roof).astype(np.float32)
    roofs = y >= eaves
    np.copyto(part, np.where(roof > 1.0, facades.ROOF, facades.CORNICE), where=roofs)
    return part, (mood - 128).astype(np.float32) * (1.0 / 420.0)


def _surface(
    y: np.ndarray, along: np.ndarray, z: np.ndarray, facts: np.ndarray, street: Street, knobs: Knobs
) -> np.ndarray:
    """Lightness of the walls: bricks or plaster, grain, dirt; finer patterns fade with distance."""
    fade = (1.0 / (1.0 + z * (1.0 / 20.0))).astype(np.float32)
    column = (along * textures.PER_METRE + 2600.0).astype(np.int64) + street.offset
    at = (y * textures.PER_METRE).astype(np.int64)
    at &= 255
    at *= textures.TILE
    at += facts[:, 6].astype(np.int64) * (textures.TILE * textures.TILE) + (column & 255)
    shade = textures.wall_table(knobs.noise, knobs.shadows).take(at) * fade
    shade += 1.0
    return shade


def _sunlight(y: np.ndarray, world: np.ndarray, face: np.ndarray, street: Street, knobs: Knobs) -> np.ndarray:
    """Sun on the walls: one side lies in shade, the other is lit above the shadow from across the street."""
    near, far = street.sides if street.sun_side < 0.0 else street.sides[::-1]
    width = abs(near.offset - far.offset)
    cast = near.shade_height[_bucket(world - width * street.sun_skew)] - width * street.sun_tan
    sunny = 1 if street.sun_side < 0.0 else 0
    depth = street.sun_power
    flank = 0.45 + 0.35 * street.sun_skew
    most = np.array([0.0, 0.0, flank, flank])
    most[sunny] = 1.0
    most = 1.0 - depth * (1.0 - most[face])
    drop = depth * min(1.0, 0.85 * knobs.shadows) * (face == sunny)
    above = np.minimum(np.maximum((y - cast.astype(np.float32)) * 2.0 + 0.5, 0.0), 1.0)
    return most.astype(np.float32) - drop.astype(np.float32) * (1.0 - above)


def paint_fences(painting: Painting, street: Street, knobs: Knobs) -> None:
    """Fences, garden walls and hedges, just in front of the houses."""
    for face, side in enumerate(street.sides):
        if side.fence.any():
            _paint_fence(painting, street, side, face, knobs)


def _paint_fence(painting: Painting, street: Street, side: Side, face: int, knobs: Knobs) -> None:
    cam = painting.camera
    inset = 0.6 if side.offset < 0.0 else -0.6
    z = cam.wall_distance(side.offset + inset)
    stands = side.fence[_bucket(z + cam.z)] & (z < 110.0)
    columns = np.flatnonzero(stands)
    if not columns.size:
        return
    window = slice(int(columns[0]), int(columns[-1]) + 1)
    z, stands = np.where(stands[window], z[window], SKY_DEPTH), stands[window]
    along = z + cam.z
    picket = along * 3.0
    slat = picket - np.floor(picket) < 0.6
    ragged = 0.10 if side.fence_surface == 0 else 0.0  # pickets
    height = np.where(stands, side.fence_height - ragged * ~slat, -1.0)
    low = float((cam.cy + cam.focal * (cam.height / z)).max())
    high = float((cam.cy + cam.focal * ((cam.height - height) / z)).min())
    r0, r1 = max(0, int(max(high, 0.0) - 0.5)), min(cam.size[0], int(low + 1.5))
    if r0 >= r1:
        return
    y = (cam.height - cam.down[r0:r1, None] * z).astype(np.float32)
    z32 = z.astype(np.float32)
    column = ((along * textures.PER_METRE).astype(np.int64) + 512) & 255
    row = ((y * textures.PER_METRE).astype(np.int64) & 255) * textures.TILE
    dark = np.zeros(len(z), np.int64)
    if side.fence_surface < 0:  # a hedge: leaves, and a frayed top
        shade = 0.85 + 0.3 * LEAF.take(row + column)
        height = height + 0.12 * FINE.take(column)
    else:
        start = side.fence_surface * (textures.TILE * textures.TILE)
        shade = 1.0 + textures.wall_table(knobs.noise, knobs.shadows).take(row + (start + column))
        if side.fence_surface == 0:
            dark[~slat] = 1
    mask = (y >= 0.0) & (y < height.astype(np.float32)) & (painting.depth[r0:r1, window] > z32)
    sunny = (face == 1) == (street.sun_side < 0.0)
    lit = 1.0 if sunny else 1.0 - 0.8 * street.sun_power
    painting._write((slice(r0, r1), window), mask, dark + side.fence_base, shade.astype(np.float32), lit, z32)


def paint_skyline(painting: Painting, street: Street) -> None:
    """Far roofs or trees against the sky."""
    cam = painting.camera
    z = SKYLINE - cam.z
    x = cam.across * z + (cam.x + 3000.0)
    green = street.skyline_height < 14.0
    step = 3.0 if green else 16.0
    place = (x * (1.0 / step)).astype(np.int64) + street.offset
    rise = SMOOTH.take((place * (5 if green else 23)) & 255) if green else FINE.take(place & 255)
    height = street.skyline_height * (0.8 + 0.5 * rise.astype(np.float64))
    r0 = max(0, int(max(0.0, cam.cy + cam.focal * (cam.height - float(height.max())) / z) - 0.5))
    r1 = min(cam.size[0], int(cam.cy + cam.focal * cam.height / z + 1.5))
    if r0 >= r1:
        return
    y = cam.height - cam.down[r0:r1, None] * z
    window = (slice(r0, r1), slice(None))
    mask = (y < height) & (painting.depth[window] > z)
    painting._write(window, mask, street.skyline, np.float32(1.0), np.float32(0.6), np.float32(z))
