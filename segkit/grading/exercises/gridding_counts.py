"""Chapter 06: how often each pixel of the field is used by a stack of dilated convolutions."""

from __future__ import annotations

import numpy as np

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, gives
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.mechanical import changed, ignored

TASK = """A stack of one-dimensional convolutions of stride 1, with `kernel` weights each and the dilations of
the list rates, the first layer first. One output of the last layer sees 1 + Σ (kernel − 1)·rate input
pixels from end to end. Return for each of them, from left to right, in how many ways it reaches that
output: the number of choices of one weight in each layer that lead to it (0 for a hole). With all
weights 1 that is the factor with which the pixel enters. No layers at all: [1]."""


def _comb(kernel: int, rate: int) -> np.ndarray:
    taps = np.zeros((kernel - 1) * rate + 1, dtype=np.int64)
    taps[:: max(rate, 1)] = 1
    return taps


def counts(rates: list[int], kernel: int) -> list[int]:
    """Reference of `gridding_counts`."""
    field = np.ones(1, dtype=np.int64)
    for rate in rates:
        field = np.convolve(field, _comb(kernel, rate))
    return field.tolist()


def _cases() -> list[Case]:
    return grouped(
        ("one layer", ([1], 3), ([2], 3), ([5], 3)),
        ("two layers", ([1, 1], 3), ([1, 2], 3), ([2, 2], 3), ([3, 2], 3)),
        ("three layers", ([1, 2, 5], 3), ([1, 2, 9], 3), ([2, 2, 2], 3), ([5, 2, 1], 3)),
        ("more layers", ([2, 4, 8], 3), ([5, 9, 17], 3), ([1, 2, 5, 1, 2, 5], 3), ([1, 1, 2, 4, 8, 16, 1], 3)),
        ("other kernels", ([2], 5), ([1, 2], 5), ([3, 2, 4], 2), ([2, 3], 4), ([4, 2], 1)),
        ("no layers", ([], 3)),
    )


def _facts(rates: list[int], kernel: int) -> dict[str, bool]:
    return {
        "there is more than one layer": len(rates) > 1,
        "there are more than two layers": len(rates) > 2,
        "a rate is above 1": any(r > 1 for r in rates),
        "kernel is not 3": kernel != 3,
        "kernel is even": kernel % 2 == 0,
        "there are no layers": not rates,
        "the field has holes": 0 in counts(rates, kernel),
        "the rates differ": len(set(rates)) > 1,
    }


@each
def _stack(comb: Function, join: Function = np.convolve) -> Ways:
    """Layers with another comb: comb(kernel, rate)."""

    def stacked(rates: list[int], kernel: int) -> list[int]:
        field = np.ones(1, dtype=np.int64)
        for rate in rates:
            field = join(field, comb(kernel, rate))
        return field.tolist()

    return does(stacked)


def _largest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether some path leads to a place, as 0 and 1."""
    return (np.convolve(a, b) > 0).astype(np.int64)


def _side_by_side(rates: list[int], kernel: int, middle: bool = True) -> list[int]:
    """Every layer on the input itself, one upon the other."""
    out = np.zeros(len(counts(rates, kernel)), dtype=np.int64)
    for rate in rates:
        comb = _comb(kernel, rate)
        start = (len(out) - len(comb)) // 2 if middle else 0
        out[start : start + len(comb)] += comb
    return out.tolist()


def _seen(rates: list[int], kernel: int) -> list[int]:
    """How many outputs of the last layer alone use each pixel."""
    return np.convolve(np.ones(len(counts(rates[:-1], kernel)), dtype=np.int64), _comb(kernel, rates[-1])).tolist()


MESSAGES = """
capped-at-one: You say whether a pixel is used, not how often: the counts stop at 1.
rates-ignored: The rates make no difference: the weights of a kernel lie `rate` pixels apart.
filled-up: Your kernels have no holes: they cover all the pixels they span. A dilated kernel has `kernel` weights,
    `rate` pixels apart.
rate-off-by-one: `rate` is the step from one weight to the next. Your step is one too large or too small.
first-layer-only: Only the first layer counts: does the function return inside its loop?
side-by-side: You let each layer read the input, and add up their counts. The layers stand one after the other: every
    weight of one layer meets all the weights of the next.
last-layer-only: Only one layer counts: the field is set anew in the loop instead of growing.
one-layer-forgotten: One layer is missing: go through all the rates.
rates-multiplied: The rates multiply along your stack, as strides do. All layers have stride 1: each rate counts input
    pixels.
kernel-fixed: `kernel` makes no difference: you always take three weights.
kernel-off-by-one: Each layer has one weight too many or too few: there are `kernel` of them.
kernel-rate-swapped: kernel and rate have changed places in a layer.
length-off: The number of pixels is wrong: 1 + Σ (kernel − 1)·rate.
shares: Your numbers are shares: they are divided by their sum or by their largest. Give the counts.
one-side: You give one half of the field. The list goes from the leftmost pixel to the rightmost.
holes-left-out: Pixels that are never used are missing from your list. A hole is a 0 in its place.
outputs-counted: You count how many places of the last layer use a pixel. Count the ways through all the layers.
"""

WAYS = {
    "capped-at-one": gives(lambda r, *a: [min(1, v) for v in r]),
    "rates-ignored": changed(0, lambda rates: [1] * len(rates))
    + gives(lambda r, rates, k: (counts([1] * len(rates), k) + [0] * len(r))[: len(r)]),
    "filled-up": _stack(lambda k, r: np.ones((k - 1) * r + 1, dtype=np.int64)),
    "rate-off-by-one": changed(0, lambda rates: [r + 1 for r in rates], lambda rates: [max(r - 1, 1) for r in rates]),
    "first-layer-only": changed(0, lambda rates: rates[:1])
    + does(lambda rates, k: counts(rates[:1], k) if rates else 1 // 0),
    "side-by-side": does(_side_by_side, lambda rates, k: _side_by_side(rates, k, False)),
    "last-layer-only": changed(0, lambda rates: rates[-1:]),
    "one-layer-forgotten": changed(0, lambda rates: rates[:-1], lambda rates: rates[1:]),
    "rates-multiplied": changed(
        0,
        lambda rates: [int(r) for r in np.cumprod(rates)],
        lambda rates: [int(r) for r in np.cumprod(rates[::-1])],
    ),
    "kernel-fixed": ignored(1, 3),
    "kernel-off-by-one": changed(1, lambda k: k + 1, lambda k: k - 1),
    "kernel-rate-swapped": _stack(lambda k, r: _comb(r, k)),
    "length-off": gives(lambda r, *a: r[:-1], lambda r, *a: r[1:], lambda r, *a: [*r, 0])
    + _stack(_comb, join=lambda a, b: np.convolve(a, b, "same")),
    "shares": gives(lambda r, *a: [v / sum(r) for v in r], lambda r, *a: [v / max(r) for v in r]),
    "one-side": gives(lambda r, *a: r[len(r) // 2 :], lambda r, *a: r[: len(r) // 2 + 1]),
    "holes-left-out": gives(lambda r, *a: [v for v in r if v]),
    "outputs-counted": does(_seen),
}

EXERCISE = Exercise(
    "gridding_counts(rates, kernel)",
    TASK,
    counts,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_facts,
    number="06.2",
    marks=4,
    finished=("contributions",),
)
