"""Charts of many named points: names that do not cover each other, and logarithmic axes with plain numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segkit.checks import chosen, finite
from segkit.typed import shown, typed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation

INK, LEADER = "#222222", "#8a8a8a"
_ANGLES = np.deg2rad([0, 180, 35, -35, 145, -145, 90, -90, 15, -15, 165, -165, 60, -60, 120, -120])  # best first
_AWAY = (8.0, 14.0, 21.0, 31.0, 44.0, 60.0, 80.0, 104.0)  # points (1/72 inch) from the point to its name
_DOT = 4.5  # points around the middle of a point that no name may cover
_SAMPLES = np.linspace(0, 1, 12)[:, None]  # along a line from a name to its point


@typed
def log_axis(axes: Axes, which: str = "x") -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2, 5, 10, … where there is room for them.

    Args:
        axes: with the limits that it will keep.
        which: "x" or "y".

    Raises:
        ValueError: limits that were set do not lie above 0.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    _drawable(axes, "log_axis")
    chosen(which, "which", "log_axis", ("x", "y"))
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    if low <= 0 and not (axes.get_autoscalex_on() if which == "x" else axes.get_autoscaley_on()):
        raise ValueError(f"log_axis got axes with {which} from {low:g} to {high:g}; set limits above 0 first")
    axes.set(**{f"{which}scale": "log"})
    low, high = sorted(axis.get_view_interval())
    span = high / low
    steps = (1.0,) if span > 1000 else (1.0, 2.0, 5.0) if span > 8 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
    axis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


@typed
def name_points(
    axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str], fontsize: float = 8,
    avoid: Sequence[tuple[float, float]] = (),
) -> list[Annotation | None]:  # fmt: skip
    """Write a name beside each point, so that no name covers another or a point; a thin line where it stands apart.

    Args:
        axes: with the limits and the place in the figure that it will keep.
        x, y: of the points, in data coordinates.
        names: one for each; an empty one is not written.
        fontsize: in points (1/72 inch).
        avoid: corners of a line, in data coordinates, that names stay off where they can.

    Returns:
        the text of each point; None where its name is empty, or nowhere within an inch and a half is there room.

    Raises:
        ValueError: not one x, y and name for each point.
    """
    _drawable(axes, "name_points")
    if not len(x) == len(y) == len(names):
        raise ValueError(f"name_points got {len(x)} x, {len(y)} y and {len(names)} names; give one of each for a point")
    size = finite(fontsize, "fontsize", "name_points", 1, 100)
    xy = [(finite(a, "x", "name_points"), finite(b, "y", "name_points")) for a, b in zip(x, y, strict=True)]
    if not xy:
        return []
    _settle(axes)
    dots = np.asarray(axes.transData.transform(xy))  # n, 2: pixels
    room = _Room(axes, dots, np.asarray(axes.transData.transform(list(avoid))) if len(avoid) else np.zeros((0, 2)))
    found: list[Annotation | None] = [None] * len(xy)
    near = np.linalg.norm(dots[:, None] - dots, axis=-1)  # n, n
    crowded = np.exp(-near / (60 * room.scale)).sum(1)
    for i in sorted(range(len(xy)), key=lambda i: (-crowded[i], i)):  # where there is least room first
        if names[i]:
            found[i] = room.write(names[i], xy[i], i, size)
    return found


def _drawable(axes: Any, who: str) -> None:
    if not hasattr(axes, "transData"):
        raise TypeError(f"{who} got axes={shown(axes)}; it takes one of matplotlib's axes")


def _settle(axes: Axes) -> None:
    """Bring limits and place of the axes to where drawing would leave them."""
    figure: Any = axes.figure.figure  # of a part of a figure, the whole
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
    axes.get_xlim(), axes.get_ylim()  # what is still to be scaled to the data is scaled when asked for
    axes.apply_aspect()


class _Room:
    """What is taken of the space of some axes, in pixels.

    Args:
        axes: whose space it is.
        dots: n×2, the middles of the points.
        corners: m×2, of the line to stay off.
    """

    def __init__(self, axes: Axes, dots: np.ndarray, corners: np.ndarray) -> None:
        self.axes, self.dots = axes, dots
        self.scale = axes.figure.dpi / 72  # pixels in a point
        around = _DOT * self.scale
        self.points = np.concatenate([dots - around, dots + around], 1)  # n, 4
        self.names, self.lines = np.zeros((0, 4)), np.zeros((0, 2))
        pieces = [_line(a, b) for a, b in itertools.pairwise(corners)]
        self.avoid = np.concatenate(pieces) if pieces else np.zeros((0, 2))
        self.frame = np.asarray(axes.bbox.extents)

    def write(self, name: str, xy: tuple[float, float], place: int, fontsize: float) -> Annotation | None:
        """The name at the best free place, or nothing where there is none."""
        text = self.axes.annotate(name, xy, (0, 0), textcoords="offset points", fontsize=fontsize, color=INK,
                                  ha="center", va="center", annotation_clip=False)  # fmt: skip
        extent = text.get_window_extent()
        half = np.array([extent.width, extent.height]) / 2 + 1
        middles, offset = self._places(self.dots[place], half)
        boxes = np.concatenate([middles - half, middles + half], 1)  # c, 4
        free = ((boxes[:, :2] >= self.frame[:2] + 1) & (boxes[:, 2:] <= self.frame[2:] - 1)).all(1)
        free &= ~_overlap(boxes, np.concatenate([self.points, self.names])).any(1)
        middles, offset, boxes = middles[free], offset[free], boxes[free]
        ends = np.clip(self.dots[place], boxes[:, :2], boxes[:, 2:])  # where a line would meet the name
        lines = ends[:, None] + _SAMPLES * (self.dots[place] - ends)[:, None]  # c, s, 2
        if not len(boxes):
            text.remove()
            return None
        faults, doubtful = self._faults(place, boxes, lines)
        best = int(np.argmin(faults))  # the first of the least
        text.set_position(tuple((middles[best] - self.dots[place]) / self.scale))
        self.names = np.concatenate([self.names, boxes[best : best + 1]])
        if doubtful[best] or offset[best] > _AWAY[1]:
            self._leader(self.dots[place], ends[best])
            self.lines = np.concatenate([self.lines, lines[best]])
        return text

    def _faults(self, place: int, boxes: np.ndarray, lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How much speaks against each place of a name, and whether another point is as near to it."""
        across = _inside(lines[:, :, None], np.delete(self.points, place, 0)[None, None]).any(1).sum(1)  # c
        crossed = _inside(self.avoid[None], boxes[:, None]).any(1).astype(int)
        crossed += 9 * _inside(self.lines[None], boxes[:, None]).any(1)  # a name and the line of another: at need
        crossed += 9 * _inside(lines[:, :, None], self.names[None, None]).any(1).sum(1)
        apart = np.maximum(boxes[:, None, :2] - self.dots, self.dots - boxes[:, None, 2:]).clip(0)  # c, n, 2
        away = np.linalg.norm(apart, axis=-1)  # c, n
        doubtful = (np.delete(away, place, 1) < 1.2 * away[:, place, None]).any(1)
        return 3 * across + crossed + doubtful, doubtful

    def _leader(self, dot: np.ndarray, end: np.ndarray) -> None:
        """A line from beside the point to its name."""
        from matplotlib.lines import Line2D

        start = dot + (end - dot) * min(1.0, _DOT * self.scale / float(np.linalg.norm(end - dot)))
        here = self.axes.transData.inverted().transform([start, end])
        self.axes.add_artist(Line2D(*here.T, color=LEADER, linewidth=0.6, zorder=1.5))

    def _places(self, dot: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the middle of a name may be, the nearest first, and how far (in points) the name's edge then is."""
        away = np.repeat(_AWAY, len(_ANGLES))
        ways = np.tile(np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1), (len(_AWAY), 1))  # c, 2
        return dot + ways * away[:, None] * self.scale + np.sign(np.round(ways, 6)) * half, away


def _line(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Points along a line, three pixels apart. Shape: n×2."""
    steps = np.linspace(0, 1, 2 + int(np.linalg.norm(b - a) / 3))
    return a + steps[:, None] * (b - a)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether boxes (left, bottom, right, top) share an area. Shape: n×4, m×4 → n×m."""
    return np.all((a[:, None, :2] < b[None, :, 2:]) & (a[:, None, 2:] > b[None, :, :2]), axis=-1)


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether points (…, 2) lie in boxes (…, 4)."""
    return np.all((points > boxes[..., :2]) & (points < boxes[..., 2:]), axis=-1)
