"""Chapter 02: which pixels of a row one output depends on, holes and edges included."""

from __future__ import annotations

from functools import partial

from segkit.grading.exercise import Case, Exercise, Function, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import grouped

TASK = """layers is a list of (kernel, stride, padding, dilation), the first layer first, applied to a row of
`size` pixels; none of the weights is 0. Return the numbers of all pixels that output number `position` of the
last layer depends on, counted from 0, in rising order. Tap u of output i reads place i·stride − padding +
u·dilation of the layer's own input; places outside of that input hold a 0 from the padding and depend on
nothing. Without layers the output is the pixel itself."""

Layers = list[tuple[int, int, int, int]]


def _lengths(layers: Layers, size: int) -> list[int]:
    """Of the input of each layer, and of the last output."""
    found = [size]
    for k, s, p, d in layers:
        found.append((found[-1] + 2 * p - d * (k - 1) - 1) // s + 1)
    return found


def _tap(i: int, u: int, k: int, s: int, p: int, d: int) -> int:
    return i * s - p + u * d


def seen(
    layers: Layers, position: int, size: int, *, tap: Function = _tap, taps: Function = range, inner: bool = True,
    outer: bool = True, forwards: bool = False,
) -> list[int]:  # fmt: skip
    """Reference of `seen_pixels`, with its steps replaced.

    Args:
        layers, position, size: as the task has them.
        tap: the place that tap u of output i reads.
        taps: the taps of a kernel of k.
        inner, outer: whether places outside are left out within the stack, and at the picture.
        forwards: walk from the first layer to the last.
    """
    places = {position}
    walk = list(enumerate(zip(layers, _lengths(layers, size), strict=False)))
    for depth, (layer, length) in walk if forwards else reversed(walk):
        places = {tap(i, u, *layer) for i in places for u in taps(layer[0])}
        places &= set(range(length)) if (inner and depth) or (outer and not depth) else places
    return sorted(places)


def _cases() -> list[Case]:
    vgg = [layer for n in (2, 2) for layer in [(3, 1, 1, 1)] * n + [(2, 2, 0, 1)]]
    context = [(3, 1, d, d) for d in (1, 1, 2, 4, 1)]
    return grouped(
        ("plain", ([(3, 1, 0, 1)], 2, 7), ([(2, 1, 0, 1), (3, 1, 0, 1)], 1, 8), ([(4, 1, 0, 1)], 0, 4)),
        ("stride", ([(2, 2, 0, 1)], 3, 9), ([(3, 2, 0, 1), (2, 3, 0, 1), (3, 1, 0, 1)], 1, 40)),
        ("holes", ([(2, 1, 0, 3)], 1, 6), ([(3, 1, 0, 2)] * 2, 2, 14), ([(2, 2, 0, 2), (2, 1, 0, 3)], 1, 20)),
        ("kernel of 1", ([(1, 2, 0, 1)], 2, 6), ([(1, 2, 0, 1), (3, 1, 0, 1)], 1, 11)),
        ("kernel of 1", ([(3, 1, 0, 1), (1, 1, 0, 1), (1, 3, 0, 1), (2, 1, 0, 1)], 1, 20), ([(1, 1, 1, 1)], 2, 4)),
        ("padding", ([(3, 1, 1, 1)], 2, 6), ([(5, 2, 2, 1), (3, 1, 1, 1)], 4, 24)),
        ("the edges", ([(3, 1, 1, 1)], 0, 3), ([(3, 1, 1, 1)], 3, 4), ([(5, 1, 2, 1), (3, 1, 1, 1)], 0, 9)),
        ("padding within the stack", ([(2, 2, 0, 1), (3, 1, 1, 1)], 2, 7), ([(2, 1, 0, 4), (3, 1, 1, 1)], 0, 8)),
        ("padding within the stack", ([(3, 1, 0, 1), (3, 2, 2, 2), (3, 1, 1, 1)], 0, 18)),
        ("no layers", ([], 3, 5)),
        ("known networks", ([(7, 2, 3, 1), (3, 2, 1, 1)], 3, 32), (vgg, 5, 40), (context, 2, 30), (vgg, 0, 32)),
    )


def _facts(layers: Layers, position: int, size: int) -> dict[str, bool]:
    free = seen(layers, position, size, inner=False, outer=False)
    return {
        "a layer has a stride above 1": any(s > 1 for _, s, _, _ in layers),
        "a layer has padding": any(p for _, _, p, _ in layers),
        "a layer has a dilation above 1": any(d > 1 for *_, d in layers),
        "a layer has a kernel of 1": any(k == 1 for k, *_ in layers),
        "there is more than one layer": len(layers) > 1,
        "there are no layers": not layers,
        "a tap lies outside the picture": free[0] < 0 or free[-1] >= size,
        "there are holes": len(free) < free[-1] - free[0] + 1,
    }


def _filled(r: list[int], *a: object) -> list[int]:
    return list(range(r[0], r[-1] + 1))


def _field(layers: Layers, position: int, size: int) -> list[int]:
    """All pixels from the first tap to the last, whether they are there or not."""
    free = seen(layers, position, size, inner=False, outer=False)
    return list(range(free[0], free[-1] + 1))


def _repeated(layers: Layers, position: int, size: int) -> list[int]:
    places = [position]
    for layer, length in reversed(list(zip(layers, _lengths(layers, size), strict=False))):
        places = [at for i in places for u in range(layer[0]) if 0 <= (at := _tap(i, u, *layer)) < length]
    return sorted(places)


MESSAGES = """
holes-filled: You give all pixels from the first to the last. Dilation, and a stride larger than its kernel, leave some
    of them out.
outside-kept: Some of your pixels do not exist: numbers below 0, or from `size` on. They are padding.
inner-padding-kept: You leave out what lies outside the picture, and not what lies outside the maps in between. Each
    layer pads its own input with zeros, which depend on nothing.
whole-field: You give the theoretical receptive field, from end to end. Holes and padding are not part of what is seen.
padding-ignored: `padding` makes no difference in your function. It moves the window: output 0 starts at −padding.
stride-ignored: `stride` makes no difference in your function.
dilation-ignored: `dilation` makes no difference in your function.
order-reversed: You walk from the first layer to the last. Start at the output: its taps are places in the map before
    the last layer.
position-ignored: You give the pixels of output 0, whatever `position` says.
window-centred: You put the window's middle where its first tap belongs. Tap 0 of output i lies at i·stride − padding.
padding-dilation-exchanged: Padding and dilation have changed places: a layer is (kernel, stride, padding, dilation).
stride-padding-exchanged: Stride and padding have changed places: a layer is (kernel, stride, padding, dilation).
last-tap-lost: A kernel of k has taps 0 to k − 1. Yours stops one tap early, or goes one too far.
ends-only: You give the first pixel and the last. Give all of them.
counted-only: You give how many pixels there are. Give their numbers.
with-repeats: Pixels occur several times in your list. Give each of them once.
"""

WAYS = {
    "holes-filled": gives(_filled),
    "outside-kept": does(partial(seen, outer=False), partial(seen, inner=False, outer=False)),
    "inner-padding-kept": does(partial(seen, inner=False)),
    "whole-field": does(_field),
    "padding-ignored": does(partial(seen, tap=lambda i, u, k, s, p, d: i * s + u * d)),
    "stride-ignored": does(partial(seen, tap=lambda i, u, k, s, p, d: i - p + u * d)),
    "dilation-ignored": does(partial(seen, tap=lambda i, u, k, s, p, d: i * s - p + u)),
    "order-reversed": does(partial(seen, forwards=True)) + given(lambda layers, at, size: (layers[::-1], at, size)),
    "position-ignored": given(lambda layers, at, size: (layers, 0, size)),
    "window-centred": does(
        partial(seen, tap=lambda i, u, k, s, p, d: i * s - p + (u - k // 2) * d),
        partial(seen, tap=lambda i, u, k, s, p, d: i * s + (u - k // 2) * d),
    ),
    "padding-dilation-exchanged": does(partial(seen, tap=lambda i, u, k, s, p, d: i * s - d + u * p)),
    "stride-padding-exchanged": does(partial(seen, tap=lambda i, u, k, s, p, d: i * p - s + u * d)),
    "last-tap-lost": does(
        partial(seen, taps=lambda k: range(max(k - 1, 1))), partial(seen, taps=lambda k: range(k + 1))
    ),
    "ends-only": gives(lambda r, *a: [r[0], r[-1]], lambda r, *a: [r[0], r[-1] + 1]),
    "counted-only": gives(lambda r, *a: len(r)),
    "with-repeats": does(_repeated),
}

EXERCISE = Exercise(
    "seen_pixels(layers, position, size)",
    TASK,
    seen,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_facts,
    number="02.4",
    marks=6,
)
