"""The difficulty knobs: each from 0 (that difficulty is off) over 1 (the course's setting, but for `light`) to 2."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Knobs:
    """How hard each of the things is that segmentation papers argue about.

    Args:
        thin: how thin poles, signs and lane marks are; 0 makes them three times as wide, 2 half as wide.
        ambiguity: how alike road and pavement, and bus and house front, look; at 2 only the context tells them apart.
        noise: strength of the camera's noise and of the grain of surfaces.
        shadows: strength of cast shadows, stains and puddles: edges that are no boundaries.
        objects: how many cars, buses, pedestrians and bicyclists there are, and so how much hides what is behind.
        imbalance: how rare the rare classes are; 0 makes buses, bicyclists and pedestrians as frequent as cars.
        light: how much brightness and colour cast differ from picture to picture; off by default. Only the whole
            picture tells what its light is, so this gives a global feature something to say.
    """

    thin: float = 1.0
    ambiguity: float = 1.0
    noise: float = 1.0
    shadows: float = 1.0
    objects: float = 1.0
    imbalance: float = 1.0
    light: float = 0.0

    def __post_init__(self) -> None:
        for knob in fields(self):
            value = getattr(self, knob.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"knob {knob.name} got {value!r}; it takes a number from 0 (off) to 2 (hard)")
            if not 0.0 <= value <= 2.0:
                raise ValueError(f"knob {knob.name} got {value}; it goes from 0 (off) over 1 to 2 (hard)")

    @property
    def width(self) -> float:
        """What the width of thin things is multiplied by."""
        return 3.0 - 2.0 * self.thin if self.thin <= 1.0 else 1.5 - 0.5 * self.thin
