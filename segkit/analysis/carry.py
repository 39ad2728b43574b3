"""The moves that rules are made of: through an operator, over channels, reduced, spread, joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from segkit.analysis import fields, taps
from segkit.analysis.fields import Axis, Bounds, Field, Lines


def merge_lines(parts: Sequence[Field], ndim: int) -> Lines:
    """Lines of a value computed from several; shapes are aligned from the right, as in broadcasting."""
    if any(f.lines is None for f in parts):
        return None
    axes = []
    for k in range(2):
        moved = []
        for f in parts:
            line, dim = f.lines[k].line, f.lines[k].dim  # type: ignore[index]
            moved.append(
                (line, None if dim is None else dim + ndim - len(f.shape), f.shape[dim] if dim is not None else 1)
            )
        dims = {dim for _, dim, size in moved if dim is not None and size > 1} or {dim for _, dim, _ in moved} - {None}
        if len(dims) > 1:  # two operands that disagree where the axis is: everything sees everything
            hull = fields.union([line.all_alike(size) for line, _, size in moved])
            axes.append(Axis(hull, None) if hull else None)
            continue
        lengths = [size for _, _, size in moved]
        lines = [line.all_alike(size) if size < max(lengths) else line for line, _, size in moved]
        joined = fields.union(lines)
        axes.append(Axis(joined, dims.pop() if dims else None) if joined else None)
    return (axes[0], axes[1]) if axes[0] and axes[1] else None


def map_lines(field: Field, change: Callable[[int, Axis], Axis | None]) -> Lines:
    """Lines with each axis that has a dimension changed; None where any of them is lost."""
    if field.lines is None:
        return None
    axes = [axis if axis.dim is None else change(k, axis) for k, axis in enumerate(field.lines)]
    return (axes[0], axes[1]) if axes[0] and axes[1] else None


def slid(field: Field, rule: taps.Taps, dim: int | None = None) -> Lines:
    """Lines behind an operator that acts along one dimension; None: along both axes alike."""

    def change(_: int, axis: Axis) -> Axis | None:
        line = axis.line.through(rule) if dim in (None, axis.dim) else axis.line
        return Axis(line, axis.dim) if line else None

    return map_lines(field, change)


def through(field: Field, dim: int, rule: taps.Taps, outputs: int) -> Field:
    """The field behind an operator that acts along one dimension."""
    return Field(tuple(fields.tapped(b, dim, rule, outputs) for b in field.bounds), slid(field, rule, dim))


def over_channels(field: Field, groups: int, channels: int) -> Field:
    """Every output channel sees all input channels of its group; channels are dimension 1."""

    def mix(b: Tensor) -> Tensor:
        small = fields.squeezed(b)
        if small.shape[1] > 1:
            small = small.unflatten(1, (groups, -1)).amax(2)  # N, groups, …
            small = small.repeat_interleave(channels // groups, 1) if groups > 1 else small
        return small.expand(b.shape[0], channels, *b.shape[2:])

    return replace(field, bounds=tuple(map(mix, field.bounds)), folded=None)


def reduced(field: Field, dims: Sequence[int], keepdim: bool) -> Field:
    """The field of a sum, mean or maximum over dimensions."""
    ndim = len(field.shape)
    gone = sorted({d % ndim for d in dims}) if dims else list(range(ndim))
    bounds = tuple(
        fields.squeezed(b).amax(gone, keepdim=True).expand([1 if d in gone else n for d, n in enumerate(b.shape)])
        for b in field.bounds
    )
    if not keepdim:
        bounds = tuple(b.squeeze(gone) for b in bounds)

    def change(_: int, axis: Axis) -> Axis:
        if axis.dim in gone:
            return Axis(axis.line.all_alike(field.shape[axis.dim]), None)
        return Axis(axis.line, axis.dim - (0 if keepdim else sum(g < axis.dim for g in gone)))  # type: ignore[operator]

    lines = map_lines(field, change)
    folded = field.folded if keepdim and gone == [ndim - 1] else None
    return Field(bounds, lines, folded)


def spread(field: Field, shape: Sequence[int]) -> Field:
    """A field repeated over a larger shape, as broadcasting does."""
    bounds = tuple(b.expand(tuple(shape)) for b in field.bounds)
    return Field(bounds, merge_lines([field], len(shape)), field.folded)


def joined(parts: Sequence[Field], shape: Sequence[int]) -> Field:
    """The union of several fields, broadcast to one shape."""

    def together(k: int) -> Tensor:
        result = fields.squeezed(parts[0].bounds[k])
        for f in parts[1:]:
            result = torch.maximum(result, fields.squeezed(f.bounds[k]))
        return result.expand(tuple(shape))

    bounds: Bounds = tuple(together(k) for k in range(4))
    folded = next((f.folded for f in parts if f.folded and len(f.shape) == len(shape)), None)
    return Field(bounds, merge_lines(parts, len(shape)), folded)
