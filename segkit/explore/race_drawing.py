"""How RaceExplorer looks: a chart of named points, the front in words, and the winner within the budget."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D

from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, SKY, VERMILION, Canvas
from segkit.explore.race_entrants import number, score_title
from segkit.viz import log_axis, name_points

if TYPE_CHECKING:
    from segkit.explore.race import Race

GREEN, PINK = "#009E73", "#CC79A7"  # Okabe & Ito 2008
MARKS = ((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"), (PINK, "D"), (SKY, "v"), (INK, "P"))  # of families, in turn
RING: dict[str, Any] = {"marker": "o", "ms": 14, "mfc": "none", "mew": 2, "ls": ""}
GHOST: dict[str, Any] = {"marker": "o", "ms": 6, "mfc": "none", "mec": FAINT, "mew": 1, "ls": ""}
LISTED = 12  # members of the front that the panel has room for


def drawing(canvas: Canvas, families: Sequence[str]) -> dict[str, Any]:
    """The empty picture: a chart; beside it the front in words, the winner and what the marks mean."""
    chart = canvas.axes(0.065, 0.1, 0.665, 0.84, "better is higher and further to the left", True)
    panel = canvas.axes(0.745, 0.1, 0.25, 0.84)
    panel.set_axis_off()
    looks = dict(zip(families, (MARKS[i % len(MARKS)] for i in range(len(families))), strict=True))
    handles = [Line2D([], [], color=colour, marker=mark, ls="", label=name) for name, (colour, mark) in looks.items()]
    handles += [
        Line2D([], [], color=INK, lw=1, marker="o", mfc="white", mec=INK, label="the front"),
        Line2D([], [], label="the winner", **{**RING, "mec": VERMILION, "ms": 10}),
        Line2D([], [], label="before the last move", **GHOST),
    ]
    panel.legend(handles=handles, loc="lower left", bbox_to_anchor=(-0.02, -0.03), frameon=False, fontsize=7.5,
                 labelcolor=INK)  # fmt: skip
    over = chart.axvspan(0, 1, color="white", alpha=0.72, lw=0)
    line = chart.axvline(1, color=VERMILION, lw=1.2)
    (front,) = chart.plot([], [], ":", color=FAINT, lw=1.4)
    (ghost,) = chart.plot([], [], **GHOST)
    (before,) = chart.plot([], [], **RING, mec=FAINT)
    (ring,) = chart.plot([], [], **RING, mec=VERMILION)
    winner = panel.text(0, 0.5, "", va="top", fontsize=8, color=INK, linespacing=1.4)
    columns = [
        panel.text(x, 0.92, "", va="top", ha=side, fontsize=7.5, color=INK, linespacing=1.5)
        for x, side in ((0, "left"), (0.8, "right"), (1, "right"))
    ]
    panel.text(0, 1, "The front, the cheapest first", va="top", fontsize=8.5, color=INK, weight="bold")
    title = panel.text(0, 0.963, "", va="top", fontsize=7.5, color=INK)
    canvas.moves(over, line, front, ghost, before, ring, winner)
    return {"chart": chart, "looks": looks, "over": over, "line": line, "ghost front": front, "ghost": ghost,
            "before": before, "ring": ring, "winner": winner, "columns": columns, "title": title,
            "drawn": []}  # fmt: skip


def fill(parts: dict[str, Any], race: Race, whole: Mapping[str, Any], families: Mapping[str, str]) -> None:
    """Draw all that only another cost, score, axis or family changes.

    Args:
        parts: of the drawing.
        race: what is shown.
        whole: the places of all networks, shown or not: the axes hold them all.
        families: of each network.
    """
    chart = parts["chart"]
    for artist in parts["drawn"]:
        artist.remove()
    kept = set(chart.get_children())
    _scale(chart, whole, race.log)
    chart.set_xlabel(race.cost.title, fontsize=8)
    chart.set_ylabel(f"{score_title(race.gain)}, %", fontsize=8)
    corners = _corners(_steps(race))
    chart.plot(*zip(*corners, strict=True), color=INK, lw=1, zorder=1.6)
    _points(parts, race, families)
    names = list(race.places)
    xs, ys = zip(*((x, score.mean) for x, score in race.places.values()), strict=True)
    written = name_points(chart, xs, ys, names, 7.5, corners)
    race.unnamed[:] = [name for name, text in zip(names, written, strict=True) if text is None]
    parts["drawn"] = [artist for artist in chart.get_children() if artist not in kept]
    _list(parts, race)


def _points(parts: dict[str, Any], race: Race, families: Mapping[str, str]) -> None:
    """The networks in the marks of their families; those on the front larger and with a dark edge."""
    for family, (colour, mark) in parts["looks"].items():
        for front in (False, True):
            mine = [race.places[n] for n in race.places if families[n] == family and (n in race.front) == front]
            if mine:
                xs, ys, bars = zip(*((x, score.mean, score.spread) for x, score in mine), strict=True)
                edge, size = (INK, 8.5) if front else ("white", 7.5)
                parts["chart"].errorbar(xs, ys, bars, fmt=mark, color=colour, ms=size, mec=edge, mew=0.9,
                                        elinewidth=1, capsize=0, zorder=2 + front)  # fmt: skip


def _corners(steps: Sequence[Any]) -> list[tuple[float, float]]:
    """Of the line along the front, which stays level until the next network is reached."""
    places = [(x, score.mean) for x, score in steps]
    between = [(after, level) for (_, level), (after, _) in itertools.pairwise(places)]
    return [point for pair in itertools.zip_longest(places, between) for point in pair if point]


def _scale(chart: Any, whole: Mapping[str, Any], log: bool) -> None:
    xs = [x for x, _ in whole.values()]
    low = min(score.mean - score.spread for _, score in whole.values())
    high = max(score.mean + score.spread for _, score in whole.values())
    margin = 0.09 * (high - low) or 5.0
    chart.set_ylim(low - margin, high + margin)
    chart.set_xscale("linear")
    if log:
        margin = max((max(xs) / min(xs)) ** 0.08, 1.05)
        chart.set_xlim(min(xs) / margin, max(xs) * margin**2.6)  # names stand on the right
        log_axis(chart)
    else:
        margin = 0.08 * (max(xs) - min(xs)) or 0.1 * max(xs)
        chart.set_xlim(min(xs) - margin, max(xs) + 2.6 * margin)


def _list(parts: dict[str, Any], race: Race) -> None:
    """The members of the front, the cheapest first."""
    parts["title"].set_text(f"{race.cost.title}; {score_title(race.gain)}")
    rows = [
        (name if len(name) < 29 else f"{name[:27]}…", number(x), f"{score.mean:.1f} %")
        for name, (x, score) in ((name, race.places[name]) for name in race.front)
    ]
    more = [(f"and {len(rows) - LISTED + 1} more", "", "")] if len(rows) > LISTED else []
    rows = rows[: LISTED - bool(more)] + more
    for column, texts in zip(parts["columns"], zip(*rows, strict=True), strict=True):
        column.set_text("\n".join(texts))
    parts["winner"].set_position((0, 0.92 - 0.029 * len(rows) - 0.04))


def move(parts: dict[str, Any], race: Race, last: Race | None, costs: Sequence[str]) -> None:
    """Draw the budget, the winner, and what the last move changed.

    Args:
        parts: of the drawing.
        race: what is shown.
        last: what was shown before.
        costs: of the winner, in words.
    """
    edge = parts["chart"].get_xlim()[1]
    limit = min(race.budget, edge)
    parts["over"].set(x=limit, width=edge - limit, visible=race.budget < math.inf)
    parts["line"].set(xdata=[limit] * 2, visible=race.budget < math.inf)
    parts["ring"].set_data(*_point(race, race.winner))
    ghosts: list[Any] = []
    front: list[Any] = []
    ring: Any = ([], [])
    if last is not None and last.cost == race.cost:
        ghosts = [place for name, place in last.places.items() if race.places.get(name) != place]
        front = _steps(last) if _steps(last) != _steps(race) else []
        ring = _point(last, last.winner)
        ring = ring if ring != _point(race, race.winner) else ([], [])
    parts["ghost"].set_data([x for x, _ in ghosts], [score.mean for _, score in ghosts])
    parts["ghost front"].set_data(*(zip(*_corners(front), strict=True) if front else ([], [])))
    parts["before"].set_data(*ring)
    head = "Without a limit" if race.budget == math.inf else f"At most {race.limit}"
    won = [f"{race.winner} wins:", str(race.places[race.winner][1]), *costs] if race.winner else []
    parts["winner"].set_text("\n".join([head, *(won or ["nothing is that cheap"])]))


def _point(race: Race, name: str | None) -> tuple[list[float], list[float]]:
    return ([race.places[name][0]], [race.places[name][1].mean]) if name else ([], [])


def _steps(race: Race) -> list[Any]:
    return [race.places[name] for name in race.front]
