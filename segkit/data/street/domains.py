"""The four domains: light, air and, for "foreign", other colours, shapes and customs."""

from __future__ import annotations

from dataclasses import dataclass, replace

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Domain:
    """What a place and an hour look like; colours are RGB in 0–1."""

    number: int  # goes into the seed where scenes must differ, see `same_streets_as`
    sky_top: Colour = (0.36, 0.58, 0.86)
    sky_low: Colour = (0.80, 0.88, 0.95)
    cloud: Colour = (0.97, 0.97, 0.98)
    haze: Colour = (0.74, 0.81, 0.88)
    haze_distance: float = 230.0  # metres at which half of the light is the air's own
    ambient: Colour = (0.46, 0.50, 0.60)
    sun: Colour = (0.66, 0.60, 0.48)
    overcast: float = 0.25  # share of scenes without sun
    sun_height: tuple[float, float] = (0.45, 1.5)  # tangent of the sun's elevation
    grain: float = 1.0  # camera noise, relative
    night: float = 0.0  # 0–1: how many windows and lamps are lit
    left_hand: bool = False  # traffic keeps left
    facades: tuple[Colour, ...] = (
        (0.60, 0.35, 0.28),
        (0.74, 0.62, 0.44),
        (0.60, 0.60, 0.58),
        (0.82, 0.77, 0.65),
        (0.55, 0.61, 0.68),
        (0.46, 0.37, 0.31),
        (0.73, 0.56, 0.50),
        (0.66, 0.45, 0.34),
    )
    accents: tuple[Colour, ...] = ((0.86, 0.84, 0.78), (0.34, 0.36, 0.38), (0.28, 0.38, 0.34), (0.55, 0.22, 0.20))
    roofs: tuple[Colour, ...] = ((0.36, 0.34, 0.36), (0.48, 0.28, 0.24), (0.30, 0.32, 0.36))
    styles: tuple[int, ...] = (0, 1, 2, 3)
    surfaces: tuple[str, ...] = ("plaster", "bricks", "slabs", "bricks")
    glass: Colour = (0.24, 0.30, 0.36)
    road: Colour = (0.40, 0.40, 0.42)
    road_surface: str = "plaster"
    pavement_surface: str = "slabs"
    paint: Colour = (0.90, 0.90, 0.88)
    leaves: tuple[Colour, ...] = ((0.27, 0.40, 0.17), (0.34, 0.45, 0.20), (0.22, 0.35, 0.19), (0.42, 0.44, 0.20))
    crown: tuple[float, float] = (0.85, 1.25)  # height over width
    plates: tuple[str, ...] = ("disc", "triangle", "board", "lights", "disc")
    plate_rim: Colour = (0.78, 0.12, 0.12)
    plate_face: tuple[Colour, ...] = ((0.94, 0.94, 0.94), (0.16, 0.34, 0.70))
    pole: Colour = (0.36, 0.38, 0.38)
    cars: tuple[Colour, ...] = (
        (0.75, 0.76, 0.78),
        (0.20, 0.21, 0.24),
        (0.62, 0.12, 0.12),
        (0.16, 0.27, 0.50),
        (0.90, 0.90, 0.90),
        (0.45, 0.47, 0.50),
        (0.24, 0.36, 0.30),
        (0.80, 0.62, 0.25),
    )
    buses: tuple[Colour, ...] = ((0.80, 0.14, 0.12), (0.92, 0.76, 0.16), (0.14, 0.45, 0.70))


DAY = Domain(number=0)

DUSK = replace(
    DAY,
    number=1,
    sky_top=(0.17, 0.20, 0.38),
    sky_low=(0.93, 0.58, 0.36),
    cloud=(0.72, 0.42, 0.42),
    haze=(0.56, 0.42, 0.42),
    haze_distance=260.0,
    ambient=(0.35, 0.34, 0.44),
    sun=(0.46, 0.27, 0.12),
    overcast=0.3,
    sun_height=(0.25, 0.6),
    grain=1.7,
    night=0.6,
)

FOG = replace(
    DAY,
    number=2,
    sky_top=(0.72, 0.75, 0.78),
    sky_low=(0.80, 0.82, 0.83),
    cloud=(0.80, 0.82, 0.83),
    haze=(0.79, 0.81, 0.82),
    haze_distance=26.0,
    ambient=(0.70, 0.72, 0.74),
    sun=(0.16, 0.15, 0.13),
    overcast=1.0,
    grain=1.2,
    night=0.15,
)

FOREIGN = replace(
    DAY,
    number=3,
    sky_top=(0.25, 0.55, 0.80),
    sky_low=(0.93, 0.90, 0.80),
    haze=(0.90, 0.85, 0.74),
    ambient=(0.50, 0.48, 0.52),
    sun=(0.68, 0.60, 0.42),
    overcast=0.1,
    sun_height=(0.8, 2.0),
    left_hand=True,
    facades=(
        (0.88, 0.80, 0.62),
        (0.86, 0.62, 0.40),
        (0.92, 0.90, 0.84),
        (0.80, 0.50, 0.38),
        (0.88, 0.72, 0.64),
        (0.66, 0.74, 0.72),
    ),
    accents=((0.20, 0.42, 0.40), (0.30, 0.46, 0.60), (0.42, 0.27, 0.17), (0.90, 0.88, 0.82)),
    roofs=((0.70, 0.38, 0.24), (0.62, 0.34, 0.22)),
    styles=(4, 5, 6),
    surfaces=("plaster", "stones", "plaster"),
    glass=(0.20, 0.24, 0.26),
    road=(0.52, 0.47, 0.42),
    road_surface="stones",
    pavement_surface="bricks",
    paint=(0.93, 0.78, 0.22),
    leaves=((0.36, 0.42, 0.26), (0.24, 0.34, 0.18), (0.46, 0.48, 0.30)),
    crown=(1.5, 2.6),
    plates=("diamond", "board", "lights", "diamond"),
    plate_rim=(0.12, 0.12, 0.12),
    plate_face=((0.95, 0.76, 0.12), (0.10, 0.45, 0.32)),
    pole=(0.28, 0.34, 0.30),
    cars=(
        (0.92, 0.92, 0.90),
        (0.24, 0.52, 0.56),
        (0.82, 0.36, 0.20),
        (0.70, 0.68, 0.60),
        (0.14, 0.15, 0.18),
        (0.90, 0.80, 0.30),
    ),
    buses=((0.14, 0.52, 0.36), (0.90, 0.48, 0.12), (0.88, 0.88, 0.84)),
)

DOMAINS = {"day": DAY, "dusk": DUSK, "fog": FOG, "foreign": FOREIGN}
