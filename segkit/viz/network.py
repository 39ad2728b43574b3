"""A drawing of a network: maps as blocks, the taller the finer and the wider the more channels, with arrows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segkit.checks import finite
from segkit.typed import typed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILLS = {"picture": "#e3e3e3", "encoder": "#bfd8ea", "between": "#ffffff", "head": "#f7d9a8"}
INK, ARROW = "#222222", "#6b6b6b"


@typed
def network(
    parts: Sequence[Any], names: Mapping[str, str] | None = None, caption: str = "", width: float = 11.0
) -> Figure:
    """Draw what `segkit.analysis.anatomy` has found.

    Args:
        parts: with `name`, `channels`, `height`, `width`, `stride`, `reads`; each after those that it reads.
        names: part → the name to write, such as {"encoder.layer4": "block 4"}; others keep the last of their own.
        caption: under the drawing.
        width: of the figure, in inches.

    Returns:
        A figure on opaque white: blocks from left to right in the order of reading, branches one above the other. A
        block's height goes with the logarithm of its map's side, its width with that of the channels.

    Raises:
        ValueError: nothing to draw, or a part that reads one which is not there.
    """
    import matplotlib.pyplot as plt

    finite(width, "width", "viz.network", 0.5, 200)
    if not all(hasattr(part, "reads") for part in parts):
        raise TypeError("viz.network got parts that read nothing; give it segkit.analysis.anatomy(model)")
    known = {part.name: part for part in parts}
    if missing := {name for part in parts for name in part.reads} - set(known):
        raise ValueError(f"viz.network: parts read {', '.join(sorted(missing))}, which are not among the parts given")
    if not known:
        raise ValueError("viz.network got no parts; give it segkit.analysis.anatomy(model)")
    columns = _columns(known)
    rows = _rows(known, columns)
    _put_in_order(known, columns, rows)
    over = any(columns[p.name] - columns[r] > 1 and rows[p.name] == rows[r] == 0 for p in parts for r in p.reads)
    top, bottom = max(*rows.values(), 0.6 * over) + 0.75, min(rows.values()) - 0.75
    figure = plt.figure(figsize=(width, 0.95 * (top - bottom)), facecolor="white")
    axes = figure.add_axes((0.005, 0.08 if caption else 0.01, 0.99, 0.9))
    axes.set_xlim(-0.6, max(columns.values()) + 0.6)
    axes.set_ylim(bottom, top)
    axes.set_axis_off()
    places = {name: (columns[name], rows[name]) for name in known}
    small = min(1.0, 14 / (max(columns.values()) + 1))
    boxes = {name: _block(axes, part, places[name], (names or {}).get(name), small) for name, part in known.items()}
    for part in parts:
        for name in part.reads:
            _arrow(axes, places, boxes, name, part.name)
    if caption:
        figure.text(0.5, 0.02, caption, ha="center", fontsize=9, color=INK)
    plt.close(figure)  # pyplot would show it a second time at the end of the cell
    return figure


def _columns(known: Mapping[str, Any]) -> dict[str, int]:
    """Each part as far left as what it reads allows, then branches as far right as their reader allows."""
    columns: dict[str, int] = {}
    for name, part in known.items():
        columns[name] = 1 + max((columns[other] for other in part.reads), default=-1)
    readers: dict[str, list[str]] = {name: [] for name in known}
    for name, part in known.items():
        for other in part.reads:
            readers[other].append(name)
    for name in reversed(list(known)):
        if readers[name] and known[name].reads:
            columns[name] = min(columns[reader] for reader in readers[name]) - 1
    return columns


def _rows(known: Mapping[str, Any], columns: Mapping[str, int]) -> dict[str, int]:
    """The longest chain in row 0; what stands beside it in turn above and below, what comes from far outermost."""
    trunk, name = set(), max(known, key=lambda part: columns[part])
    while name:
        trunk.add(name)
        name = max(known[name].reads, key=lambda part: columns[part], default="")
    rows = dict.fromkeys(trunk, 0)
    for column in sorted(set(columns.values())):
        here = [name for name in known if columns[name] == column and name not in trunk]
        here.sort(key=lambda name: -max(columns[other] for other in known[name].reads))
        followed = sum(rows.get(other, 0) < 0 for name in here for other in known[name].reads)
        for place, name in enumerate(here):
            before = [rows[other] for other in known[name].reads if rows.get(other)]
            free = [r for k in range(1, len(known) + 1) for r in ((-k, k) if followed > place else (k, -k))]
            passed = range(min(columns[other] for other in known[name].reads) + 1, column + 1)  # on the way here too
            taken = {rows[other] for other in rows if columns[other] in passed}
            rows[name] = next(r for r in [*before, *free] if r not in taken)
    return rows


def _put_in_order(known: Mapping[str, Any], columns: Mapping[str, int], rows: dict[str, int]) -> None:
    """Parallel branches from top to bottom in their order, with row 0 free where an arrow goes past all of them."""
    readers = {name: [other for other, part in known.items() if name in part.reads] for name in known}
    groups: dict[tuple[str, str], list[list[str]]] = {}
    for source in known:
        for first in readers[source]:
            chain = [first]
            while len(readers[chain[-1]]) == 1 and len(known[readers[chain[-1]][0]].reads) == 1:
                chain += readers[chain[-1]]
            if known[first].reads == [source] and len(readers[chain[-1]]) == 1:
                groups.setdefault((source, readers[chain[-1]][0]), []).append(chain)
    for (source, target), chains in groups.items():
        if max(map(len, chains)) > 3 * min(map(len, chains)):  # a way down and up again, and a skip beside it
            continue
        inside = {name for chain in chains for name in chain}
        taken = {  # by blocks that stand beside the branches, and by arrows that pass them: they run in their end's row
            rows[end] for end, part in known.items() if end not in inside
            for start in (end, *part.reads) if columns[start] < columns[target] and columns[source] < columns[end]
        }  # fmt: skip
        own = {rows[name] for name in inside}
        if source in known[target].reads and rows[source] == rows[target] == 0:
            own = {k for j in range(1, len(known)) for k in (j, -j)} - taken
            own = set(sorted(own, key=lambda k: (abs(k), -k))[: len(chains)])
        if len(chains) > 1 and len(own) == len(chains):
            for row, chain in zip(sorted(own, reverse=True), chains, strict=True):
                rows.update(dict.fromkeys(chain, row))


def _block(axes: Axes, part: Any, place: tuple[float, float], name: str | None, small: float) -> tuple[float, float]:
    """Draw one block, its letters `small` times their size; gives half its width and height."""
    from matplotlib.patches import FancyBboxPatch

    module = part.name.partition("#")[0].partition("@")[0]
    between = module in ("concat", "enlarge", "shrink", "stack", "max") or " " in module or not module[0].isalpha()
    kind = "picture" if module == "picture" else "encoder" if module.startswith("encoder") else "head"
    half_width = 0.05 + 0.022 * math.log2(part.channels + 1)
    half_height = 0.10 + 0.035 * math.log2(max(part.height, 1))
    fill = FILLS["between" if between else kind]
    corner = (place[0] - half_width, place[1] - half_height)
    axes.add_patch(
        FancyBboxPatch(
            corner, 2 * half_width, 2 * half_height, boxstyle="round,pad=0,rounding_size=0.04", facecolor=fill,
            edgecolor=INK, linewidth=0.8, linestyle="--" if between else "-", zorder=3,
        )
    )  # fmt: skip
    own = ".".join(module.removeprefix("encoder.").split(".")[-2:]) if name is None else name
    clear = {"facecolor": "white", "edgecolor": "none", "pad": 0.4}  # an arrow that passes here goes under the letters
    letters: dict[str, Any] = {"ha": "center", "color": INK, "bbox": clear, "zorder": 2.5}
    axes.text(place[0], place[1] + half_height + 0.05, own, va="bottom", fontsize=7 * small, **letters)
    size = f"{part.channels} × {part.height}×{part.width}" + (
        "" if part.stride == 1 or between else f"\n1/{part.stride}"
    )
    axes.text(place[0], place[1] - half_height - 0.05, size, va="top", fontsize=6.5 * small, **letters)
    return half_width, half_height


def _arrow(
    axes: Axes,
    places: Mapping[str, tuple[float, float]],
    boxes: Mapping[str, tuple[float, float]],
    source: str,
    target: str,
) -> None:
    """From the right side of one block to the left side of another; over what stands between where they share a row."""
    (x0, y0), (x1, y1) = places[source], places[target]
    start, end, way = (x0 + boxes[source][0], y0), (x1 - boxes[target][0], y1), "arc3,rad=0"
    between = [y for name, (x, y) in places.items() if x0 < x < x1 and name not in (source, target)]
    if y0 == y1 and y0 in between:  # over the heads of what stands between
        start, end = (x0, y0 + boxes[source][1] + 0.24), (x1, y1 + boxes[target][1] + 0.24)
        way = f"arc3,rad={-min(0.3, 1.1 / (x1 - x0) ** 0.8)}"
    elif x1 - x0 > 1 and y0 in between:  # up or down first
        above = 1 if y1 > y0 else -1
        start, way = (x0, y0 + above * (boxes[source][1] + 0.16)), "angle,angleA=90,angleB=0,rad=6"
    style = {
        "arrowstyle": "-|>",
        "color": ARROW,
        "lw": 0.9,
        "connectionstyle": way,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", xy=end, xytext=start, arrowprops=style, zorder=2)
