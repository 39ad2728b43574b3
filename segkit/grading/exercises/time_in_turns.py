"""Chapter 14: how long several networks take, measured in turns."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.bench import Bench
from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.time_in_turns_ways import WAYS, timed
from segkit.grading.values import Leaf, Unusable

TASK = """How long do several networks take, and how do they compare? machine.networks is a list of them, torch modules;
calling one with x hands the work over. `machine.synchronise()` waits until everything that was handed over is done, and
`machine.clock()` gives seconds. Like a GPU, a machine may go on while a network is still at work; and it may be busy
for a while with something else, so that everything takes longer.
Measure them as they will be used, in evaluation mode and without recording gradients. Call every network once in each
round. There are `warm_up` rounds that do not count, and then `rounds` (at least 1) that do. Time each call by itself:
it begins when nothing else is under way, and ends when the network is done.
Return two lists with a number for each network, in order: the median of its times, in milliseconds; and the median,
over the rounds, of its time divided by that of the first network *in the same round*. Of an even number of numbers the
median lies halfway between the two in the middle."""


def settle(found: tuple[Leaf, ...], machine: Bench, x: Tensor, warm_up: int, rounds: int) -> tuple[Leaf, ...]:
    """The two lists, after a look at whose time it is.

    Raises:
        Unusable: it is that of a real clock.
    """
    times = found[0].array
    soonest = min(map(min, machine.work)) / 1.5  # in milliseconds; in seconds by mistake, they would still be longer
    if times.dtype.kind == "f" and times.size and bool(((times > 0) & (times < soonest)).all()):
        raise Unusable(
            "[own-clock] Your times are those of a real clock, which knows nothing about this machine. Read "
            "`machine.clock()` in place of `time.perf_counter()` or `time.time()`."
        )
    return found


def _cases() -> list[Case]:
    x, pair = torch.ones(1, 1, 2, 2), ((2.0,), (3.0,))
    uneven = ((2.0, 4.0, 3.0, 8.0, 2.5), (9.0, 3.0, 5.0, 4.0, 6.0))
    slow_start = ((9.0, 5.0, 2.0), (16.0, 3.0), (8.0, 7.0, 6.0, 4.0))
    busy = (1.0,) * 2 + (4.0,) * 6 + (1.0,)
    three = ((5.0, 2.0, 3.0, 4.0), (6.0, 7.0, 2.5), (30.0, 2.0, 8.0, 4.0, 3.0))
    return grouped(
        ("plain", (Bench(pair), x, 0, 1), (Bench(((4.0,), (2.0,))), x, 0, 1)),
        ("more networks", (Bench(((2.0,), (3.0,), (5.0,))), x, 0, 1), (Bench(((4.0,),)), x, 0, 1)),
        ("many rounds", (Bench(uneven), x, 0, 3), (Bench(uneven, busy), x, 0, 5), (Bench(three), x, 0, 3)),
        ("an even number of rounds", (Bench(uneven), x, 0, 2), (Bench(uneven, busy), x, 0, 4)),
        ("warm-up", (Bench(slow_start), x, 2, 1), (Bench(slow_start), x, 3, 2), (Bench(uneven, busy), x, 1, 3)),
        ("training mode", (Bench(pair, training=True), x, 0, 1), (Bench(uneven, training=True), x, 1, 3)),
        ("gradients", (Bench(pair, learns=True), x, 0, 1), (Bench(uneven, learns=True), x, 1, 3)),
        ("a machine that does not wait", (Bench(pair, handing=0.25, waits=False), x, 0, 1)),
        ("a machine that does not wait", (Bench(three, handing=0.125, waits=False), x, 2, 2)),
        ("busy for a while", (Bench(pair, busy), x, 0, 5), (Bench(uneven, (1.0,) * 4 + (3.0,) * 4 + (1.0,)), x, 1, 4)),
        ("everything together", (Bench(three, (2.0,) * 3 + (1.0,) * 6 + (5.0,), True, True, 0.25, False), x, 2, 4)),
    )


def _facts(machine: Bench, x: Tensor, warm_up: int, rounds: int) -> dict[str, bool]:
    return {
        "there is a warm-up": warm_up > 0,
        "there is more than one round": rounds > 1,
        "the number of rounds is even": rounds % 2 == 0,
        "the networks come in training mode": machine.training,
        "the networks' weights want gradients": machine.learns,
        "the machine goes on before a call is done": not machine.waits,
        "the machine is busy for a while": len(set(machine.pace)) > 1,
        "there are more than two networks": len(machine.work) > 2,
    }


MESSAGES = """
no-warm-up: There is no warm-up: the first calls of each network, which make room and choose kernels, are among your
    times. Make `warm_up` rounds before the first that counts.
one-warm-up: You make only one round to warm up, whatever `warm_up` is.
warm-up-counted: The rounds of the warm-up are among your times. They should not count.
warm-up-of-the-first: You warm up the first network alone. Each network has slow first calls of its own.
calls-miscounted: You make one round too many or too few, in the warm-up or after it.
training-mode: You time the networks in the mode in which they come, and some come in training mode, where BatchNorm and
    dropout do more work. Call `eval()` on each of them first.
gradients-recorded: Your calls record what a backward pass would need, which takes time and memory. Make them under
    `torch.no_grad()`.
end-not-synchronised: You read the clock before the network is done. A call only hands the work over: synchronise after
    it, and then read the clock.
start-not-synchronised: When you first read the clock, the machine is still busy with the warm-up. Synchronise before
    each first reading.
clock-after-the-call: You first read the clock after the call, so handing it over is not in your time. Read it before.
one-after-another: You make all calls of one network before those of the next. If the machine is busy for a while, one
    network alone has the harm. Call every network once, and then all of them again.
whole-rounds-timed: You take one time around each round and share it out, so all networks take equally long. Read the
    clock before and after each call.
total-over-rounds: For each network you take one time around all of its calls, and divide it. That is a mean, and no
    longer in turns. Time each call by itself.
clock-not-restarted: The times of a round all begin where the round begins, so a network's time holds those of the
    networks before it. Read the clock anew before each call.
mean-for-median: Your middle numbers, or one of the two kinds, are means. One slow call pulls a mean up; the median
    stays where it is.
minimum-for-median: Your middle numbers are the smallest. The median is the middle one of the sorted numbers.
not-sorted: Your middle numbers are those of the round in the middle. Sort the numbers first.
median-of-an-even-number: Of an even number of rounds there are two in the middle, and you take one of them (as
    `torch.median` does). The median lies halfway between.
slowest-left-out: The slowest round is left out of your numbers. All of them count: the median can cope with outliers.
not-milliseconds: The unit of your times is wrong. The clock gives seconds, and a second has 1000 milliseconds.
ratio-of-medians: You divide the medians. Divide within each round, where both networks met the same machine, and take
    the median of the ratios.
ratios-inverted: Your ratios are upside down: the network's time belongs above the line, that of the first below it.
ratios-to-the-fastest: You divide by the fastest network of the round. Divide by the first.
differences-for-ratios: You subtract the time of the first network. Divide by it.
first-left-out: Your ratios leave out the first network. Its ratio, 1, belongs into the list.
results-exchanged: The two lists are in the wrong order: milliseconds first, ratios second.
"""

EXERCISE = Exercise(
    "time_in_turns(machine, x, warm_up, rounds)",
    TASK,
    timed,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "float"),
    facts=_facts,
    settle=settle,
    number="14.4",
    marks=5,
    finished=("in_turns", "quartiles", "ratios"),
    exact=False,
)
