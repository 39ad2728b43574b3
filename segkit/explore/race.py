"""RaceExplorer: recorded networks by cost and score, the front that none of them beats, and the winner in a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segkit.analysis import pareto_front
from segkit.explore.canvas import Canvas
from segkit.explore.race_drawing import drawing, fill, move
from segkit.explore.race_entrants import (
    COSTS,
    GAINS,
    Entrant,
    Quantity,
    Results,
    Score,
    gathered,
    number,
    quantity,
    score_title,
)
from segkit.explore.shell import Explorer

STOPS = 40  # of the budget, from below the cheapest network to the dearest
FREE = math.inf  # a budget without a limit


@dataclass(frozen=True)
class Race:
    """What one setting of the controls shows.

    Args:
        cost, gain: what is compared.
        log: whether the axis of the cost is logarithmic.
        budget: the limit, in the unit of the axis; infinity is none.
        places: cost and score of each network that is shown.
        front: those that no other beats, the cheapest first.
        winner: the best within the budget, the cheaper of equals; None where nothing fits.
        without: networks of the chosen families that lack the cost or the score.
        unnamed: those whose names found no room in the chart.
    """

    cost: Quantity
    gain: str
    log: bool
    budget: float
    places: dict[str, tuple[float, Score]]
    front: list[str]
    winner: str | None
    without: list[str]
    unnamed: list[str] = field(default_factory=list, compare=False)

    @property
    def limit(self) -> str:
        """The budget in words."""
        return f"{number(self.budget)} {self.cost.words}"

    @property
    def fitting(self) -> list[str]:
        """The networks within the budget, the best first, the cheaper of equals before the dearer."""
        found = [name for name, (x, _) in self.places.items() if x <= self.budget]
        return sorted(found, key=lambda name: (-self.places[name][1].mean, self.places[name][0]))


def race(
    entrants: Mapping[str, Entrant], families: Sequence[str], cost: str, gain: str, budget: float, log: bool
) -> Race:
    """Who wins among some families.

    Args:
        entrants: all networks by name.
        families: that take part.
        cost, gain: what is compared.
        budget: the most that a network may cost, in the unit of the axis.
        log: handed on.

    Raises:
        ValueError: nobody takes part, or none has both figures.
    """
    mine = {name: e for name, e in entrants.items() if e.family in families}
    places = located(mine, cost, gain)
    if not mine:
        raise ValueError("no family is ticked; tick at least one")
    if not places:
        both = f"{quantity(cost).title} and {score_title(gain)}"
        raise ValueError(f"no network of {', '.join(families)} has both {both}; choose other axes, or another family")
    names = list(places)
    front = pareto_front([places[n][0] for n in names], [places[n][1].mean for n in names])
    found = Race(quantity(cost), gain, log, budget, places, [names[i] for i in front], None,
                 [name for name in mine if name not in places])  # fmt: skip
    best = found.fitting[:1]
    return Race(**{**vars(found), "winner": best[0] if best else None})


def located(entrants: Mapping[str, Entrant], cost: str, gain: str) -> dict[str, tuple[float, Score]]:
    """Cost in the unit of the axis and score of those that have both."""
    scale = quantity(cost).scale
    return {
        name: (scale * e.costs[cost], e.scores[gain])
        for name, e in entrants.items()
        if cost in e.costs and gain in e.scores
    }


def ordered(found: Sequence[str], known: Sequence[str]) -> list[str]:
    """Without repeats: those that are known, in that order, then the others."""
    return [name for name in dict.fromkeys([*known, *found]) if name in found]


class RaceExplorer(Explorer):
    """Accuracy against cost, the front in words, and who wins within a budget; a click in the chart sets the budget.

    Args:
        results: files that course/experiments or `segkit bench --out` wrote, or what they hold; all on the same
            pictures.
        families: network → what it is ticked with; by default the name of its result, and its controls apart.
        costs: further costs, such as times that were just measured: title → network → number above 0. One whose title
            begins with "ms" takes the place of the time that was recorded on another machine.

    Attributes:
        entrants: the networks by name.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: it holds no results; two networks have one name; scores are on different pictures; a family or a
            cost is for a network that is not there.
    """

    title = "The race"

    def __init__(
        self,
        *results: Results,
        families: Mapping[str, str] | None = None,
        costs: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        if not results:
            raise ValueError("RaceExplorer got no results; give a file, such as results/lineage.json")
        self.entrants = gathered(results, families or {}, costs or {})
        self.families = list(dict.fromkeys(e.family for e in self.entrants.values()))
        every = self.entrants.values()
        kinds = ordered([k for e in every for k in e.costs], [*(costs or {}), "ms", *COSTS])
        gains = ordered([k for e in every for k in e.scores], list(GAINS))
        super().__init__(Canvas(10.6, 5.6))
        self.parts = drawing(self.canvas, self.families)
        self._drawn: Race | None = None  # what stands in the chart, but for the budget
        self._cost = kinds[0]  # whose stops the budget has
        with self.together():
            self.menu("cost", "cost", [(quantity(k).title, k) for k in kinds], kinds[0], "the horizontal axis")
            self.menu("score", "score", [(score_title(k), k) for k in gains], gains[0],
                      "the vertical axis")  # fmt: skip
            self.menu("axis", "axis of costs", ["logarithmic", "linear"], "logarithmic", "how costs are spaced")
            self.stops("budget", "at most", self._budgets(), FREE, "the most that a network may cost; a click sets it")
            for family in self.families if len(self.families) > 1 else ():
                self.tick(f"show {family}", family, not family.endswith("controls"), f"the networks of {family}")

    def _budgets(self) -> list[tuple[str, float]]:
        values = [quantity(self._cost).scale * e.costs[self._cost] for e in self.entrants.values()
                  if self._cost in e.costs]  # fmt: skip
        stops = np.geomspace(0.97 * min(values), max(values), STOPS).tolist()
        return [*{number(stop): stop for stop in stops}.items(), ("no limit", FREE)]

    def compute(self) -> Race:
        if self._cost != self["cost"]:
            self._cost, control = self["cost"], self.controls["budget"]
            held, self._held = self._held, True  # other stops are no second change
            control.options = self._budgets()
            control.value = FREE
            self._held = held
        shown = [f for f in self.families if len(self.families) == 1 or self[f"show {f}"]]
        log = self["axis"] == "logarithmic"
        return race(self.entrants, shown, self["cost"], self["score"], self["budget"], log)

    def draw(self, results: Race) -> str:
        still = Race(**{**vars(results), "budget": FREE, "winner": None})
        if self._drawn != still:
            whole = located(self.entrants, self["cost"], self["score"])
            fill(self.parts, still, whole, {name: e.family for name, e in self.entrants.items()})
            self._drawn = still
            self.canvas.stale()
        results.unnamed[:] = self._drawn.unnamed
        move(self.parts, results, self.last, self._prices(results.winner))
        return said(results, self._prices(results.winner), self._files(results))

    def _prices(self, name: str | None) -> list[str]:
        """All that a network costs, in words, the chosen cost first."""
        costs = self.entrants[name].costs if name else {}
        return [quantity(k).said(costs[k]) for k in ordered(list(costs), [self["cost"], *COSTS])]

    def _files(self, results: Race) -> int:
        """How many files the times that are shown come from; 1 for counts, which are the same everywhere."""
        return len({self.entrants[name].file for name in results.places}) if self["cost"] == "ms" else 1

    def click(self, axes: Any, column: float, row: float) -> None:
        """The budget goes to this place of the chart; beyond the dearest network it has no limit."""
        if axes is self.parts["chart"]:
            stops = [value for _, value in self.controls["budget"].options[:-1]]
            near = min(stops, key=lambda stop: abs(stop - column))
            self.controls["budget"].value = FREE if column > stops[-1] else near


def said(found: Race, prices: Sequence[str], files: int) -> str:
    """The front, the winner and what is missing, in words."""
    count, limit = len(found.places), "Without a limit" if found.budget == FREE else f"At most {found.limit}"
    text = f"{count} network{'s' * (count > 1)}; beaten by no other in both cost and score: {'; '.join(found.front)}. "
    if found.winner is None:
        cheapest = found.front[0]
        text += (
            f"{limit}: nothing is that cheap; {cheapest} takes {number(found.places[cheapest][0])} {found.cost.words}."
        )
    else:
        best, *others = found.fitting
        fit = "" if found.budget == FREE else f", {1 + len(others)} fit"
        score = f"{score_title(found.gain)} {found.places[best][1]}"
        text += f"{limit}{fit}: {best} wins, {score} for {', '.join(prices)}"
        behind = [found.places[best][1].mean - found.places[other][1].mean for other in others[:1]]
        text += f"; next is {others[0]}, {behind[0]:.1f} points behind." if others else "."
    if files > 1:
        text += f" These times come from {files} files: compare only those of one."
    if found.without:
        text += f" Not measured: {', '.join(found.without)}."
    if found.unnamed:
        text += f" No room for the name{'s' * (len(found.unnamed) > 1)} of {', '.join(found.unnamed)}."
    return text
