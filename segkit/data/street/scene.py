"""What stands where in one scene, in metres: the street and the houses. Nothing here knows about pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from segkit.data.dice import Dice
from segkit.data.street import classes as c
from segkit.data.street import facades, textures
from segkit.data.street.domains import Colour, Domain
from segkit.data.street.knobs import Knobs

BEHIND, REACH = 16, 192  # the tables along the street run from Z = −16 m to 176 m in steps of 1 m
DESIGNS = 4  # house fronts per side; farther houses repeat them
GAP_DEPTH = 14.0  # metres that a house reaches back from the street


@dataclass
class Materials:
    """The key written into each pixel is a row of these lists: colour, class, instance, own light."""

    colours: list[Colour] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    instances: list[int] = field(default_factory=list)
    glow: list[float] = field(default_factory=list)

    def add(self, label: int, *colours: Colour, instance: int = 0, glow: dict[int, float] | None = None) -> int:
        """Add parts of one surface; returns the key of the first."""
        first, n = len(self.labels), len(colours)
        self.colours += colours
        self.labels += [label] * n
        self.instances += [instance] * n
        self.glow += [0.0] * n
        for part, value in (glow or {}).items():
            self.glow[first + part] = value
        return first


@dataclass
class Block:
    """One house front: metres, pattern and the key of its first part."""

    height: float
    storey: float
    bay: float
    style: int
    surface: int
    base: int
    roof: float  # metres of roof at the top of `height`
    phase: float


@dataclass
class Side:
    """One side of the street: which block stands at each metre of Z (−1: none), and where the next one starts."""

    offset: float  # metres from the road's middle, signed
    block: np.ndarray  # REACH, int
    next_start: np.ndarray  # REACH, float
    shade_height: np.ndarray  # REACH, float32: what casts a shadow
    fence: np.ndarray  # REACH, bool
    fence_height: float
    fence_base: int
    fence_surface: int
    park: bool


@dataclass
class Street:
    """The whole standing world of a scene."""

    focal: float  # in picture heights
    cx: float  # in picture widths
    cy: float  # in picture heights
    height: float
    camera_x: float
    bend: float
    half_width: float
    lines: list[tuple[float, float, bool]]  # lane lines: x, width, dashed
    crossing: float | None  # Z of a zebra crossing
    sun_side: float  # −1 left, +1 right
    sun_tan: float
    sun_skew: float
    sun_power: float
    sides: tuple[Side, Side]
    blocks: list[Block]
    end: float  # Z at which the street ends in a cross street, or beyond sight
    end_blocks: list[int]
    skyline: int  # key
    skyline_height: float
    offset: int  # of this scene in the noise tables
    ground: dict[str, int]
    speed: float  # metres that the camera moves forward in one time step
    drift: float  # metres sideways


def lay_street(dice: Dice, domain: Domain, knobs: Knobs, materials: Materials) -> Street:
    """Draw a street: camera, road, houses, light."""
    half = dice.between(3.1, 5.6)
    hand = -1.0 if domain.left_hand else 1.0
    overcast = dice.chance(domain.overcast)
    blocks: list[Block] = []
    ground = _ground(dice, domain, knobs, materials)
    end = dice.between(70.0, 130.0) if dice.chance(0.35) else 1e9
    sides = (_side(dice, domain, materials, blocks, -1.0, half), _side(dice, domain, materials, blocks, 1.0, half))
    end_blocks = [_block(dice, domain, materials, blocks) for _ in range(4)]
    green = dice.chance(0.4)
    far = dice.colour((0.30, 0.40, 0.26) if green else domain.facades[0], 0.2)
    bend = dice.between(-0.0022, 0.0022) if dice.chance(0.6) else 0.0
    return Street(
        focal=dice.between(0.92, 1.2),
        cx=dice.between(0.38, 0.62),
        cy=dice.between(0.38, 0.52),
        height=dice.between(1.3, 2.1),
        camera_x=hand * half * dice.between(0.25, 0.55),
        bend=bend,
        half_width=half,
        lines=_lines(dice, half, knobs),
        crossing=dice.between(9.0, 30.0) if dice.chance(0.3) else None,
        sun_side=dice.choose((-1.0, 1.0)),
        sun_tan=dice.between(*domain.sun_height),
        sun_skew=dice.between(-0.8, 0.8),
        sun_power=dice.between(0.0, 0.25) if overcast else dice.between(0.8, 1.0),
        sides=sides,
        blocks=blocks,
        end=end,
        end_blocks=end_blocks,
        skyline=materials.add(c.VEGETATION if green else c.BUILDING, far),
        skyline_height=dice.between(8.0, 20.0) if green else dice.between(14.0, 45.0),
        offset=dice.whole(0, 255),
        ground=ground,
        speed=dice.between(0.0, 0.7),
        drift=dice.between(-0.05, 0.05),
    )


def _ground(dice: Dice, domain: Domain, knobs: Knobs, materials: Materials) -> dict[str, int]:
    """Keys of the ground's surfaces. Ambiguity draws the pavement's grey towards the road's."""
    road = dice.colour(domain.road, 0.2, 0.12)
    apart = 1.0 - 0.5 * knobs.ambiguity  # 1 far apart, 0 the same
    shift = dice.choose((-1.0, 1.0, 1.0)) * apart * (0.05 + 0.30 * max(0.0, apart - 0.5)) + 0.07 * apart * dice.unit()
    pavement = (road[0] + shift * 1.05, road[1] + shift, road[2] + shift * 0.85)
    kerb = dice.choose((0.10, 0.16, -0.10))
    warm = dice.between(0.9, 1.0)
    wear = dice.between(0.85, 1.0)
    paint = (domain.paint[0] * wear, domain.paint[1] * wear, domain.paint[2] * wear)
    sky = domain.sky_low
    wet = (0.45 * road[0] + 0.35 * sky[0], 0.45 * road[1] + 0.35 * sky[1], 0.45 * road[2] + 0.35 * sky[2])
    return {
        "road": materials.add(c.ROAD, road),
        "pavement": materials.add(c.PAVEMENT, pavement),
        "kerb": materials.add(c.PAVEMENT, (road[0] + kerb, road[1] + kerb, road[2] + kerb)),
        "gutter": materials.add(c.ROAD, (road[0] * 0.84, road[1] * 0.84, road[2] * 0.84)),
        "puddle": materials.add(c.ROAD, wet),
        "grass": materials.add(c.VEGETATION, dice.colour((0.36 * warm, 0.46, 0.22), 0.15)),
        "paint": materials.add(c.LANE_MARK, paint),
    }


def _lines(dice: Dice, half: float, knobs: Knobs) -> list[tuple[float, float, bool]]:
    """Lane lines: one in the middle, sometimes one along each edge and between more lanes."""
    width = dice.between(0.15, 0.22) * knobs.width
    lines = [(0.0, width, dice.chance(0.75))]
    if dice.chance(0.5):
        lines += [(side * (half - 0.45), width, False) for side in (-1.0, 1.0)]
    elif half > 4.8:
        lines += [(side * half * 0.52, width, True) for side in (-1.0, 1.0)]
    return lines


def _block(dice: Dice, domain: Domain, materials: Materials, blocks: list[Block], low: bool = False) -> int:
    """Make one house front; returns its number."""
    wall = dice.colour(dice.choose(domain.facades), 0.14)
    accent = dice.colour(dice.choose(domain.accents), 0.1)
    roof = dice.colour(dice.choose(domain.roofs), 0.15)
    glass = dice.colour(domain.glass, 0.3, 0.12)
    frame = (0.88, 0.87, 0.84) if dice.chance(0.65) else (0.22, 0.22, 0.23)
    door = dice.colour(dice.choose(domain.accents[1:]), 0.3)
    night = dice.unit() < domain.night
    bright = (0.98, 0.80, 0.46) if night else (0.62, 0.64, 0.64)
    pale = (wall[0] * 1.1, wall[1] * 1.1, wall[2] * 1.1)
    base = materials.add(
        c.BUILDING, wall, glass, frame, accent, door, roof, pale, bright, glow={facades.CURTAIN: 1.15 if night else 0.0}
    )
    storeys = dice.whole(1, 3) if low else dice.whole(2, 6)
    storey = dice.between(2.7, 3.5)
    roof_height = dice.between(1.2, 2.6) if dice.chance(0.9 if low else 0.5) else 0.35
    blocks.append(
        Block(
            height=storeys * storey + roof_height,
            storey=storey,
            bay=dice.between(2.1, 3.6),
            style=dice.choose(domain.styles),
            surface=textures.SURFACES[dice.choose(domain.surfaces)],
            base=base,
            roof=roof_height,
            phase=dice.unit(),
        )
    )
    return len(blocks) - 1


def _side(dice: Dice, domain: Domain, materials: Materials, blocks: list[Block], sign: float, half: float) -> Side:
    """Fill one side of the street with houses and gaps, or leave it a park."""
    kind = dice.choose(("street", "street", "street", "houses", "houses", "park"))
    setback = half + dice.between(1.6, 4.2) + (dice.between(0.0, 4.0) if kind != "street" else 0.0)
    block = np.full(REACH, -1, np.int64)
    start_of_next = np.full(REACH, np.inf)
    cast = np.zeros(REACH, np.float32)
    at = dice.whole(0, 12) if kind != "park" else REACH
    previous = 0
    own: list[int] = []
    while at < REACH:
        length = dice.whole(7, 12) if kind == "houses" else dice.whole(8, 24)
        if len(own) < DESIGNS:
            own.append(_block(dice, domain, materials, blocks, low=kind == "houses"))
        number = own[-1] if len(own) < DESIGNS else dice.choose(own)
        start_of_next[previous:at] = at - BEHIND
        block[at : at + length] = number
        cast[at : at + length] = blocks[number].height
        previous = at + length
        gap = dice.whole(2, 7) if dice.chance(0.75 if kind == "houses" else 0.22) else 0
        at = previous + gap
    fence = np.zeros(REACH, bool)
    has_fence = dice.chance({"street": 0.12, "houses": 0.8, "park": 0.9}[kind])
    start = dice.whole(0, 40)
    if has_fence:
        fence[start : start + dice.whole(30, 200)] = True
    hedge = dice.chance(0.25)
    tone = dice.colour(dice.choose(domain.leaves), 0.1) if hedge else dice.colour(dice.choose(_FENCES), 0.15)
    dark = (tone[0] * 0.72, tone[1] * 0.72, tone[2] * 0.72)
    return Side(
        offset=sign * setback,
        block=block,
        next_start=start_of_next,
        shade_height=cast,
        fence=fence,
        fence_height=dice.between(0.9, 1.9),
        fence_base=materials.add(c.VEGETATION if hedge else c.FENCE, tone, dark),
        fence_surface=-1 if hedge else dice.whole(0, 3),
        park=kind == "park",
    )


_FENCES: tuple[Colour, ...] = (
    (0.46, 0.34, 0.24),
    (0.60, 0.57, 0.52),
    (0.56, 0.36, 0.30),
    (0.80, 0.79, 0.75),
    (0.26, 0.32, 0.28),
)
