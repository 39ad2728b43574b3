"""Chapter 03: how often each output of a transposed convolution is covered."""

from __future__ import annotations

from segkit.grading.exercise import Case, Exercise, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import grouped

TASK = """How many stamps cover each output position of a one-dimensional transposed convolution: n inputs,
kernel weights, no dilation. Return (n − 1)·stride − 2·padding + kernel whole numbers; number p
counts the inputs i from 0 to n − 1 with 0 ≤ p + padding − stride·i < kernel."""


def coverage(n: int, k: int, s: int, p: int) -> list[int]:
    """Reference of `coverage_counts`."""
    length = (n - 1) * s - 2 * p + k
    return [sum(0 <= at + p - s * i < k for i in range(n)) for at in range(length)]


def _coverage_cases() -> list[Case]:
    return grouped(
        ("plain", (2, 2, 1, 0), (4, 3, 1, 0), (3, 2, 2, 0)),
        ("stride", (4, 3, 2, 0), (5, 4, 2, 0), (4, 5, 3, 0), (3, 16, 8, 0)),
        ("gaps", (3, 2, 3, 0), (4, 1, 4, 0)),
        ("padding", (4, 3, 1, 1), (5, 4, 2, 1), (4, 5, 3, 2), (6, 4, 1, 3)),
        ("one input", (1, 5, 2, 0), (1, 4, 3, 1)),
    )


def _coverage_facts(n: int, k: int, s: int, p: int) -> dict[str, bool]:
    return {
        "stride is above 1": s > 1,
        "padding is above 0": p > 0,
        "stride does not divide kernel": k % s != 0,
        "stride is larger than kernel": s > k,
        "there is only one input": n == 1,
    }


def _cut(n: int, k: int, s: int, left: int, right: int) -> list[int]:
    full = coverage(n, k, s, 0)
    return full[left : len(full) - right]


def _padded_ends(n: int, k: int, s: int, p: int) -> list[int]:
    return [0] * p + coverage(n, k, s, 0) + [0] * p


def _interior(n: int, k: int, s: int, p: int) -> list[int]:
    """As if there were stamps without end on both sides."""
    far = -(-k // s) + 1
    return [sum(0 <= at + p - s * i < k for i in range(-far, n + far)) for at in range((n - 1) * s - 2 * p + k)]


MESSAGES = """
padding-not-cropped: The padding is still there: `padding` positions go at each end.
padding-one-sided: The padding is taken from one end only. Each end loses `padding` positions.
padding-added: The padding makes your answer longer. In a transposed convolution it takes positions away.
stride-ignored: The stamps lie one position apart whatever the stride.
capped-at-one: You say whether a position is covered, not how often: the counts stop at 1.
interior-everywhere: Near the ends there are fewer stamps, since the inputs end. Yours go on for ever.
constant: You give kernel / stride everywhere. That is the average; the counts change from position to position.
kernel-off-by-one: Your stamps are one too long or too short: a kernel covers the positions 0 … kernel − 1 from where it
    starts.
length-off: The number of positions is wrong: the last stamp starts at (n − 1)·stride and is kernel long.
last-input-forgotten: One input makes no stamp: its count is missing at one end.
kernel-stride-swapped: kernel and stride have changed places.
convolution-counted: You count how often each input is used by a convolution. Here it is the outputs that are covered.
"""

WAYS = {
    "padding-not-cropped": given(lambda n, k, s, p: (n, k, s, 0)),
    "padding-one-sided": does(
        lambda n, k, s, p: _cut(n, k, s, p, 0),
        lambda n, k, s, p: _cut(n, k, s, 0, p),
        lambda n, k, s, p: _cut(n, k, s, 2 * p, 0),
        lambda n, k, s, p: _cut(n, k, s, 0, 2 * p),
    ),
    "padding-added": does(_padded_ends),
    "stride-ignored": given(lambda n, k, s, p: (n, k, 1, p)),
    "capped-at-one": gives(lambda r, *a: [min(1, v) for v in r]),
    "interior-everywhere": does(_interior),
    "constant": gives(
        lambda r, n, k, s, p: [k / s] * len(r),
        lambda r, n, k, s, p: [k // s] * len(r),
        lambda r, n, k, s, p: [-(-k // s)] * len(r),
        lambda r, n, k, s, p: [max(r)] * len(r),
    ),
    "kernel-off-by-one": gives(
        lambda r, n, k, s, p: ([*coverage(n, k + 1, s, p), 0])[: len(r)],
        lambda r, n, k, s, p: [*coverage(n, k - 1, s, p), 0],
    )
    + given(lambda n, k, s, p: (n, k + 1, s, p), lambda n, k, s, p: (n, k - 1, s, p)),
    "length-off": gives(
        lambda r, *a: r[:-1],
        lambda r, *a: [*r, 0],
        lambda r, n, k, s, p: r[: n * s],
        lambda r, n, k, s, p: (r + [0] * s)[: n * s - 2 * p + k],
    ),
    "last-input-forgotten": gives(
        lambda r, n, k, s, p: coverage(n - 1, k, s, p) + [0] * s if n > 1 else [0] * len(r),
        lambda r, n, k, s, p: [0] * s + coverage(n - 1, k, s, p) if n > 1 else [0] * len(r),
    ),
    "kernel-stride-swapped": given(lambda n, k, s, p: (n, s, k, p)),
    "convolution-counted": does(
        lambda n, k, s, p: [
            sum(0 <= at + p - s * i < k for i in range(max((n + 2 * p - k) // s + 1, 0))) for at in range(n)
        ]
    ),
}

EXERCISE = Exercise(
    "coverage_counts(n, kernel, stride, padding)",
    TASK,
    coverage,
    _coverage_cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_coverage_facts,
)
