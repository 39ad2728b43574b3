"""`pareto_front` as it should be, and as it is often got wrong."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from segkit.grading.exercise import Function, Ways, does, each, given, gives, stops
from segkit.grading.exercises.mechanical import ignored, replaced

Entrant = tuple[int, float, float]  # start number, cost or rate, accuracy
ORDER = Function  # the key that the front is sorted by


def better(a: Entrant, b: Entrant) -> bool:
    """Whether a beats b: at most as dear, at least as good, and not the same."""
    return a[1] <= b[1] and a[2] >= b[2] and a[1:] != b[1:]


def known(entrants: list[Entrant]) -> list[Entrant]:
    """Those that were measured."""
    return [one for one in entrants if not math.isnan(one[1] + one[2])]


def unbeaten(entrants: list[Entrant], *, beats: Function = better) -> list[Entrant]:
    """In their own order."""
    return [one for one in entrants if not any(beats(other, one) for other in entrants)]


def front(
    entrants: list[Entrant], rate: bool, *, measured: Function = known, kept: Function = unbeaten,
    key: Function = lambda one: one[1],
) -> list[int]:  # fmt: skip
    """Reference of `pareto_front`, with its steps replaced.

    Args:
        entrants, rate: as the task has them.
        measured: measured(entrants), those that take part.
        kept: kept(entrants), those on the front, all with costs.
        key: key(entrant), what the front is sorted by.
    """
    costs = [(number, -value if rate else value, accuracy) for number, value, accuracy in measured(entrants)]
    return [one[0] for one in sorted(kept(costs), key=key)]


_kept = partial(replaced, front, "kept")
_measured = partial(replaced, front, "measured")


@each
def _beats(rule: Function) -> Ways:
    """Another rule of who beats whom: rule(a, b)."""
    return _kept(partial(unbeaten, beats=rule))


def _swept(entrants: list[Entrant], *, same_too: bool = False) -> list[Entrant]:
    """From the cheapest on, whoever is better than all before; of the same cost, in the order of the list."""
    found: list[Entrant] = []
    for one in sorted(entrants, key=lambda one: one[1]):
        if not found or one[2] > found[-1][2] or (same_too and one[2] == found[-1][2]):
            found.append(one)
    return found


def _after_neighbours(entrants: list[Entrant]) -> list[Entrant]:
    """Whoever is better than the one just before it in the order of cost."""
    line = sorted(entrants, key=lambda one: (one[1], -one[2]))
    return [one for place, one in enumerate(line) if not place or one[2] > line[place - 1][2]]


def _hull(entrants: list[Entrant]) -> list[Entrant]:
    """Of the front, those that lie on no line between two others, or above it."""
    found: list[Entrant] = []
    for one in sorted(unbeaten(entrants), key=lambda one: one[1]):
        while len(found) > 1 and _below(found[-2], found[-1], one):
            found.pop()
        found.append(one)
    return found


def _below(a: Entrant, b: Entrant, c: Entrant) -> bool:
    return (b[2] - a[2]) * (c[1] - a[1]) < (c[2] - a[2]) * (b[1] - a[1])


def _first_of_equals(entrants: list[Entrant]) -> list[Entrant]:
    return list({one[1:]: one for one in reversed(unbeaten(entrants))}.values())


def _last_of_equals(entrants: list[Entrant]) -> list[Entrant]:
    return list({one[1:]: one for one in unbeaten(entrants)}.values())


def _best(entrants: list[Entrant]) -> list[Entrant]:
    return [one for one in unbeaten(entrants) if one[2] == max(other[2] for other in entrants)]


def _cheapest(entrants: list[Entrant]) -> list[Entrant]:
    return [one for one in unbeaten(entrants) if one[1] == min(other[1] for other in entrants)]


def _as_zero(entrants: list[Entrant]) -> list[Entrant]:
    return [(number, *(0.0 if math.isnan(value) else value for value in pair)) for number, *pair in entrants]  # type: ignore[misc]


def _refusing(entrants: list[Entrant], rate: bool) -> list[int]:
    if len(known(entrants)) < len(entrants):
        raise ValueError("not measured")
    return front(entrants, rate)


def _starting_with_the_first(entrants: list[Entrant], rate: bool) -> list[int]:
    known(entrants)[0]
    return front(entrants, rate)


def _whole(numbers: list[int], entrants: list[Entrant], rate: bool) -> Any:
    by_number = {one[0]: one for one in entrants}
    return [by_number[number] for number in numbers]


def _places(numbers: list[int], entrants: list[Entrant], rate: bool) -> list[int]:
    return [[one[0] for one in entrants].index(number) for number in numbers]


WAYS = {
    "beaten-by-itself": _beats(lambda a, b: a[1] <= b[1] and a[2] >= b[2]),
    "equal-points-lost": _beats(lambda a, b: a[0] != b[0] and a[1] <= b[1] and a[2] >= b[2]),
    "equal-points-once": _kept(_first_of_equals, _last_of_equals),
    "strict-in-both": _beats(lambda a, b: a[1] < b[1] and a[2] > b[2]),
    "same-cost-kept": _beats(lambda a, b: a[1] < b[1] and a[2] >= b[2]),
    "same-accuracy-kept": _beats(lambda a, b: a[1] <= b[1] and a[2] > b[2]),
    "either-beats": _beats(lambda a, b: a[1] < b[1] or a[2] > b[2]),
    "ties-by-their-order": _kept(_swept, partial(_swept, same_too=True)),
    "neighbours-only": _kept(_after_neighbours),
    "hull-only": _kept(_hull),
    "best-only": _kept(_best),
    "cheapest-only": _kept(_cheapest),
    "beaten-returned": _kept(lambda entrants: [one for one in entrants if one not in unbeaten(entrants)]),
    "errors-not-accuracies": _beats(lambda a, b: a[1] <= b[1] and a[2] <= b[2] and a[1:] != b[1:]),
    "rate-ignored": ignored(1, False),
    "rate-inverted": given(lambda entrants, rate: (entrants, not rate)),
    "slowest-first": does(lambda e, rate: front(e, rate, key=lambda one: -one[1] if rate else one[1])),
    "nan-kept": _measured(
        lambda entrants: entrants,
        lambda entrants: [one for one in entrants if not math.isnan(one[1])],
        lambda entrants: [one for one in entrants if not math.isnan(one[2])],
    ),
    "nan-as-zero": _measured(_as_zero),
    "nan-stops": stops(_refusing),
    "nobody-stops": stops(_starting_with_the_first),
    "not-sorted": replaced(front, "key", lambda one: 0),
    "dearest-first": replaced(front, "key", lambda one: -one[1]) + gives(lambda numbers, *a: numbers[::-1]),
    "by-start-number": replaced(front, "key", lambda one: one[0]),
    "places-not-numbers": gives(_places),
    "whole-entrants": gives(_whole),
}  # fmt: skip
