"""From materials to a picture: colour × light, air between, sky behind, the lens's softness, the camera's grain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segkit.data.dice import SMOOTH, Dice, raw
from segkit.data.street.domains import Domain
from segkit.data.street.knobs import Knobs
from segkit.data.street.painting import Painting
from segkit.data.street.scene import Materials, Street


def develop(painting: Painting, street: Street, domain: Domain, materials: Materials) -> np.ndarray:
    """The clean picture.

    Shape: 3, H, W, float32.
    """
    colours = np.array(materials.colours, np.float32)
    picture = np.empty((3, *painting.key.shape), np.float32)
    thin = 1.0 / (painting.depth * (1.0 / domain.haze_distance) + 1.0)  # what is left of a surface's own light
    shine = None
    if any(materials.glow):
        shine = np.array(materials.glow, np.float32).take(painting.key)
    shaded = painting.shade * thin
    veil = 1.0 - thin
    for band in range(3):
        light = painting.lit * domain.sun[band]
        light += domain.ambient[band]
        if shine is not None:
            np.maximum(light, shine, out=light)
        np.multiply(colours[:, band].take(painting.key), shaded, out=picture[band])
        picture[band] *= light
        picture[band] += veil * domain.haze[band]
    _sky(picture, painting, street, domain)
    return picture


def _sky(picture: np.ndarray, painting: Painting, street: Street, domain: Domain) -> None:
    """A fall of colour from the zenith to the horizon, with clouds."""
    cam = painting.camera
    rows = min(cam.size[0], int(np.count_nonzero(cam.down <= 0.05)))
    if rows == 0:
        return
    mask = painting.key[:rows] == 0
    rise = np.minimum(np.maximum(cam.down[:rows] * -1.9, 0.0), 1.0)
    rise = rise * (2.0 - rise)
    lift = 1.0 / (np.maximum(-cam.down[:rows], 0.0) + 0.12)  # clouds crowd towards the horizon
    iy = ((lift * 30.0).astype(np.int64) + street.offset) & 255
    ix = (cam.across * lift[:, None] * 22.0 + 2560.0 + 3.0 * street.offset).astype(np.int32) & 255
    cloud = np.minimum(
        np.maximum(SMOOTH.take(iy[:, None] * 256 + ix) * 1.3 + (0.1 + 0.3 * (1.0 - street.sun_power)), 0.0), 0.85
    )
    cloud = cloud * rise.astype(np.float32)[:, None]
    for band in range(3):
        low, top = domain.sky_low[band], domain.sky_top[band]
        grey = 0.72 * (1.0 - street.sun_power)
        clear = (low + (top - low) * (1.0 - grey) * rise).astype(np.float32)[:, None]
        np.copyto(picture[band, :rows], clear + (domain.cloud[band] - clear) * cloud, where=mask)


def gains(key: Sequence[int], strength: float) -> tuple[float, float, float]:
    """What the knob `light` multiplies red, green and blue by, all over the picture.

    exp(strength · (0.35·n + 0.2·m)) with n drawn once and m for each band, both standard normal: at 1, one standard
    deviation is 1.4 times brighter or darker, and 1.3 times between one band and another.
    """
    dice = Dice(*key)
    common = 0.35 * dice.bell()
    red, green, blue = (_exponential(strength * (common + 0.2 * dice.bell())) for _ in range(3))
    return red, green, blue


def _exponential(x: float) -> float:
    """Euler's (1 + x/n)ⁿ with n = 2²⁰, by squaring: the same bits everywhere, unlike a library's exp."""
    power = 1.0 + x * (1.0 / (1 << 20))
    for _ in range(20):
        power *= power
    return power


def expose(
    picture: np.ndarray, key: Sequence[int], domain: Domain, knobs: Knobs, gain: Sequence[float] = (1.0, 1.0, 1.0)
) -> np.ndarray:
    """Soften by the lens, multiply by the gain of each band, add the camera's grain, clip to 0…1. Changes its argument.

    The gain comes before the grain, which is the camera's: a dark picture has more of it against what it shows.
    """
    _soften(picture)
    for band, factor in zip(picture, gain, strict=True):
        band *= factor
    count = picture.size
    words = raw(key, (count + 3) // 4)
    grains = words.astype("<u8").view(np.uint8)[: 2 * count].reshape(2, *picture.shape).astype(np.float32)
    # the sum of two bytes is triangular around 255, with standard deviation 104.5
    amount = 0.015 * knobs.noise * domain.grain / 104.5
    picture += (grains[0] + grains[1] - 255.0) * amount
    return np.minimum(np.maximum(picture, 0.0, out=picture), 1.0, out=picture)


def _soften(picture: np.ndarray) -> None:
    """A lens that spreads each point a little over its neighbours: weights (1, 4, 1) / 6 both ways."""
    for p in (picture, picture.swapaxes(1, 2)):  # down, then across
        inner = p[:, 1:-1] * 4.0
        inner += p[:, :-2]
        inner += p[:, 2:]
        inner *= 1.0 / 6.0
        p[:, 1:-1] = inner
