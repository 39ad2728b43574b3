"""`network_cost` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

from segkit.grading.exercise import Function, Ways, does, each, given, gives
from segkit.grading.exercises.mechanical import replaced

Layer = tuple[Any, ...]  # kind, kernel, stride, and what the kind needs
Step = tuple[int, int, int, int, int, int, int]  # kernel and stride by rows and columns, channels in and out, groups
Sides = tuple[int, int]
POOL, LEFT_OUT = 0, -1  # as the groups of a step: nothing is multiplied, or nothing is there


def split(layer: Layer, C: int) -> list[Step]:
    """The convolutions (or pooling) that a layer consists of."""
    kind, k, s, *rest = layer
    if kind == "conv":
        return [(k, k, s, s, C, *rest)]
    if kind == "separable":
        return [(k, k, s, s, C, C, C), (1, 1, 1, 1, C, rest[0], 1)]
    if kind == "asymmetric":
        return [(k, 1, s, 1, C, rest[0], 1), (1, k, 1, s, rest[0], rest[0], 1)]
    if kind == "inverted":
        wide = rest[1] * C
        widen: list[Step] = [(1, 1, 1, 1, C, wide, 1)] if rest[1] > 1 else []
        return [*widen, (k, k, s, s, wide, wide, wide), (1, 1, 1, 1, wide, rest[0], 1)]
    return [(k, k, s, s, C, C, POOL)]


def _up(n: int, k: int, s: int) -> int:
    return -(-n // s)


def weights_of(step: Step) -> int:
    kh, kw, _, _, C, O, g = step
    return kh * kw * C * O // g if g > 0 else 0


def price(step: Step, before: Sides, after: Sides) -> tuple[int, int, int]:
    """Weights, multiply-adds and bytes of a step."""
    weights = weights_of(step)
    if step[6] == LEFT_OUT:
        return 0, 0, 0
    return weights, weights * prod(after), 4 * (step[4] * prod(before) + weights + step[5] * prod(after))


def total(
    layers: list[Layer], channels: int, height: int, width: int, *, split: Callable[..., list[Step]] = split,
    shrink: Function = _up, price: Function = price, passed: Function = lambda old, new: new,
) -> Any:  # fmt: skip
    """Reference of `network_cost`, with its steps replaced.

    Args:
        layers, channels, height, width: as the task has them.
        split: split(layer, channels), its steps.
        shrink: shrink(side, kernel, stride), the side after a step.
        price: price(step, sides before, sides after).
        passed: passed(channels of the network's input, of this layer's output), what the next layer reads.
    """
    sums, C, sides = [0, 0, 0], channels, (height, width)
    for layer in layers:
        for step in split(layer, C):
            after = shrink(sides[0], step[0], step[2]), shrink(sides[1], step[1], step[3])
            sums = [a + b for a, b in zip(sums, price(step, sides, after), strict=True)]
            sides, out = after, step[5]
        C = passed(channels, out)
    return tuple(sums)


@each
def _split(other: Function) -> Ways:
    """Other steps of some layers: other(layer, channels), None where they are right."""
    return does(partial(total, split=lambda layer, C: other(layer, C) or split(layer, C)))


_shrunk = partial(replaced, total, "shrink")


@each
def _priced(other: Function) -> Ways:
    """Another price: other(right price, step, sides before, sides after)."""
    return does(
        partial(total, price=lambda step, before, after: other(price(step, before, after), step, before, after))
    )


def _kind(kind: str, *others: Function) -> Ways:
    """Other steps of one kind of layer: other(channels, kernel, stride, …)."""
    ways = [
        partial(lambda layer, C, other: other(C, *layer[1:]) if layer[0] == kind else None, other=o) for o in others
    ]
    return _split(*ways)


def _outer_maps(layers: list[Layer], channels: int, height: int, width: int) -> Any:
    """Bytes of a layer's input, weights and output; what lies between its steps is not counted."""
    weights, macs, moved = total(layers, channels, height, width)
    C, sides = channels, (height, width)
    for layer in layers:
        steps = split(layer, C)
        for place, step in enumerate(steps):
            after = _up(sides[0], step[0], step[2]), _up(sides[1], step[1], step[3])
            moved -= 4 * step[4] * prod(sides) * (place > 0) + 4 * step[5] * prod(after) * (place + 1 < len(steps))
            sides, C = after, step[5]
    return weights, macs, moved


def _last_only(layers: list[Layer], *picture: int) -> Any:
    return tuple(a - b for a, b in zip(total(layers, *picture), total(layers[:-1], *picture), strict=True))


WAYS = {
    "stride-ignored": _shrunk(lambda n, k, s: n),
    "rounded-down": _shrunk(lambda n, k, s: n // s),
    "not-padded": _shrunk(lambda n, k, s: (n - k) // s + 1),
    "counted-before-the-stride": _priced(lambda p, step, before, after: (p[0], p[0] * prod(before), p[2])),
    "counted-after-the-stride": _kind(
        "inverted",
        lambda C, k, s, O, t: [(1, 1, s, s, C, t * C, 1), (k, k, 1, 1, t * C, t * C, t * C), (1, 1, 1, 1, t * C, O, 1)]
        if t > 1
        else None,
    ),
    "channels-not-passed-on": does(partial(total, passed=lambda old, new: old)),
    "groups-ignored": _kind("conv", lambda C, k, s, O, g: [(k, k, s, s, C, O, 1)]),
    "groups-divide-twice": _priced(
        lambda p, step, before, after: (
            (p[0] // step[6], p[1] // step[6], p[2] - 4 * (p[0] - p[0] // step[6]))
            if 1 < step[6] < step[4]
            else p
        ),
    ),
    "depthwise-not-alone": _kind(
        "separable", lambda C, k, s, O: [(k, k, s, s, C, C, 1), (1, 1, 1, 1, C, O, 1)]
    )
    + _split(lambda layer, C: None if layer[0] == "conv" else [(*s[:6], min(s[6], 1)) for s in split(layer, C)]),
    "separable-half": _kind(
        "separable",
        lambda C, k, s, O: [(k, k, s, s, C, C, C), (1, 1, 1, 1, C, O, LEFT_OUT)],
        lambda C, k, s, O: [(1, 1, s, s, C, O, 1)],
    ),
    "pointwise-strides": _kind("separable", lambda C, k, s, O: [(k, k, 1, 1, C, C, C), (1, 1, s, s, C, O, 1)]),
    "asymmetric-strides-at-once": _kind(
        "asymmetric",
        lambda C, k, s, O: [(k, 1, s, s, C, O, 1), (1, k, 1, 1, O, O, 1)],
        lambda C, k, s, O: [(k, 1, 1, 1, C, O, 1), (1, k, s, s, O, O, 1)],
        lambda C, k, s, O: [(k, 1, 1, s, C, O, 1), (1, k, s, 1, O, O, 1)],
    ),
    "asymmetric-middle": _kind(
        "asymmetric",
        lambda C, k, s, O: [(k, 1, s, 1, C, C, 1), (1, k, 1, s, C, O, 1)],
    ),
    "asymmetric-whole": _kind("asymmetric", lambda C, k, s, O: [(k, k, s, s, C, O, 1)]),
    "expansion-ignored": _kind("inverted", lambda C, k, s, O, t: split(("inverted", k, s, O, 1), C)),
    "expansion-of-the-output": _kind(
        "inverted",
        lambda C, k, s, O, t: [(1, 1, 1, 1, C, t * O, 1), (k, k, s, s, t * O, t * O, t * O), (1, 1, 1, 1, t * O, O, 1)]
        if t > 1
        else None,
    ),
    "expansion-of-one-counted": _kind(
        "inverted",
        lambda C, k, s, O, t: [(1, 1, 1, 1, C, C, 1), *split(("inverted", k, s, O, 1), C)] if t == 1 else None,
    ),
    "widening-missing": _kind("inverted", lambda C, k, s, O, t: split(("inverted", k, s, O, t), C)[-2:]),
    "narrowing-missing": _kind(
        "inverted", lambda C, k, s, O, t: [*split(("inverted", k, s, O, t), C)[:-1], (1, 1, 1, 1, t * C, O, LEFT_OUT)]
    ),
    "pool-has-weights": _kind("pool", lambda C, k, s: [(k, k, s, s, C, C, C)]),
    "pool-keeps-the-size": _kind("pool", lambda C, k, s: [(k, k, 1, 1, C, C, POOL)]),
    "pool-moves-nothing": _priced(lambda p, step, before, after: p if step[6] else (0, 0, 0)),
    "bytes-not-numbers": gives(lambda r, *a: (r[0], r[1], r[2] // 4), lambda r, *a: (r[0], r[1], r[2] * 2)),
    "weights-not-moved": gives(lambda r, *a: (r[0], r[1], r[2] - 4 * r[0])),
    "maps-moved-once": _priced(
        lambda p, step, before, after: (p[0], p[1], p[2] - 4 * step[4] * prod(before)),
        lambda p, step, before, after: (p[0], p[1], p[2] - 4 * step[5] * prod(after)),
    ),
    "middle-maps-free": does(_outer_maps),
    "bias-counted": _priced(
        lambda p, step, before, after: (p[0] + step[5], p[1], p[2] + 4 * step[5]) if step[6] else p,
        lambda p, step, before, after: (p[0] + step[5], p[1], p[2]) if step[6] else p,
    ),
    "operations-doubled": gives(lambda r, *a: (r[0], 2 * r[1], r[2])),
    "kernel-not-squared": _kind("conv", lambda C, k, s, O, g: [(k, 1, s, s, C, O, g)]),
    "square-map": given(lambda ls, C, h, w: (ls, C, h, h), lambda ls, C, h, w: (ls, C, w, w)),
    "not-summed": does(_last_only),
    "results-exchanged": gives(
        lambda r, *a: (r[1], r[0], r[2]), lambda r, *a: (r[0], r[2], r[1]), lambda r, *a: (r[2], r[1], r[0])
    ),
}  # fmt: skip
