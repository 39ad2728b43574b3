"""A number added to a divisor, as people do against a division by 0: told by how it shrinks every result."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from segkit.grading.exercise import Exercise
from segkit.grading.outcome import Outcome
from segkit.grading.values import Leaf, same_shape
from segkit.grading.verdict import Diagnosis

CODE = "epsilon-too-large"
OTHER = "epsilon-of-another-size"  # where the exercise itself adds one
_ADDED = (
    "A number is added to what you divide by, as in `/ (n + 1e-6)`, and it shows. Only a divisor of 0 "
    "needs care: `torch.where`, or `.clamp(min=1e-12)`."
)
_LARGER = "A number is added to what you divide by, and it shows: it is larger than the one that belongs there."
_TO_BOTH = (
    "A number is added above and below the fraction line, as in `(a + 1e-6) / (b + 1e-6)`, which moves results "
    "towards 1. Divide the counts as they are; only a divisor of 0 needs care."
)
_ENOUGH = 8  # numbers too small, and hardly one too large: chance does that once in 256 times
_NONE = np.zeros(0)
_SHARE = 0.05  # of the largest: smaller numbers of a result may be differences of larger ones, and inexact


def number_added(exercise: Exercise, outcomes: list[Outcome]) -> Diagnosis | None:
    """The diagnosis where all results are a little too small, as a number added to what divides them makes them."""
    for towards_one, message in ((False, _ADDED), (True, _TO_BOTH)):
        clear = _lost(exercise, outcomes, towards_one)
        if clear.size:
            own = next((m for m in exercise.mistakes if m.code in (CODE, OTHER) and not towards_one), None)
            least, most = (f"{float(share):.1g}" for share in (clear.min(), clear.max()))
            share = f"a share of {least}" + ("" if least == most else f" to {most}")
            what = "Their distances from 1 are" if towards_one else "Your numbers are"
            asked = any(m.code.startswith("epsilon-") for m in exercise.mistakes)
            told = own.message if own else _LARGER if asked and not towards_one else message
            return Diagnosis(own.code if own else CODE, f"{told} {what} too small by {share}.")
    return None


def _lost(exercise: Exercise, outcomes: list[Outcome], towards_one: bool) -> np.ndarray:
    """By what shares the numbers are too small, where rounding does not explain it; empty where it is no such thing."""
    less, more, right, factors = [_NONE], 0, 0, [_NONE]
    for got, want in _fractions(exercise, outcomes):
        if not same_shape(got.array, want.array) or got.array.dtype.kind not in "biuf":
            return _NONE
        a, b = (leaf.array.astype(np.float64).reshape(-1) for leaf in (got, want))
        a, b = a[np.isfinite(b)], b[np.isfinite(b)]
        if towards_one:
            factors.append(a[b != 0] / b[b != 0])
            a, b = 1 - a, 1 - b
        if not np.isfinite(a).all():
            return _NONE
        large = np.abs(b) > _SHARE * np.abs(b).max(initial=0.0)
        shares = 1 - a[large] / b[large]
        rounding = 1e-12 if want.dtype == "float64" and want.origin == "torch" else 1e-5
        less.append(shares[shares > rounding])
        more += int((shares < -rounding).sum())
        right += int((np.abs(shares) <= rounding).sum()) if less[-1].size else 0
    found = np.concatenate(less)
    if found.size < max(_ENOUGH, 10 * more) or found.max() > 1 or np.median(found) > (0.02 if right > more else 0.2):
        return _NONE
    times = np.concatenate(factors)
    if times.size and np.ptp(times) < 0.25 * abs(np.median(times) - 1):  # all times one number: another mistake
        return _NONE
    one_factor = np.ptp(found) < 0.01 * found.max() and found.max() < 1e-7  # a constant, rounded to float32
    return _NONE if one_factor else found


def _fractions(exercise: Exercise, outcomes: list[Outcome]) -> Iterator[tuple[Leaf, Leaf]]:
    """The results that are fractions, and the right ones."""
    for index, outcome in enumerate(outcomes):
        if outcome.kind == "value" and len(outcome.leaves) == len(exercise.kinds):
            for kind, *pair in zip(exercise.kinds, outcome.leaves, exercise.expected(index), strict=True):
                if kind in ("float", "number"):
                    yield pair[0], pair[1]
