"""`poly_schedule` as it should be, and as it is often got wrong."""

from __future__ import annotations

import math
from functools import partial
from itertools import accumulate

import numpy as np

from segkit.grading.exercise import Function, Ways, does, each, gives
from segkit.grading.exercises.mechanical import changed, ignored, one_end, replaced

Stages = list[tuple[float, int]]
Rows = list[list[float]]


def rate(t: int, total: int, base: float, power: float, warm: int) -> float:
    """The rate of step t of a stage."""
    if t < warm:
        return base * (t + 1) / (warm + 1)
    return base * (1 - (t - warm) / (total - warm)) ** power


def _product(value: float, factor: float) -> float:
    return value * factor


def walk(
    stages: Stages, power: float, warmup: int, factors: list[float], *,
    one: Function = rate, join: Function = _product, steps: Function = range, always: bool = False,
) -> Rows:  # fmt: skip
    """The schedule with its parts replaced.

    Args:
        stages, power, warmup, factors: as the task has them.
        one: one(t, T, base, power, warmup), the rate of a step.
        join: join(rate, factor).
        steps: steps(T), the values of t.
        always: whether every stage warms up.
    """
    rows = []
    for number, (base, total) in enumerate(stages):
        warm = warmup if always or number == 0 else 0
        rows += [[join(one(t, total, base, power, warm), factor) for factor in factors] for t in steps(total)]
    return rows


def schedule(stages: Stages, power: float, warmup: int, factors: list[float]) -> Rows:
    """Reference of `poly_schedule`."""
    return walk(stages, power, warmup, factors)


_rate, _join, _steps = (partial(replaced, walk, step) for step in ("one", "join", "steps"))


@each
def _curve(curve: Function) -> Ways:
    """Another curve once the warm-up is over: curve(t, T, base, power), in the steps that are left."""

    def one(t: int, total: int, base: float, power: float, warm: int) -> float:
        return rate(t, total, base, power, warm) if t < warm else curve(t - warm, total - warm, base, power)

    return _rate(one)


@each
def _warm(warm: Function, after: Function = rate) -> Ways:
    """Another climb: warm(t, warmup, base), and after it the rate after(t, T, base, power, warmup)."""

    def one(t: int, total: int, base: float, power: float, w: int) -> float:
        return warm(t, w, base) if t < w else after(t, total, base, power, w)

    return _rate(one)


@each
def _after(after: Function) -> Ways:
    """The right climb, and another rate after it."""
    return _warm(lambda t, w, base: base * (t + 1) / (w + 1), after=after)


def _compounded(stages: Stages, power: float, warmup: int, factors: list[float]) -> Rows:
    """Each rate the one before times what is left."""
    rows = []
    for number, (base, total) in enumerate(stages):
        warm = warmup if number == 0 else 0
        value = base
        for t in range(total):
            value = rate(t, total, base, power, warm) if t <= warm else value * rate(t, total, 1.0, power, warm)
            rows.append([value * factor for factor in factors])
    return rows


def _running(stages: Stages, power: float, warmup: int, factors: list[float], *, restart: bool) -> Rows:
    """One T for all stages; their t on and on, or counted anew."""
    whole, rows, t = sum(total for _, total in stages), [], 0
    for number, (base, total) in enumerate(stages):
        t = 0 if restart else t
        for _ in range(total):
            warm = warmup if number == 0 or not restart else 0
            rows.append([rate(t, whole, base, power, warm) * factor for factor in factors])
            t += 1
    return rows


def _nested(rows: Rows, stages: Stages, *rest: object) -> list[Rows]:
    ends = list(accumulate(total for _, total in stages))
    return [rows[end - total : end] for end, (_, total) in zip(ends, stages, strict=True)]


def _climb_longer(stages: Stages, power: float, warmup: int, factors: list[float]) -> Rows:
    """The warm-up in front of a stage of T steps."""
    (base, total), *others = stages
    climb = [[base * (t + 1) / (warmup + 1) * factor for factor in factors] for t in range(warmup)]
    return climb + schedule([(base, total), *others], power, 0, factors)


def _factor_beside(stages: Stages, power: float, warmup: int, factors: list[float], *, climb: bool) -> Rows:
    """Factors only in the warm-up, or only after it."""
    rows = walk(stages, power, warmup, [1.0] * len(factors))
    return [
        [v * f for v, f in zip(row, factors, strict=True)] if (i < warmup) == climb else row
        for i, row in enumerate(rows)
    ]


WAYS = {
    "power-ignored": ignored(1, 1.0) + ignored(1, 0.9),
    "power-misplaced": _curve(
        lambda t, total, base, p: base * (1 - (t / total) ** p),
        lambda t, total, base, p: (base * (1 - t / total)) ** p,
        lambda t, total, base, p: base * (1 - t / total) * p,
    ),
    "power-inverted": changed(1, lambda power: 1 / power, lambda power: 1 - power),
    "reaches-zero": _curve(
        lambda t, total, base, p: base * (1 - t / (total - 1)) ** p,
        lambda t, total, base, p: base * (1 - t / max(total - 1, 1)) ** p,
    ),
    "starts-late": _curve(
        lambda t, total, base, p: base * (1 - (t + 1) / total) ** p,
        lambda t, total, base, p: base * (1 - (t + 1) / (total + 1)) ** p,
    )
    + _rate(lambda t, total, base, p, w: rate(t + 1, total, base, p, w)),
    "steps-miscounted": _steps(
        lambda total: range(total + 1), lambda total: range(total - 1), lambda total: range(1, total)
    ),
    "compounded": does(_compounded),
    "other-curve": _curve(
        lambda t, total, base, p: base * p**t,
        lambda t, total, base, p: base * (0.5 + 0.5 * math.cos(math.pi * t / total)),
        lambda t, total, base, p: base,
    ),
    "rising": _curve(
        lambda t, total, base, p: base * (t / total) ** p, lambda t, total, base, p: base * ((t + 1) / total) ** p
    ),
    "stages-not-restarted": does(partial(_running, restart=False), partial(_running, restart=True)),
    "first-base-kept": changed(0, lambda stages: [(stages[0][0], total) for _, total in stages]),
    "first-length-kept": changed(0, lambda stages: [(base, stages[0][1]) for base, _ in stages]),
    "one-stage-only": one_end(0),
    "stages-nested": gives(_nested),
    "warmup-ignored": ignored(2, 0),
    "warmup-starts-at-zero": _warm(lambda t, w, base: base * t / w, lambda t, w, base: base * t / (w + 1)),
    "warmup-too-steep": _warm(lambda t, w, base: base * (t + 1) / w),
    "warmup-flat": _warm(lambda t, w, base: base, lambda t, w, base: 0.0),
    "poly-not-shifted": _after(lambda t, total, base, p, w: rate(t, total, base, p, 0)),
    "poly-too-long": _after(lambda t, total, base, p, w: base * (1 - (t - w) / total) ** p),
    "poly-multiplied": _rate(lambda t, total, base, p, w: rate(t, total, base, p, 0) * min((t + 1) / (w + 1), 1.0)),
    "warmup-added": does(_climb_longer),
    "warmup-in-every-stage": does(partial(walk, always=True)),
    "factors-ignored": _join(lambda value, factor: value)
    + gives(lambda r, *a: [row[:1] for row in r], lambda r, *a: [row[0] for row in r]),
    "factors-in-the-power": does(lambda stages, p, *rest: walk(stages, p, *rest, join=lambda v, f: v * f**p))
    + _join(lambda value, factor: value**factor),
    "factors-added": _join(lambda value, factor: value + factor, lambda value, factor: value / factor),
    "factor-on-base-only": does(partial(_factor_beside, climb=False), partial(_factor_beside, climb=True)),
    "groups-as-rows": gives(lambda r, *a: np.array(r).T),
    "left-flat": gives(lambda r, *a: np.array(r).flatten()),
    "order-reversed": gives(lambda r, *a: r[::-1]),
}  # fmt: skip
