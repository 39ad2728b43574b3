"""`dilate_strides` as it should be, and as it is often got wrong."""

from __future__ import annotations

import numpy as np

from segkit.grading.exercise import Function, Ways, does, each, gives
from segkit.grading.exercises.mechanical import changed

Layers = list[tuple[int, int, int]]


def _strides(f: int, s: int, d: int, k: int) -> int:
    return f * s


def walk(layers: Layers, target: int, layer: Function, step: Function = _strides) -> Layers:
    """The conversion with its two lines replaced: layer(k, s, d, f) once at target, step(f, s, d, k) the factor."""
    out, stride, factor = [], 1, 1
    for k, s, d in layers:
        if stride < target:
            stride *= s
            out.append((k, s, d))
        else:
            out.append(layer(k, s, d, factor))
            factor = step(factor, s, d, k)
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
def growing(step: Function) -> Ways:
    """The right layers, but for how the factor grows."""
    return instead(right, step=step)


def total(layers: Layers) -> int:
    return int(np.prod([s for _, s, _ in layers]))


def all_layers(layers: Layers, target: int) -> Layers:
    return [
        (k, t, d * total(layers) // target)
        for (k, _, d), (_, t, _) in zip(layers, convert(layers, target), strict=True)
    ]


def all_behind(layers: Layers, target: int) -> Layers:
    """The whole factor for every layer behind the target."""
    return walk(layers, target, lambda k, s, d, f: (k, 1, d * total(layers) // target))


def fitting(layers: Layers, target: int) -> Layers:
    """Every stride stays that fits into the target, early or late."""
    out, old, new = [], 1, 1
    for k, s, d in layers:
        stays = s if new * s <= target else 1
        out.append((k, stays, d * old // new))
        old, new = old * s, new * stays
    return out


def from_the_back(layers: Layers, target: int) -> Layers:
    out, gone = [], 1
    for k, s, d in layers:
        goes = gone * target < total(layers)
        out.append((k, 1 if goes else s, d * gone))
        gone *= s if goes else 1
    return out


WAYS = {
    "dilation-missing": instead(lambda k, s, d, f: (k, 1, d)),
    "strides-kept": gives(lambda r, layers, t: [(k, s, d) for (k, _, d), (_, s, _) in zip(r, layers, strict=True)])
    + does(lambda layers, t: layers),
    "own-stride-too-early": instead(lambda k, s, d, f: (k, 1, d * f * s)),
    "own-layer-only": instead(
        lambda k, s, d, f: (k, 1, d * s),
        lambda k, s, d, f: (k, 1, d if s == 1 else d * f * s),
        lambda k, s, d, f: (k, 1, d if s == 1 else d * f),
    ),
    "some-not-dilated": instead(
        lambda k, s, d, f: (k, 1, d * f if s == 1 else d),
        lambda k, s, d, f: (k, 1, d * f if k > 2 else d),
        lambda k, s, d, f: (k, 1, d * f if d == 1 else d),
    ),
    "next-layer-only": growing(lambda f, s, d, k: s),
    "strides-not-multiplied": growing(
        lambda f, s, d, k: f if s == 1 else s,
        lambda f, s, d, k: max(f, s),
        lambda f, s, d, k: f + s if s > 1 and f > 1 else f * s,
        lambda f, s, d, k: f + s - 1,
    )
    + instead(lambda k, s, d, f: (k, 1, f if f > 1 else d), step=lambda f, s, d, k: f if s == 1 else s),
    "always-two": growing(lambda f, s, d, k: f * (2 if s > 1 else 1)),
    "factor-squared": growing(lambda f, s, d, k: f * 2, lambda f, s, d, k: f * s * d),
    "kernel-of-one-skipped": growing(lambda f, s, d, k: f * s if k > 1 else f),
    "own-dilation-lost": instead(
        lambda k, s, d, f: (k, 1, f), lambda k, s, d, f: (k, 1, f if f > 1 else d), lambda k, s, d, f: (k, 1, max(f, d))
    ),
    "dilation-added": instead(lambda k, s, d, f: (k, 1, d + f - 1), lambda k, s, d, f: (k, 1, d + f if f > 1 else d)),
    "too-early": changed(1, lambda t: max(t // 2, 1), lambda t: 1) + does(lambda layers, t: fitting(layers, t - 1)),
    "too-late": changed(1, lambda t: t + 1) + does(lambda layers, t: fitting(layers, 2 * t)),
    "first-strides-lost": does(from_the_back),
    "all-dilated": does(all_layers, all_behind),
    "dilation-divided": growing(lambda f, s, d, k: f / s)
    + does(lambda layers, t: walk(layers, t, lambda k, s, d, f: (k, 1, t))),
    "kernel-stretched": instead(lambda k, s, d, f: ((k - 1) * f + 1, 1, d), lambda k, s, d, f: (k * f, 1, d)),
    "gaps-counted": instead(lambda k, s, d, f: (k, 1, d * f - 1), lambda k, s, d, f: (k, 1, d * f - 1 if f > 1 else d)),
    "stride-dilation-swapped": gives(lambda r, *a: [(k, d, s) for k, s, d in r])
    + changed(0, lambda layers: [(k, d, s) for k, s, d in layers]),
    "layers-lost": gives(
        lambda r, layers, t: [new for new, old in zip(r, layers, strict=True) if new != old],
        lambda r, layers, t: [new for new, old in zip(r, layers, strict=True) if new == old],
        lambda r, *a: r[:-1],
        lambda r, *a: r[1:],
    ),
    "order-reversed": gives(lambda r, *a: r[::-1])
    + does(lambda layers, t: convert(layers[::-1], t)[::-1])
    + changed(0, lambda layers: layers[::-1]),
}
