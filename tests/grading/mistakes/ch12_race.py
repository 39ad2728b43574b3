"""Chapter 12's race, right and wrong: sweeps, sets and numpy; clocks read too early and too late."""

from __future__ import annotations

import math
from functools import cache, partial

import numpy as np
import torch

from segkit import analysis
from segkit.data import collate, create
from segkit.data.street import CLASSES
from segkit.metrics import ConfusionMatrix
from segkit.models import load, read_header, shipped
from tests.grading.mistakes.families import after, altered, before, own_clock, several

# pareto_front ------------------------------------------------------------------------------------------------------


def front_pairs(entrants, rate, *, wrong=""):
    """Everybody against everybody."""
    if wrong == "no rate":
        rate = False
    if wrong == "inverted rate":
        rate = not rate
    if wrong == "stops" and any(x != x for one in entrants for x in one):
        raise ValueError("NaN in the list")
    if wrong == "zero":
        entrants = [tuple(0 if x != x else x for x in one) for one in entrants]
    if wrong == "first":
        min(cost for _, cost, accuracy in entrants if cost + accuracy == cost + accuracy)
    found = []
    for number, cost, accuracy in entrants:
        lost = {"kept": False, "cost kept": accuracy != accuracy, "accuracy kept": cost != cost}
        if lost.get(wrong, cost != cost or accuracy != accuracy):
            continue
        beaten = False
        for other, c, a in entrants:
            if math.isnan(c) or math.isnan(a):
                continue
            x, y = (-c, -cost) if rate else (c, cost)
            no_worse = x <= y and (a <= accuracy if wrong == "errors" else a >= accuracy)
            strictly = (x, a) != (y, accuracy)
            beaten = beaten or {
                "itself": no_worse,
                "equals": no_worse and other != number,
                "both": x < y and a > accuracy,
                "cost": x < y and a >= accuracy,
                "accuracy": x <= y and a > accuracy,
                "either": x < y or a > accuracy,
            }.get(wrong, no_worse and strictly)
        if beaten == (wrong == "beaten"):
            found.append((number, cost, accuracy))
    keys = {"unsorted": lambda one: 0, "numbers": lambda one: one[0], "slowest": lambda one: one[1]}
    found.sort(key=keys.get(wrong, lambda one: -one[1] if rate else one[1]))
    if wrong == "dear":
        found.sort(key=lambda one: one[1], reverse=not rate)
    if wrong == "whole":
        return found
    return [[one[0] for one in entrants].index(n) if wrong == "places" else n for n, _, _ in found]


def front_sweep(entrants, rate, *, wrong=""):
    """From the cheapest on, with the best so far."""
    sign = -1 if rate else 1
    line = [(sign * c, -a, place, n) for place, (n, c, a) in enumerate(entrants) if not math.isnan(c * a)]
    line.sort(key=lambda one: one[0] if wrong.startswith("cost order") else one[:3])
    front, best, last = [], math.inf, None
    for cost, loss, _, number in line:
        equal = (cost, loss) == last
        if loss < best or (equal and not wrong) or (wrong == "cost order too" and loss == best):
            front.append(number)
            last = cost, loss
        best = loss if wrong == "neighbours" else min(best, loss)
    return front


def front_last_of_equals(entrants, rate):
    numbers = front_pairs(entrants, rate)
    points = {one[0]: one[1:] for one in entrants}
    return [n for place, n in enumerate(numbers) if points[n] not in [points[m] for m in numbers[place + 1 :]]]


def front_hull(entrants, rate):
    """What lies on the convex hull's upper left."""
    points = {n: (-c if rate else c, a) for n, c, a in entrants}
    front, corners = front_pairs(entrants, rate), []
    for n in front:
        c, a = points[n]
        above = False
        for one in front:
            for two in front:
                (x, u), (y, v) = points[one], points[two]
                above = above or (x < c < y and u + (v - u) * (c - x) / (y - x) > a)
        corners += [] if above else [n]
    return corners


def front_extreme(entrants, rate, *, of):
    numbers = front_pairs(entrants, rate)
    column = {one[0]: one[of] for one in entrants}
    ends = [column[n] for n in numbers]
    wanted = (max(ends) if of == 2 or rate else min(ends)) if ends else None
    return [n for n in numbers if column[n] == wanted]


def front_numpy(entrants, rate):
    """A table of who beats whom."""
    table = np.array(entrants, dtype=float).reshape(-1, 3)
    table = table[~np.isnan(table).any(1)]
    costs, gains = -table[:, 1] if rate else table[:, 1], table[:, 2]
    no_worse = (costs[:, None] <= costs) & (gains[:, None] >= gains)
    strictly = (costs[:, None] < costs) | (gains[:, None] > gains)
    stays = ~(no_worse & strictly).any(0)
    order = np.argsort(costs[stays], kind="stable")
    return table[stays][order, 0].astype(int)


def front_torch(entrants, rate):
    """One after another thrown out; a tensor of whole numbers."""
    left = [one for one in entrants if one[1] == one[1] and one[2] == one[2]]
    sign = -1 if rate else 1
    for one in list(left):
        left = [o for o in left if o[1:] == one[1:] or not (sign * one[1] <= sign * o[1] and one[2] >= o[2])]
    return torch.tensor([n for n, _, _ in sorted(left, key=lambda o: sign * o[1])], dtype=torch.int64)


# median_latency ----------------------------------------------------------------------------------------------------


def latency_loop(machine, pictures, warmup, repeats, *, wrong=""):
    """A loop, a list and positions between two places."""
    first = {"no warm-up": 0, "one": min(warmup, 1), "one more": warmup + 1, "shifted": warmup + 1}.get(wrong, warmup)
    counted = {"one too many": repeats + 1, "one too few": max(repeats - 1, 1), "shifted": max(repeats - 1, 1)}
    times, start = [], None
    for call in range(first + counted.get(wrong, repeats)):
        if wrong.startswith("loading"):
            start = machine.clock()
        if call == 0 or (wrong != "one batch" and (wrong != "two batches" or call == first)):
            batch = machine.load(1 if wrong == "alone" and call < first else pictures)
        if wrong not in ("start", "start, warm-up", "loading at once"):
            machine.synchronise()
        if not wrong.startswith("loading") and not (wrong == "not restarted" and call > first):
            start = machine.clock()
        machine.run(batch)
        if wrong == "after":
            start = machine.clock()
        if wrong == "end":
            end = machine.clock()
        if not (wrong == "start, warm-up" and call < first):
            machine.synchronise()
        if wrong != "end":
            end = machine.clock()
        if call >= first or wrong == "counted":
            times.append(end - start)
    unsorted, line = list(times), sorted(times)
    if wrong in ("drop", "drop both") and len(line) > 1 + (wrong == "drop both"):
        line = line[1 if wrong == "drop both" else 0 : -1]
    n = len(line)

    def at(place):
        low = int(place)
        return line[low] + (place - low) * (line[min(low + 1, n - 1)] - line[low])

    low, middle, high = at((n - 1) / 4), at((n - 1) / 2), at(3 * (n - 1) / 4)
    mean = sum(line) / n
    middle = {
        "mean": mean, "least": line[0], "unsorted": unsorted[n // 2],
        "upper": line[n // 2], "lower": line[(n - 1) // 2],
    }.get(wrong, middle)  # fmt: skip
    if wrong == "rank":
        low, high = line[n // 4], line[3 * n // 4]
    if wrong == "deviation":
        spread = math.sqrt(sum((t - mean) ** 2 for t in line) / (n - 1)) if n > 1 else 0.0
        low, high = middle - spread, middle + spread
    if wrong == "extremes":
        low, high = line[0], line[-1]
    if wrong == "exclusive" and n > 1:
        low, high = (_exclusive(line, share) for share in (0.25, 0.75))
    per = {"batch": 1, "squared": 1 / pictures}.get(wrong, pictures)
    return [1000 * value / per for value in (low, middle, high)]


def _exclusive(line, share):
    """At share·(n + 1) of the places 1 … n, past the ends on the same line."""
    place = share * (len(line) + 1) - 1
    low = min(max(int(place), 0), len(line) - 2)
    return line[low] + (place - low) * (line[low + 1] - line[low])


def latency_numpy(machine, pictures, warmup, repeats):
    """Warm up first; numpy's percentiles."""
    for _ in range(warmup):
        machine.run(machine.load(pictures))
    times = np.zeros(repeats)
    for i in range(repeats):
        batch = machine.load(pictures)
        machine.synchronise()
        before = machine.clock()
        machine.run(batch)
        machine.synchronise()
        times[i] = machine.clock() - before
    return np.percentile(times, [25, 50, 75]) * 1e3 / pictures


def latency_torch(machine, pictures, warmup, repeats):
    """All batches loaded beforehand, since the machine has room for them; torch's quantiles."""
    batches = [machine.load(pictures) for _ in range(warmup + repeats)]

    def timed(batch):
        machine.synchronise()
        start = machine.clock()
        machine.run(batch)
        machine.synchronise()
        return machine.clock() - start

    times = torch.tensor([timed(batch) for batch in batches], dtype=torch.float64)[warmup:] / pictures * 1000
    return tuple(times.quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)))


def latency_total(machine, pictures, warmup, repeats, *, wait):
    """One time for all calls together."""
    for _ in range(warmup):
        machine.run(machine.load(pictures))
    machine.synchronise()
    start = machine.clock()
    for _ in range(repeats):
        machine.run(machine.load(pictures))
        if wait:
            machine.synchronise()
    machine.synchronise()
    mean = (machine.clock() - start) / repeats / pictures * 1000
    return mean, mean, mean


def latency_real(machine, pictures, warmup, repeats):
    """The clock of the computer on which this runs."""
    times = []
    for _ in range(repeats):
        batch = machine.load(pictures)
        before = own_clock()
        machine.run(batch)
        machine.synchronise()
        times.append(own_clock() - before)
    return tuple(1000 * float(np.quantile(times, q)) / pictures for q in (0.25, 0.5, 0.75))


# trade_off ---------------------------------------------------------------------------------------------------------

OURS = ("lineage_fcn8s", "lineage_segnet", "lineage_deeplab_v3plus", "lineage_unet")


@cache
def measured(name, size=(96, 128), split="test"):
    """(parameters, buffers, multiply-adds, IoU of each class in %, pixel accuracy in %), with the package's tools."""
    model, scenes = load(shipped(name)), create("street", split, length=20)
    batch, matrix, apart = collate([scenes[i] for i in range(20)]), ConfusionMatrix(scenes.num_classes), []
    with torch.no_grad():
        answers = model(batch.image).argmax(1)
    matrix.update(answers, batch.labels)
    for one in range(20):
        alone = ConfusionMatrix(scenes.num_classes)
        alone.update(answers[one], batch.labels[one])
        apart.append(100 * alone.mean_iou())
    numbers = [sum(one.numel() for one in some) for some in (model.parameters(), model.buffers())]
    scores = {"accuracy": 100 * matrix.pixel_accuracy(), "mean accuracy": 100 * matrix.mean_accuracy()}
    scores |= {"apart": sum(apart) / 20, "class accuracy": (100 * matrix.class_accuracy()).tolist()}
    return *numbers, analysis.cost(model, (3, *size)).macs, (100 * matrix.iou()).tolist(), scores


for one in OURS:  # once: each answer is tried in a process of its own, which begins with what is known here
    measured(one)


def report(column, *, names=OURS, word="lane mark", budget=1e8, of=measured):
    """A report on these networks."""
    found = {name: of(name) for name in names}
    mean = {name: float(np.nanmean(one[3])) for name, one in found.items()}
    own = {name: one[3][CLASSES.index(word)] for name, one in found.items()}
    if column == "parameters":
        return {name: one[0] for name, one in found.items()}
    if column == "multiply-adds":
        return {name: one[2] for name, one in found.items()}
    if column == "mean IoU":
        return {name: round(value, 2) for name, value in mean.items()}
    if column == "my class":
        return {**{name: torch.tensor(value) for name, value in own.items()}, "class": word}
    if column == "front":
        entrants = [(name, one[2], mean[name]) for name, one in found.items()]
        numbers = front_pairs(entrants, False)
        return {name: name in numbers for name in names}
    best = max((name for name in names if found[name][2] <= budget), key=own.__getitem__)
    said = {name: "too dear" if one[2] > budget else "worse" for name, one in found.items()}
    return {"budget": budget, "class": word, **said, best: "chosen"}


def spoilt(column, change, **options):
    """A report that is right but for one column: change(it)."""

    def answer(asked):
        right = report(asked, **options)
        return change(dict(right)) if asked == column else right

    return answer


def row(name, value, column=None, **options):
    """A report that is right but for one row: value(what is right, the network's own measurements), or what it is."""

    def change(entries):
        entries[name] = value(entries[name], measured(name)) if callable(value) else value
        return entries

    return spoilt(column, change, **options)


def macs_at(h, w):
    return lambda right, own: measured("lineage_segnet", (h, w))[2]


RIGHT = {
    "pareto_front": {"pairs": front_pairs, "sweep": front_sweep, "numpy": front_numpy, "thrown out": front_torch},
    "median_latency": {"loop": latency_loop, "numpy": latency_numpy, "torch": latency_torch},
    "trade_off": {"lane marks": report, "cars": partial(report, word="car", budget=7e7)},
}

WRONG = {
    "pareto_front": {
        "beaten-by-itself": partial(front_pairs, wrong="itself"),
        "equal-points-lost": partial(front_pairs, wrong="equals"),
        "equal-points-once": partial(front_sweep, wrong="strict"),
        "equal-points-once last": front_last_of_equals,
        "strict-in-both": partial(front_pairs, wrong="both"),
        "same-cost-kept": partial(front_pairs, wrong="cost"),
        "same-accuracy-kept": partial(front_pairs, wrong="accuracy"),
        "either-beats": partial(front_pairs, wrong="either"),
        "ties-by-their-order": partial(front_sweep, wrong="cost order"),
        "ties-by-their-order too": partial(front_sweep, wrong="cost order too"),
        "neighbours-only": partial(front_sweep, wrong="neighbours"),
        "hull-only": front_hull,
        "best-only": partial(front_extreme, of=2),
        "cheapest-only": partial(front_extreme, of=1),
        "beaten-returned": partial(front_pairs, wrong="beaten"),
        "errors-not-accuracies": partial(front_pairs, wrong="errors"),
        "rate-ignored": partial(front_pairs, wrong="no rate"),
        "rate-inverted": partial(front_pairs, wrong="inverted rate"),
        "slowest-first": partial(front_pairs, wrong="slowest"),
        "nan-kept": partial(front_pairs, wrong="kept"),
        "nan-kept accuracies": partial(front_pairs, wrong="accuracy kept"),
        "nan-kept costs": partial(front_pairs, wrong="cost kept"),
        "nan-as-zero": partial(front_pairs, wrong="zero"),
        "nan-stops": partial(front_pairs, wrong="stops"),
        "nobody-stops": partial(front_pairs, wrong="first"),
        "not-sorted": partial(front_pairs, wrong="unsorted"),
        "dearest-first": partial(front_pairs, wrong="dear"),
        **several("dearest-first", *after(front_sweep, lambda numbers: numbers[::-1])),
        "by-start-number": partial(front_pairs, wrong="numbers"),
        "places-not-numbers": partial(front_pairs, wrong="places"),
        "whole-entrants": partial(front_pairs, wrong="whole"),
        **several("rate-ignored", *altered(front_sweep, 1, lambda rate: False)),
        **several("rate-inverted", *before(front_sweep, lambda entrants, rate: (entrants, not rate))),
    },
    "median_latency": {
        "no-warm-up": partial(latency_loop, wrong="no warm-up"),
        "one-warm-up": partial(latency_loop, wrong="one"),
        "warm-up-counted": partial(latency_loop, wrong="counted"),
        "calls-miscounted": partial(latency_loop, wrong="one more"),
        "calls-miscounted too many": partial(latency_loop, wrong="one too many"),
        "calls-miscounted too few": partial(latency_loop, wrong="one too few"),
        "calls-miscounted shifted": partial(latency_loop, wrong="shifted"),
        "warm-up-of-another-size": partial(latency_loop, wrong="alone"),
        "batch-used-again": partial(latency_loop, wrong="one batch"),
        "batch-used-again after the warm-up": partial(latency_loop, wrong="two batches"),
        "end-not-synchronised": partial(latency_loop, wrong="end"),
        "start-not-synchronised": partial(latency_loop, wrong="start"),
        "start-not-synchronised warm-up": partial(latency_loop, wrong="start, warm-up"),
        "loading-counted": partial(latency_loop, wrong="loading"),
        "loading-counted at once": partial(latency_loop, wrong="loading at once"),
        "clock-after-the-call": partial(latency_loop, wrong="after"),
        "total-over-repeats": partial(latency_total, wait=True),
        "total-over-repeats at the end": partial(latency_total, wait=False),
        "clock-not-restarted": partial(latency_loop, wrong="not restarted"),
        "mean-for-median": partial(latency_loop, wrong="mean"),
        "minimum-for-median": partial(latency_loop, wrong="least"),
        "not-sorted": partial(latency_loop, wrong="unsorted"),
        "median-of-an-even-number": partial(latency_loop, wrong="lower"),
        "median-of-an-even-number upper": partial(latency_loop, wrong="upper"),
        "outliers-left-out": partial(latency_loop, wrong="drop"),
        "outliers-left-out both": partial(latency_loop, wrong="drop both"),
        "quartiles-by-rank": partial(latency_loop, wrong="rank"),
        "other-quartiles": partial(latency_loop, wrong="exclusive"),
        "deviation-for-quartiles": partial(latency_loop, wrong="deviation"),
        "extremes-for-quartiles": partial(latency_loop, wrong="extremes"),
        "not-divided": partial(latency_loop, wrong="batch"),
        "not-divided squared": partial(latency_loop, wrong="squared"),
        "own-clock": latency_real,
        **several(
            "not-milliseconds",
            *after(latency_numpy, lambda r: r / 1000, lambda r: r * 1000),
        ),
        **several("rate-not-latency", *after(latency_numpy, lambda r: 1000 / r, lambda r: (1000 / r)[::-1])),
        **several("results-exchanged", *after(latency_numpy, lambda r: r[[1, 0, 2]], lambda r: r[::-1])),
    },
    "trade_off": {
        "few-networks": spoilt("front", lambda entries: dict(list(entries.items())[:3])),
        "unknown-network": spoilt(
            "mean IoU", lambda entries: {k.replace("lineage_", ""): v for k, v in entries.items()}
        ),
        "no-number": row("lineage_unet", "75 %", "mean IoU"),
        "no-number at all": row("lineage_unet", True, "parameters"),
        "rows-exchanged": row("lineage_unet", lambda right, own: measured("lineage_segnet")[0], "parameters"),
        "rows-exchanged of scores": row(
            "lineage_unet", lambda right, own: float(np.nanmean(measured("lineage_segnet")[3])), "mean IoU"
        ),
        "columns-exchanged": row("lineage_unet", lambda right, own: own[2], "parameters"),
        "columns-exchanged the other way": row("lineage_unet", lambda right, own: own[0], "multiply-adds"),
        "columns-exchanged of scores": row("lineage_unet", lambda right, own: np.nanmean(own[3]), "my class"),
        "rounded": row("lineage_segnet", lambda right, own: round(right, -5), "multiply-adds"),
        "in-millions": row("lineage_segnet", lambda right, own: round(right / 1e6, 1), "multiply-adds"),
        "in-millions parameters": row("lineage_segnet", lambda right, own: right / 1e6, "parameters"),
        "not-measured-so": row("lineage_unet", 99.0, "mean IoU"),
        "not-measured-so counted": row("lineage_unet", 123456, "multiply-adds"),
        "buffers-counted": row("lineage_fcn8s", lambda right, own: right + own[1], "parameters"),
        "bytes-not-numbers": spoilt("parameters", lambda entries: {name: 4 * value for name, value in entries.items()}),
        "operations-doubled": spoilt(
            "multiply-adds", lambda entries: {name: 2 * value for name, value in entries.items()}
        ),
        "batch-counted": row("lineage_fcn8s", lambda right, own: 20 * right, "multiply-adds"),
        "another-size": row("lineage_segnet", macs_at(128, 128), "multiply-adds"),
        "fraction-not-percent": spoilt("mean IoU", lambda entries: {n: v / 100 for n, v in entries.items()}),
        "fraction-not-percent class": row("lineage_unet", lambda right, own: right / 100, "my class"),
        "averaged-over-scenes": row("lineage_unet", lambda right, own: own[4]["apart"], "mean IoU"),
        "accuracy-not-iou": row("lineage_unet", lambda right, own: own[4]["accuracy"], "mean IoU"),
        "accuracy-not-iou classes": row("lineage_unet", lambda right, own: own[4]["mean accuracy"], "mean IoU"),
        "accuracy-not-iou class": row("lineage_unet", lambda right, own: own[4]["class accuracy"][-1], "my class"),
        "from-the-file": row(
            "lineage_segnet",
            lambda right, own: 100 * read_header(shipped("lineage_segnet"))["metrics"]["mean_iou"],
            "mean IoU",
        ),
        "training-scenes": row(
            "lineage_segnet",
            lambda right, own: float(np.nanmean(measured("lineage_segnet", split="train")[3])),
            "mean IoU",
        ),
        "unknown-class": row("class", "poles", "my class"),
        "unknown-class in the choice": spoilt("choice", lambda e: {k: v for k, v in e.items() if k != "class"}),
        "another-class": row("lineage_unet", lambda right, own: own[3][3], "my class"),
        "not-true-or-false": row("lineage_unet", "yes", "front"),
        "front-inverted": spoilt("front", lambda entries: {name: not value for name, value in entries.items()}),
        "front-by-parameters": spoilt("front", lambda e: {n: n in ("lineage_unet", "lineage_segnet") for n in e}),
        "front-left-out": row("lineage_fcn8s", False, "front"),
        "front-beaten": row("lineage_segnet", True, "front"),
        "no-budget": spoilt("choice", lambda entries: {k: v for k, v in entries.items() if k != "budget"}),
        "budget-in-millions": row("budget", 100, "choice"),
        "unknown-verdict": row("lineage_unet", "no", "choice"),
        "not-one-chosen": row("lineage_fcn8s", "chosen", "choice"),
        "not-too-dear": row("lineage_fcn8s", "too dear", "choice"),
        "over-budget": spoilt(
            "choice", lambda entries: {**entries, "lineage_segnet": "worse", "lineage_unet": "chosen"}
        ),
        "budget-decides-nothing": spoilt("choice", dict, budget=9e8),
        "chosen-by-mean-iou": spoilt(
            "choice", lambda entries: {**entries, "lineage_deeplab_v3plus": "chosen", "lineage_segnet": "worse"}
        ),
        "not-the-best": spoilt(
            "choice", lambda entries: {**entries, "lineage_fcn8s": "chosen", "lineage_segnet": "worse"}
        ),
    },
}
