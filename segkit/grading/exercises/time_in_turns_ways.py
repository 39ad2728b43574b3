"""`time_in_turns` as it should be, and as it is often got wrong."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor

from segkit.grading.bench import Bench, Timed
from segkit.grading.exercise import Function, Ways, does, each, given, gives
from segkit.grading.exercises.mechanical import changed, replaced

Table = list[list[float]]  # rounds, networks: seconds
Two = tuple[list[float], list[float]]


def seconds(machine: Bench, network: Timed, x: Tensor) -> float:
    """Of one call, from where nothing else is under way until it is done."""
    machine.synchronise()
    began = machine.clock()
    network(x)
    machine.synchronise()
    return machine.clock() - began


def in_turns(machine: Bench, x: Tensor, warm_up: int, rounds: int, *, one: Function = seconds) -> Table:
    """The rounds that count."""
    return [[one(machine, net, x) for net in machine.networks] for _ in range(warm_up + rounds)][warm_up:]


def _evaluated(machine: Bench) -> None:
    for network in machine.networks:
        network.eval()


def _share(row: list[float]) -> list[float]:
    return [one / row[0] for one in row]


def _paired(table: Table, middle: Function, share: Function = _share) -> list[float]:
    return [middle(column) for column in zip(*map(share, table), strict=True)]


def timed(
    machine: Bench, x: Tensor, warm_up: int, rounds: int, *, prepare: Function = _evaluated,
    watching: Callable[[], AbstractContextManager[object]] = torch.no_grad, measured: Function = in_turns,
    middle: Function = statistics.median, ratio: Function = _paired,
) -> Two:  # fmt: skip
    """Reference of `time_in_turns`, with its steps replaced.

    Args:
        machine, x, warm_up, rounds: as the task has them.
        prepare: prepare(machine), the networks' mode.
        watching: what the calls are made under.
        measured: measured(machine, x, warm_up, rounds), a row of seconds for each round that counts.
        middle: middle(numbers), one for all of them.
        ratio: ratio(table, middle), a number for each network.
    """
    prepare(machine)
    with watching():
        table = measured(machine, x, warm_up, rounds)
    return [1000 * middle(column) for column in zip(*table, strict=True)], ratio(table, middle)


_step = partial(replaced, timed)


@each
def _one(other: Function) -> Ways:
    """One call timed otherwise: other(machine, network, x)."""
    return _step("measured", partial(in_turns, one=other))


def _end_unsynchronised(machine: Bench, network: Timed, x: Tensor) -> float:
    machine.synchronise()
    began = machine.clock()
    network(x)
    ended = machine.clock()
    machine.synchronise()
    return ended - began


def _after_handing_over(machine: Bench, network: Timed, x: Tensor) -> float:
    network(x)
    began = machine.clock()
    machine.synchronise()
    return machine.clock() - began


def _start_unsynchronised(machine: Bench, x: Tensor, warm_up: int, rounds: int) -> Table:
    """The warm-up's last call is still under way when the first time begins."""
    for _ in range(warm_up):
        for network in machine.networks:
            network(x)
    found = []
    for _ in range(rounds):
        row = []
        for network in machine.networks:
            began = machine.clock()
            network(x)
            machine.synchronise()
            row.append(machine.clock() - began)
        found.append(row)
    return found


def _one_by_one(machine: Bench, x: Tensor, warm_up: int, rounds: int) -> Table:
    """All calls of one network, then all of the next."""
    columns = [[seconds(machine, net, x) for _ in range(warm_up + rounds)][warm_up:] for net in machine.networks]
    return [list(row) for row in zip(*columns, strict=True)]


def _rounds_one_by_one(machine: Bench, x: Tensor, warm_up: int, rounds: int) -> Table:
    """The warm-up in turns, and then one network after the other."""
    in_turns(machine, x, warm_up, 0)
    return _one_by_one(machine, x, 0, rounds)


def _first_warmed_up(machine: Bench, x: Tensor, warm_up: int, rounds: int) -> Table:
    for _ in range(warm_up):
        seconds(machine, machine.networks[0], x)
    return in_turns(machine, x, 0, rounds)


def _whole_rounds(machine: Bench, x: Tensor, warm_up: int, rounds: int) -> Table:
    """One time around each round, shared out."""
    n = len(machine.networks)
    return [[sum(row) / n] * n for row in in_turns(machine, x, warm_up, rounds)]


def _total(machine: Bench, x: Tensor, warm_up: int, rounds: int) -> Table:
    """For each network one time around all of its calls."""
    in_turns(machine, x, warm_up, 0)
    means = []
    for network in machine.networks:
        machine.synchronise()
        began = machine.clock()
        for _ in range(rounds):
            network(x)
        machine.synchronise()
        means.append((machine.clock() - began) / rounds)
    return [means] * rounds


def _since_the_round_began(machine: Bench, x: Tensor, warm_up: int, rounds: int) -> Table:
    """A network's time holds those of the networks before it."""
    return [list(accumulate(row)) for row in in_turns(machine, x, warm_up, rounds)]


def _by_medians(table: Table, middle: Function) -> list[float]:
    return _share([middle(column) for column in zip(*table, strict=True)])


WAYS = {
    "no-warm-up": changed(2, lambda warm_up: 0),
    "one-warm-up": changed(2, lambda warm_up: min(warm_up, 1)),
    "warm-up-counted": given(lambda machine, x, warm_up, rounds: (machine, x, 0, warm_up + rounds)),
    "warm-up-of-the-first": _step("measured", _first_warmed_up),
    "calls-miscounted": changed(2, lambda warm_up: warm_up + 1)
    + changed(3, lambda rounds: rounds + 1, lambda rounds: max(rounds - 1, 1)),
    "training-mode": _step("prepare", lambda machine: None),
    "gradients-recorded": _step("watching", nullcontext),
    "end-not-synchronised": _one(_end_unsynchronised),
    "start-not-synchronised": _step("measured", _start_unsynchronised),
    "clock-after-the-call": _one(_after_handing_over),
    "one-after-another": _step("measured", _one_by_one, _rounds_one_by_one),
    "whole-rounds-timed": _step("measured", _whole_rounds),
    "total-over-rounds": _step("measured", _total),
    "clock-not-restarted": _step("measured", _since_the_round_began),
    "mean-for-median": _step("middle", statistics.fmean)
    + does(partial(timed, ratio=lambda table, middle: _paired(table, statistics.fmean))),
    "minimum-for-median": _step("middle", min),
    "not-sorted": _step("middle", lambda numbers: numbers[len(numbers) // 2]),
    "median-of-an-even-number": _step("middle", statistics.median_low, statistics.median_high),
    "slowest-left-out": _step("middle", lambda numbers: statistics.median(sorted(numbers)[:-1] or numbers)),
    "not-milliseconds": gives(
        lambda r, *a: ([ms / 1000 for ms in r[0]], r[1]), lambda r, *a: ([ms * 1000 for ms in r[0]], r[1])
    ),
    "ratio-of-medians": _step("ratio", _by_medians),
    "ratios-inverted": _step("ratio", partial(_paired, share=lambda row: [row[0] / one for one in row])),
    "ratios-to-the-fastest": _step("ratio", partial(_paired, share=lambda row: [one / min(row) for one in row])),
    "differences-for-ratios": _step(
        "ratio", partial(_paired, share=lambda row: [1000 * (one - row[0]) for one in row])
    ),
    "first-left-out": gives(lambda r, *a: (r[0], r[1][1:])),
    "results-exchanged": gives(lambda r, *a: r[::-1]),
}  # fmt: skip
