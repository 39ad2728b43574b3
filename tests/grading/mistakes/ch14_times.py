"""Chapter 14, its stopwatch, right and wrong: loops, numpy, a generator."""

from __future__ import annotations

import statistics
from functools import partial

import numpy as np
import torch

from tests.grading.mistakes.families import after, own_clock


def turns_loop(machine, x, warm_up, rounds, *, wrong=""):
    """Lists of times, filled round by round."""
    nets = machine.networks
    if wrong != "training":
        for net in nets:
            net.eval()
    first = {"no warm-up": 0, "one": min(warm_up, 1), "one more": warm_up + 1}.get(wrong, warm_up)
    counted = {"too many": rounds + 1, "too few": max(1, rounds - 1)}.get(wrong, rounds)
    times = [[] for _ in nets]
    with torch.set_grad_enabled(wrong == "gradients"):
        if wrong == "warm-up hurries":
            for _ in range(first):
                for net in nets:
                    net(x)
            first = 0
        if wrong == "first warmed":
            for _ in range(first):
                nets[0](x)
                machine.synchronise()
            first = 0
        if wrong.startswith("alone"):
            if wrong == "alone, warmed up":
                for _ in range(first):
                    for net in nets:
                        turns_call(machine, net, x, "")
                first = 0
            for net, own in zip(nets, times, strict=True):
                own += [turns_call(machine, net, x, "") for _ in range(first + counted)][first:]
            first = counted = 0
        for number in range(first + counted):
            began = None
            if wrong in ("rounds", "not restarted"):
                machine.synchronise()
            whole = machine.clock()
            for net, own in zip(nets, times, strict=True):
                if wrong == "not restarted":
                    began = whole
                taken = turns_call(machine, net, x, wrong, began)
                if number >= first or wrong == "counted":
                    own.append(taken)
            if wrong == "rounds" and number >= first:
                for own in times:
                    own[-1] = (machine.clock() - whole) / len(nets)
    return turns_told(times, wrong)


def turns_call(machine, net, x, wrong, began=None):
    if wrong not in ("warm-up hurries", "never"):
        machine.synchronise()
    began = machine.clock() if began is None else began
    net(x)
    if wrong == "after":
        began = machine.clock()
    ended = machine.clock()
    if wrong == "never":
        return ended - began
    machine.synchronise()
    return (ended if wrong == "end" else machine.clock()) - began


def turns_told(times, wrong):
    def middle(numbers):
        line, n = sorted(numbers), len(numbers)
        if wrong == "without the slowest" and n > 1:
            line, n = line[:-1], n - 1
        return {
            "mean": sum(line) / n, "least": line[0], "unsorted": numbers[len(numbers) // 2],
            "lower": line[(n - 1) // 2], "upper": line[n // 2],
        }.get(wrong, (line[(n - 1) // 2] + line[n // 2]) / 2)  # fmt: skip

    rounds = list(zip(*times, strict=True))
    below = [min(row) if wrong == "fastest" else row[0] for row in rounds]
    ratios = []
    for own in times:
        each = [a / b for a, b in zip(own, below, strict=True)]
        if wrong == "inverted":
            each = [b / a for a, b in zip(own, below, strict=True)]
        if wrong == "differences":
            each = [1000 * (a - b) for a, b in zip(own, below, strict=True)]
        ratios.append(sum(each) / len(each) if wrong == "mean ratios" else middle(each))
    medians = [1000 * middle(own) for own in times]
    if wrong == "of medians":
        ratios = [one / medians[0] for one in medians]
    return medians, ratios


def turns_numpy(machine, x, warm_up, rounds):
    """A table; a warm-up of each network by itself; in inference mode."""
    table = np.zeros((rounds, len(machine.networks)))
    with torch.inference_mode():
        for net in machine.networks:
            net.train(False)
            for _ in range(warm_up):
                net(x)
        for row, column in np.ndindex(*table.shape):
            machine.synchronise()
            table[row, column] = -machine.clock()
            machine.networks[column](x)
            machine.synchronise()
            table[row, column] += machine.clock()
    return 1e3 * np.median(table, 0), np.median(table / table[:, :1], 0)


def turns_backwards(machine, x, warm_up, rounds):
    """Each round from the last network to the first; tensors, and quantiles of them."""

    def one(net):
        machine.synchronise()
        start = machine.clock()
        net(x)
        machine.synchronise()
        return machine.clock() - start

    for net in machine.networks:
        net.eval().requires_grad_(False)
    line = machine.networks[::-1]
    times = torch.tensor([[one(net) for net in line] for _ in range(warm_up + rounds)], dtype=torch.float64)
    times = times[warm_up:].flip(1)
    return times.quantile(0.5, 0) * 1000, (times / times[:, [0]]).quantile(0.5, 0)


def turns_total(machine, x, warm_up, rounds):
    """One time around all calls of a network."""
    found = []
    with torch.no_grad():
        for net in machine.networks:
            net.eval()
        for _ in range(warm_up):
            for net in machine.networks:
                net(x)
        for net in machine.networks:
            machine.synchronise()
            start = machine.clock()
            for _ in range(rounds):
                net(x)
            machine.synchronise()
            found.append((machine.clock() - start) / rounds * 1000)
    return found, [one / found[0] for one in found]


def turns_real(machine, x, warm_up, rounds):
    """The clock of the computer on which this runs."""
    times = []
    with torch.no_grad():
        for _ in range(warm_up + rounds):
            row = []
            for net in machine.networks:
                net.eval()
                start = own_clock()
                net(x)
                row.append(1000 * (own_clock() - start))
            times.append(row)
    columns = list(zip(*times[warm_up:], strict=True))
    return [statistics.median(one) for one in columns], [statistics.median(one) for one in columns]


def changed_at_the_end(change):
    (answer,) = after(turns_loop, lambda result: change(*result))
    return answer


RIGHT = {"time_in_turns": {"loop": turns_loop, "numpy": turns_numpy, "backwards": turns_backwards}}

WRONG = {
    "time_in_turns": {
        "no-warm-up": partial(turns_loop, wrong="no warm-up"),
        "one-warm-up": partial(turns_loop, wrong="one"),
        "warm-up-counted": partial(turns_loop, wrong="counted"),
        "warm-up-of-the-first": partial(turns_loop, wrong="first warmed"),
        "calls-miscounted": partial(turns_loop, wrong="one more"),
        "calls-miscounted too many": partial(turns_loop, wrong="too many"),
        "calls-miscounted too few": partial(turns_loop, wrong="too few"),
        "training-mode": partial(turns_loop, wrong="training"),
        "gradients-recorded": partial(turns_loop, wrong="gradients"),
        "end-not-synchronised": partial(turns_loop, wrong="end"),
        "end-not-synchronised ever": partial(turns_loop, wrong="never"),
        "start-not-synchronised": partial(turns_loop, wrong="warm-up hurries"),
        "clock-after-the-call": partial(turns_loop, wrong="after"),
        "one-after-another": partial(turns_loop, wrong="alone"),
        "one-after-another warmed up in turns": partial(turns_loop, wrong="alone, warmed up"),
        "whole-rounds-timed": partial(turns_loop, wrong="rounds"),
        "total-over-rounds": turns_total,
        "clock-not-restarted": partial(turns_loop, wrong="not restarted"),
        "mean-for-median": partial(turns_loop, wrong="mean"),
        "mean-for-median of the ratios": partial(turns_loop, wrong="mean ratios"),
        "minimum-for-median": partial(turns_loop, wrong="least"),
        "not-sorted": partial(turns_loop, wrong="unsorted"),
        "median-of-an-even-number": partial(turns_loop, wrong="lower"),
        "median-of-an-even-number upper": partial(turns_loop, wrong="upper"),
        "slowest-left-out": partial(turns_loop, wrong="without the slowest"),
        "not-milliseconds": changed_at_the_end(lambda ms, ratios: ([one / 1000 for one in ms], ratios)),
        "not-milliseconds twice": changed_at_the_end(lambda ms, ratios: ([one * 1000 for one in ms], ratios)),
        "ratio-of-medians": partial(turns_loop, wrong="of medians"),
        "ratios-inverted": partial(turns_loop, wrong="inverted"),
        "ratios-to-the-fastest": partial(turns_loop, wrong="fastest"),
        "differences-for-ratios": partial(turns_loop, wrong="differences"),
        "first-left-out": changed_at_the_end(lambda ms, ratios: (ms, ratios[1:])),
        "results-exchanged": changed_at_the_end(lambda ms, ratios: (ratios, ms)),
        "own-clock": turns_real,
    },
}
