"""The things that stand and move in a street: placed in metres, made of sprites on upright planes."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.data.street import classes as c
from segkit.data.street import sprites
from segkit.data.street.dice import Dice
from segkit.data.street.domains import Colour, Domain
from segkit.data.street.knobs import Knobs
from segkit.data.street.scene import Materials, Street

SKIN: tuple[Colour, ...] = ((0.86, 0.68, 0.56), (0.62, 0.44, 0.33), (0.38, 0.26, 0.20), (0.76, 0.58, 0.45))
COATS: tuple[Colour, ...] = (
    (0.16, 0.18, 0.24), (0.55, 0.14, 0.14), (0.20, 0.32, 0.50), (0.72, 0.68, 0.58), (0.32, 0.38, 0.28),
    (0.80, 0.52, 0.18), (0.42, 0.30, 0.46), (0.86, 0.86, 0.84), (0.30, 0.30, 0.30),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = ((0.14, 0.15, 0.20), (0.22, 0.28, 0.42), (0.40, 0.36, 0.30), (0.28, 0.26, 0.25))
BLACK: Colour = (0.07, 0.07, 0.08)


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


def place(
    furniture: Dice, traffic: Dice, street: Street, domain: Domain, knobs: Knobs, materials: Materials
) -> list[Thing]:
    """All things of a scene, the farthest first."""
    things = [*_furniture(furniture, street, domain, knobs, materials)]
    things += _traffic(traffic, street, domain, knobs, materials)
    things.sort(key=lambda thing: -thing.z)
    return things


def _furniture(dice: Dice, street: Street, domain: Domain, knobs: Knobs, materials: Materials) -> list[Thing]:
    """Lamps, signs and trees along both kerbs."""
    things: list[Thing] = []
    steel = materials.add(c.POLE, dice.colour(domain.pole, 0.3)) - 1
    lamp_spacing, lamp_height, lamp_start = dice.between(14.0, 30.0), dice.between(5.0, 8.5), dice.between(4.0, 20.0)
    wood = materials.add(c.VEGETATION, dice.colour((0.30, 0.24, 0.19), 0.25)) - 1
    lamp = materials.add(c.POLE, (0.95, 0.92, 0.80), glow={0: 1.2 if domain.night > 0.0 else 0.0}) - 1
    for sign, side in zip((-1.0, 1.0), street.sides, strict=True):
        kerb = sign * (street.half_width + 0.45)
        if dice.chance(0.75):
            for i in range(3):
                things += _lamp(kerb, lamp_start + i * lamp_spacing + sign * 3.0, lamp_height, sign, steel, lamp, knobs)
        for _ in range(dice.whole(1, 2)):
            things += _sign(dice, kerb, dice.between(6.0, 42.0), steel, domain, knobs, materials)
        trees = dice.whole(3, 8) if side.park else dice.whole(0, 5)
        step, first = dice.between(7.0, 13.0), dice.between(7.0, 26.0)
        beyond = side.park or abs(side.offset) > street.half_width + 5.0
        spot = sign * (abs(side.offset) + 2.0 if beyond else street.half_width + 0.9)
        for i in range(trees):
            things += _tree(dice, spot + dice.between(-0.4, 0.4), first + i * step, domain, wood, materials)
    return things


def _lamp(x: float, z: float, height: float, sign: float, steel: int, lamp: int, knobs: Knobs) -> list[Thing]:
    width = 0.15 * knobs.width
    mast = Thing(x, z, width, 0.0, height, steel, sprites.ROD)
    arm = Thing(x - sign * 0.6, z, 1.2, height - 0.08 * knobs.width, height, steel, sprites.ROD)
    head = Thing(x - sign * 1.3, z, 0.5, height - 0.2, height - 0.02, lamp, sprites.ROD)
    return [mast, arm, head] if z < 45.0 else [mast]


def _sign(
    dice: Dice, x: float, z: float, steel: int, domain: Domain, knobs: Knobs, materials: Materials
) -> list[Thing]:
    kind = dice.choose(domain.plates)
    face = dice.choose(domain.plate_face)
    symbol = (0.10, 0.10, 0.12) if face[0] > 0.5 else (0.95, 0.95, 0.95)
    rim = (0.14, 0.15, 0.15) if kind == "lights" else (face if kind == "board" else domain.plate_rim)
    red = dice.chance(0.5)
    lights = (
        (0.95, 0.16, 0.10) if red else (0.25, 0.1, 0.1),
        (0.28, 0.22, 0.1),
        (0.1, 0.22, 0.12) if red else (0.1, 0.85, 0.4),
    )
    base = materials.add(c.SIGN, face, rim, symbol, *lights, glow={3: 0.9 if red else 0.0, 5: 0.0 if red else 0.9}) - 1
    grow = 0.5 + 0.5 * knobs.width
    wide, tall = {"lights": (0.34, 0.9), "board": (dice.between(0.8, 1.5), dice.between(0.5, 0.8))}.get(
        kind, (0.66, 0.66)
    )
    low = dice.between(2.0, 2.5)
    rod = Thing(x, z, 0.09 * knobs.width, 0.0, low + 0.2, steel, sprites.ROD)
    plate = Thing(x, z - 0.05, wide * grow, low, low + tall * grow, base, sprites.PLATES[kind])
    return [rod, plate]


def _tree(dice: Dice, x: float, z: float, domain: Domain, wood: int, materials: Materials) -> list[Thing]:
    width = dice.between(2.4, 5.2)
    tall = width * dice.between(*domain.crown)
    if domain.crown[0] > 1.4:
        width, tall = width * 0.6, tall * 0.75
    low = dice.between(1.4, 2.6)
    leaves = materials.add(c.VEGETATION, dice.colour(dice.choose(domain.leaves), 0.16)) - 1
    trunk = Thing(x, z, dice.between(0.22, 0.45), 0.0, low + tall * 0.4, wood, sprites.ROD)
    crown = Thing(
        x, z - 0.02, width, low, low + tall, leaves, shadow=(width * 0.5, width * 0.6), seed=dice.whole(0, 65535)
    )
    return [trunk, crown]


def _traffic(dice: Dice, street: Street, domain: Domain, knobs: Knobs, materials: Materials) -> list[Thing]:
    """Cars, buses, people and riders; the knob `imbalance` sets how often the rarer ones come."""
    things: list[Thing] = []
    instance = 0
    hand = -1.0 if domain.left_hand else 1.0
    count = int(knobs.objects * dice.between(5.0, 13.0) + 0.5)
    rare = 1.0 - 0.5 * knobs.imbalance  # 1 balanced, 0.5 the default, 0 rarest
    shares = (0.06 + 0.28 * rare, 0.03 + 0.30 * rare, 0.005 + 0.13 * rare)  # pedestrian, bicyclist, bus
    closer = 1.0 - 0.15 * (rare - 0.5)
    taken: list[tuple[float, float, float]] = []
    for _ in range(count):
        u = dice.unit()
        make = (
            _pedestrian
            if u < shares[0]
            else _bicyclist
            if u < shares[0] + shares[1]
            else _bus
            if u < sum(shares)
            else _car
        )
        instance += 1
        thing = make(dice, street, domain, knobs, materials, instance, hand, closer)
        depth = max(thing.length, 0.6)
        if any(
            abs(thing.x - x) < 0.5 * (thing.width + w) and abs(thing.z - z) < 6.0 and depth > 2.0 for x, z, w in taken
        ):
            continue
        taken.append((thing.x, thing.z, thing.width))
        things.append(thing)
    return things


def _lane(dice: Dice, street: Street, hand: float, width: float) -> tuple[float, float]:
    """Where a vehicle is and how fast: parked at a kerb, ahead in our lane, or coming towards us."""
    where = dice.unit()
    kerb = street.half_width - 0.5 * width - 0.2
    if where < 0.5:
        return (kerb if dice.chance(0.5) else -kerb), 0.0
    lane = hand * street.half_width * 0.5
    if where < 0.72:
        return lane, dice.between(0.2, 0.9)
    return -lane, -dice.between(0.2, 0.9)


def _car(
    dice: Dice,
    street: Street,
    domain: Domain,
    knobs: Knobs,
    materials: Materials,
    instance: int,
    hand: float,
    closer: float,
) -> Thing:
    x, speed = _lane(dice, street, hand, 1.75)
    # distances are drawn so that near and far both occur: z = near / u
    z = max(7.0 if speed else 5.0, 6.0 / (0.1 + 0.9 * dice.unit()))
    paint = dice.colour(dice.choose(domain.cars), 0.15)
    coming = speed < 0.0 or (speed == 0.0 and x * hand < 0.0)
    on = domain.night > 0.3
    lamp = (0.96, 0.95, 0.88) if coming else (0.78, 0.10, 0.08)
    base = materials.add(
        c.CAR, paint, (0.17, 0.21, 0.25), BLACK, lamp, (0.84, 0.84, 0.80), tuple(0.55 * p for p in paint),
        instance=instance, glow={3: 1.1 if on else 0.0},
    ) - 1  # fmt: skip
    height = dice.between(1.38, 1.75)
    return Thing(
        x, z, 1.75, 0.0, height, base, sprites.CAR_END, dice.choose(sprites.CAR_SIDES_COMING if coming else sprites.CAR_SIDES), length=dice.between(3.8, 4.6),
        nose=1.0 if coming else 0.0, shadow=(1.05, 2.4), speed=(0.0, speed), instance=instance,
    )  # fmt: skip


def _bus(
    dice: Dice,
    street: Street,
    domain: Domain,
    knobs: Knobs,
    materials: Materials,
    instance: int,
    hand: float,
    closer: float,
) -> Thing:
    x, speed = _lane(dice, street, hand, 2.5)
    z = max(9.0, 8.5 / (0.14 + 0.86 * dice.unit()))
    livery, house = dice.choose(domain.buses), dice.choose(domain.facades)
    like = dice.unit() < 0.5 * knobs.ambiguity
    paint = dice.colour(house if like else livery, 0.1)
    frame = (0.88, 0.87, 0.84) if like else (0.12, 0.12, 0.13)
    base = materials.add(
        c.BUS, paint, dice.colour(domain.glass, 0.2), BLACK, (0.80, 0.14, 0.10), (0.8, 0.8, 0.78),
        tuple(0.75 * p for p in paint), frame, instance=instance, glow={1: 0.7 if domain.night > 0.3 else 0.0},
    ) - 1  # fmt: skip
    return Thing(
        x, z, 2.5, 0.0, dice.between(2.9, 3.3), base, sprites.BUS_END, sprites.BUS_SIDE, length=dice.between(9.5, 12.0),
        shadow=(1.5, 6.2), speed=(0.0, 0.5 * speed), instance=instance,
    )  # fmt: skip


def _clothes(dice: Dice) -> tuple[Colour, ...]:
    coat, legs = dice.colour(dice.choose(COATS), 0.2), dice.colour(dice.choose(TROUSERS), 0.2)
    return (
        coat,
        legs,
        dice.choose(SKIN),
        dice.choose(((0.12, 0.09, 0.07), (0.42, 0.30, 0.16), (0.55, 0.55, 0.54))),
        BLACK,
    )


def _pedestrian(
    dice: Dice,
    street: Street,
    domain: Domain,
    knobs: Knobs,
    materials: Materials,
    instance: int,
    hand: float,
    closer: float,
) -> Thing:
    crossing = street.crossing is not None and dice.chance(0.4)
    wide = min(abs(side.offset) for side in street.sides) - street.half_width - 0.8
    x = dice.choose((-1.0, 1.0)) * (street.half_width + 0.5 + max(0.1, wide) * dice.unit())
    z = 6.0 / (0.12 + 0.88 * dice.unit()) * closer
    if crossing and street.crossing is not None:
        x, z = dice.between(-1.0, 1.0) * street.half_width, street.crossing + dice.between(0.3, 2.7)
    base = materials.add(c.PEDESTRIAN, *_clothes(dice), dice.colour((0.45, 0.20, 0.14), 0.4), instance=instance) - 1
    height = dice.between(1.5, 1.92)
    speed = (dice.between(-0.13, 0.13), 0.0) if crossing else (0.0, dice.between(-0.13, 0.13))
    return Thing(
        x, z, height * 0.42, 0.0, height, base, dice.choose(sprites.PEOPLE), flip=dice.chance(0.5),
        shadow=(0.4, 0.35), speed=speed, instance=instance,
    )  # fmt: skip


def _bicyclist(
    dice: Dice,
    street: Street,
    domain: Domain,
    knobs: Knobs,
    materials: Materials,
    instance: int,
    hand: float,
    closer: float,
) -> Thing:
    across = dice.chance(0.35)
    z = 6.0 / (0.14 + 0.86 * dice.unit()) * closer
    x = dice.choose((-1.0, 1.0, 1.0)) * hand * (street.half_width - dice.between(0.5, 1.2))
    x = dice.between(-1.0, 1.0) * street.half_width if across else x
    frame = dice.colour(dice.choose(COATS), 0.2)
    helmet = dice.choose(COATS[4:])
    base = materials.add(c.BICYCLIST, *_clothes(dice), helmet, frame, instance=instance) - 1
    flip = dice.chance(0.5)
    height = dice.between(1.65, 1.9)
    step = dice.between(0.2, 0.4)
    speed = (-step if flip else step, 0.0) if across else (0.0, step if x * hand > 0.0 else -step)
    return Thing(
        x, z, 1.75 if across else 0.42 * height, 0.0, height, base, sprites.RIDER_SIDE if across else sprites.RIDER_BEHIND,
        flip=flip, shadow=(0.5, 0.5), speed=speed, instance=instance,
    )  # fmt: skip
