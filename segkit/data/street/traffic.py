"""Cars, buses, pedestrians and bicyclists: the countable things, each with its own instance id and speed."""

from __future__ import annotations

from segkit.data.dice import Dice
from segkit.data.street import classes as c
from segkit.data.street import sprites
from segkit.data.street.domains import Colour
from segkit.data.street.things import Stage, Thing

SKIN: tuple[Colour, ...] = ((0.86, 0.68, 0.56), (0.62, 0.44, 0.33), (0.38, 0.26, 0.20), (0.76, 0.58, 0.45))
HAIR: tuple[Colour, ...] = ((0.12, 0.09, 0.07), (0.42, 0.30, 0.16), (0.55, 0.55, 0.54))
COATS: tuple[Colour, ...] = (
    (0.16, 0.18, 0.24), (0.55, 0.14, 0.14), (0.20, 0.32, 0.50), (0.72, 0.68, 0.58), (0.32, 0.38, 0.28),
    (0.80, 0.52, 0.18), (0.42, 0.30, 0.46), (0.86, 0.86, 0.84), (0.30, 0.30, 0.30),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = ((0.14, 0.15, 0.20), (0.22, 0.28, 0.42), (0.40, 0.36, 0.30), (0.28, 0.26, 0.25))
BLACK: Colour = (0.07, 0.07, 0.08)
GLASS: Colour = (0.17, 0.21, 0.25)


def place_traffic(stage: Stage) -> list[Thing]:
    """All countable things. The knob `objects` sets how many, `imbalance` how often the rarer ones come."""
    dice, knobs = stage.dice, stage.knobs
    things: list[Thing] = []
    count = int(knobs.objects * dice.between(5.0, 13.0) + 0.5)
    rare = 1.0 - 0.5 * knobs.imbalance  # 1 balanced, 0.5 the default, 0 rarest
    walk = 0.08 + 0.18 * rare
    ride = walk + 0.03 + 0.21 * rare
    bus = ride + 0.02 + 0.17 * rare
    for number in range(1, count + 1):
        u = dice.unit()
        make = _pedestrian if u < walk else _bicyclist if u < ride else _bus if u < bus else _car
        thing = make(stage, number)
        if not any(_collide(thing, other) for other in things):
            things.append(thing)
    return things


def _collide(a: Thing, b: Thing) -> bool:
    """Whether two things with wheels stand in each other's way; people may stand close together."""
    if a.length == 0.0 or b.length == 0.0:
        return False
    first, second = (a, b) if a.z < b.z else (b, a)
    return abs(a.x - b.x) < 0.5 * (a.width + b.width) and second.z - first.z < first.length + 0.8


def _lane(stage: Stage, width: float) -> tuple[float, float]:
    """Where a vehicle is and how fast: parked at a kerb, ahead in our lane, or coming towards us."""
    dice, half = stage.dice, stage.street.half_width
    where, right, speed = dice.unit(), dice.chance(0.5), dice.between(0.2, 0.9)
    if where < 0.5:
        kerb = half - 0.5 * width - 0.2
        return (kerb if right else -kerb), 0.0
    lane = stage.hand * half * 0.5
    return (lane, speed) if where < 0.72 else (-lane, -speed)


def _distance(dice: Dice, nearest: float, farthest: float) -> float:
    """Distances in metres such that pictures show a thing at every scale: 1/z is spread evenly."""
    return nearest / (nearest / farthest + (1.0 - nearest / farthest) * dice.unit())


def _car(stage: Stage, number: int) -> Thing:
    dice, domain = stage.dice, stage.domain
    x, speed = _lane(stage, 1.75)
    z = max(7.0 if speed else 5.0, _distance(dice, 6.0, 60.0))
    coming = speed < 0.0 or (speed == 0.0 and x * stage.hand < 0.0)
    paint = dice.colour(dice.choose(domain.cars), 0.15)
    lamp = (0.96, 0.95, 0.88) if coming else (0.78, 0.10, 0.08)
    bumper = (0.55 * paint[0], 0.55 * paint[1], 0.55 * paint[2])
    base = stage.materials.add(
        c.CAR, paint, GLASS, BLACK, lamp, (0.84, 0.84, 0.80), bumper,
        instance=number, glow={3: 1.1 if domain.night > 0.3 else 0.0},
    )  # fmt: skip
    side = dice.choose(sprites.CAR_SIDES_COMING if coming else sprites.CAR_SIDES)
    return Thing(
        x, z, 1.75, 0.0, dice.between(1.38, 1.75), base - 1, sprites.CAR_END, side, length=dice.between(3.8, 4.6),
        nose=1.0 if coming else 0.0, shadow=(1.05, 2.4), speed=(0.0, speed), instance=number,
    )  # fmt: skip


def _bus(stage: Stage, number: int) -> Thing:
    """A bus; with the knob `ambiguity` more often in the colours of a house front."""
    dice, domain = stage.dice, stage.domain
    x, speed = _lane(stage, 2.5)
    z = max(9.0, _distance(dice, 8.5, 60.0))
    livery, house = dice.choose(domain.buses), dice.choose(domain.facades)
    like = dice.unit() < 0.5 * stage.knobs.ambiguity
    paint = dice.colour(house if like else livery, 0.1)
    frame = (0.88, 0.87, 0.84) if like else (0.12, 0.12, 0.13)
    glass = dice.colour(domain.glass, 0.2)
    sill = (0.75 * paint[0], 0.75 * paint[1], 0.75 * paint[2])
    base = stage.materials.add(
        c.BUS, paint, glass, BLACK, (0.80, 0.14, 0.10), (0.8, 0.8, 0.78), sill, frame,
        instance=number, glow={1: 0.7 if domain.night > 0.3 else 0.0},
    )  # fmt: skip
    return Thing(
        x, z, 2.5, 0.0, dice.between(2.9, 3.3), base - 1, sprites.BUS_END, sprites.BUS_SIDE,
        length=dice.between(9.5, 12.0), shadow=(1.5, 6.2), speed=(0.0, 0.5 * speed), instance=number,
    )  # fmt: skip


def _clothes(dice: Dice) -> tuple[Colour, ...]:
    """Colours of coat, legs, skin, hair, shoes."""
    coat, legs = dice.colour(dice.choose(COATS), 0.2), dice.colour(dice.choose(TROUSERS), 0.2)
    return coat, legs, dice.choose(SKIN), dice.choose(HAIR), BLACK


def _pedestrian(stage: Stage, number: int) -> Thing:
    """Someone on the pavement or on the zebra crossing."""
    dice, street = stage.dice, stage.street
    base = stage.materials.add(c.PEDESTRIAN, *_clothes(dice), dice.colour((0.45, 0.20, 0.14), 0.4), instance=number)
    height, pace = dice.between(1.5, 1.92), dice.between(-0.13, 0.13)
    room = max(0.1, min(abs(side.offset) for side in street.sides) - street.half_width - 0.8)
    x = dice.choose((-1.0, 1.0)) * (street.half_width + 0.5 + room * dice.unit())
    z, speed = _distance(dice, 5.0, 32.0), (0.0, pace)
    if street.crossing is not None and dice.chance(0.4):
        x, z = dice.between(-1.0, 1.0) * street.half_width, street.crossing + dice.between(0.3, 2.7)
        speed = (pace, 0.0)
    return Thing(
        x, z, height * 0.42, 0.0, height, base - 1, dice.choose(sprites.PEOPLE), flip=dice.chance(0.5),
        shadow=(0.4, 0.35), speed=speed, instance=number,
    )  # fmt: skip


def _bicyclist(stage: Stage, number: int) -> Thing:
    """A rider with the bicycle, along the kerb or across the road."""
    dice, half = stage.dice, stage.street.half_width
    base = stage.materials.add(
        c.BICYCLIST, *_clothes(dice), dice.choose(COATS[4:]), dice.colour(dice.choose(COATS), 0.2), instance=number
    )
    z, height, pace, flip = (
        _distance(dice, 5.0, 32.0),
        dice.between(1.65, 1.9),
        dice.between(0.2, 0.4),
        dice.chance(0.5),
    )
    if dice.chance(0.35):
        x, speed, width = dice.between(-1.0, 1.0) * half, (-pace if flip else pace, 0.0), 1.75
        front = sprites.RIDER_SIDE
    else:
        x = dice.choose((-1.0, 1.0, 1.0)) * stage.hand * (half - dice.between(0.5, 1.2))
        speed, width, front = (0.0, pace if x * stage.hand > 0.0 else -pace), 0.42 * height, sprites.RIDER_BEHIND
    return Thing(
        x, z, width, 0.0, height, base - 1, front, flip=flip, shadow=(0.5, 0.5), speed=speed, instance=number
    )  # fmt: skip
