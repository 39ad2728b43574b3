"""Charts: logarithmic axes with plain numbers, and names that cover neither each other nor a point."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from segkit.viz import log_axis, name_points


def axes_of(layout: str | None = None, size: tuple[float, float] = (7, 4)) -> Axes:
    figure = Figure(figsize=size, dpi=100, layout=layout)
    FigureCanvasAgg(figure)
    return figure.subplots()


def ticks(axes: Axes, which: str = "x") -> list[str]:
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    return [t.get_text() for t, v in zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True) if low <= v <= high]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (2, 6.4, ["2", "3", "4", "5", "6"]),
        (8, 210, ["10", "20", "50", "100", "200"]),
        (0.5, 3e6, ["1", "10", "100", "1,000", "10,000", "100,000", "1,000,000"]),
    ],
)
def test_a_logarithmic_axis_has_plain_numbers(low: float, high: float, expected: list[str]) -> None:
    axes = axes_of()
    axes.set(xlim=(low, high), ylim=(low, high))
    for which in ("x", "y"):
        log_axis(axes, which)
        assert ticks(axes, which) == expected
    assert axes.get_xscale() == axes.get_yscale() == "log" and not len(axes.xaxis.get_minorticklocs())


def test_limits_may_still_follow_from_the_data() -> None:
    axes = axes_of()
    axes.plot([10, 30, 400], [1, 2, 3])
    log_axis(axes)
    assert ticks(axes) == ["10", "20", "50", "100", "200"] and axes.get_yscale() == "linear"


@pytest.mark.parametrize("layout", [None, "constrained"])
@pytest.mark.parametrize("seed", range(3))
def test_names_cover_nothing(seed: int, layout: str | None) -> None:
    r, axes = random.Random(seed), axes_of(layout)
    x, y = [r.gauss(5, 1.5) for _ in range(25)], [r.gauss(50, 4) for _ in range(25)]
    names = [f"network {i}" * r.randint(1, 2) for i in range(25)]
    axes.plot(x, y, "o")
    axes.set(xlabel="cost", ylabel="score")
    texts = name_points(axes, x, y, names)
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    dots = axes.transData.transform(list(zip(x, y, strict=True)))
    shown = [t for t in texts if t is not None]
    boxes = [t.get_window_extent() for t in shown]
    assert len(shown) > 20 and [t.get_text() for t in shown] == [n for n, t in zip(names, texts, strict=True) if t]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert not any(box.contains(*dot) for box in boxes for dot in dots)
    assert all(axes.bbox.x0 <= b.x0 and b.x1 <= axes.bbox.x1 for b in boxes), "inside the axes"


def test_a_name_stands_beside_its_own_point() -> None:
    axes = axes_of()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    first, empty, second = name_points(axes, [2, 4, 8], [5, 5, 5], ["first", "", "second"])
    assert empty is None and first is not None and second is not None and not axes.lines and not axes.artists
    for text, x in ((first, 2), (second, 8)):
        box, (left, middle) = text.get_window_extent(), axes.transData.transform((x, 5))
        assert 0 < box.x0 - left < 20 and box.y0 < middle < box.y1, "on its right, where there is room"


def test_where_there_is_no_room_beside_it_a_line_leads_to_the_name() -> None:
    axes = axes_of()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    crowd = [5 + 0.03 * i for i in range(12)]
    texts = name_points(axes, crowd, crowd, ["one of several"] * 12)
    middle = axes.transData.transform((5.2, 5.2))
    far = [t for t in texts if t is not None and abs(np.mean(t.get_window_extent().intervaly) - middle[1]) > 70]
    assert None not in texts and far and len(axes.artists) + len(axes.lines) >= len(far)


def test_names_stay_off_a_line() -> None:
    axes = axes_of()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    (text,) = name_points(axes, [3], [5], ["a name"], avoid=[(0, 5), (10, 5)])
    middle = axes.transData.transform((3, 5))[1]
    assert text is not None and not text.get_window_extent().y0 < middle < text.get_window_extent().y1


def test_without_room_there_is_no_name() -> None:
    axes = axes_of(size=(0.6, 0.5))
    assert name_points(axes, [0.5], [0.5], ["a name that is far too long"]) == [None] and not axes.texts
    assert name_points(axes, [], [], []) == []


def test_refuses() -> None:
    axes = axes_of()
    with pytest.raises(ValueError, match="which='z'; it takes 'x', 'y'"):
        log_axis(axes, "z")
    with pytest.raises(TypeError, match=r"name_points got axes=None .*; it takes one of matplotlib's axes"):
        name_points(None, [1.0], [1.0], ["a"])  # type: ignore[arg-type]
    axes.set(xlim=(-1, 5))
    with pytest.raises(ValueError, match="axes with x from -1 to 5; set limits above 0 first"):
        log_axis(axes)
    with pytest.raises(ValueError, match="1 x, 2 y and 1 names; give one of each"):
        name_points(axes, [1.0], [1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="x=inf"):
        name_points(axes, [np.inf], [1.0], ["a"])
    with pytest.raises(ValueError, match="fontsize=0"):
        name_points(axes, [1.0], [1.0], ["a"], fontsize=0)
