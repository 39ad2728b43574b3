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
    box = (
        {"top": int(rows.min(initial=999)), "left": int(columns.min(initial=999))}
        if rows.size
        else {"top": 0, "left": 0}
    )
    cut = root[box["top"] : rows.max(initial=0) + 1, box["left"] : columns.max(initial=0) + 1]
    step = 2 if max(cut.shape) > LARGE else 1
    found = {
        name: None if bounds is None else [round(float(v), 1) for v in bounds]
        for name, bounds in frames(fields).items()
    }
    width = fields.effective.map.shape[1] // 4 * 4
    shares = profile(fields)[:width].reshape(-1, 4).max(1)
    return {
        **box, "step": step, "map": packed((LEVELS * coarser(cut, step)).round().astype(np.uint8)),
        "outer": found["theoretical"], "inner": found["effective"],
        "profile": packed((255 * shares).round().astype(np.uint8)), "said": said(network, fields),
    }  # fmt: skip


def coarser(values: np.ndarray, step: int) -> np.ndarray:
    """Means of step×step numbers; beyond the border lie zeros."""
    padded = np.pad(values, [(0, -n % step) for n in values.shape])
    h, w = (n // step for n in padded.shape)
    return padded.reshape(h, step, w, step).mean((1, 3))
