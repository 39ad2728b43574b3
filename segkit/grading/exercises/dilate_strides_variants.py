"""`dilate_strides` as it should be, and as it is often got wrong."""

from __future__ import annotations

import numpy as np

from segkit.grading.exercise import Function, Ways, does, each, given

Layers = list[tuple[int, int, int]]


def _strides(f: int, s: int, d: int) -> int:
    return f * s


def walk(layers: Layers, target: int, layer: Function, step: Function = _strides) -> Layers:
    """The conversion with its two lines replaced: layer(k, s, d, f) once at target, step(f, s, d) the factor."""
    out, stride, factor = [], 1, 1
    for k, s, d in layers:
        if stride < target:
            stride *= s
            out.append((k, s, d))
        else:
            out.append(layer(k, s, d, factor))
            factor = step(factor, s, d)
    return out


def right(k: int, s: int, d: int, f: int) -> tuple[int, int, int]:
    return k, 1, d * f


def convert(layers: Layers, target: int) -> Layers:
    """Reference of `dilate_strides`."""
    return walk(layers, target, right)


@each
def instead(layer: Function, step: Function = _strides) -> Ways:
    return does(lambda layers, t: walk(layers, t, layer, step))


@each
def stopped_at(change: Function) -> Ways:
    """Another stride to stop at."""
    return given(lambda layers, t: (layers, change(t, layers)))


def total(layers: Layers) -> int:
    return int(np.prod([s for _, s, _ in layers]))


def one_late(layers: Layers, target: int) -> Layers:
    out, stride, factor = [], 1, 1
    for k, s, d in layers:
        if stride <= target:
            stride *= s
            out.append((k, s, d))
        else:
            out.append((k, 1, d * factor))
            factor *= s
    return out


def from_the_back(layers: Layers, target: int) -> Layers:
    """The last strides stay, the first ones go."""
    out, left = [], total(layers) // target
    factor = 1
    for k, s, d in layers:
        if left > 1:
            out.append((k, 1, d * factor))
            factor, left = factor * s, left // s
        else:
            out.append((k, s, d * factor))
    return out


def next_only(layers: Layers, target: int) -> Layers:
    out, stride, factor = [], 1, 1
    for k, s, d in layers:
        if stride < target:
            stride *= s
            out.append((k, s, d))
        else:
            out.append((k, 1, d * factor))
            factor = s
    return out


def all_layers(layers: Layers, target: int) -> Layers:
    return [
        (k, t, d * total(layers) // target)
        for (k, _, d), (_, t, _) in zip(layers, convert(layers, target), strict=True)
    ]


def all_behind(layers: Layers, target: int) -> Layers:
    """The whole factor for every layer behind the target."""
    return walk(layers, target, lambda k, s, d, f: (k, 1, d * total(layers) // target))


def only_where_stride(layers: Layers, target: int) -> Layers:
    """Dilation for the layers that lose a stride, and for no other."""
    return walk(layers, target, lambda k, s, d, f: (k, 1, d * s))


def fitting(layers: Layers, target: int) -> Layers:
    """Every stride stays that fits into the target, early or late."""
    out, old, new = [], 1, 1
    for k, s, d in layers:
        stays = s if new * s <= target else 1
        out.append((k, stays, d * old // new))
        old, new = old * s, new * stays
    return out


def from_the_back_by_product(layers: Layers, target: int) -> Layers:
    out, gone = [], 1
    for k, s, d in layers:
        goes = gone * target < total(layers)
        out.append((k, 1 if goes else s, d * gone))
        gone *= s if goes else 1
    return out
