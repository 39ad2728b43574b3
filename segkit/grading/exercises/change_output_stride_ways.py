"""`change_output_stride` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from segkit.grading.exercise import Function, Ways, does, each, gives, stops

Layers = list[tuple[int, int, int]]  # stride, lost, rate
Rates = list[int]
Plan = tuple[Any, Any]
NOTHING: Plan = ([], [])


def present(layers: Layers) -> int:
    """The output stride of a plan."""
    return prod(stride for stride, _, _ in layers)


def reachable(layers: Layers, target: int) -> bool:
    return present(walk(layers, target)) == target


def even(layers: Layers, rates: Rates, target: int) -> bool:
    return all(rate * present(layers) % target == 0 for rate in rates)


def own_rates(layers: Layers) -> Layers:
    """The network as it was made: each layer's stride, and the rate it has of its own."""
    out, lost = [], 1
    for stride, gone, rate in layers:
        out.append((stride * gone, 1, rate // lost))
        lost *= gone
    return out


def _right(own: int, lost: int, made: int, old: int) -> int:
    return own * lost


def walk(
    layers: Layers, target: int, rate: Function = _right, grow: Function = lambda lost, made: lost * made,
    early: Function | None = None,
) -> Layers:  # fmt: skip
    """The layers at another output stride; rate(own rate, strides lost before, own stride, rate before) once there,
    and early(the same) before that, or the own rate."""
    out, stride, lost = [], 1, 1
    for (made, _, own), (_, _, old) in zip(own_rates(layers), layers, strict=True):
        if stride < target:
            stride *= made
            out.append((made, 1, early(own, 1, made, old) if early else own))
        else:
            out.append((1, made, rate(own, lost, made, old)))
            lost = grow(lost, made)
    return out


def scaled(layers: Layers, rates: Rates, target: int) -> Rates:
    return [rate * present(layers) // target for rate in rates]


def possible(layers: Layers, rates: Rates, target: int) -> bool:
    return reachable(layers, target) and even(layers, rates, target)


def change(layers: Layers, rates: Rates, target: int) -> Plan:
    """Reference of `change_output_stride`."""
    return (walk(layers, target), scaled(layers, rates, target)) if possible(layers, rates, target) else NOTHING


@each
def _made(plan: Function) -> Ways:
    """Other layers where the change is possible: plan(layers, target)."""
    return does(lambda ls, rs, t: (plan(ls, t), scaled(ls, rs, t)) if possible(ls, rs, t) else NOTHING)


def _rated(rate: Function, everywhere: bool = False) -> Ways:
    """Other rates of layers, once at the output stride, or everywhere."""
    return _made(partial(walk, rate=rate, early=rate if everywhere else None))


@each
def _pyramid(rates: Function) -> Ways:
    """Other rates of ASPP where the change is possible: rates(rates, present stride, target)."""
    return does(lambda ls, rs, t: (walk(ls, t), rates(rs, present(ls), t)) if possible(ls, rs, t) else NOTHING)


@each
def _uneven(rates: Function) -> Ways:
    """Rates of ASPP where they do not come out whole: rates(rates, present stride, target)."""
    return does(lambda ls, rs, t: (walk(ls, t), rates(rs, present(ls), t)) if reachable(ls, t) else NOTHING)


@each
def _refusing_more(also: Function) -> Ways:
    """Changes that can be made are refused, too: also(layers, rates, target)."""
    return does(lambda ls, rs, t: NOTHING if also(ls, rs, t) else change(ls, rs, t))


@each
def _refusing(fits: Function) -> Ways:
    """Other changes are refused: fits(layers, rates, target)."""
    return does(lambda ls, rs, t: (walk(ls, t), scaled(ls, rs, t)) if fits(ls, rs, t) else NOTHING)


def _raises(layers: Layers, rates: Rates, target: int) -> Plan:
    if not possible(layers, rates, target):
        raise ValueError("impossible")
    return change(layers, rates, target)


WAYS = {
    "aspp-rates-kept": _pyramid(lambda rs, now, t: rs),
    "aspp-rates-inverted": _pyramid(
        lambda rs, now, t: [r * t / now for r in rs], lambda rs, now, t: [r * t // now for r in rs]
    ),
    "aspp-from-16": _pyramid(lambda rs, now, t: [r * 16 // t for r in rs]),
    "aspp-always-doubled": _pyramid(
        lambda rs, now, t: [r * 2 for r in rs],
        lambda rs, now, t: [r * 2 if t < now else r for r in rs],
        lambda rs, now, t: [r * 2 if t < now else r // 2 if t > now else r for r in rs],
    ),
    "aspp-rates-added": _pyramid(lambda rs, now, t: [r + now // t for r in rs]),
    "new-rate-too-early": _rated(lambda own, lost, made, old: own * lost * made),
    "layers-not-dilated": _rated(lambda own, lost, made, old: old, True) + _rated(lambda own, *a: own),
    "layers-unchanged": _made(lambda ls, t: ls),
    "strides-not-restored": _refusing_more(lambda ls, rs, t: t > present(ls)),
    "rates-not-undone": _rated(lambda own, lost, made, old: max(own * lost, old), True),
    "dilated-twice": _rated(lambda own, lost, made, old: old * lost, True),
    "all-scaled": _made(
        lambda ls, t: [(*new[:2], was[2] * present(ls) // t) for new, was in zip(walk(ls, t), ls, strict=True)]
    ),
    "own-rate-lost": _rated(lambda own, lost, made, old: lost) + _rated(lambda own, lost, made, old: lost, True),
    "rates-added": _rated(lambda own, lost, made, old: own + lost - 1),
    "strides-not-multiplied": _made(
        partial(walk, grow=lambda lost, made: made if made > 1 else lost),
        partial(walk, grow=lambda lost, made: max(lost, made)),
        partial(walk, grow=lambda lost, made: lost + made - 1),
    ),
    "always-two": _made(partial(walk, grow=lambda lost, made: lost * (2 if made > 1 else 1))),
    "lost-not-noted": _made(
        lambda ls, t: [(new[0], was[1], new[2]) for new, was in zip(walk(ls, t), ls, strict=True)],
        lambda ls, t: [(s, 1, r) for s, _, r in walk(ls, t)],
        lambda ls, t: [(s, 0 if gone == 1 else gone, r) for s, gone, r in walk(ls, t)],
    ),
    "one-stride-too-many": _made(lambda ls, t: walk(ls, 2 * t)),
    "uneven-rate-rounded": _uneven(
        lambda rs, now, t: [r * now // t for r in rs],
        lambda rs, now, t: [round(r * now / t) for r in rs],
        lambda rs, now, t: [r * now / t for r in rs],
        lambda rs, now, t: [r * now // t for r in rs if r * now % t == 0],
    ),
    "one-uneven-rate-enough": _refusing(
        lambda ls, rs, t: reachable(ls, t) and (not rs or any(r * present(ls) % t == 0 for r in rs)),
        lambda ls, rs, t: reachable(ls, t) and even(ls, rs[:1], t),
        lambda ls, rs, t: reachable(ls, t) and even(ls, rs[-1:], t),
    ),
    "unreachable-not-refused": _refusing(even, lambda ls, rs, t: even(ls, rs, t) and t <= present(own_rates(ls))),
    "not-refused-at-all": _refusing(lambda ls, rs, t: True),
    "refuses-too-much": _refusing_more(
        lambda ls, rs, t: t not in (8, 16, 32),
        lambda ls, rs, t: any(r % 2 for r in rs),
        lambda ls, rs, t: t == present(ls),
        lambda ls, rs, t: not rs,
    ),
    "refused-by-an-error": stops(_raises),
    "columns-exchanged": gives(
        lambda r, *a: ([(gone, s, d) for s, gone, d in r[0]], r[1]),
        lambda r, *a: ([(s, d, gone) for s, gone, d in r[0]], r[1]),
    ),
    "results-exchanged": gives(lambda r, *a: r[::-1]),
}
