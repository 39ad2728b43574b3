"""Rules for operations that only rearrange: views, slices, padding, concatenation, shuffles.

The bounds of a rearranged tensor are the rearranged bounds, so the operation itself is run on them; zeros that padding
brings in become "no pixel". What takes thought is where the axes of the picture went.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from segkit.analysis import fields, taps
from segkit.analysis.carry import map_lines, merge_lines, slid
from segkit.analysis.fields import NOTHING, Axis, Bounds, Field, Lines
from segkit.analysis.rules import Call


def rerun(call: Call, k: int) -> Any:
    """The operation itself on the k-th bound of its tensors; constants that are not positions reach no pixel."""

    def stand_in(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        field = call.field(value)
        if field is not None:
            return field.bounds[k]
        return torch.full((), NOTHING).expand(value.shape) if value.is_floating_point() else value

    args, kwargs = tree_map(stand_in, (call.args, call.kwargs))
    kwargs.pop("memory_format", None)
    try:
        return call.func(*args, **kwargs)
    except RuntimeError:  # a view of what `expand` repeats needs a real copy first
        copies = tree_map(lambda v: v.contiguous() if isinstance(v, Tensor) else v, args)
        return call.func(*copies, **kwargs)


def rearranged(call: Call, lines: Lines | Sequence[Lines] = None) -> list[Field | None]:
    """Run the operation on all four bounds; `lines` are those of the result, or of each of several results."""
    results = [rerun(call, k) for k in range(4)]
    if isinstance(results[0], Tensor):
        bounds: Bounds = tuple(fields.packed(r) for r in results)
        return [Field(bounds, lines)]  # type: ignore[arg-type]
    each = list(zip(*results, strict=True))
    known = list(lines) if isinstance(lines, list) else [lines] * len(each)
    return [Field(tuple(b), line) for b, line in zip(each, known, strict=True)]  # type: ignore[arg-type]


def unknown_axes(call: Call) -> list[Field | None]:
    """The bounds follow exactly; which dimension is which axis is given up (gather, roll, flip, index …)."""
    field = call.tracked()[0] if call.tracked() else None
    same = field is not None and isinstance(call.out, Tensor) and call.out.shape == field.shape
    kept = None
    if same and field is not None:  # a permutation of channels leaves the axes alone
        dim = call.named.get("dim", call.named.get("dims"))
        touched = {d % len(field.shape) for d in ([dim] if isinstance(dim, int) else dim or range(len(field.shape)))}
        kept = map_lines(field, lambda _, axis: None if axis.dim in touched else axis)
    return rearranged(call, kept)


def view(call: Call) -> list[Field | None]:
    """reshape, flatten, unflatten, squeeze, unsqueeze: an axis keeps its dimension if nothing is merged into it."""
    x, old, new = call.first(), call.first().shape, call.out.shape
    if x.folded and list(x.folded[0][:-1]) == list(new[:-1]):
        return [replace(rearranged(call, x.folded[1])[0], folded=None)]  # type: ignore[type-var]
    after_old = [math.prod(old[d + 1 :]) for d in range(len(old))]
    after_new = [math.prod(new[d + 1 :]) for d in range(len(new))]

    def change(k: int, axis: Axis) -> Axis | None:
        d = axis.dim
        places = [n for n in range(len(new)) if new[n] == old[d] and after_new[n] == after_old[d]]  # type: ignore[index]
        if places:
            return Axis(axis.line, places[0] if old[d] > 1 or k == 0 else places[-1])  # type: ignore[index]
        if old[d] == 1 or len(new) < len(old):  # type: ignore[index]
            return Axis(axis.line.all_alike(old[d]), None)  # type: ignore[index]  # merged: units see it together
        return None

    field = rearranged(call, map_lines(x, change))[0]
    merged = len(new) == 2 and len(old) > 2 and old[-1] == new[-1]
    return [replace(field, folded=(old, x.lines) if merged else None)]  # type: ignore[type-var]


def permuted(call: Call) -> list[Field | None]:
    """permute, transpose, t."""
    name, x, a = call.func._schema.name, call.first(), call.named
    order = list(range(len(x.shape)))
    if name == "aten::permute":
        order = [d % len(order) for d in a["dims"]]
    elif len(order) > 1:
        i, j = (a["dim0"], a["dim1"]) if "dim0" in a else (0, 1)
        order[i], order[j] = order[j], order[i]
    return rearranged(call, map_lines(x, lambda _, axis: Axis(axis.line, order.index(axis.dim))))  # type: ignore[arg-type]


def sliced(call: Call) -> list[Field | None]:
    """x[a:b:c], narrow, select, split, chunk, unbind along one dimension."""
    x, a, name = call.first(), call.named, call.func._schema.name
    ndim = len(x.shape)
    dim = a.get("dim", 0) % ndim
    gone = name in ("aten::select", "aten::unbind")
    starts: list[int] = []
    for i, out in enumerate(call.outs):
        step = 1 if gone else out.shape[dim]
        given = a.get("start", a.get("index", 0)) or 0
        begin = max(min(given + (x.shape[dim] if given < 0 else 0), x.shape[dim]), 0)
        starts.append(begin + (starts[-1] + (call.outs[i - 1].shape[dim] if not gone else step) - begin if i else 0))
    lines = []
    for start in starts:
        moved = slid(x, taps.shift(start, 1 if gone else a.get("step", 1)), dim)
        if gone and moved is not None:  # one position is left, and the dimensions behind it move up

            def close_up(_: int, axis: Axis) -> Axis:
                line = axis.line.all_alike(1) if axis.dim == dim else axis.line
                return Axis(line, None if axis.dim == dim else axis.dim - (axis.dim > dim))  # type: ignore[operator]

            moved = map_lines(replace(x, lines=moved), close_up)
        lines.append(moved)
    return rearranged(call, lines if isinstance(call.out, list | tuple) else lines[0])


def written_lines(call: Call, before: Field | None, piece: Field | None) -> Lines:
    """Lines of a tensor after `piece` has been written into the slice of it that `call` made."""
    if piece is None:
        return before.lines if before else None
    lines = piece.lines
    if call.func._schema.name == "aten::slice":
        a = call.named
        dim = a["dim"] % len(piece.shape)
        rule = taps.stamp(1, a["step"], -((a["start"] or 0) % call.args[0].shape[dim]))
        lines = slid(piece, rule, dim)
    elif tuple(piece.shape) != tuple(call.args[0].shape):
        return None
    if before is None:
        return lines
    return merge_lines([before, replace(before, lines=lines)], len(before.shape))


def padded(call: Call) -> list[Field | None]:
    """Zero padding reads nothing; reflection and replication read what they copy."""
    x, pad = call.first(), list(call.named["pad" if "pad" in call.named else "padding"])
    constant = call.func._schema.name == "aten::constant_pad_nd"
    lines, ndim = x.lines, len(x.shape)
    for i in range(len(pad) // 2):
        lines = slid(replace(x, lines=lines), taps.shift(-pad[2 * i]), ndim - 1 - i)
    if not constant:
        return rearranged(call, lines)
    amounts = {ndim - 1 - i: pad[2 * i : 2 * i + 2] for i in range(len(pad) // 2)}
    bounds = []
    for b in x.bounds:
        small = fields.squeezed(b)
        keep = [
            n if any(amounts.get(d, (0, 0))) else s for d, (n, s) in enumerate(zip(b.shape, small.shape, strict=True))
        ]
        bounds.append(torch.constant_pad_nd(small.expand(keep), pad, NOTHING).expand(call.out.shape))
    return [Field(tuple(bounds), lines)]


def concatenated(call: Call) -> list[Field | None]:
    """cat, stack: along channels the union for the lines, the exact piece for the bounds."""
    dim, ndim = call.named.get("dim", 0) % call.out.ndim, call.out.ndim
    parts = [call.field(t) or Field(fields.empty_bounds(t.shape), None) for t in call.named["tensors"]]
    known = [call.field(t) is not None for t in call.named["tensors"]]
    if call.func._schema.name == "aten::stack":
        parts = [_unsqueezed(part, dim) for part in parts]
    bounds = []
    for k in range(4):
        pieces = [fields.squeezed(part.bounds[k]) for part in parts]
        common = [max(p.shape[d] for p in pieces) for d in range(ndim)]
        sizes = [part.shape[dim] for part in parts]
        grown = [p.expand(*common[:dim], n, *common[dim + 1 :]) for p, n in zip(pieces, sizes, strict=True)]
        bounds.append(torch.cat(grown, dim).expand(call.out.shape))
    lines = merge_lines([part for part, there in zip(parts, known, strict=True) if there], ndim)
    if lines is not None and any(axis.dim == dim for axis in lines):
        lines = None  # laid side by side along an axis of the picture: no longer one line
    return [Field(tuple(bounds), lines)]


def _unsqueezed(field: Field, dim: int) -> Field:
    bounds = tuple(b.unsqueeze(dim) for b in field.bounds)
    return Field(bounds, map_lines(field, lambda _, axis: Axis(axis.line, axis.dim + (axis.dim >= dim))))  # type: ignore


def shuffled(call: Call) -> list[Field | None]:
    """channel_shuffle, which leaves the axes of the picture alone; pixel_shuffle and pixel_unshuffle."""
    if call.func._schema.name.endswith("channel_shuffle"):
        return rearranged(call, call.first().lines)
    x, factor, up = call.first(), list(call.named.values())[1], "unshuffle" not in call.func._schema.name
    rule = taps.resize(1, factor, "nearest") if up else taps.window(factor, factor)
    return rearranged(call, slid(x, rule))
