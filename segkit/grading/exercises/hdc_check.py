"""Chapter 06: the rule for hybrid dilated convolution."""

from __future__ import annotations

import math
from itertools import pairwise

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, gives
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.gridding_counts import counts
from segkit.grading.exercises.mechanical import ignored
from segkit.grading.observers import pair

TASK = """The rule of hybrid dilated convolution (Wang et al., section 3.2). rates holds the dilations r_1 … r_n
of n ≥ 2 layers, the first layer first; all have `kernel` weights in a row. The largest distance of two
weights is M_n = r_n for the last layer, and before it
M_i = max(M_(i+1) − 2·r_i, M_(i+1) − 2·(M_(i+1) − r_i), r_i). Return (M_2, good), where good is True if
M_2 ≤ kernel and no number above 1 divides all of the rates. With two layers M_2 is r_2."""

Rates = list[int]


def _rule(m: int, r: int) -> int:
    return max(m - 2 * r, m - 2 * (m - r), r)


def largest_gap(rates: Rates, rule: Function = _rule, until: int = 1) -> int:
    """M of layer until + 1, by the recursion from the last layer on."""
    m = rates[-1]
    for rate in rates[until:-1][::-1]:
        m = rule(m, rate)
    return m


def _judged(rates: Rates, kernel: int, m: int) -> tuple[int, bool]:
    return m, m <= kernel and math.gcd(*rates) == 1


def hdc(rates: Rates, kernel: int) -> tuple[int, bool]:
    """Reference of `hdc_check`."""
    return _judged(rates, kernel, largest_gap(rates))


def _cases() -> list[Case]:
    return grouped(
        ("three layers", ([1, 2, 5], 3), ([1, 2, 9], 3), ([5, 9, 17], 3), ([3, 4, 7], 3)),
        ("common factor", ([2, 2, 2], 3), ([2, 2, 4], 3), ([3, 3, 3, 3], 3), ([2, 4, 8], 3)),
        ("common factor", ([4, 2, 6], 5), ([4, 6], 7), ([4, 6, 6], 7), ([5, 5, 5], 5)),
        ("factors of some", ([3, 2, 2], 3)),
        ("M_2 = kernel", ([1, 3, 4], 3)),
        ("factors of some", ([1, 2, 4], 3)),
        ("M_2 = kernel", ([2, 3, 4], 3)),
        ("factors of some", ([6, 2, 3], 3)),
        ("M_2 = kernel", ([1, 3], 3)),
        ("two layers", ([5, 2], 3), ([2, 5], 3)),
        ("more layers", ([1, 2, 5, 9], 3), ([1, 2, 5, 13, 20], 3), ([1, 2, 5, 1, 2, 5], 3)),
        ("more layers", ([1, 2, 3, 5, 7], 3), ([2, 7, 3, 11, 5], 3)),
        ("M_2 = kernel", ([1, 2, 9], 5)),
        ("other kernels", ([1, 4, 9], 5), ([2, 3, 11], 5)),
        ("three layers", ([1, 3, 11], 3)),
        ("other kernels", ([1, 2, 5], 1)),
        ("M_2 = kernel", ([5, 9, 17], 9)),
        ("other kernels", ([1, 2, 2], 2)),
    )


def _facts(rates: Rates, kernel: int) -> dict[str, bool]:
    m, good = hdc(rates, kernel)
    return {
        "all rates share a factor": math.gcd(*rates) > 1,
        "two of the rates share a factor": _pair_shares(rates),
        "M_2 is just the kernel": m == kernel,
        "M_2 is larger than the kernel": m > kernel,
        "the rates pass": good,
        "the rates do not rise": rates != sorted(rates),
        "there are only two layers": len(rates) == 2,
        "there are more than three layers": len(rates) > 3,
        "kernel is not 3": kernel != 3,
    }


def _pair_shares(rates: Rates) -> bool:
    return any(math.gcd(a, b) > 1 for i, a in enumerate(rates) for b in rates[:i])


@each
def _by(rule: Function) -> Ways:
    """Another recursion."""
    return does(lambda rates, k: _judged(rates, k, largest_gap(rates, rule)))


@each
def _is(m: Function) -> Ways:
    """Another number altogether."""
    return does(lambda rates, k: _judged(rates, k, m(rates, k)))


@each
def _says(verdict: Function) -> Ways:
    """The right M_2 and another verdict."""
    return gives(lambda r, rates, k: (r[0], bool(verdict(r[0], rates, k))))


def _forward(rates: Rates, k: int) -> int:
    m = rates[0]
    for rate in rates[1:]:
        m = _rule(m, rate)
    return m


def _longest_hole(rates: Rates, kernel: int) -> int:
    """The longest run of pixels that are not used, and one."""
    return 1 + max(len(run) for run in "".join("1" if c else "0" for c in counts(rates, kernel)).split("1"))


MESSAGES = """
common-factor-ignored: Rates that share a factor pass your check. [2, 2, 2] has M_2 = 2 and uses every second pixel
    only: no number above 1 may divide all of the rates.
some-share-a-factor: Your check fails rates of which only some share a factor, or neighbours do. [1, 2, 4] is fine: the
    factor has to divide all of them.
only-equal-rates: You check whether all rates are equal, or all even. Any common factor makes a grid.
some-divisors-only: Only some numbers are tried as a common factor: 2 and 3, or the smallest or first rate. Any number
    above 1 counts: 2 divides 4 and 6, 5 divides 5 and 5. `math.gcd(*rates)` knows them all.
strictly-smaller: M_2 may be as large as the kernel: M_2 ≤ kernel, not <.
kernel-fixed: `kernel` makes no difference: you compare with 3.
distance-ignored: Only the common factor decides in your check. M_2 has to be at most the kernel as well.
either-condition: One of the two conditions is enough for you. Both have to hold.
verdict-inverted: The verdict is the wrong way round: True means that the rates are good.
verdict-by-holes: Your verdict looks for holes in the field. The rule asked for is stricter: M_2 ≤ kernel and no common
    factor.
one-step-too-far: You go on to M_1. The recursion ends at layer 2.
one-step-too-few: You stop too early: the last step is the one with r_2.
wrong-direction: You go from the first layer to the last. The recursion begins at the last: M_n = r_n.
sorted: You sort the rates. Their order is that of the layers, and it matters.
term-missing: One of the three terms of the maximum is missing: M − 2r, M − 2(M − r), r.
two-forgotten: The factor 2 is missing in a term: M − 2r and M − 2(M − r).
bracket-forgotten: The second term is M − 2·(M − r), which is 2r − M. Yours has another sign.
minimum: You take the smallest of the three terms. The largest counts.
own-rate-as-m: The recursion uses the next rate where M of the next layer belongs: M carries on what all later layers
    did.
another-distance: The first number is not M_2: you give the length of the field or of a hole, which are something else.
results-exchanged: The two results are in the wrong order: M_2 first, then the verdict.
"""

WAYS = {
    "common-factor-ignored": _says(lambda m, rates, k: m <= k),
    "some-share-a-factor": _says(
        lambda m, rates, k: m <= k and not _pair_shares(rates),
        lambda m, rates, k: m <= k and math.gcd(rates[0], rates[1]) == 1,
        lambda m, rates, k: m <= k and all(math.gcd(a, b) == 1 for a, b in pairwise(rates)),
    ),
    "only-equal-rates": _says(
        lambda m, rates, k: m <= k and (len(set(rates)) > 1 or rates[0] == 1),
        lambda m, rates, k: m <= k and any(r % 2 for r in rates),
    ),
    "some-divisors-only": _says(
        lambda m, rates, k: m <= k and not (min(rates) > 1 and all(r % min(rates) == 0 for r in rates)),
        lambda m, rates, k: m <= k and not (rates[0] > 1 and all(r % rates[0] == 0 for r in rates)),
        lambda m, rates, k: m <= k and not any(all(r % f == 0 for r in rates) for f in (2, 3)),
    ),
    "strictly-smaller": _says(lambda m, rates, k: m < k and math.gcd(*rates) == 1),
    "kernel-fixed": ignored(1, 3),
    "distance-ignored": _says(lambda m, rates, k: math.gcd(*rates) == 1),
    "either-condition": _says(lambda m, rates, k: m <= k or math.gcd(*rates) == 1),
    "verdict-inverted": _says(lambda m, rates, k: not (m <= k and math.gcd(*rates) == 1)),
    "verdict-by-holes": _says(
        lambda m, rates, k: 0 not in counts(rates, k),
    ),
    "one-step-too-far": _is(lambda rates, k: largest_gap(rates, until=0)),
    "one-step-too-few": _is(
        lambda rates, k: largest_gap(rates, until=2),
        lambda rates, k: rates[-1],
        lambda rates, k: _rule(rates[-1], rates[-2]),
    ),
    "wrong-direction": _is(
        _forward, lambda rates, k: largest_gap(rates[::-1]), lambda rates, k: _forward(rates[1:], k)
    ),
    "sorted": _is(
        lambda rates, k: largest_gap(sorted(rates)), lambda rates, k: largest_gap(sorted(rates, reverse=True))
    ),
    "term-missing": _by(
        lambda m, r: max(m - 2 * r, m - 2 * (m - r)),
        lambda m, r: max(m - 2 * r, r),
        lambda m, r: max(m - 2 * (m - r), r),
    ),
    "two-forgotten": _by(lambda m, r: max(m - r, m - 2 * (m - r), r), lambda m, r: max(m - r, m - (m - r), r)),
    "bracket-forgotten": _by(lambda m, r: max(m - 2 * r, m - 2 * (r - m), r)),
    "minimum": _by(lambda m, r: min(m - 2 * r, m - 2 * (m - r), r)),
    "own-rate-as-m": _is(lambda rates, k: _rule(rates[2], rates[1]) if len(rates) > 2 else rates[1]),
    "another-distance": _is(lambda rates, k: 1 + (k - 1) * sum(rates), _longest_hole),
    "results-exchanged": gives(lambda r, *a: (r[1], r[0])),
}

EXERCISE = Exercise(
    "hdc_check(rates, kernel)",
    TASK,
    hdc,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("number", "number"),
    facts=_facts,
    observe=pair,
    number="06.3",
    marks=5,
    finished=("hdc_verdict", "max_distances"),
)
