"""ReceptiveFieldExplorer: both fields of nine places in every layer of its four networks, tabulated."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from live.packing import Live, packed

from segkit.explore import ReceptiveFieldExplorer
from segkit.explore.probe import Fields, frames, profile
from segkit.explore.receptive import said

ROWS, COLUMNS = (24, 128, 232), (24, 172, 320)  # near the corners, at the borders, and in the middle
LEVELS, LARGE = 31, 100  # shades of a gradient; pixels of a field above which four share a number


def receptive() -> Live:
    """Chapter 02: how much of what a unit could see it looks at, layer by layer, and what the border does."""
    explorer = ReceptiveFieldExplorer()
    scene, networks = explorer["scene"], {}
    for name in explorer.networks:
        depth, probe = explorer.depth(name), explorer.probe(name, scene)
        units = [[probe.table[layer].unit_at(row, column) for row in ROWS for column in COLUMNS]
                 for layer in depth.layers]  # fmt: skip
        fields = [
            [table_row(name, probe.fields(layer, unit)) for unit in places]
            for layer, places in zip(depth.layers, units, strict=True)
        ]
        effective = [None if math.isnan(width) else round(width, 2) for width in depth.effective]
        networks[name] = {
            "layers": depth.layers, "theoretical": depth.theoretical, "effective": effective, "fields": fields,
        }  # fmt: skip
    moves = {"network": None, "layer": None, "row": ROWS, "column": COLUMNS}
    return Live(explorer, moves, {"rows": ROWS, "columns": COLUMNS, "networks": networks,
                                  "image": packed(explorer.shown[scene])})  # fmt: skip


def table_row(network: str, fields: Fields) -> dict[str, Any]:
    """What a page shows of one unit: its gradient's map, cut out of the picture, both frames, a profile, a sentence."""
    root = fields.effective.map.float().sqrt().numpy()
    root = root / max(float(root.max()), 1e-30)
    rows, columns = (np.flatnonzero(root.any(axis)) for axis in (1, 0))
    top, left = (int(places[0]) if places.size else 0 for places in (rows, columns))
    cut = root[top : rows.max(initial=0) + 1, left : columns.max(initial=0) + 1]
    step = 2 if max(cut.shape) > LARGE else 1
    outer, inner = (frames(fields)[name] for name in ("theoretical", "effective"))
    width = fields.effective.map.shape[1] // 4 * 4
    shares = profile(fields)[:width].reshape(-1, 4).max(1)
    return {
        "top": top, "left": left, "step": step, "map": packed((LEVELS * coarser(cut, step)).round().astype(np.uint8)),
        "outer": framed(outer), "inner": framed(inner),
        "profile": packed((255 * shares).round().astype(np.uint8)), "said": said(network, fields),
    }  # fmt: skip


def framed(bounds: tuple[float, ...] | None) -> list[float] | None:
    """Left, top, width and height from the picture's corner; matplotlib counts from the first pixel's middle."""
    return None if bounds is None else [round(bounds[0] + 0.5, 1), round(bounds[1] + 0.5, 1), *map(float, bounds[2:])]


def coarser(values: np.ndarray, step: int) -> np.ndarray:
    """Means of step×step numbers; beyond the border lie zeros."""
    padded = np.pad(values, [(0, -n % step) for n in values.shape])
    h, w = (n // step for n in padded.shape)
    return padded.reshape(h, step, w, step).mean((1, 3))
