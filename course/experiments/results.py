"""Recorded results: the form of the files in course/results, and the one reader behind every table and plot.

    {"experiment": name, "classes": [name of each class],
     "arms": {arm: {"model": {…}, "data": {…}, "recipe": {…}}},      what was trained, on what, how
     "runs": [{"arm", "seed", "at": [shares of the budget, the last is 1],
               "scores": {metric: [one value for each share]}, "iou": [per class, at the end] or null, "provenance"?}],
     "baselines": {row: {"kind": "prior" or "ceiling", "data": {…}, "weights": scheme, "stride"?, "align"?,
                         "gap"?, "scores": {metric: value}, "iou": [per class]}},
     "claims": [what chapters say, below],
     "extra": {whatever else was measured; "means": {arm: {metric: [mean, spread]}} of what was rounded too early},
     "provenance": {command, date, commit, device, versions}}

Scores come from averaged weights where the recipe has `ema`. "model" may hold "from" (the arm whose network this one
starts from, or learns from) and "after" (what is done to the answers of a network that other arms share); "recipe"
holds the arguments of `Recipe`, and what else the training is told.
A claim is {"chapter", "metric", "better": arm, "worse": arm, "margin"}: better is ahead by at least the margin (0: in
order; below 0: it is no further behind), with "lower": true where less is better; or {"chapter", "metric", "same":
[arm, arm], "within"}: no difference beyond that. "control": true says that the worse arm cannot do the task at all, so
that chance is what it is expected to reach.
"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass
class Paired:
    """Differences of two arms, seed by seed: their mean, its standard error, and the differences themselves."""

    mean: float
    error: float
    differences: list[float]


class Result:
    """One file of results.

    Args:
        found: its content, in the form above.
    """

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.found, self.arms, self.runs = found, found["arms"], found["runs"]
        self.baselines, self.claims = found.get("baselines", {}), found.get("claims", [])
        self.extra, self.provenance = found.get("extra", {}), found.get("provenance", {})
        self.classes: list[str] = found.get("classes", [])

    def recipe(self, arm: str | None = None) -> dict[str, Any]:
        """How an arm was trained; the first one where none is named."""
        return self.arms[arm or next(iter(self.arms))]["recipe"]

    def by_seed(self, arm: str, metric: str, at: float = 1.0) -> dict[int, float]:
        """The value of each seed that recorded this metric at this share of the budget; null is no value."""
        mine = [run for run in self.runs if run["arm"] == arm and metric in run["scores"] and at in run["at"]]
        found = {run["seed"]: run["scores"][metric][run["at"].index(at)] for run in mine}
        return {seed: value for seed, value in found.items() if value is not None}

    def values(self, arm: str, metric: str, at: float = 1.0) -> list[float]:
        """The same as a list, in the order of the seeds."""
        found = self.by_seed(arm, metric, at)
        if not found:
            raise KeyError(f"{self.found.get('experiment')} has no {metric!r} of {arm!r} at {at:g} of the budget")
        return [found[seed] for seed in sorted(found)]

    def mean(self, arm: str, metric: str, at: float = 1.0) -> float:
        """Mean over the seeds, to four digits as recorded."""
        return self._summary(arm, metric, at)[0]

    def spread(self, arm: str, metric: str, at: float = 1.0) -> float:
        """Sample standard deviation over the seeds, to four digits; NaN for one seed."""
        return self._summary(arm, metric, at)[1]

    def _summary(self, arm: str, metric: str, at: float) -> tuple[float, float]:
        known = self.extra.get("means", {}).get(arm, {})
        if at == 1 and metric in known:
            return tuple(known[metric])
        values = self.values(arm, metric, at)
        return round(statistics.fmean(values), 4), round(statistics.stdev(values), 4) if len(values) > 1 else math.nan

    def paired(self, arm: str, other: str, metric: str, at: float = 1.0) -> Paired:
        """`arm` minus `other`, over the seeds that both have."""
        a, b = self.by_seed(arm, metric, at), self.by_seed(other, metric, at)
        found = [a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())]
        if not found:
            raise KeyError(f"{arm!r} and {other!r} have no seed with {metric!r} at {at:g} of the budget in common")
        error = statistics.stdev(found) / math.sqrt(len(found)) if len(found) > 1 else math.nan
        return Paired(statistics.fmean(found), error, found)

    def order(self, at: float = 1.0, metric: str = "mean_iou") -> list[str]:
        """The arms at a share of the budget, the highest mean first."""
        measured = [arm for arm in self.arms if self.by_seed(arm, metric, at)]
        return sorted(measured, key=lambda arm: -self.mean(arm, metric, at))

    def iou(self, arm: str) -> dict[str, float]:
        """IoU of each class at the end, mean over the seeds."""
        rows = [run["iou"] for run in self.runs if run["arm"] == arm and run.get("iou")]
        if not rows:
            return dict(zip(self.classes, self.extra["iou, mean over seeds"][arm], strict=True))
        known = [[v for v in column if v is not None] for column in zip(*rows, strict=True)]
        means = [statistics.fmean(values) if values else math.nan for values in known]
        return dict(zip(self.classes, means, strict=True))

    def prior(self, arm: str) -> dict[str, Any] | None:
        """The position prior of this arm's data, weighted as its loss is."""
        mine = self.arms[arm]
        for row in self.baselines.values():
            same = row["data"] == mine["data"] and row["weights"] == mine["recipe"].get("class_weights", "none")
            if row["kind"] == "prior" and same:
                return row
        return None

    def table(
        self, metrics: Mapping[str, str], arms: Iterable[str] | None = None,
        more: Mapping[str, Mapping[str, str]] | None = None, at: float = 1.0,
    ) -> str:  # fmt: skip
        """Mean ± spread of each arm, and a line for each baseline of their data.

        Args:
            metrics: metric → head of its column; "%" in it asks for per cent, "number" for counts of things.
            arms: which, in which order; all of them where not given.
            more: further columns: head → arm → what stands there.
            at: share of the budget.
        """
        shown, more = list(arms or self.arms), more or {}
        rows = [["", *metrics.values(), *more]]
        for arm in shown:
            has = {m: self._summary(arm, m, at) if self.by_seed(arm, m, at) else () for m in metrics}
            cells = [self._cell(title, *has[m]) for m, title in metrics.items()]
            rows.append([arm, *cells, *(column.get(arm, "") for column in more.values())])
        data = [self.arms[arm]["data"] for arm in shown]
        for name, row in self.baselines.items():
            if row["data"] in data:
                has = {m: (row["scores"][m],) if m in row["scores"] else () for m in metrics}
                cells = [self._cell(title, *has[m]) for m, title in metrics.items()]
                rows.append([f"[{name}]", *cells, *("" for _ in more)])
        wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [[row[0].ljust(wide[0]), *(c.rjust(w) for c, w in zip(row[1:], wide[1:], strict=True))] for row in rows]
        return "\n".join("   ".join(line).rstrip() for line in lines)

    @staticmethod
    def _cell(title: str, *summary: float) -> str:
        """Nothing, one number, or a mean and its spread: per cent, a count of things, or a share."""
        if not summary:
            return "–"
        times, digits = (100, 1) if "%" in title else (1, 1) if "number" in title else (1, 3)
        return " ± ".join(f"{times * value:.{digits}f}" for value in summary)

    def plot(self, axis: Any, metric: str, arms: Iterable[str] | None = None, colours: Iterable[str] = ()) -> None:
        """A row for each arm: dots for the seeds, a tick for their mean, dotted lines for the baselines."""
        shown = list(arms or self.arms)
        for place, (arm, colour) in enumerate(zip(shown, list(colours) or ["#0072B2"] * len(shown), strict=True)):
            values = [100 * v for v in self.values(arm, metric)]
            axis.plot(values, [place] * len(values), "o", color=colour)
            axis.plot(100 * self.mean(arm, metric), place, "|", color="black", markersize=16)
        for name, row in self.baselines.items():
            if metric in row["scores"]:
                axis.axvline(100 * row["scores"][metric], color="0.4", linestyle=":", label=name)
        axis.set(yticks=range(len(shown)), yticklabels=shown, ylim=(len(shown) - 0.5, -0.5))

    def made_by(self) -> str:
        """Steps, machine, versions and date on one line; then the command, and how many seeds if it does not say so."""
        facts = self.provenance
        where = f"{facts['device']}, torch {facts['versions']['torch']}, {facts['date']}"
        counts = sorted({sum(run["arm"] == arm for run in self.runs) for arm in self.arms})
        asked = re.search(r"--seeds (\d+)", facts["command"])
        seeds = f" (seeds for each network: {' or '.join(map(str, counts))})"
        more = "" if asked and counts == [int(asked[1])] else seeds
        return f"{self.recipe()['steps']} steps; {where}\nmade by: {facts['command']}{more}"


def load(name: str, folder: Path = RESULTS) -> Result:
    """The recorded result of that name.

    Raises:
        FileNotFoundError: it has not been recorded; the message names those that have.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.json")))
        raise FileNotFoundError(f"there is no recorded result {name!r}; there are {known}")
    return Result(json.loads(path.read_text(encoding="utf-8")))


def recorded(name: str, folder: Path = RESULTS) -> bool:
    """Whether there is a result of that name."""
    return (folder / f"{name}.json").is_file()
