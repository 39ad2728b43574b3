"""Patterns of house fronts: one cell is one window bay of one storey, 32×32 points, of part numbers."""

from __future__ import annotations

import numpy as np

from segkit.data.street.sprites import Drawing

CELL = 32  # points on a side
PARTS = 8
WALL, GLASS, FRAME, ACCENT, DOOR, ROOF, CORNICE, CURTAIN = range(PARTS)


def _pane(d: Drawing, x: float) -> Drawing:
    return d.box(FRAME, x, 0.2, x + 0.34, 0.72).box(GLASS, x + 0.06, 0.26, x + 0.28, 0.66)


def _cells() -> dict[str, Drawing]:
    """Each kind of cell, by name; later strokes lie over earlier ones."""
    names = ("sash", "pair", "panels", "office", "arch", "shutters", "balcony", "shop", "door")
    d = {name: Drawing(CELL, CELL) for name in names}
    d["sash"].box(FRAME, 0.28, 0.18, 0.72, 0.76).box(GLASS, 0.34, 0.23, 0.66, 0.71)
    d["sash"].box(FRAME, 0.34, 0.45, 0.66, 0.49).box(ACCENT, 0.24, 0.76, 0.76, 0.83)
    _pane(_pane(d["pair"], 0.10), 0.56).box(ACCENT, 0.06, 0.72, 0.94, 0.77)
    d["panels"].box(FRAME, 0.06, 0.14, 0.94, 0.60).box(GLASS, 0.11, 0.19, 0.89, 0.56).box(ACCENT, 0.0, 0.0, 0.03, 1.0)
    d["office"].box(GLASS, 0.0, 0.2, 1.0, 0.75).box(FRAME, 0.0, 0.2, 0.07, 0.75).box(ACCENT, 0.0, 0.92, 1.0, 1.0)
    d["arch"].disc(FRAME, 0.5, 0.34, 0.2).box(FRAME, 0.30, 0.34, 0.70, 0.80).disc(GLASS, 0.5, 0.35, 0.14)
    d["arch"].box(GLASS, 0.36, 0.35, 0.64, 0.76).box(ACCENT, 0.26, 0.80, 0.74, 0.85)
    d["shutters"].box(ACCENT, 0.12, 0.22, 0.88, 0.76).box(FRAME, 0.32, 0.22, 0.68, 0.76)
    d["shutters"].box(GLASS, 0.36, 0.26, 0.64, 0.72)
    d["balcony"].box(FRAME, 0.22, 0.12, 0.78, 0.9).box(GLASS, 0.28, 0.17, 0.72, 0.9).box(ACCENT, 0.08, 0.66, 0.92, 0.70)
    d["balcony"].box(ACCENT, 0.08, 0.88, 0.92, 0.94).box(ACCENT, 0.12, 0.66, 0.16, 0.9)
    d["shop"].box(ACCENT, 0.0, 0.08, 1.0, 0.28).box(FRAME, 0.04, 0.32, 0.96, 0.92).box(GLASS, 0.09, 0.36, 0.91, 0.86)
    d["door"].box(FRAME, 0.28, 0.20, 0.72, 1.0).box(DOOR, 0.34, 0.34, 0.66, 1.0).box(GLASS, 0.34, 0.23, 0.66, 0.31)
    return d


_STYLES = (  # the cell of upper storeys, that of the ground floor, and that of the ground floor with the door
    "sash sash door", "pair shop door", "panels panels door", "office shop shop", "arch arch arch",
    "shutters shutters door", "balcony shop door",
)  # fmt: skip
_CELLS = _cells()
# style, cell, y, x → part; flattened for one look-up
PATTERN = np.stack([_CELLS[name].part for style in _STYLES for name in style.split()]).reshape(-1)
