"""Whether a column of a report holds, row by row; what is wrong is told with the row in which it stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from segkit.grading.exercises import trade_off_measured as truth
from segkit.grading.exercises.trade_off_measured import measured
from segkit.grading.exercises.trade_off_messages import MESSAGES
from segkit.grading.values import Unusable

Report = dict[str, str]  # what stands in a column: words, and numbers with a # before them
Slip = tuple[str, float, dict[str, Any]]  # a code, the number that it leads to, and what the message says
CLOSE = 0.1  # points of IoU: rounding to one digit, and what differs between machines
FEWEST = 4
CHOSEN, DEAR, WORSE = "chosen", "too dear", "worse"


def wrong(code: str, **facts: Any) -> NoReturn:
    raise Unusable(f"[{code}] {MESSAGES[code].format(**facts)}")


def networks(report: Report, *others: str) -> list[str]:
    """The networks of a column, at least four, all of them known; `others` are keys that name none."""
    names, known = [key for key in report if key not in others], truth.shipped()
    for name in names:
        if name not in known:
            wrong("unknown-network", name=name, known=", ".join(known[:3]))
    if len(names) < FEWEST:
        wrong("few-networks", count=len(names))
    return names


def number(report: Report, key: str) -> float:
    try:
        value = float(report[key].removeprefix("#")) if report[key].startswith("#") else math.nan
    except ValueError:  # True or False
        value = math.nan
    return value if math.isfinite(value) else wrong("no-number", name=key, value=report[key].removeprefix("#"))


def _hold(
    report: Report, names: list[str], right: Callable[[str], float], slips: Callable[[str], Iterator[Slip]],
    close: float = 0.0,
) -> None:  # fmt: skip
    """Compare the numbers of a column with those measured anew, and tell the first row that is wrong."""
    values = {name: number(report, name) for name in names}
    off = [name for name in names if abs(values[name] - right(name)) > close]
    if not off:
        return
    name, value = off[0], values[off[0]]
    also = f" Other rows that are wrong: {len(off) - 1}." if len(off) > 1 else ""
    shown = {"name": name, "value": f"{value:,.10g}", "also": also}
    for code, slip, facts in slips(name):
        if abs(value - slip) <= close + 1e-9 * abs(slip):
            wrong(code, **shown, **facts)
    for other in truth.shipped():
        if other != name and abs(value - right(other)) <= close:
            wrong("rows-exchanged", **shown, other=other)
    if not close and abs(value - right(name)) <= 0.02 * right(name):
        wrong("rounded", **shown)
    wrong("not-measured-so", **shown)


def parameters(report: Report) -> None:
    def slips(name: str) -> Iterator[Slip]:
        m = measured(name)
        yield "buffers-counted", m.parameters + m.buffers, {"buffers": f"{m.buffers:,}"}
        yield "bytes-not-numbers", 4 * m.parameters, {}
        yield "columns-exchanged", m.macs, {"other": "multiply-adds"}
        yield from _in_millions(m.parameters)

    _hold(report, networks(report), lambda name: measured(name).parameters, slips)


def multiply_adds(report: Report) -> None:
    def slips(name: str) -> Iterator[Slip]:
        m = measured(name)
        yield "operations-doubled", 2 * m.macs, {}
        yield "columns-exchanged", m.parameters, {"other": "parameters"}
        yield from _in_millions(m.macs)
        for pictures in range(3, 65):
            yield "batch-counted", pictures * m.macs, {"pictures": pictures}
        for h, w in truth.OTHER_SIZES:
            yield "another-size", truth.counted(name, (h, w)), {"h": h, "w": w}

    _hold(report, networks(report), lambda name: measured(name).macs, slips)


def _in_millions(whole: int) -> Iterator[Slip]:
    for digits in range(7):
        yield "in-millions", round(whole / 1e6, digits), {}


def mean_iou(report: Report) -> None:
    def slips(name: str) -> Iterator[Slip]:
        m = measured(name)
        total = m.counts.sum(0)
        right = total.diagonal() / total.sum(1)
        yield "fraction-not-percent", truth.mean_iou(total) / 100, {}
        yield "averaged-over-scenes", sum(map(truth.mean_iou, m.counts)) / len(m.counts), {}
        yield "accuracy-not-iou", 100 * total.trace() / total.sum(), {"which": "pixel accuracy"}
        yield "accuracy-not-iou", 100 * right.mean(), {"which": "mean accuracy of the classes"}
        yield "from-the-file", 100 * m.recorded["mean_iou"], {"scenes": m.recorded["scenes"]}
        yield "training-scenes", truth.mean_iou(truth.confusion(name, "train").sum(0)), {}

    _hold(report, networks(report), lambda name: truth.mean_iou(measured(name).counts.sum(0)), slips, CLOSE)


def my_class(report: Report) -> None:
    word = _class(report)
    place = truth.classes().index(word)

    def iou(name: str, k: int = place) -> float:
        return float(truth.ious(measured(name).counts.sum(0))[k])

    def slips(name: str) -> Iterator[Slip]:
        total = measured(name).counts.sum(0)
        yield "fraction-not-percent", iou(name) / 100, {}
        yield "accuracy-not-iou", 100 * total[place, place] / total[place].sum(), {"which": f"accuracy of {word}"}
        yield "columns-exchanged", truth.mean_iou(total), {"other": "mean IoU"}
        for k, other in enumerate(truth.classes()):
            yield "another-class", iou(name, k), {"other": other, "word": word}

    _hold(report, networks(report, "class"), iou, slips, CLOSE)


def _class(report: Report) -> str:
    word = report.get("class", "")
    return word if word in truth.classes() else wrong("unknown-class", word=word, known=", ".join(truth.classes()))


def front(report: Report) -> None:
    names = networks(report)
    for name in names:
        if report[name] not in ("#True", "#False", "#1", "#0"):
            wrong("not-true-or-false", name=name, value=report[name].removeprefix("#"))
    said = {name for name in names if report[name] in ("#True", "#1")}
    gains = {name: truth.mean_iou(measured(name).counts.sum(0)) for name in names}

    def beats(by: Callable[[str], int], name: str, margin: float) -> list[str]:
        """Who costs at most as much and is better by more than a margin."""
        return [o for o in names if o != name and by(o) <= by(name) and gains[o] > gains[name] + margin]

    def macs(name: str) -> int:
        return measured(name).macs

    left_out = [name for name in names if name not in said and not beats(macs, name, -CLOSE)]
    beaten = {name: beats(macs, name, CLOSE) for name in names if name in said}
    beaten = {name: others for name, others in beaten.items() if others}
    if not left_out and not beaten:
        return
    if len(left_out) + len(beaten) == len(names):
        wrong("front-inverted")
    if said == {name for name in names if not beats(lambda one: measured(one).parameters, name, 0)}:
        wrong("front-by-parameters")
    if left_out:
        wrong("front-left-out", name=left_out[0])
    name, others = next(iter(beaten.items()))
    wrong("front-beaten", name=name, other=others[0])


def choice(report: Report) -> None:
    word, names = _class(report), networks(report, "class", "budget")
    budget = number(report, "budget") if "budget" in report else wrong("no-budget")
    macs = {name: measured(name).macs for name in names}
    if budget < min(macs.values()) / 1000:
        wrong("budget-in-millions", value=f"{budget:,.10g}", least=f"{min(macs.values()):,}")
    for name in names:
        if report[name] not in (CHOSEN, DEAR, WORSE):
            wrong("unknown-verdict", name=name, value=report[name].removeprefix("#"))
    chosen = [name for name in names if report[name] == CHOSEN]
    if len(chosen) != 1:
        wrong("not-one-chosen", count=len(chosen))
    for name in names:
        if (report[name] == DEAR) != (macs[name] > budget):
            code = "not-too-dear" if report[name] == DEAR else "over-budget"
            wrong(code, name=name, macs=f"{macs[name]:,}", budget=f"{budget:,.10g}", verdict=report[name])
    fitting = [name for name in names if macs[name] <= budget]
    if not 2 <= len(fitting) < len(names):
        wrong("budget-decides-nothing", count=len(fitting), all=len(names))
    place = truth.classes().index(word)
    own = {name: float(truth.ious(measured(name).counts.sum(0))[place]) for name in fitting}
    mean = {name: truth.mean_iou(measured(name).counts.sum(0)) for name in fitting}
    best = max(own, key=own.__getitem__)
    if own[best] > own[chosen[0]] + CLOSE:
        by_mean = mean[chosen[0]] >= max(mean.values()) - CLOSE
        wrong("chosen-by-mean-iou" if by_mean else "not-the-best", name=chosen[0], other=best, word=word)


COLUMNS = {
    "parameters": parameters,
    "multiply-adds": multiply_adds,
    "mean IoU": mean_iou,
    "my class": my_class,
    "front": front,
    "choice": choice,
}
