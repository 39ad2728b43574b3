"""Patterns of house fronts: one cell is one window bay of one storey, 32×32 points, of part numbers."""

from __future__ import annotations

import numpy as np

from segkit.data.street.sprites import Drawing

CELL = 32  # points on a side
PARTS = 8
WALL, GLASS, FRAME, ACCENT, DOOR, ROOF, CORNICE, CURTAIN = range(PARTS)


def _cell() -> Drawing:
    return Drawing(CELL, CELL)


def _sash() -> Drawing:
    d = _cell().box(FRAME, 0.28, 0.18, 0.72, 0.76).box(GLASS, 0.34, 0.23, 0.66, 0.71)
    return d.box(FRAME, 0.34, 0.45, 0.66, 0.49).box(ACCENT, 0.24, 0.76, 0.76, 0.83)


def _pair() -> Drawing:
    d = _cell()
    for x in (0.10, 0.56):
        d.box(FRAME, x, 0.2, x + 0.34, 0.72).box(GLASS, x + 0.06, 0.26, x + 0.28, 0.66)
    return d.box(ACCENT, 0.06, 0.72, 0.94, 0.77)


def _panels() -> Drawing:
    d = _cell().box(FRAME, 0.06, 0.14, 0.94, 0.60).box(GLASS, 0.11, 0.19, 0.89, 0.56)
    return d.box(ACCENT, 0.0, 0.0, 0.03, 1.0)


def _office() -> Drawing:
    return _cell().box(GLASS, 0.0, 0.2, 1.0, 0.75).box(FRAME, 0.0, 0.2, 0.07, 0.75).box(ACCENT, 0.0, 0.92, 1.0, 1.0)


def _arch() -> Drawing:
    d = _cell().disc(FRAME, 0.5, 0.34, 0.2).box(FRAME, 0.30, 0.34, 0.70, 0.80).disc(GLASS, 0.5, 0.35, 0.14)
    return d.box(GLASS, 0.36, 0.35, 0.64, 0.76).box(ACCENT, 0.26, 0.80, 0.74, 0.85)


def _shutters() -> Drawing:
    d = _cell().box(ACCENT, 0.12, 0.22, 0.88, 0.76).box(FRAME, 0.32, 0.22, 0.68, 0.76)
    return d.box(GLASS, 0.36, 0.26, 0.64, 0.72)


def _balcony() -> Drawing:
    d = _cell().box(FRAME, 0.22, 0.12, 0.78, 0.9).box(GLASS, 0.28, 0.17, 0.72, 0.9)
    return d.box(ACCENT, 0.08, 0.66, 0.92, 0.70).box(ACCENT, 0.08, 0.88, 0.92, 0.94).box(ACCENT, 0.12, 0.66, 0.16, 0.9)


def _shop() -> Drawing:
    d = _cell().box(ACCENT, 0.0, 0.08, 1.0, 0.28).box(FRAME, 0.04, 0.32, 0.96, 0.92)
    return d.box(GLASS, 0.09, 0.36, 0.91, 0.86)


def _door() -> Drawing:
    d = _cell().box(FRAME, 0.28, 0.20, 0.72, 1.0).box(DOOR, 0.34, 0.34, 0.66, 1.0)
    return d.box(GLASS, 0.34, 0.23, 0.66, 0.31)


_UPPER = (_sash, _pair, _panels, _office, _arch, _shutters, _balcony)
_GROUND = (
    (_sash, _door),
    (_shop, _door),
    (_panels, _door),
    (_shop, _shop),
    (_arch, _arch),
    (_shutters, _door),
    (_shop, _door),
)
STYLES = len(_UPPER)

# style, cell (upper storeys, ground floor, ground floor with the door), y, x → part; flattened for one look-up
PATTERN = np.stack([c().part for upper, ground in zip(_UPPER, _GROUND, strict=True) for c in (upper, *ground)]).reshape(
    -1
)
