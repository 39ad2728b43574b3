"""`change_output_stride` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from segkit.grading.exercise import Function, Ways, does, each, given, gives, stops

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


@each
def _layer_rates(rate: Function) -> Ways:
    """Other rates of layers, once at the output stride, and everywhere."""
    return _made(partial(walk, rate=rate), partial(walk, rate=rate, early=rate))


@each
def _pyramid(rates: Function) -> Ways:
    """Other rates of ASPP where the change is possible: rates(rates, present stride, target)."""
    return does(lambda ls, rs, t: (walk(ls, t), rates(rs, present(ls), t)) if possible(ls, rs, t) else NOTHING)


@each
def _refusing(fits: Function) -> Ways:
    """Other changes are refused: fits(layers, rates, target)."""
    return does(lambda ls, rs, t: (walk(ls, t), scaled(ls, rs, t)) if fits(ls, rs, t) else NOTHING)


def _merged(new: Layers, layers: Layers, *take: int) -> Layers:
    """New layers with some of their columns as they were before."""
    return [
        tuple(old[i] if i in take else now[i] for i in range(3))  # type: ignore[misc]
        for now, old in zip(new, layers, strict=True)
    ]


def _only_finer(layers: Layers, target: int) -> Layers:
    """Strides are taken away where they are there, and what was lost before does not come back."""
    out, stride, lost = [], 1, 1
    for s, gone, rate in layers:
        keeps = stride < target
        out.append((s if keeps else 1, gone if keeps else gone * s, rate * lost))
        stride, lost = stride * (s if keeps else 1), lost * (1 if keeps else s)
    return out


def _all_scaled(layers: Layers, target: int) -> Layers:
    return [(s, gone, r * present(layers) // target) for s, gone, r in walk(layers, present(layers))]


def _later_scaled(layers: Layers, target: int) -> Layers:
    """All layers whose stride changes or is gone, and those after them, by the whole factor."""
    out, seen = [], False
    for (s, gone, rate), (now, lost, _) in zip(layers, walk(layers, target), strict=True):
        seen = seen or s != now or gone > 1
        out.append((now, lost, rate * present(layers) // target if seen else rate))
    return out


def _raises(layers: Layers, rates: Rates, target: int) -> Plan:
    if not possible(layers, rates, target):
        raise ValueError("impossible")
    return change(layers, rates, target)


WAYS = {
    "aspp-rates-kept": _pyramid(lambda rs, now, t: rs),
    "aspp-rates-inverted": _pyramid(
        lambda rs, now, t: [r * t / now for r in rs], lambda rs, now, t: [max(1, r * t // now) for r in rs]
    ),
    "aspp-from-16": _pyramid(lambda rs, now, t: [r * 16 // t for r in rs], lambda rs, now, t: [r * 16 / t for r in rs]),
    "aspp-always-doubled": _pyramid(
        lambda rs, now, t: [r * 2 for r in rs],
        lambda rs, now, t: [r * 2 if t < now else r for r in rs],
        lambda rs, now, t: [r * 2 if t < now else r // 2 if t > now else r for r in rs],
    ),
    "aspp-rates-added": _pyramid(lambda rs, now, t: [r + now // t for r in rs]),
    "new-rate-too-early": _layer_rates(lambda own, lost, made, old: own * lost * made),
    "layers-not-dilated": _made(lambda ls, t: _merged(walk(ls, t), ls, 2)) + _layer_rates(lambda own, *a: own),
    "layers-unchanged": _made(lambda ls, t: ls),
    "strides-not-restored": _made(_only_finer) + _refusing(lambda ls, rs, t: possible(ls, rs, t) and t <= present(ls)),
    "rates-not-undone": _made(
        lambda ls, t: [(s, gone, max(now, old)) for (s, gone, now), (_, _, old) in zip(walk(ls, t), ls, strict=True)]
    ),
    "dilated-twice": _layer_rates(lambda own, lost, made, old: old * lost),
    "all-scaled": _made(_later_scaled, lambda ls, t: _merged(_all_scaled(ls, t), walk(ls, t), 0, 1), _all_scaled),
    "own-rate-lost": _layer_rates(lambda own, lost, made, old: lost, lambda own, lost, made, old: max(own, lost)),
    "rates-added": _layer_rates(lambda own, lost, made, old: own + lost - 1, lambda own, lost, made, old: own + lost),
    "strides-not-multiplied": _made(
        partial(walk, grow=lambda lost, made: made if made > 1 else lost),
        partial(walk, grow=lambda lost, made: max(lost, made)),
        partial(walk, grow=lambda lost, made: lost + made - 1),
        partial(walk, grow=lambda lost, made: made),
    ),
    "always-two": _made(partial(walk, grow=lambda lost, made: lost * (2 if made > 1 else 1))),
    "lost-not-noted": _made(
        lambda ls, t: _merged(walk(ls, t), ls, 1),
        lambda ls, t: [(s, 1, r) for s, _, r in walk(ls, t)],
        lambda ls, t: [(s, 0 if gone == 1 else gone, r) for s, gone, r in walk(ls, t)],
    ),
    "one-stride-too-many": _made(
        lambda ls, t: walk(ls, 2 * t), lambda ls, t: walk(ls, t + 1), lambda ls, t: walk(ls, max(t // 2, 1))
    ),
    "uneven-rate-rounded": _refusing(lambda ls, rs, t: reachable(ls, t))
    + does(
        lambda ls, rs, t: (walk(ls, t), [round(r * present(ls) / t) for r in rs]) if reachable(ls, t) else NOTHING,
        lambda ls, rs, t: (walk(ls, t), [r * present(ls) / t for r in rs]) if reachable(ls, t) else NOTHING,
        lambda ls, rs, t: (walk(ls, t), [max(1, r * present(ls) // t) for r in rs]) if reachable(ls, t) else NOTHING,
        lambda ls, rs, t: (walk(ls, t), [-(-r * present(ls) // t) for r in rs]) if reachable(ls, t) else NOTHING,
        lambda ls, rs, t: (
            (walk(ls, t), [r * (present(ls) // t) if t <= present(ls) else r // (t // present(ls)) for r in rs])
            if reachable(ls, t)
            else NOTHING
        ),
        lambda ls, rs, t: (
            (walk(ls, t), [r * present(ls) // t for r in rs if r * present(ls) % t == 0])
            if reachable(ls, t)
            else NOTHING
        ),
        lambda ls, rs, t: (walk(ls, t), scaled(ls, rs, t) if even(ls, rs, t) else []) if reachable(ls, t) else NOTHING,
    ),
    "one-uneven-rate-enough": _refusing(
        lambda ls, rs, t: reachable(ls, t) and (not rs or any(r * present(ls) % t == 0 for r in rs)),
        lambda ls, rs, t: reachable(ls, t) and even(ls, rs[:1], t),
        lambda ls, rs, t: reachable(ls, t) and even(ls, rs[-1:], t),
    ),
    "unreachable-not-refused": _refusing(even, lambda ls, rs, t: even(ls, rs, t) and t <= present(own_rates(ls)))
    + _refusing(lambda ls, rs, t: even(ls, rs, t) and present(walk(ls, t)) >= t),
    "not-refused-at-all": _refusing(lambda ls, rs, t: True),
    "refuses-too-much": _refusing(
        lambda ls, rs, t: possible(ls, rs, t) and t in (8, 16, 32),
        lambda ls, rs, t: possible(ls, rs, t) and t in (4, 8, 16, 32),
        lambda ls, rs, t: possible(ls, rs, t) and all(r % 2 == 0 for r in rs),
        lambda ls, rs, t: possible(ls, rs, t) and t != present(ls),
        lambda ls, rs, t: possible(ls, rs, t) and bool(rs),
    ),
    "refused-by-an-error": stops(_raises),
    "columns-exchanged": gives(
        lambda r, *a: ([(gone, s, d) for s, gone, d in r[0]], r[1]),
        lambda r, *a: ([(s, d, gone) for s, gone, d in r[0]], r[1]),
    )
    + given(lambda ls, rs, t: ([(s, d, gone) for s, gone, d in ls], rs, t)),
    "results-exchanged": gives(lambda r, *a: r[::-1]),
}
