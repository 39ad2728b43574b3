"""How each operation of torch moves receptive fields: one rule per family, found by the operation's name.

A rule gets a `Call` (the operation, its arguments by name, the fields of its tensor arguments, its real output) and
gives the field of each output, or None for an output that depends on no pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_leaves

from segkit.analysis import silence, taps
from segkit.analysis.carry import joined, over_channels, reduced, spread, through
from segkit.analysis.fields import Field
from segkit.checks import pair


class UnknownOperation(ValueError):
    """An operation whose effect on receptive fields has no rule."""


@dataclass
class Call:
    """One executed operation. `field` knows the field of every tensor argument, empty for constants."""

    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    named: dict[str, Any]
    out: Any
    field: Callable[[Tensor], Field | None]

    @property
    def outs(self) -> list[Any]:
        """The output, or the several of them."""
        return list(self.out) if isinstance(self.out, tuple | list) else [self.out]

    def tracked(self) -> list[Field]:
        """Fields of all tensor arguments that depend on the picture."""
        flat = tree_leaves((self.args, self.kwargs))
        found = [self.field(t) for t in flat if isinstance(t, Tensor)]
        return [f for f in found if f is not None]

    def first(self) -> Field:
        """The field of the operation's main input."""
        main = next(iter(self.named.values()))
        field = self.field(main) if isinstance(main, Tensor) else None
        if field is None:
            raise UnknownOperation(f"{self.func} mixes the picture into a constant; there is no rule for that")
        return field


Rule = Callable[[Call], "list[Field | None]"]


def pointwise(call: Call) -> list[Field | None]:
    """Element by element, with broadcasting: the union of the operands' fields."""
    parts = call.tracked()
    if call.func._schema.name in ("aten::add", "aten::add_"):
        for other in call.named.values():
            if isinstance(other, Tensor) and call.field(other) is None:
                silence.remember(call.out, silence.closed_by(other, call.out.shape))
    return [joined(parts, call.out.shape) if parts else None]


def convolution(call: Call) -> list[Field | None]:
    a, x = call.named, call.first()
    stamps, weight = a["transposed"], a["weight"]
    channels = call.out.shape[1]
    x = over_channels(x, a["groups"], channels)
    rule = taps.stamp if stamps else taps.window
    spatial = weight.ndim - 2
    steps = [tuple(a[k]) * (spatial if len(a[k]) == 1 else 1) for k in ("stride", "padding", "dilation")]
    for i, (stride, padding, dilation) in enumerate(zip(*steps, strict=True)):
        x = through(x, 2 + i, rule(weight.shape[2 + i], stride, padding, dilation), call.out.shape[2 + i])
    return [x]


def pool_windows(a: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    """Kernel, stride, padding and dilation of a 2-D pooling, per axis."""
    kernel = a["kernel_size"]
    given = (kernel, a.get("stride") or kernel, a.get("padding", 0), a.get("dilation", 1))
    return list(zip(*(pair(value, "window", "pooling", 0) for value in given), strict=True))


def pooling(call: Call) -> list[Field | None]:
    """Max and average pooling; max pooling's indices remember the windows, for unpooling."""
    x, windows = call.first(), pool_windows(call.named)
    for i, geometry in enumerate(windows):
        dim = len(x.shape) - 2 + i
        x = through(x, dim, taps.window(*geometry), call.outs[0].shape[dim])
    if len(call.outs) > 1:
        call.outs[1]._segkit_windows = windows
    return [x, None][: len(call.outs)]


def unpooling(call: Call) -> list[Field | None]:
    """A pooled value goes back to one place of its window, any of them: all places of the window may see it."""
    x, windows = call.first(), getattr(call.named["indices"], "_segkit_windows", None)
    if windows is None:
        raise UnknownOperation("max_unpool2d got indices that do not come straight from max_pool2d")
    for i, geometry in enumerate(windows):
        dim = len(x.shape) - 2 + i
        x = through(x, dim, taps.stamp(*geometry), call.out.shape[dim])
    return [x]


def adaptive_pooling(call: Call) -> list[Field | None]:
    x = call.first()
    for dim in (len(x.shape) - 2, len(x.shape) - 1):
        n, size = x.shape[dim], call.outs[0].shape[dim]
        if size == 1:
            x = reduced(x, [dim], keepdim=True)
        else:
            x = through(x, dim, taps.adaptive(n, size), size)
    return [x, None][: len(call.outs)]


def resizing(mode: str) -> Rule:
    def rule(call: Call) -> list[Field | None]:
        a, x = call.named, call.first()
        factors = a.get("scale_factors") or (a.get("scales_h"), a.get("scales_w"))
        for i, dim in enumerate((2, 3)):
            n, size = x.shape[dim], call.out.shape[dim]
            x = through(x, dim, taps.resize(n, size, mode, bool(a.get("align_corners")), factors[i]), size)
        return [x]

    return rule


def reduction(call: Call) -> list[Field | None]:
    a = call.named
    dim = a.get("dim")
    dims = [dim] if isinstance(dim, int) else list(dim or [])
    return [reduced(call.first(), dims, bool(a.get("keepdim")))] * len(call.outs)


def along(call: Call) -> list[Field | None]:
    """Softmax, sort, cumulative sums …: the shape stays, every element sees the whole of one dimension."""
    x = call.first()
    dim = call.named.get("dim", -1)
    closed = silence.silent(next(iter(call.named.values()))) if "softmax" in call.func._schema.name else None
    if closed is not None and dim % len(x.shape) == len(x.shape) - 1:
        silence.remember(call.out, closed)
        return [spread(silence.rows_heard(x, closed), call.out.shape)]
    whole = reduced(x, [dim], keepdim=True)
    return [spread(whole, out.shape) for out in call.outs]


def normalisation(call: Call) -> list[Field | None]:
    """BatchNorm with stored statistics is pointwise; the others see what their statistics are taken over."""
    x, name = call.first(), call.func._schema.name
    shape, ndim = x.shape, len(x.shape)
    if "batch_norm" in name:
        if call.named.get("training", "no_training" not in name):
            x = spread(reduced(x, [0, *range(2, ndim)], keepdim=True), shape)
    elif "group_norm" in name:
        groups = call.named["group"]
        mixed = over_channels(x, groups, shape[1])
        x = spread(reduced(mixed, list(range(2, ndim)), keepdim=True), shape)
    else:
        count = len(call.named["normalized_shape"])
        x = spread(reduced(x, list(range(ndim - count, ndim)), keepdim=True), shape)
    return [x] + [None] * (len(call.outs) - 1)


def contraction(call: Call) -> list[Field | None]:
    """Matrix products: element (i, j) sees row i of the left and column j of the right operand."""
    given = [v for v in call.named.values() if isinstance(v, Tensor)]
    *added, left, right = map(call.field, given)
    closed = silence.silent(given[-2])
    parts = [reduced(left, [-1], True)] if left else []
    if right:
        parts.append(reduced(right, [-2], True) if closed is None else silence.values_heard(right, closed))
    return [joined([*parts, *(f for f in added if f)], call.out.shape)]


def attention(call: Call) -> list[Field | None]:
    """softmax(QKᵀ)V in one operation: query i sees itself, and all keys and values that a mask leaves open."""
    q, k, v = (call.field(call.named[name]) for name in ("query", "key", "value"))
    mask = call.named.get("attn_mask", call.named.get("attn_bias"))
    closed = None if mask is None or call.field(mask) else silence.closed_by(mask, mask.shape)
    parts = [reduced(q, [-1], True)] if q else []
    parts += [reduced(f, [-2, -1], True) if closed is None else silence.values_heard(f, closed) for f in [k, v] if f]
    return [joined(parts, call.outs[0].shape), *[None] * (len(call.outs) - 1)]


def constant(call: Call) -> list[Field | None]:
    """zeros_like and its kin: the shape comes from the picture, the values do not."""
    return [None]


def restrided(call: Call) -> list[Field | None]:
    """as_strided_ that changes the order in memory only."""
    x = call.first()
    if tuple(call.named["size"]) != tuple(x.shape):
        raise UnknownOperation(f"there is no rule for {call.func} to another shape")
    return [x]
