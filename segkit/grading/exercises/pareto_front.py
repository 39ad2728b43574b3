"""Chapter 12: the entrants of a race that no other beats in cost and accuracy at once."""

from __future__ import annotations

import math

import numpy as np

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.pareto_front_ways import WAYS, Entrant, front, known

TASK = """Who is worth a thought in a race? entrants is a list of tuples (start number, cost, accuracy), no two with
the same start number. If rate is False, the second number is a cost, such as milliseconds, and less of it is better.
If rate is True, it is a speed, such as pictures per second, and more is better. More accuracy is always better.
An entrant beats another if it costs no more (is at least as fast) and is at least as accurate, and is strictly better
in one of the two. Two that are equal in both do not beat each other.
Where one of the two numbers is NaN, it was not measured: that entrant takes no part, and beats nobody.
Return the start numbers of those that nobody beats, as a list, the cheapest (fastest) first. Those that are equal in
both keep the order of the list. If nobody takes part, the list is empty."""

NAN = float("nan")


def _field(seed: int, count: int, levels: int, slope: int = 1) -> list[Entrant]:
    """Entrants along a line with some scatter, so that a few of them are on the front; many have equals."""
    rng = np.random.default_rng(seed)
    costs = rng.integers(1, levels, count)
    gains = slope * costs + rng.integers(-levels // 3, levels // 3 + 1, count)
    numbers = rng.permutation(90)[:count] + 10
    return [(int(n), 5.0 * int(c), 50.0 + int(a)) for n, c, a in zip(numbers, costs, gains, strict=True)]


def _cases() -> list[Case]:
    plain = [(31, 30.0, 55.0), (12, 10.0, 50.0), (8, 50.0, 70.0), (44, 20.0, 60.0), (27, 40.0, 58.0)]
    above = [(5, 9.0, 71.0), (64, 2.0, 40.0), (13, 4.0, 42.0), (22, 6.0, 60.0), (9, 7.0, 55.0), (71, 1.0, 30.0)]
    twins = [(14, 8.0, 61.0), (52, 3.0, 50.0), (33, 8.0, 61.0), (7, 8.0, 60.0)]
    same_cost = [(3, 10.0, 40.0), (15, 10.0, 52.0), (20, 30.0, 66.0), (11, 30.0, 60.0)]
    same_accuracy = [(50, 20.0, 55.0), (42, 10.0, 55.0), (19, 5.0, 48.0), (61, 40.0, 55.0)]
    rates = [(45, 30.0, 66.0), (34, 90.0, 48.0), (2, 60.0, 60.0), (70, 60.0, 52.0), (24, 20.0, 66.0), (53, 25.0, 63.0)]
    lost = [(17, 10.0, 50.0), (23, NAN, 90.0), (6, 20.0, 62.0), (35, 5.0, NAN), (41, 15.0, 45.0)]
    return grouped(
        ("plain", (plain, False), (above, False)),
        ("equal points", (twins, False), ([(21, 4.0, 40.0), (16, 4.0, 40.0), (18, 4.0, 40.0)], False)),
        ("the same cost", (same_cost, False), ([(30, 7.0, 70.0), (29, 7.0, 65.0)], False)),
        ("the same accuracy", (same_accuracy, False), ([(38, 2.0, 50.0), (25, 3.0, 50.0)], False)),
        ("a rate", (rates, True), (plain, True), ([(14, 8.0, 61.0), (52, 9.0, 50.0), (33, 8.0, 61.0)], True)),
        ("not measured", (lost, False), (lost, True), ([(10, NAN, NAN), (4, 3.0, 20.0)], False)),
        ("one or nobody", ([(28, 6.0, 33.0)], False), ([], False), ([(26, NAN, 70.0)], True)),
        ("a large field", (_field(1, 14, 9), False), (_field(2, 20, 30), False), (_field(3, 16, 12, -1), True)),
    )


def _facts(entrants: list[Entrant], rate: bool) -> dict[str, bool]:
    points = [one[1:] for one in known(entrants)]
    costs, accuracies = [point[0] for point in points], [point[1] for point in points]
    return {
        "rate is True": rate,
        "an entrant has a NaN": any(math.isnan(value) for one in entrants for value in one[1:]),
        "two entrants are equal in both": len(set(points)) < len(points),
        "two entrants cost the same": len(set(costs)) < len(set(points)),
        "two entrants are equally accurate": len(set(accuracies)) < len(set(points)),
        "nobody takes part": not points,
        "a single entrant takes part": len(points) == 1,
    }


MESSAGES = """
beaten-by-itself: Every entrant beats itself in your comparison, so nobody is left. To beat another, one must be
    strictly better in cost or in accuracy.
equal-points-lost: In your comparison, entrants that are equal in both beat each other, and all of them are gone.
    Neither is strictly better, so both stay.
equal-points-once: Of two entrants that are equal in both you keep only one. Neither beats the other, so both stay.
strict-in-both: In your comparison an entrant has to be cheaper and better to beat another. It is enough to be strictly
    better in one, and no worse in the other.
same-cost-kept: Of two that cost the same, you keep the less accurate one as well. It is beaten: to beat it, it is
    enough to cost no more.
same-accuracy-kept: Of two that are equally accurate, you keep the dearer one as well. It is beaten: to beat it, it is
    enough to be no less accurate.
either-beats: In your comparison being cheaper *or* more accurate is enough to beat another. It takes both: to cost no
    more *and* to be at least as accurate.
ties-by-their-order: You walk from the cheapest to the dearest, and where costs are equal the order of the list
    decides who stays. Let accuracy decide there, and keep only those that are equal in both.
neighbours-only: You compare each entrant with the one just before it in the order of cost. Compare it with the best of
    all before it.
hull-only: You keep the corners of the convex hull. An entrant below the line between two others is beaten by neither
    of them, and stays.
best-only: Only the most accurate is left. A cheaper one is on the front too, as long as nobody beats it.
cheapest-only: Only the cheapest is left. A dearer one is on the front too, if it is more accurate than all that are
    cheaper.
beaten-returned: You return those that are beaten. Return the others.
errors-not-accuracies: Less accuracy counts as better in your comparison. More is better.
rate-ignored: `rate` makes no difference. Where it is True, the second number is a speed, and more of it is better.
rate-inverted: `rate` is taken the wrong way round: where it is False, less is better.
slowest-first: With a rate the right entrants come in the wrong order: the fastest goes first, which is the largest
    number.
nan-kept: An entrant with a NaN stays on the front: no comparison with NaN is true, so nobody beats it. Leave out all
    that have a NaN in either number before you compare.
nan-as-zero: NaN counts as 0 in your comparison, which makes an entrant cheap or bad. An entrant with a NaN takes no
    part.
nan-stops: Your function stops on a NaN. Leave that entrant out, and go on with the others.
nobody-stops: Your function stops when nobody takes part. The front is then an empty list.
not-sorted: Your front has the right entrants in the order of the list. Sort them, the cheapest first.
dearest-first: Your front begins with the dearest. The cheapest goes first; those that are equal in both keep the order
    of the list.
by-start-number: Your front is sorted by start number. Sort it by cost.
places-not-numbers: You return places in the list. Return the start numbers.
whole-entrants: You return the whole entrants. Return only their start numbers.
"""

EXERCISE = Exercise(
    "pareto_front(entrants, rate)",
    TASK,
    front,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer",),
    facts=_facts,
    number="12.3",
    marks=3,
    finished=("pareto_front",),
)
