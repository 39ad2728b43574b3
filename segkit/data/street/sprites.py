"""Flat drawings of cars, buses, people and signs: maps of part numbers, stuck onto planes in the scene.

A sprite says which part (0 = nothing) and how light each of its points is; which colour a part has is decided per
object. Coordinates run from 0 to 1, x to the right, y downwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Sprite:
    """Part numbers (int64) and lightness (float32), both h×w."""

    part: np.ndarray
    shade: np.ndarray


class Drawing:
    """Paints parts of a sprite, later ones over earlier ones."""

    def __init__(self, height: int, width: int) -> None:
        self.part = np.zeros((height, width), np.int64)
        self.shade = np.ones((height, width), np.float32)
        self.y = ((np.arange(height) + 0.5) / height)[:, None]
        self.x = ((np.arange(width) + 0.5) / width)[None, :]
        self.ratio = height / width

    def _fill(self, mask: np.ndarray, part: int, shade: float) -> Drawing:
        self.part[mask] = part
        self.shade[mask] = shade
        return self

    def box(self, part: int, x0: float, y0: float, x1: float, y1: float, shade: float = 1.0) -> Drawing:
        """A rectangle."""
        return self._fill((self.x >= x0) & (self.x < x1) & (self.y >= y0) & (self.y < y1), part, shade)

    def disc(self, part: int, cx: float, cy: float, r: float, aspect: float = 1.0, shade: float = 1.0) -> Drawing:
        """An ellipse of half-width r and half-height r·aspect."""
        dx, dy = (self.x - cx) / r, (self.y - cy) / (r * aspect)
        return self._fill(dx * dx + dy * dy < 1.0, part, shade)

    def quad(
        self, part: int, top: tuple[float, float, float], low: tuple[float, float, float], shade: float = 1.0
    ) -> Drawing:
        """A trapezium between (y, left, right) at the top and (y, left, right) at the bottom."""
        t = (self.y - top[0]) / (low[0] - top[0])
        inside = (t >= 0.0) & (t < 1.0)
        left, right = top[1] + t * (low[1] - top[1]), top[2] + t * (low[2] - top[2])
        return self._fill(inside & (self.x >= left) & (self.x < right), part, shade)

    def done(self, top: float = 1.0, low: float = 1.0) -> Sprite:
        """The sprite, its lightness falling from `top` to `low` over its height."""
        fall = (top + (low - top) * self.y).astype(np.float32)
        return Sprite(self.part, self.shade * fall)


def _car_end() -> Sprite:
    """Parts: 1 body, 2 glass, 3 tyre, 4 lamp, 5 plate, 6 bumper."""
    d = Drawing(64, 64)
    d.box(3, 0.10, 0.80, 0.90, 0.91, 0.6).box(3, 0.04, 0.78, 0.24, 1.0).box(3, 0.76, 0.78, 0.96, 1.0)
    d.quad(1, (0.0, 0.13, 0.87), (0.42, 0.02, 0.98)).box(1, 0.01, 0.42, 0.99, 0.84)
    d.quad(2, (0.07, 0.18, 0.82), (0.40, 0.10, 0.90)).quad(2, (0.07, 0.18, 0.42), (0.40, 0.10, 0.28), 1.35)
    d.box(1, 0.01, 0.42, 0.99, 0.47, 1.18)
    d.box(4, 0.03, 0.47, 0.20, 0.58).box(4, 0.80, 0.47, 0.97, 0.58)
    d.box(6, 0.02, 0.72, 0.98, 0.84).box(5, 0.36, 0.60, 0.64, 0.70)
    return d.done(1.1, 0.85)


def _car_side(roof: float) -> Sprite:
    """x runs from the rear to the nose; the roof ends at `roof`."""
    d = Drawing(64, 128)
    d.box(1, 0.0, 0.42, 1.0, 0.80).quad(1, (0.38, 0.0, 0.98), (0.46, 0.0, 1.0), 1.2)
    d.quad(1, (0.0, 0.05, roof), (0.40, 0.0, roof + 0.16))
    d.quad(2, (0.07, 0.08, 0.37), (0.38, 0.05, 0.37)).quad(2, (0.07, 0.40, roof - 0.02), (0.38, 0.40, roof + 0.11))
    d.box(1, 0.38, 0.42, 0.388, 0.74, 0.7).box(6, 0.0, 0.70, 1.0, 0.80)
    d.box(4, 0.0, 0.46, 0.035, 0.56).box(5, 0.965, 0.46, 1.0, 0.56)
    d.box(3, 0.1, 0.80, 0.9, 0.9, 0.6)
    for cx in (0.2, 0.79):
        d.disc(3, cx, 0.80, 0.092, 2.0, 0.5).disc(3, cx, 0.80, 0.075, 2.0).disc(5, cx, 0.80, 0.04, 2.0, 0.8)
    return d.done(1.08, 0.86)


def mirrored(sprite: Sprite) -> Sprite:
    """The sprite seen in a mirror."""
    return Sprite(sprite.part[:, ::-1].copy(), sprite.shade[:, ::-1].copy())


def _bus_end() -> Sprite:
    d = Drawing(64, 56)
    d.box(3, 0.06, 0.86, 0.26, 1.0).box(3, 0.74, 0.86, 0.94, 1.0).box(1, 0.0, 0.0, 1.0, 0.93)
    d.box(2, 0.07, 0.13, 0.93, 0.50).box(2, 0.07, 0.13, 0.36, 0.50, 1.3).box(1, 0.0, 0.0, 1.0, 0.03, 1.2)
    d.box(7, 0.25, 0.04, 0.75, 0.10).box(4, 0.05, 0.74, 0.18, 0.82).box(4, 0.82, 0.74, 0.95, 0.82)
    d.box(6, 0.0, 0.86, 1.0, 0.93).box(5, 0.38, 0.76, 0.62, 0.82)
    return d.done(1.05, 0.9)


def _bus_side() -> Sprite:
    """Windows in the same rhythm as a facade's, so that a piece of it looks like a house."""
    d = Drawing(96, 320)
    d.box(1, 0.0, 0.0, 1.0, 0.92).box(1, 0.0, 0.0, 1.0, 0.03, 1.2).box(6, 0.0, 0.84, 1.0, 0.92)
    for i in range(8):
        x = 0.015 + i * 0.123
        d.box(7, x, 0.14, x + 0.105, 0.53).box(2, x + 0.006, 0.17, x + 0.099, 0.51)
        d.box(2, x + 0.006, 0.17, x + 0.04, 0.51, 1.3).box(1, x + 0.11, 0.04, x + 0.113, 0.84, 0.8)
    for x in (0.30, 0.86):
        d.box(7, x, 0.14, x + 0.07, 0.84).box(2, x + 0.006, 0.17, x + 0.032, 0.80).box(
            2, x + 0.038, 0.17, x + 0.064, 0.80
        )
    for cx in (0.2, 0.76):
        d.disc(3, cx, 0.88, 0.045, 3.3, 0.5).disc(3, cx, 0.89, 0.036, 3.3).disc(5, cx, 0.89, 0.018, 3.3, 0.7)
    return d.done(1.05, 0.9)


def _person(stride: float, skirt: bool, bag: bool) -> Sprite:
    """Parts: 1 coat, 2 legs, 3 skin, 4 hair, 5 shoes, 6 bag."""
    d = Drawing(96, 48)
    for side in (-1.0, 1.0):
        foot = 0.5 + side * (0.10 + stride)
        hip = 0.5 + side * 0.07
        d.quad(2, (0.48, hip - 0.10, hip + 0.10), (0.95, foot - 0.075, foot + 0.075), 1.0 if side > 0 else 0.8)
        d.box(5, foot - 0.09, 0.95, foot + 0.12, 1.0)
        hand = 0.5 + side * (0.27 + 0.6 * stride)
        d.quad(1, (0.19, 0.5 + side * 0.19 - 0.07, 0.5 + side * 0.19 + 0.07), (0.46, hand - 0.05, hand + 0.05), 0.85)
        d.disc(3, hand, 0.475, 0.055, 0.5)
    d.quad(1, (0.165, 0.28, 0.72), (0.30, 0.27, 0.73), 1.08).quad(1, (0.30, 0.27, 0.73), (0.53, 0.30, 0.70))
    if skirt:
        d.quad(1, (0.5, 0.30, 0.70), (0.68, 0.20, 0.80), 0.92)
    if bag:
        d.box(6, 0.66, 0.40, 0.90, 0.56)
    d.box(3, 0.43, 0.13, 0.57, 0.18).disc(4, 0.5, 0.075, 0.155, 0.5).disc(3, 0.53, 0.088, 0.12, 0.5)
    return d.done()


def _rider_behind() -> Sprite:
    """Seen from behind: a wheel a hand wide, two legs, a back. Parts as for a person, 7 frame and tyre."""
    d = Drawing(96, 48)
    d.box(7, 0.45, 0.52, 0.55, 1.0).box(7, 0.12, 0.43, 0.88, 0.46)
    d.quad(2, (0.44, 0.28, 0.48), (0.80, 0.26, 0.40)).quad(2, (0.44, 0.52, 0.72), (0.70, 0.60, 0.74), 0.8)
    d.box(5, 0.24, 0.79, 0.42, 0.83).box(5, 0.58, 0.69, 0.76, 0.73)
    d.quad(1, (0.15, 0.28, 0.72), (0.46, 0.27, 0.73)).quad(1, (0.18, 0.14, 0.30), (0.44, 0.08, 0.2), 0.85)
    d.quad(1, (0.18, 0.70, 0.86), (0.44, 0.80, 0.92), 0.85).disc(6, 0.5, 0.08, 0.17, 0.5).disc(4, 0.5, 0.1, 0.12, 0.5)
    return d.done()


def _rider_side() -> Sprite:
    """Seen from the side, riding to the right."""
    d = Drawing(96, 96)
    for cx in (0.2, 0.8):
        d.disc(7, cx, 0.80, 0.2).disc(0, cx, 0.80, 0.165)
        d.box(7, cx - 0.012, 0.62, cx + 0.012, 0.98).box(7, cx - 0.18, 0.79, cx + 0.18, 0.81).disc(7, cx, 0.8, 0.035)
    d.quad(7, (0.50, 0.33, 0.37), (0.80, 0.45, 0.49)).box(7, 0.35, 0.52, 0.72, 0.555)
    d.quad(7, (0.42, 0.69, 0.73), (0.80, 0.78, 0.82)).quad(7, (0.54, 0.68, 0.72), (0.82, 0.45, 0.49))
    d.quad(7, (0.52, 0.34, 0.37), (0.80, 0.18, 0.21)).box(7, 0.66, 0.40, 0.78, 0.43)
    d.quad(2, (0.45, 0.30, 0.44), (0.64, 0.48, 0.60)).quad(2, (0.62, 0.50, 0.61), (0.86, 0.43, 0.51)).box(
        5, 0.42, 0.86, 0.56, 0.89
    )
    d.quad(1, (0.17, 0.44, 0.62), (0.47, 0.29, 0.46)).quad(1, (0.22, 0.52, 0.62), (0.42, 0.64, 0.72), 0.85)
    d.disc(3, 0.70, 0.415, 0.03).disc(3, 0.60, 0.10, 0.075).disc(6, 0.58, 0.07, 0.085, 0.75)
    return d.done()


def _plate(kind: str) -> Sprite:
    """Parts: 1 face, 2 rim, 3 symbol."""
    d = Drawing(48, 48)
    if kind == "disc":
        d.disc(2, 0.5, 0.5, 0.5).disc(1, 0.5, 0.5, 0.36).box(3, 0.3, 0.44, 0.7, 0.56)
    elif kind == "triangle":
        d.quad(2, (0.0, 0.47, 0.53), (1.0, 0.0, 1.0)).quad(1, (0.26, 0.49, 0.51), (0.88, 0.19, 0.81)).box(
            3, 0.46, 0.45, 0.54, 0.8
        )
    elif kind == "diamond":
        d.quad(2, (0.0, 0.5, 0.5), (0.5, 0.0, 1.0)).quad(2, (0.5, 0.0, 1.0), (1.0, 0.5, 0.5))
        d.quad(1, (0.12, 0.5, 0.5), (0.5, 0.1, 0.9)).quad(1, (0.5, 0.1, 0.9), (0.88, 0.5, 0.5)).box(
            3, 0.45, 0.3, 0.55, 0.7
        )
    elif kind == "lights":
        d.box(2, 0.0, 0.0, 1.0, 1.0).disc(4, 0.5, 0.18, 0.36, 0.36).disc(5, 0.5, 0.5, 0.36, 0.36).disc(
            6, 0.5, 0.82, 0.36, 0.36
        )
    else:
        d.box(2, 0.0, 0.0, 1.0, 1.0).box(1, 0.06, 0.08, 0.94, 0.92).box(3, 0.15, 0.25, 0.85, 0.4).box(
            3, 0.15, 0.58, 0.6, 0.72
        )
    return d.done()


def _rod() -> Sprite:
    d = Drawing(1, 6).box(1, 0.0, 0.0, 1.0, 1.0)
    d.shade[0] = (0.8, 1.05, 1.15, 1.0, 0.85, 0.7)
    return d.done()


# how far the legs part, a skirt, a bag
_POSES = ((0.02, False, False), (0.13, False, True), (0.08, True, False), (0.17, False, False), (0.03, True, True))

CAR_END = _car_end()
CAR_NOSE = Sprite(CAR_END.part[26:].copy(), CAR_END.shade[26:].copy())  # a bonnet's height, without the cabin
NOSE = 38.0 / 64.0  # its share of the car's height
CAR_SIDES = tuple(_car_side(roof) for roof in (0.58, 0.66, 0.80))
CAR_SIDES_COMING = tuple(mirrored(side) for side in CAR_SIDES)
BUS_END, BUS_SIDE = _bus_end(), _bus_side()
PEOPLE = tuple(_person(s, k, b) for s, k, b in _POSES)
RIDER_BEHIND, RIDER_SIDE = _rider_behind(), _rider_side()
PLATES = {kind: _plate(kind) for kind in ("disc", "triangle", "diamond", "lights", "board")}
ROD = _rod()
