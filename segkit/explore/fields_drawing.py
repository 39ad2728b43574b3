"""The picture of ReceptiveFieldExplorer: both fields of a unit on a scene, and against depth."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.patches import Rectangle

from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, Canvas
from segkit.explore.probe import Depth, Fields, frames, profile

GLOW = (0, 115, 178)
HEAT = (255 * colormaps["magma"](np.arange(256))[:, :3]).astype(np.uint8)  # 256, 3


def drawing(canvas: Canvas, picture: np.ndarray) -> dict[str, Any]:
    """The empty picture: fields on the scene and its columns' shares below; √|gradient| alone, sizes against depth."""
    H, W = picture.shape[:2]
    seen = canvas.axes(0.005, 0.21, 0.59, 0.745, "what the unit could see (orange), and what it looks at (blue)")
    image = seen.imshow(picture, interpolation="nearest")
    alone = canvas.axes(0.605, 0.545, 0.39, 0.4, "√|gradient| of the unit, at each pixel")
    heat = alone.imshow(np.zeros((H, W, 3), np.uint8), interpolation="nearest")
    boxes: dict[str, list[Rectangle]] = {name: [] for name in ("ghost", "theoretical", "effective")}
    colours = {"ghost": (FAINT, ":", 1.2), "theoretical": (ORANGE, "-", 2.2), "effective": (BLUE, "--", 2.2)}
    for axes in (seen, alone):
        for name, (colour, style, width) in colours.items():
            frame = Rectangle((0, 0), 1, 1, fill=False, edgecolor=colour, linestyle=style, linewidth=width, zorder=4)
            axes.add_patch(frame)
            boxes[name].append(frame)
        axes.set_xlim(-0.5, W - 0.5)
        axes.set_ylim(H - 0.5, -0.5)
    (point,) = seen.plot([0], [0], "+", color="white", markersize=9, markeredgewidth=2, zorder=5)
    seen.apply_aspect()
    place = seen.get_position()  # the sums stand under their columns
    title = "|gradient|, added up over each column; dotted: before the last move"
    total = canvas.axes(place.x0, 0.03, place.width, 0.14, title)
    total.set_xlim(-0.5, W - 0.5)
    total.set_ylim(0, 1.1)
    (before,) = total.plot([], [], ":", color=FAINT, linewidth=1.2)
    (profile,) = total.plot([], [], "-", color=INK, linewidth=1.2)
    ends = [total.plot([], [], style, color=c, linewidth=2)[0] for c, style in ((ORANGE, "-"), (BLUE, "--"))]
    sizes = canvas.axes(0.655, 0.16, 0.335, 0.33, "width of the fields, pixels", ticks=True)
    (theoretical,) = sizes.plot([], [], ".-", color=ORANGE, linewidth=1.5, label="theoretical")
    (effective,) = sizes.plot([], [], ".--", color=BLUE, linewidth=1.5, label="effective (4σ), on random pixels")
    (was,) = sizes.plot([], [], "o", markersize=9, markerfacecolor="none", color=FAINT)
    dots = [sizes.plot([], [], "o", color=c, markersize=8)[0] for c in (ORANGE, BLUE)]
    sizes.legend(loc="upper left", fontsize=7, frameon=False)
    canvas.moves(
        image, heat, *(box for pair in boxes.values() for box in pair), point, before, profile, *ends, was, *dots
    )
    return {"seen": seen, "alone": alone, "total": total, "image": image, "heat": heat, "frames": boxes,
            "point": point, "before": before, "profile": profile, "ends": ends, "sizes": sizes,
            "curves": (theoretical, effective), "was": was, "dots": dots}  # fmt: skip


def tinted(picture: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The picture, bluer where the strength (0–1) is greater. Shape: uint8 H×W×3 and H×W → uint8 H×W×3."""
    share = strength.astype(np.float32)[..., None]  # H, W, 1
    return ((1 - share) * picture + share * np.array(GLOW, np.float32)).astype(np.uint8)


def draw(
    parts: dict[str, Any], picture: np.ndarray, fields: Fields, last: Fields | None, pixel: tuple[int, int]
) -> None:
    """Put the fields of one unit into the picture, and those of the one before as a ghost."""
    shown = fields.effective.map.float().sqrt().numpy()  # the root, for eyes: what is faint counts too
    shown = shown / max(float(shown.max()), 1e-30)
    parts["heat"].set_data(HEAT[(255 * shown).astype(np.uint8)])
    parts["image"].set_data(tinted(picture, np.clip(1.2 * shown, 0, 0.85)))
    here, old = frames(fields), frames(last or fields)
    for name, bounds in (*here.items(), ("ghost", old["theoretical"] if last else None)):
        for frame in parts["frames"][name]:
            frame.set_visible(bounds is not None)
            frame.set_bounds(*(bounds or (0, 0, 1, 1)))
    parts["point"].set_data([pixel[1]], [pixel[0]])
    curve = profile(fields)
    parts["profile"].set_data(range(len(curve)), curve)
    parts["before"].set_data(range(len(curve)), profile(last) if last else np.full(len(curve), np.nan))
    for line, bounds, height in zip(parts["ends"], here.values(), (1.0, 0.5), strict=True):
        left, _, width, _ = bounds or (0, 0, 0, 0)
        line.set_data([left, left, np.nan, left + width, left + width], [0, height, np.nan, 0, height])


def mark(parts: dict[str, Any], fields: Fields, last: Fields | None, layers: list[str]) -> None:
    """The unit's layer among the others, and the one before; a layer of another network is not there."""
    place = layers.index(fields.row.name)
    for dot, width in zip(parts["dots"], (fields.row.receptive_field[1], fields.effective.size[1]), strict=True):
        dot.set_data([place], [width])
    old = [last] if last is not None and last.row.name in layers else []
    widths = [width for f in old for width in (f.row.receptive_field[1], f.effective.size[1])]
    parts["was"].set_data([layers.index(f.row.name) for f in old for _ in range(2)], widths)


def curves(parts: dict[str, Any], depth: Depth) -> None:
    """The widths of all layers of a network, with their names under them; everything is to be drawn anew afterwards."""
    axes, n = parts["sizes"], len(depth.layers)
    for line, widths in zip(parts["curves"], (depth.theoretical, depth.effective), strict=True):
        line.set_data(range(n), widths)
    axes.set_xlim(-0.6, n - 0.4)
    axes.set_ylim(0, 1.15 * max(depth.theoretical))
    axes.set_xticks(range(n), depth.layers, rotation=90, fontsize=7)
