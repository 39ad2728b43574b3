"""Chapter 12: a report on one's own choice among the shipped networks, measured anew row by row."""

from __future__ import annotations

from typing import Any

from segkit.grading.exercise import Case, Exercise
from segkit.grading.exercises import trade_off_judged as judged
from segkit.grading.exercises import trade_off_measured as truth
from segkit.grading.exercises.trade_off_measured import measured
from segkit.grading.observers import ROWS, WORD, written
from segkit.grading.outcome import words
from segkit.grading.values import ANY, Leaf, Unusable, leaf

TASK = """Your report, a column at a time. trade_off(column) returns a dictionary with an entry for each of at least
four networks of course/weights whose names begin with lineage_, the same ones in each column:
"parameters": {name: number of parameters}.
"multiply-adds": {name: multiply-adds for one picture of 96×128}, as segkit.analysis.cost counts them.
"mean IoU": {name: mean IoU in %} on the first 20 scenes of StreetScenes' test set, in one confusion matrix.
"my class": {"class": a class of StreetScenes, name: IoU of that class in %} on the same scenes.
"front": {name: True or False}: True unless one of your other networks has no more multiply-adds and at least as high
a mean IoU, and is strictly better in one of the two.
"choice": {"class": that class, "budget": a number of multiply-adds, name: "chosen", "too dear" or "worse"}. A network
that takes more than the budget is too dear; of the others, at least two, the one with the highest IoU of your class
is chosen, and the rest are worse. At least one is too dear.
Parameters and multiply-adds are whole numbers; a percentage may be off by 0.1. The other columns earn marks once
"parameters" is right."""

OURS = ("lineage_fcn8s", "lineage_segnet", "lineage_deeplab_v3plus", "lineage_unet")
BUDGET = 100_000_000


def reported(
    column: str, names: tuple[str, ...] = OURS, word: str = "lane mark", budget: float = BUDGET
) -> dict[str, Any]:
    """Reference of `trade_off`: a report about these networks, measured on the spot."""
    found = {name: measured(name) for name in names}
    total = {name: m.counts.sum(0) for name, m in found.items()}
    mean = {name: round(truth.mean_iou(counts), 1) for name, counts in total.items()}
    own = {name: round(float(truth.ious(c)[truth.classes().index(word)]), 1) for name, c in total.items()}
    best = max((name for name in names if found[name].macs <= budget), key=own.__getitem__)
    verdicts = {n: judged.DEAR if m.macs > budget else judged.WORSE for n, m in found.items()}
    columns: dict[str, dict[str, Any]] = {
        "parameters": {name: m.parameters for name, m in found.items()},
        "multiply-adds": {name: m.macs for name, m in found.items()},
        "mean IoU": mean,
        "my class": {"class": word, **own},
        "front": {n: not any(found[o].macs <= found[n].macs and mean[o] > mean[n] for o in names) for n in names},
        "choice": {"class": word, "budget": budget, **verdicts, best: judged.CHOSEN},
    }
    return columns[column]


def settle(found: tuple[Leaf, ...], column: str) -> tuple[Leaf, ...]:
    """Hold a column against what is measured here; what is right is for the learner to choose, within that.

    Raises:
        Unusable: a row is wrong.
    """
    keys, values = (_words(one) for one in found)
    if len(keys) != len(values):
        raise Unusable("something that is not a dictionary")
    judged.COLUMNS[column](dict(zip(keys, values, strict=True)))
    return (leaf(ANY),)


def _words(table: Leaf) -> list[str]:
    """The words in a table of characters, as `observers.written` makes it."""
    codes = table.array
    if codes.ndim != 2 or codes.dtype.kind not in "iu" or codes.shape[0] > ROWS or codes.shape[1] > WORD:
        raise Unusable("something that is not a dictionary")
    return [words("".join(chr(code) for code in row if 0 < code < 0x110000)) for row in codes.tolist()]


EXERCISE = Exercise(
    "trade_off(column)",
    TASK,
    reported,
    lambda: [Case((column,), column) for column in judged.COLUMNS],
    (),
    kinds=("number",),
    observe=written,
    parts=2,
    settle=settle,
    number="12.5",
    marks=3,
)
