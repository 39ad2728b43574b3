"""The table that `receptive_field` gives: one row per layer, and the fields behind each row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from segkit.analysis.fields import FAR, Field, squeezed
from segkit.analysis.printed import Printed, size_text


class Box(NamedTuple):
    """A rectangle of pixels: rows top … bottom − 1, columns left … right − 1, so `picture[top:bottom, left:right]`."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


@dataclass(frozen=True)
class Row:
    """What one layer sees. Pairs are (vertical, horizontal).

    Args:
        name: the layer's name in the network ("features.4"), or where an operation without a layer stands
            ("layer1.0.add").
        kind: its class, or the operation.
        receptive_field: rows and columns of the picture that one of its units sees, borders not counted (the
            recursion); the largest where units differ.
        stride: pixels between the fields of neighbouring units; below 1 after upsampling, 0 where all see the same.
        start: first row and column of unit (0, 0)'s field; negative inside the padding.
        output_size: rows and columns of its map; () where it is not a map.
        whole: every unit sees the whole picture.
        exact: False where the network cuts its maps up so that the recursion cannot follow; then the figures are
            measured on this picture, borders counted.
    """

    name: str
    kind: str
    receptive_field: tuple[int, int]
    stride: tuple[float, float]
    start: tuple[int, int]
    output_size: tuple[int, ...]
    whole: bool
    exact: bool
    picture: tuple[int, int]
    field: Field = field(repr=False, compare=False)

    @property
    def padding(self) -> tuple[int, int]:
        """Pixels by which the first unit's field reaches over the border: −start."""
        return -self.start[0], -self.start[1]

    @property
    def dims(self) -> tuple[int, int]:
        """Dimensions of the layer's output that are rows and columns of its map."""
        return map_dims(self.field)

    def box(self, row: int, column: int, clip: bool = True) -> Box | None:
        """The pixels that unit (row, column) sees: exactly those inside the picture, or (clip=False) without a border.

        Returns:
            the smallest box around them; None if the unit sees no pixel at all.

        Raises:
            ValueError: there is no such unit, or no field without a border is known.
        """
        self.check(row, column)
        if clip:
            top, bottom, left, right = (self._bound(k, row, column) for k in range(4))
            return None if np.isinf(top) else Box(int(-top), int(bottom) + 1, int(-left), int(right) + 1)
        if self.field.lines is None:
            raise ValueError(f"{self.name}: only the clipped field is known here; leave clip=True")
        (y0, y1), (x0, x1) = (
            axis.line.at(np.array([place])) for axis, place in zip(self.field.lines, (row, column), strict=True)
        )
        return None if y0[0] == FAR or x0[0] == FAR else Box(int(y0[0]), int(y1[0]) + 1, int(x0[0]), int(x1[0]) + 1)

    def unit_at(self, y: float, x: float) -> tuple[int, int]:
        """The unit (row, column) whose field is centred nearest to a pixel of the picture."""
        if len(self.output_size) != 2:
            return 0, 0
        if self.field.lines is None or any(s == 0 for s in self.stride):
            H, W = self.picture
            h, w = self.output_size
            return min(int(y * h / H), h - 1), min(int(x * w / W), w - 1)
        units = []
        for axis, size, pixel in zip(self.field.lines, self.output_size, (y, x), strict=True):
            lo, hi = axis.line.at(np.arange(size))
            distance = np.where(lo <= hi, np.abs((lo + hi) / 2 - pixel), np.inf)
            units.append(int(distance.argmin()))
        return units[0], units[1]

    def check(self, row: int, column: int) -> None:
        """Raise ValueError if the layer's map has no unit (row, column)."""
        sizes = self.output_size or (1, 1)
        if not (0 <= row < sizes[0] and 0 <= column < sizes[1]):
            raise ValueError(f"{self.name} has no unit ({row}, {column}); its map is {sizes[0]}×{sizes[1]} units")

    def _bound(self, k: int, row: int, column: int) -> float:
        bound = self.field.bounds[k]
        if self.output_size:
            for dim, place in sorted(zip(self.dims, (row, column), strict=True), reverse=True):
                bound = bound.select(dim, place)
        return float(bound.amax())


def map_dims(field: Field) -> tuple[int, int]:
    """The dimensions of a tensor that are rows and columns of a map."""
    ndim = len(field.shape)
    if field.lines is not None and all(axis.dim is not None for axis in field.lines):
        return field.lines[0].dim, field.lines[1].dim  # type: ignore[return-value]
    if ndim == 4 and all(squeezed(b).shape[3] == 1 for b in field.bounds) and squeezed(field.bounds[0]).shape[1] > 1:
        return 1, 2  # nothing changes along the last dimension: those are the channels
    return ndim - 2, ndim - 1


class Table(Printed[Row]):
    """Rows in the order in which the network computes them.

    `table["layer4.2"]` or `table[3]` is a row, blocks of layers included; `table.rows`, `len` and iteration give the
    single layers only. Printing it, or showing it in a notebook, draws the table.
    """

    def __init__(self, rows: list[Row], blocks: dict[str, Row], picture: tuple[int, int]) -> None:
        super().__init__(rows)
        self.blocks, self.picture = blocks, picture

    def __contains__(self, name: object) -> bool:
        return name in self.names or name in self.blocks

    def __getitem__(self, key: str | int) -> Row:
        return self.blocks[key] if key in self.blocks and key not in self.names else super().__getitem__(key)  # type: ignore[index]

    def cells(self) -> list[list[str]]:
        head = ["layer", "kind", "field", "stride", "padding", "map"]
        return [head] + [
            [
                row.name,
                row.kind,
                _pair(row.receptive_field) + (" (whole)" if row.whole else "") + ("" if row.exact else " *"),
                _pair(row.stride),
                _pair(row.padding),
                size_text(row.output_size) or "–",
            ]
            for row in self.rows
        ]

    def note(self) -> str:
        size = f"Picture {size_text(self.picture)}"
        note = f"{size}; field, stride and padding in pixels, vertical×horizontal where they differ."
        return note if all(r.exact for r in self.rows) else note + " *: measured on this picture, borders counted."


def _pair(values: tuple[float, float]) -> str:
    texts = [f"{v:g}" if isinstance(v, int) or v == int(v) else f"{v:.4g}" for v in values]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]}×{texts[1]}"
