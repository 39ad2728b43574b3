"""How long things take: in turns, so that a busy moment hits all alike, and with the device finished at both ends."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

from segkit.checks import whole
from segkit.typed import typed


def finish(device: torch.device | str = "cpu") -> None:
    """Wait until the device has done what it was given: a GPU is handed work faster than it works."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(device)


@typed
def in_turns(
    runs: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 1, device: torch.device | str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:  # fmt: skip
    """Seconds of each call of each run; one call of each makes a round.

    Args:
        runs: what is timed, by name.
        rounds: how often each is timed.
        warm_up: rounds before these that do not count.
        device: where the runs compute.
        clock: gives seconds; `time.process_time` for work on one thread of a machine with other users.

    Returns:
        for each name `rounds` times, in the order of the rounds: those of one round may be divided by each other.

    Raises:
        ValueError: nothing to time, or no rounds.
    """
    rounds, warm_up = whole(rounds, "rounds", "in_turns", 1), whole(warm_up, "warm_up", "in_turns", 0)
    if not runs:
        raise ValueError("in_turns got no runs; give it at least one function by name")
    times: dict[str, list[float]] = {name: [] for name in runs}
    for count in range(warm_up + rounds):
        for name, run in runs.items():
            finish(device)
            start = clock()
            run()
            finish(device)
            if count >= warm_up:
                times[name].append(clock() - start)
    return times


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Of the values 25, 50 and 75 % lie below."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return low, middle, high


def ratios(times: Mapping[str, Sequence[float]], first: str) -> dict[str, tuple[float, float, float]]:
    """For each name the quartiles of its time over that of the first in the same round."""
    return {
        name: quartiles([a / b for a, b in zip(seconds, times[first], strict=True)]) for name, seconds in times.items()
    }
