"""What a thing is, and the furniture along both kerbs: lamps, signs, trees. Cars and people are in `traffic.py`."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.data.dice import Dice
from segkit.data.street import classes as c
from segkit.data.street import sprites
from segkit.data.street.domains import Domain
from segkit.data.street.knobs import Knobs
from segkit.data.street.scene import Materials, Street


@dataclass
class Thing:
    """One upright object: a front at distance z and, if it has length, a side along the street.

    x is measured from the road's middle (the street's bend is added by the renderer); y from the ground; metres.
    """

    x: float
    z: float
    width: float
    low: float
    high: float
    base: int  # key of its part 1, minus 1
    front: sprites.Sprite | None = None  # None: a tree crown
    side: sprites.Sprite | None = None
    length: float = 0.0
    nose: float = 0.0  # metres by which the front's upper part stands back behind a bonnet
    flip: bool = False
    shadow: tuple[float, float] = (0.0, 0.0)  # half-width and half-length of its shadow on the ground
    speed: tuple[float, float] = (0.0, 0.0)  # metres per time step in X and Z
    instance: int = 0
    seed: int = 0


@dataclass
class Stage:
    """What whoever places things needs to know."""

    dice: Dice
    street: Street
    domain: Domain
    knobs: Knobs
    materials: Materials

    @property
    def hand(self) -> float:
        """The side on which our lane lies: +1 right, −1 left."""
        return -1.0 if self.domain.left_hand else 1.0


def place_furniture(stage: Stage) -> list[Thing]:
    """Lamps, signs and trees along both kerbs."""
    dice, street, domain, materials = stage.dice, stage.street, stage.domain, stage.materials
    things: list[Thing] = []
    steel = materials.add(c.POLE, dice.colour(domain.pole, 0.3)) - 1
    spacing, height, start = dice.between(12.0, 24.0), dice.between(5.0, 8.5), dice.between(4.0, 14.0)
    wood = materials.add(c.VEGETATION, dice.colour((0.30, 0.24, 0.19), 0.25)) - 1
    lamp = materials.add(c.POLE, (0.95, 0.92, 0.80), glow={0: 1.2 if domain.night > 0.0 else 0.0}) - 1
    for sign, side in zip((-1.0, 1.0), street.sides, strict=True):
        kerb = sign * (street.half_width + 0.45)
        if dice.chance(0.75):
            for i in range(3):
                things += _lamp(stage, kerb, start + i * spacing + sign * 3.0, height, steel, lamp)
        for _ in range(dice.whole(1, 2)):
            things += _sign(stage, kerb, dice.between(5.0, 34.0), steel)
        trees = dice.whole(3, 8) if side.park else dice.whole(0, 5)
        step, first = dice.between(7.0, 13.0), dice.between(7.0, 26.0)
        beyond = side.park or abs(side.offset) > street.half_width + 5.0
        spot = sign * (abs(side.offset) + 2.0 if beyond else street.half_width + 0.9)
        for i in range(trees):
            things += _tree(stage, spot + dice.between(-0.4, 0.4), first + i * step, wood)
    return things


def _lamp(stage: Stage, x: float, z: float, height: float, steel: int, lamp: int) -> list[Thing]:
    thick = stage.knobs.width
    inward = -1.0 if x > 0.0 else 1.0
    mast = Thing(x, z, 0.19 * thick, 0.0, height, steel, sprites.ROD)
    arm = Thing(x + inward * 0.6, z, 1.2, height - 0.08 * thick, height, steel, sprites.ROD)
    head = Thing(x + inward * 1.3, z, 0.5, height - 0.2, height - 0.02, lamp, sprites.ROD)
    return [mast, arm, head] if z < 45.0 else [mast]


def _sign(stage: Stage, x: float, z: float, steel: int) -> list[Thing]:
    dice, domain = stage.dice, stage.domain
    kind = dice.choose(domain.plates)
    face = dice.choose(domain.plate_face)
    symbol = (0.10, 0.10, 0.12) if face[0] > 0.5 else (0.95, 0.95, 0.95)
    rim = (0.14, 0.15, 0.15) if kind == "lights" else (face if kind == "board" else domain.plate_rim)
    stop = dice.chance(0.5)
    red, green = ((0.95, 0.16, 0.10), (0.1, 0.22, 0.12)) if stop else ((0.25, 0.1, 0.1), (0.1, 0.85, 0.4))
    glow = {3: 0.9 if stop else 0.0, 5: 0.0 if stop else 0.9}
    base = stage.materials.add(c.SIGN, face, rim, symbol, red, (0.28, 0.22, 0.1), green, glow=glow) - 1
    board = (dice.between(0.9, 1.7), dice.between(0.6, 0.9))
    wide, tall = {"lights": (0.4, 1.05), "board": board}.get(kind, (0.8, 0.8))
    grow = 0.5 + 0.5 * stage.knobs.width
    low = dice.between(2.0, 2.5)
    rod = Thing(x, z, 0.12 * stage.knobs.width, 0.0, low + 0.2, steel, sprites.ROD)
    plate = Thing(x, z - 0.05, wide * grow, low, low + tall * grow, base, sprites.PLATES[kind])
    return [rod, plate]


def _tree(stage: Stage, x: float, z: float, wood: int) -> list[Thing]:
    dice, domain = stage.dice, stage.domain
    width = dice.between(2.4, 5.2)
    tall = width * dice.between(*domain.crown)
    if domain.crown[0] > 1.4:  # slender trees
        width, tall = width * 0.6, tall * 0.75
    low = dice.between(1.4, 2.6)
    leaves = stage.materials.add(c.VEGETATION, dice.colour(dice.choose(domain.leaves), 0.16)) - 1
    trunk = Thing(x, z, dice.between(0.22, 0.45), 0.0, low + tall * 0.4, wood, sprites.ROD)
    shadow = (width * 0.5, width * 0.6)
    crown = Thing(x, z - 0.02, width, low, low + tall, leaves, shadow=shadow, seed=dice.whole(0, 65535))
    return [trunk, crown]
