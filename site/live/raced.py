"""RaceExplorer: costs and scores of recorded networks, and the stops of the budget; the page does the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from live.packing import Live, described

from segkit.explore import RaceExplorer
from segkit.explore.race import FREE
from segkit.explore.race_entrants import COSTS, quantity, score_title

RESULTS = Path(__file__).resolve().parents[2] / "course/results"
RECORDS = ("lineage", "realtime_grid")  # what chapter 12 compares; those that are there are shown


class Raced(Live):
    """The budget starts without a limit, for which JSON has no number; its stops follow the cost."""

    def content(self) -> dict[str, Any]:
        found = super().content()
        for control in found["controls"]:
            if control["name"] == "budget":
                control |= {"values": ["no limit"], "labels": ["no limit"], "start": 0}
        return found


def race() -> Live | None:
    """Chapter 12: which networks no other beats, and who wins within a budget. None where nothing is recorded."""
    files = [path for name in RECORDS if (path := RESULTS / f"{name}.json").is_file()]
    if not files:
        return None
    explorer, stops = RaceExplorer(*files), {}
    cost = explorer.controls["cost"]
    for kind in dict(cost._options_full).values():
        cost.value = kind
        stops[kind] = [stop for stop in described(explorer.controls["budget"])["values"] if stop != FREE]
    explorer.reset()
    entrants = [
        {**vars(e), "name": name, "scores": {k: list(v) for k, v in e.scores.items()}}
        for name, e in explorer.entrants.items()
    ]
    data = {
        "entrants": entrants,
        "families": explorer.families,
        "stops": stops,
        "costs": {kind: quantity(kind)._asdict() for kind in stops},
        "order": [*dict.fromkeys([*COSTS, *stops])],
        "scores": {name: score_title(name) for name in dict(explorer.controls["score"]._options_full).values()},
    }
    return Raced(explorer, dict.fromkeys(explorer.controls), data)
