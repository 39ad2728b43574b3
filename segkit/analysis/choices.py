"""Rules for places that the picture itself chooses: flows, the most uncertain points, whatever is read by an index.

Where a value is read depends on the picture, so any place may be the one, as in max pooling any place of a window may
hold the maximum: the reader sees all of them, and whatever the choice was made from.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from segkit.analysis.carry import joined, reduced
from segkit.analysis.fields import Field
from segkit.analysis.moves import unknown_axes
from segkit.analysis.rules import Call, UnknownOperation


def sampled(call: Call) -> list[Field | None]:
    """grid_sample along a grid that was computed from the picture."""
    x, grid = call.field(call.named["input"]), call.field(call.named["grid"])
    if grid is None:
        raise UnknownOperation(f"there is no rule for {call.func} at places that do not depend on the picture")
    parts = [reduced(x, [2, 3], keepdim=True)] if x else []
    return [joined([*parts, _unsqueezed(reduced(grid, [3], keepdim=False))], call.out.shape)]


def gathered(call: Call) -> list[Field | None]:
    """gather: a fixed index only rearranges; one that depends on the picture may read all of the dimension."""
    x, index = call.field(call.named["self"]), call.field(call.named["index"])
    if index is None:
        return unknown_axes(call)
    dim = call.named["dim"] % call.out.ndim
    parts = [_cut(reduced(x, [dim], keepdim=True), call.out, dim)] if x else []
    return [joined([*parts, index], call.out.shape)]


def indexed(call: Call) -> list[Field | None]:
    """x[index]: as for gather; what the picture chooses may come from a table, not from the picture again."""
    table, given = call.named["self"], call.named["indices"]
    chosen = [i for i in given if isinstance(i, Tensor) and call.field(i) is not None]
    if not chosen:
        return unknown_axes(call)
    if call.field(table) is not None or len(given) > 1 or table.ndim > 1:
        raise UnknownOperation(f"there is no rule for {call.func} at places that depend on the picture")
    return [call.field(chosen[0])]


def scattered(call: Call) -> list[Field | None]:
    """scatter: any of what is written may land at any place of the dimension, and what was there may stay."""
    index = call.field(call.named["index"])
    if index is None:
        raise UnknownOperation(f"there is no rule for {call.func} to places that do not depend on the picture")
    dim = call.named["dim"]
    before, written = call.field(call.named["self"]), call.named.get("src")
    parts = [before] if before else []
    source = call.field(written) if isinstance(written, Tensor) else None
    parts += [reduced(f, [dim], keepdim=True) for f in (source, index) if f]
    return [joined(parts, call.out.shape)]


def _unsqueezed(field: Field) -> Field:
    """N×h×w → N×1×h×w."""
    return Field(tuple(b.unsqueeze(1) for b in field.bounds), None)


def _cut(field: Field, like: Tensor, dim: int) -> Field:
    """The first rows of every other dimension, as many as gather gives."""
    bounds = field.bounds
    for d, n in enumerate(like.shape):
        if d != dim:
            bounds = tuple(b.narrow(d, 0, n) for b in bounds)
    return field if bounds is field.bounds else replace(field, bounds=bounds)
