"""Chapter 03: how often each output of a stack of transposed convolutions is reached."""

from __future__ import annotations

from functools import partial

from segkit.grading.exercise import Case, Exercise, Function, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import grouped

TASK = """How many ways lead to each output of a stack of one-dimensional transposed convolutions. There are n
inputs; layers is a list of (kernel, stride, padding), the first layer first. A layer turns a row of m numbers into
(m − 1)·stride − 2·padding + kernel numbers: place i adds what it holds to the places i·stride − padding + u, u from
0 to kernel − 1; what falls outside is lost. Begin with a 1 at each input, and return the whole numbers after the
last layer."""

Layers = list[tuple[int, int, int]]


def grown(counts: list[int], k: int, s: int, p: int, *, add: bool = True) -> list[int]:
    """One layer."""
    out = [0] * ((len(counts) - 1) * s + k)
    for i, count in enumerate(counts):
        for u in range(k):
            out[i * s + u] = count + (out[i * s + u] if add else 0)
    return out[p : len(out) - p]


def coverage(
    n: int, layers: Layers, *, layer: Function = grown, between: Function = lambda counts: counts
) -> list[int]:
    """Reference of `coverage_of_stack`, with its steps replaced.

    Args:
        n, layers: as the task has them.
        layer: layer(counts, kernel, stride, padding), the counts behind it.
        between: what becomes of the counts between two layers.
    """
    counts = [1] * n
    for place, settings in enumerate(layers):
        counts = layer(between(counts) if place else counts, *settings)
    return counts


def _cases() -> list[Case]:
    return grouped(
        ("plain", (2, [(2, 1, 0), (2, 1, 0)]), (3, [(3, 2, 0), (2, 1, 0)]), (2, [(3, 2, 0), (3, 2, 0)])),
        ("one layer", (3, [(3, 2, 0)]), (4, [(4, 2, 1)]), (1, [(5, 3, 1)])),
        ("padding", (2, [(2, 1, 0), (3, 1, 1)]), (3, [(4, 2, 1), (4, 2, 1)]), (5, [(3, 2, 1), (3, 2, 1), (5, 2, 2)])),
        ("padding before another layer", (3, [(3, 1, 1), (3, 1, 0)]), (4, [(5, 2, 2), (3, 2, 0)])),
        ("gaps", (2, [(1, 2, 0), (2, 1, 0)]), (3, [(2, 3, 0), (3, 1, 0)]), (2, [(2, 3, 0), (2, 2, 0)])),
        (
            "kernel of 1",
            (2, [(2, 1, 0), (1, 1, 0)]),
            (3, [(3, 2, 0), (1, 2, 0), (3, 1, 1)]),
            (4, [(1, 1, 1), (3, 2, 0)]),
        ),
        ("stride in a later layer", (2, [(2, 1, 0), (2, 3, 0)]), (3, [(3, 1, 0), (3, 2, 1)])),
        ("no layers", (3, [])),
        ("decoders", (3, [(4, 2, 1)] * 3), (3, [(3, 2, 1), (3, 1, 1)] * 2), (2, [(16, 8, 4), (4, 2, 1)])),
    )


def _facts(n: int, layers: Layers) -> dict[str, bool]:
    return {
        "a layer has padding": any(p for *_, p in layers),
        "a layer before the last has padding": any(p for *_, p in layers[:-1]),
        "a layer has a kernel of 1": any(k == 1 for k, *_ in layers),
        "a stride does not divide its kernel": any(k % s for k, s, _ in layers),
        "a layer after the first has a stride above 1": any(s > 1 for _, s, _ in layers[1:]),
        "there is more than one layer": len(layers) > 1,
        "there are no layers": not layers,
    }


def _cropped_once(n: int, layers: Layers) -> list[int]:
    """All of the padding cut off at the end."""
    full = coverage(n, [(k, s, 0) for k, s, _ in layers])
    cut = sum(p for *_, p in layers)
    return full[cut : len(full) - cut]


def _kept(counts: list[int], k: int, s: int, p: int) -> list[int]:
    return [0] * p + grown(counts, k, s, 0) + [0] * p


def _one_side(first: bool) -> Function:
    def layer(counts: list[int], k: int, s: int, p: int) -> list[int]:
        full = grown(counts, k, s, 0)
        return full[2 * p :] if first else full[: len(full) - 2 * p]

    return layer


def _half_cut(counts: list[int], k: int, s: int, p: int) -> list[int]:
    return grown(counts, k, s, 0)[p:]


MESSAGES = """
last-layer-only: Each layer begins with ones again, so that only the last one counts. It begins with the counts that the
    layer before it left.
first-layer-only: Only the first layer counts: does the function return inside its loop?
order-reversed: The layers are taken from the last to the first.
capped-at-one: You say whether a place is reached, not in how many ways.
capped-between-layers: Between the layers you keep only whether a place is reached. The ways multiply along the stack.
overwritten: Where stamps overlap only one of them counts. They add up.
padding-ignored: `padding` makes no difference in your function. Each end loses that many places.
padding-one-sided: The padding is taken from one end only. Each end loses `padding` places.
padding-cut-at-the-end: All of the padding is cut off behind the last layer. Each layer cuts its own, before the next
    one spreads what is left.
padding-added: The padding makes your answer longer. In a transposed convolution it takes places away.
stride-ignored: Stamps lie one place apart whatever the stride.
stride-padding-exchanged: Stride and padding have changed places: a layer is (kernel, stride, padding).
kernel-stride-exchanged: Kernel and stride have changed places: a layer is (kernel, stride, padding).
kernel-of-one-skipped: Layers with a kernel of 1 are left out. Such a kernel reaches one place, and its stride spreads
    the map and leaves gaps.
gap-at-the-end: Your rows end in `stride` − 1 places more: the last stamp needs `kernel` places, not `stride`.
averaged: You divide the counts. Give them as they are.
"""

WAYS = {
    "last-layer-only": does(partial(coverage, between=lambda counts: [1] * len(counts))),
    "first-layer-only": given(lambda n, layers: (n, layers[:1])),
    "order-reversed": given(lambda n, layers: (n, layers[::-1])),
    "capped-at-one": gives(lambda r, *a: [min(v, 1) for v in r]),
    "capped-between-layers": does(partial(coverage, between=lambda counts: [min(v, 1) for v in counts])),
    "overwritten": does(partial(coverage, layer=partial(grown, add=False))),
    "padding-ignored": given(lambda n, layers: (n, [(k, s, 0) for k, s, _ in layers])),
    "padding-one-sided": does(
        partial(coverage, layer=_one_side(True)),
        partial(coverage, layer=_one_side(False)),
        partial(coverage, layer=_half_cut),
    ),
    "padding-cut-at-the-end": does(_cropped_once),
    "padding-added": does(partial(coverage, layer=_kept)),
    "stride-ignored": given(lambda n, layers: (n, [(k, 1, p) for k, _, p in layers])),
    "stride-padding-exchanged": given(lambda n, layers: (n, [(k, p, s) for k, s, p in layers])),
    "kernel-stride-exchanged": given(lambda n, layers: (n, [(s, k, p) for k, s, p in layers])),
    "kernel-of-one-skipped": given(lambda n, layers: (n, [layer for layer in layers if layer[0] > 1])),
    "gap-at-the-end": does(
        partial(coverage, layer=lambda counts, k, s, p: (grown(counts, k, s, 0) + [0] * (s - 1))[p : -p or None])
    ),
    "averaged": gives(lambda r, *a: [v / max(r) for v in r], lambda r, *a: [v / sum(r) for v in r]),
}

EXERCISE = Exercise(
    "coverage_of_stack(n, layers)",
    TASK,
    coverage,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_facts,
    number="03.2",
    marks=4,
)
