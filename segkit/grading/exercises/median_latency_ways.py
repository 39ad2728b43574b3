"""`median_latency` as it should be, and as it is often got wrong."""

from __future__ import annotations

import statistics
from functools import partial

import numpy as np

from segkit.grading.exercise import Function, Ways, each, given, gives
from segkit.grading.exercises.mechanical import changed, replaced
from segkit.grading.observers import Machine

Three = tuple[float, ...]  # quartile, median, quartile


def seconds(machine: Machine, pictures: int) -> float:
    """Of one call, with the batch there before it begins."""
    batch = machine.load(pictures)
    machine.synchronise()
    began = machine.clock()
    machine.run(batch)
    machine.synchronise()
    return machine.clock() - began


def each_call(machine: Machine, pictures: int, warmup: int, repeats: int, *, one: Function = seconds) -> list[float]:
    """The times of the calls that count."""
    return [one(machine, pictures) for _ in range(warmup + repeats)][warmup:]


def three(times: list[float]) -> Three:
    """Quartile, median, quartile."""
    return tuple(float(np.quantile(times, share)) for share in (0.25, 0.5, 0.75))


def latency(
    machine: Machine, pictures: int, warmup: int, repeats: int, *, timed: Function = each_call,
    summary: Function = three,
) -> Three:  # fmt: skip
    """Reference of `median_latency`, with its steps replaced.

    Args:
        machine, pictures, warmup, repeats: as the task has them.
        timed: timed(machine, pictures, warmup, repeats), the seconds that count.
        summary: summary(seconds), the three numbers of them.
    """
    return tuple(1000 * value / pictures for value in summary(timed(machine, pictures, warmup, repeats)))


_summary = partial(replaced, latency, "summary")
_timed = partial(replaced, latency, "timed")


@each
def _one(other: Function) -> Ways:
    """One call timed otherwise: other(machine, pictures)."""
    return _timed(partial(each_call, one=other))


@each
def _of_middle(other: Function) -> Ways:
    """Another number in place of the median: other(times)."""
    return _summary(lambda times: (three(times)[0], other(times), three(times)[2]))


def _end_unsynchronised(machine: Machine, pictures: int) -> float:
    batch = machine.load(pictures)
    machine.synchronise()
    began = machine.clock()
    machine.run(batch)
    ended = machine.clock()
    machine.synchronise()
    return ended - began


def _start_unsynchronised(machine: Machine, pictures: int) -> float:
    batch = machine.load(pictures)
    began = machine.clock()
    machine.run(batch)
    machine.synchronise()
    return machine.clock() - began


def _warmed_up_without_waiting(machine: Machine, pictures: int, warmup: int, repeats: int) -> list[float]:
    """The warm-up's last calls, too, are still under way when the first time is taken."""
    for _ in range(warmup):
        machine.run(machine.load(pictures))
    return [_start_unsynchronised(machine, pictures) for _ in range(repeats)]


def _with_loading(machine: Machine, pictures: int, *, waiting: bool = False) -> float:
    began = machine.clock()
    batch = machine.load(pictures)
    if waiting:
        machine.synchronise()
    machine.run(batch)
    machine.synchronise()
    return machine.clock() - began


def _after_handing_over(machine: Machine, pictures: int) -> float:
    batch = machine.load(pictures)
    machine.synchronise()
    machine.run(batch)
    began = machine.clock()
    machine.synchronise()
    return machine.clock() - began


def _total(machine: Machine, pictures: int, warmup: int, repeats: int) -> list[float]:
    """One time around all calls, each waited for."""
    each_call(machine, pictures, warmup, 0)
    return [sum(_with_loading(machine, pictures) for _ in range(repeats)) / repeats] * repeats


def _overlapping(machine: Machine, pictures: int, warmup: int, repeats: int) -> list[float]:
    """One time around all calls, waited for at the end."""
    each_call(machine, pictures, warmup, 0)
    began = machine.clock()
    for _ in range(repeats):
        machine.run(machine.load(pictures))
    machine.synchronise()
    return [(machine.clock() - began) / repeats] * repeats


def _since_the_first(machine: Machine, pictures: int, warmup: int, repeats: int) -> list[float]:
    """All times from one reading of the clock on."""
    each_call(machine, pictures, warmup, 0)
    batch = machine.load(pictures)
    machine.synchronise()
    began, times = machine.clock(), []
    for _ in range(repeats):
        machine.run(batch)
        machine.synchronise()
        times.append(machine.clock() - began)
        batch = machine.load(pictures)
        machine.synchronise()
    return times


def _one_batch(machine: Machine, pictures: int, warmup: int, repeats: int, *, fresh: bool = False) -> list[float]:
    """The same pictures in every call; `fresh`: others after the warm-up."""
    batch, times = machine.load(pictures), []
    for call in range(warmup + repeats):
        if fresh and call == warmup > 0:
            batch = machine.load(pictures)
        machine.synchronise()
        began = machine.clock()
        machine.run(batch)
        machine.synchronise()
        times.append(machine.clock() - began)
    return times[warmup:]


def _warmed_up_alone(machine: Machine, pictures: int, warmup: int, repeats: int) -> list[float]:
    """A warm-up with single pictures."""
    each_call(machine, 1, warmup, 0)
    return each_call(machine, pictures, 0, repeats)


def _with_warm_up(machine: Machine, pictures: int, warmup: int, repeats: int) -> list[float]:
    return each_call(machine, pictures, 0, warmup + repeats)


def _all_but(worst: int, best: int) -> Function:
    """Without so many of the largest and of the smallest, if any are left then."""
    return lambda times: three(sorted(times)[best : len(times) - worst] or times)


def _by_rank(times: list[float]) -> Three:
    line, n = sorted(times), len(times)
    return line[n // 4], three(times)[1], line[3 * n // 4]


def _exclusive(times: list[float]) -> Three:
    return tuple(statistics.quantiles(times, n=4)) if len(times) > 1 else three(times)


def _by_deviation(times: list[float]) -> Three:
    spread = statistics.stdev(times) if len(times) > 1 else 0.0
    return statistics.median(times) - spread, statistics.median(times), statistics.median(times) + spread


WAYS = {
    "no-warm-up": changed(2, lambda warmup: 0),
    "one-warm-up": changed(2, lambda warmup: min(warmup, 1)),
    "warm-up-counted": _timed(_with_warm_up),
    "calls-miscounted": changed(2, lambda warmup: warmup + 1)
    + changed(3, lambda repeats: repeats + 1, lambda repeats: max(repeats - 1, 1))
    + given(lambda m, n, warmup, repeats: (m, n, warmup + 1, max(repeats - 1, 1))),
    "warm-up-of-another-size": _timed(_warmed_up_alone),
    "batch-used-again": _timed(_one_batch, partial(_one_batch, fresh=True)),
    "end-not-synchronised": _one(_end_unsynchronised),
    "start-not-synchronised": _one(_start_unsynchronised) + _timed(_warmed_up_without_waiting),
    "loading-counted": _one(_with_loading, partial(_with_loading, waiting=True)),
    "clock-after-the-call": _one(_after_handing_over),
    "total-over-repeats": _timed(_total, _overlapping),
    "clock-not-restarted": _timed(_since_the_first),
    "mean-for-median": _of_middle(statistics.fmean),
    "minimum-for-median": _of_middle(min),
    "not-sorted": _of_middle(lambda times: times[len(times) // 2]),
    "median-of-an-even-number": _of_middle(statistics.median_low, statistics.median_high),
    "outliers-left-out": _summary(_all_but(1, 0), _all_but(1, 1)),
    "quartiles-by-rank": _summary(_by_rank),
    "other-quartiles": _summary(_exclusive),
    "deviation-for-quartiles": _summary(_by_deviation),
    "extremes-for-quartiles": _summary(lambda times: (min(times), three(times)[1], max(times))),
    "not-milliseconds": gives(lambda r, *a: tuple(v / 1000 for v in r), lambda r, *a: tuple(v * 1000 for v in r)),
    "not-divided": gives(
        lambda r, machine, pictures, *a: tuple(v * pictures for v in r),
        lambda r, machine, pictures, *a: tuple(v * pictures**2 for v in r),
    ),
    "rate-not-latency": gives(
        lambda r, *a: tuple(1000 / v for v in r), lambda r, *a: tuple(1000 / v for v in r[::-1])
    ),
    "results-exchanged": gives(lambda r, *a: (r[1], r[0], r[2]), lambda r, *a: r[::-1]),
}  # fmt: skip
