"""Chapter 12: how long a network takes, on a machine that goes on before its work is done."""

from __future__ import annotations

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.median_latency_ways import WAYS, latency
from segkit.grading.observers import Machine, rows
from segkit.grading.values import Leaf, Unusable

TASK = """How long does a network take for a picture? machine has four functions: `batch = machine.load(pictures)`
gets a new batch of that many pictures, `machine.run(batch)` hands it to the network, `machine.synchronise()` waits
until everything that was handed over is done, and `machine.clock()` gives seconds. Like a GPU, a machine may go on
while a batch is still being fetched or computed.
Make `warmup` calls that do not count, then `repeats` (at least 1) that do. Every call gets a batch of its own, of
`pictures`: one that the machine has had before lies in its cache, and is done sooner. The time of a call begins when
its batch is there and nothing else is under way; it ends when the network is done.
Return three numbers, in milliseconds for one picture: the times' lower quartile, median and upper quartile. In
the sorted times t[0] … t[n − 1] these stand at the places (n − 1)/4, (n − 1)/2 and 3(n − 1)/4; a place between two
times is a point on the straight line from one to the other (numpy's and torch's `quantile` do that)."""


def settle(found: tuple[Leaf, ...], machine: Machine, pictures: int, warmup: int, repeats: int) -> tuple[Leaf, ...]:
    """The three numbers, after a look at whose time it is.

    Raises:
        Unusable: it is that of a real clock.
    """
    times = [float(one.array) for one in found if one.array.size == 1 and one.array.dtype.kind == "f"]
    soonest = min(latency(machine, pictures, warmup, repeats)) / 1500  # in seconds by mistake, it would be a thousandth
    if len(times) == len(found) and all(0 < one < soonest for one in times):
        raise Unusable(
            "[own-clock] Your times are those of a real clock, which knows nothing about this machine. Read "
            "`machine.clock()` in place of `time.perf_counter()` or `time.time()`."
        )
    return found


def _cases() -> list[Case]:
    def gpu(*work: float, loading: float = 0.003, copying: float = 0.006, handing: float = 0.001) -> Machine:
        return Machine(work, loading, copying, handing)

    def processor(*work: float, loading: float = 0.0) -> Machine:
        return Machine(work, loading, waits=True)

    slow_start = processor(0.09, 0.04, 0.016, 0.02, 0.036, 0.05)
    slow_twice = gpu(0.4, 0.08, 0.03, 0.02, 0.05, 0.025, 0.06)
    no_loading = gpu(0.05, 0.03, 0.04, loading=0.0, copying=0.0)
    return grouped(
        ("plain", (processor(0.02), 1, 0, 1), (processor(0.035), 1, 0, 1)),
        ("warm-up", (slow_start, 1, 1, 1), (slow_start, 1, 2, 1), (slow_twice, 1, 3, 1)),
        (
            "many times",
            (processor(0.02, 0.03, 0.05, 0.07), 1, 0, 2),
            (processor(0.024, 0.02, 0.9, 0.022, 0.028), 1, 0, 5),
        ),
        ("many times", (gpu(0.05, 0.02, 0.04, 0.8, 0.03, 0.024, 0.07, 0.036), 1, 1, 6), (slow_twice, 1, 2, 4)),
        ("a batch", (processor(0.08, 0.06), 4, 0, 1), (gpu(0.09, 0.06, 0.042), 8, 1, 1)),
        ("a machine that does not wait", (no_loading, 1, 0, 1)),
        ("a machine that does not wait", (gpu(0.06, 0.05, 0.03, copying=0.0, handing=0.002), 1, 1, 1)),
        ("loading", (processor(0.05, 0.03, loading=0.025), 1, 0, 1), (gpu(0.04, 0.05, 0.03), 1, 0, 1)),
        ("loading", (gpu(0.3, 0.04, 0.028, loading=0.01, copying=0.024), 2, 1, 1)),
    )


def _facts(machine: Machine, pictures: int, warmup: int, repeats: int) -> dict[str, bool]:
    return {
        "there is a warm-up": warmup > 0,
        "there is more than one picture in a batch": pictures > 1,
        "there is more than one time": repeats > 1,
        "the number of times is even": repeats % 2 == 0,
        "the machine goes on before a call is done": not machine.waits,
        "loading takes time": machine.loading + machine.copying > 0,
    }


MESSAGES = """
no-warm-up: There is no warm-up: the first calls, which make room and choose kernels, are among your times. Make
    `warmup` calls before the first that counts.
one-warm-up: You make only one call to warm up, whatever `warmup` is.
warm-up-counted: The calls of the warm-up are among your times. They should not count.
calls-miscounted: You make one call too many or too few, in the warm-up or after it.
warm-up-of-another-size: The first call with a batch of `pictures` is among your times. At each size of batch the first
    calls are slow anew: make all calls of the warm-up with batches of that size.
batch-used-again: You use a batch for more than one call. The machine has it in its cache then, and is done sooner than
    with pictures that are new to it. Call `load` before each `run`.
end-not-synchronised: You read the clock before the work is done. `run` only hands it over: call `synchronise` after it,
    and then read the clock.
start-not-synchronised: When you first read the clock, the machine is still fetching the batch, or still busy with an
    earlier call. Call `synchronise` after `load`, and then read the clock.
loading-counted: Loading the batch is part of your time. Load it, wait until it is there, and read the clock then.
clock-after-the-call: You first read the clock after `run`, so handing the work over is not in your time. Read it
    before.
total-over-repeats: You take one time around all calls and divide it. That is a mean, with loading in it, and it has no
    quartiles. Time each call by itself.
clock-not-restarted: All your times begin at the same reading of the clock. Read it anew before each call.
mean-for-median: Your middle number is the mean. One slow call pulls a mean up; the median stays where it is.
minimum-for-median: Your middle number is the shortest time. The median is the middle one of the sorted times.
not-sorted: Your middle number is the time of the call in the middle. Sort the times first.
median-of-an-even-number: Of an even number of times there are two in the middle, and you take one of them (as
    `torch.median` does). The median lies halfway between.
outliers-left-out: The slowest call is left out of your times, or the slowest and the fastest. All of them count: the
    median can cope with outliers.
quartiles-by-rank: Your quartiles are the times at the places n//4 and 3n//4. They lie at (n − 1)/4 and 3(n − 1)/4,
    mostly between two times.
other-quartiles: Your quartiles follow another rule, as those of `statistics.quantiles` do without
    `method="inclusive"`. Here they lie at (n − 1)/4 and 3(n − 1)/4.
deviation-for-quartiles: Around the median you give a standard deviation. One slow call makes it huge; give the
    quartiles.
extremes-for-quartiles: Your first and last numbers are the shortest and the longest time. Give the quartiles.
not-milliseconds: The unit is wrong. The clock gives seconds, and a second has 1000 milliseconds.
not-divided: Your numbers are for the whole batch, or multiplied by its size. Divide by the number of pictures.
rate-not-latency: You give pictures per second. Give the time for one picture.
results-exchanged: The three numbers are out of order. Return lower quartile, median, upper quartile.
"""

EXERCISE = Exercise(
    "median_latency(machine, pictures, warmup, repeats)",
    TASK,
    latency,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("number", "number", "number"),
    observe=rows,
    facts=_facts,
    settle=settle,
    number="12.4",
    marks=5,
    finished=("in_turns", "quartiles"),
)
