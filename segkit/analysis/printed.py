"""Tables of named rows: as text, and as a table on a notebook's page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Printed(Generic[R]):
    """Rows that have names; a subclass says in `cells` what its lines show, the head first, and in `note` the rest.

    `table["conv1"]` or `table[3]` is a row; `len`, iteration and `names` go over all of them.
    """

    what = "layer"
    cell = '<td style="text-align:left">'

    def __init__(self, rows: Sequence[R]) -> None:
        self.rows = list(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.rows]  # type: ignore[attr-defined]

    def __getitem__(self, key: str | int) -> R:
        if isinstance(key, int):
            return self.rows[key]
        if key in self.names:
            return self.rows[self.names.index(key)]
        raise KeyError(f"there is no {self.what} {key!r}; the {self.what}s are {', '.join(self.names)}")

    def cells(self) -> list[list[str]]:
        raise NotImplementedError

    def note(self) -> str:
        return ""

    def __str__(self) -> str:
        cells = self.cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        rows = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        return "\n".join([rows[0], "  ".join("─" * w for w in widths), *rows[1:], self.note()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head, *body = [[html.escape(cell) for cell in line] for line in self.cells()]
        top = "".join(f'<th scope="col" style="text-align:left">{cell}</th>' for cell in head)
        rows = "".join(f"<tr>{''.join(f'{self.cell}{cell}</td>' for cell in line)}</tr>" for line in body)
        return f"<table><caption>{self.note()}</caption><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def size_text(size: Sequence[Any]) -> str:
    """(64, 360, 480) as 64×360×480."""
    return "×".join(map(str, size))


def number_text(number: float, unit: str = "") -> str:
    """12,345 as 12.3 k, in steps of 1000."""
    for prefix, step in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= step:
            return f"{number / step:.1f} {prefix}{unit}"
    return f"{number:g} {unit}".strip()
