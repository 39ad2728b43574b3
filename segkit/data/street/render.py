"""One scene from its seed to its maps: lay the street, place the things, paint, light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segkit.data.dice import Dice
from segkit.data.street import classes as c
from segkit.data.street import ground, light, sprites, walls
from segkit.data.street.camera import Camera
from segkit.data.street.domains import Domain
from segkit.data.street.knobs import Knobs
from segkit.data.street.painting import Painting
from segkit.data.street.scene import BEHIND, REACH, Materials, Street, lay_street
from segkit.data.street.things import Stage, Thing, place_furniture
from segkit.data.street.traffic import place_traffic


@dataclass
class Scene:
    """Everything about one scene that does not depend on the picture's size or the moment."""

    key: tuple[int, ...]
    street: Street
    things: list[Thing]
    materials: Materials
    domain: Domain
    knobs: Knobs


@dataclass
class Rendered:
    """Maps of one moment of a scene: image 3×H×W float32; labels uint8, instances int64, depth float32, all H×W."""

    image: np.ndarray
    labels: np.ndarray
    instances: np.ndarray
    depth: np.ndarray


def make_scene(key: tuple[int, ...], domain: Domain, knobs: Knobs) -> Scene:
    """Draw a scene; the same key gives the same scene for ever."""
    materials = Materials()
    materials.add(c.SKY, domain.sky_low)
    street = lay_street(Dice(*key, 1), domain, knobs, materials)
    things = place_furniture(Stage(Dice(*key, 2), street, domain, knobs, materials))
    things += place_traffic(Stage(Dice(*key, 3), street, domain, knobs, materials))
    things.sort(key=lambda thing: thing.z)
    return Scene(key, street, things, materials, domain, knobs)


def camera(scene: Scene, size: tuple[int, int], pixel: float = 1.0) -> Camera:
    """The scene's camera for a picture of this size; focal length goes with the height, so wider pictures see more."""
    h, w = size
    s = scene.street
    return Camera(size, s.focal * h, s.cx * w, s.cy * h, s.height, s.camera_x, 0.0, s.bend, pixel)


def paint(scene: Scene, cam: Camera, time: float = 0.0) -> Painting:
    """Paint everything that stands in the scene at `time` steps after its start."""
    painting = Painting(cam)
    street, domain, knobs = scene.street, scene.domain, scene.knobs
    ground.paint_ground(painting, street, domain, knobs)
    for thing in scene.things:
        _thing_shadow(painting, scene, thing, time)
    walls.paint_skyline(painting, street)
    walls.paint_houses(painting, street, domain, knobs)
    walls.paint_fences(painting, street, knobs)
    for thing in scene.things:  # near ones first: what they hide need not be painted
        _paint_thing(painting, scene, thing, time)
    return painting


def place_at(thing: Thing, street: Street, cam: Camera, time: float) -> tuple[float, float]:
    """X from the camera and distance of a thing at a time."""
    x = thing.x + street.bend * thing.z * thing.z + thing.speed[0] * time - cam.x
    return x, thing.z + thing.speed[1] * time - cam.z


def _sun_at(street: Street, knobs: Knobs, x: float, z: float) -> float:
    """How much sun there is a metre above the ground at world (x from the road's middle, z)."""
    side = street.sides[0] if street.sun_side < 0.0 else street.sides[1]
    away = (x - side.offset) * (-street.sun_side)
    cell = min(REACH - 1, max(0, int(z - away * street.sun_skew + BEHIND)))
    depth = street.sun_power * min(1.0, 0.85 * knobs.shadows)
    return 1.0 - depth if away * street.sun_tan + 1.0 < float(side.shade_height[cell]) else 1.0


def _thing_shadow(painting: Painting, scene: Scene, thing: Thing, time: float) -> None:
    half_x, half_z = thing.shadow
    if half_x == 0.0:
        return
    street = scene.street
    depth = min(1.0, scene.knobs.shadows)
    x, z = place_at(thing, street, painting.camera, time)
    if z > 60.0:
        return
    if thing.front is None:  # a tree: its shadow lies away from the sun, and leaves let light through
        reach = 0.5 * (thing.low + thing.high) / street.sun_tan
        x, z = x - street.sun_side * reach, z - street.sun_skew * reach
        painting.ground_shadow(x, z, half_x, half_z, 0.8 * depth * street.sun_power, 0.7, thing.seed)
        return
    painting.ground_shadow(x, z + 0.5 * thing.length, half_x, half_z, 0.85 * depth, 0.0, 0)
    if street.sun_power > 0.5 and thing.length > 0.0 and z < 30.0:
        reach = 0.5 * thing.high / street.sun_tan
        painting.ground_shadow(
            x - street.sun_side * reach, z + 0.5 * thing.length - street.sun_skew * reach * 0.5,
            half_x + 0.5 * reach, half_z, 0.7 * depth, 0.0, 0,
        )  # fmt: skip


def _paint_thing(painting: Painting, scene: Scene, thing: Thing, time: float) -> None:
    street, knobs = scene.street, scene.knobs
    x, z = place_at(thing, street, painting.camera, time)
    sun = _sun_at(street, knobs, thing.x, thing.z)
    half = 0.5 * thing.width
    if thing.front is None:
        lit = 0.35 + 0.65 * sun
        painting.crown(x, thing.width, thing.low, thing.high, z, thing.base + 1, lit, thing.seed, street.sun_side)
        return
    front_lit = sun * (1.0 - 0.45 * street.sun_power) if thing.length > 0.0 else sun
    left, right = x - half, x + half
    if thing.nose > 0.0:
        bonnet = sprites.NOSE * thing.high
        painting.front(sprites.CAR_NOSE, left, right, thing.low, bonnet, z, thing.base, front_lit, thing.flip)
    painting.front(thing.front, left, right, thing.low, thing.high, z + thing.nose, thing.base, front_lit, thing.flip)
    if thing.side is not None and abs(x) > half:
        near = x - half if x > 0.0 else x + half
        sunny = (x > 0.0) == (street.sun_side < 0.0)
        lit = sun if sunny else sun * (1.0 - 0.8 * street.sun_power)
        painting.side(thing.side, near, z, z + thing.length, thing.low, thing.high, thing.base, lit, 1.0)


def render(scene: Scene, size: tuple[int, int], time: int = 0, supersample: int = 1) -> Rendered:
    """Paint and light one moment; with `supersample` the image alone is averaged from finer pixels."""
    street = scene.street
    cam = camera(scene, size).moved(street.drift * time, street.speed * time)
    painting = paint(scene, cam, float(time))
    picture = light.develop(painting, street, scene.domain, scene.materials)
    if supersample > 1:
        fine = camera(scene, (size[0] * supersample, size[1] * supersample), float(supersample))
        fine = fine.moved(street.drift * time, street.speed * time)
        big = light.develop(paint(scene, fine, float(time)), street, scene.domain, scene.materials)
        picture = _shrink(big, supersample)
    gain = light.gains((*scene.key, 6), scene.knobs.light)  # the same at each moment
    image = light.expose(picture, (*scene.key, 4 + time), scene.domain, scene.knobs, gain)
    labels = np.array(scene.materials.labels, np.uint8).take(painting.key)
    instances = np.array(scene.materials.instances, np.int64).take(painting.key)
    return Rendered(image, labels, instances, painting.depth)


def _shrink(picture: np.ndarray, factor: int) -> np.ndarray:
    """The mean over factor×factor boxes, summed in a fixed order."""
    total = np.zeros((3, picture.shape[1] // factor, picture.shape[2] // factor), np.float32)
    for dy in range(factor):
        for dx in range(factor):
            total += picture[:, dy::factor, dx::factor]
    return total * np.float32(1.0 / (factor * factor))


def exact_flow(scene: Scene, cam: Camera, shown: Rendered) -> np.ndarray:
    """Where each pixel's surface point is one step later, minus where it is now, in pixels; 0 in the sky.

    Shape: 2 (dx, dy), H, W, float32.
    """
    street = scene.street
    speeds = np.zeros((2, 1 + max((t.instance for t in scene.things), default=0)))
    for thing in scene.things:
        if thing.instance:
            speeds[:, thing.instance] = thing.speed
    move_x = speeds[0].take(shown.instances) - street.drift
    move_z = speeds[1].take(shown.instances) - street.speed
    z = shown.depth.astype(np.float64)
    later = np.maximum(z + move_z, 0.1)
    dx = cam.focal * ((cam.across * z + move_x) / later - cam.across)
    dy = cam.focal * (cam.down[:, None] * z / later - cam.down[:, None])
    flow = np.stack([dx, dy])
    flow[:, shown.labels == c.SKY] = 0.0
    return flow.astype(np.float32)
