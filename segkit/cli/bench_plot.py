"""The picture of `segkit bench`: mean IoU against what it costs, with the front that no network beats."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from segkit.analysis import pareto_front
from segkit.files import writable, write_bytes
from segkit.viz import log_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COSTS = {"macs": ("multiply-adds of one picture, millions", 1e-6), "ms": ("median time of one call, milliseconds", 1.0)}
FRONT, OTHER, INK = "#0072B2", "#767676", "#222222"
_OURS = {"Software": "segkit bench"}


def picture_file(name: str) -> Path:
    """Where the picture may be written: a .png that is not there yet, or one that this command drew.

    Raises:
        ValueError: it is something else.
    """
    path = writable(name)
    if path.suffix.lower() != ".png":
        raise ValueError(f"--plot {name} is a picture; let its name end in .png")
    try:
        with Image.open(path) as picture:
            drawn = picture.info.get("Software") == _OURS["Software"]
    except FileNotFoundError:
        return path
    except (OSError, SyntaxError, Image.DecompressionBombError):
        drawn = False
    if not drawn:
        raise ValueError(
            f"--plot {name} is there already, and not from `segkit bench`; name another file, or delete it"
        )
    return path


def draw(shown: dict[str, dict[str, float]], name: str) -> None:
    """Two panels, counts and times; a number for each network, those on the front in blue and joined."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scored = sorted((item for item in shown.items() if "mean_iou" in item[1]), key=lambda item: -item[1]["mean_iou"])
    gains = [100 * scores["mean_iou"] for _, scores in scored]
    wide = 10.3 + 0.075 * (14 + max(len(word) for word, _ in scored))  # inches: two panels, and the names
    figure = Figure(figsize=(wide, max(5.0, 1.2 + 0.23 * len(scored))), facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.65 / wide, right=10.1 / wide, wspace=0.05, top=0.92, bottom=0.11)
    for axis, (key, (title, scale)) in zip(panels, COSTS.items(), strict=True):
        _panel(axis, [scale * scores[key] for _, scores in scored], gains)
        axis.set_xlabel(title)
    panels[0].set_ylabel("mean IoU, %")
    names = "\n".join(f"{i:2d}  {gains[i - 1]:4.1f} %  {word}" for i, (word, _) in enumerate(scored, 1))
    figure.text(10.3 / wide, 0.92, names, va="top", fontsize=8.5, color=INK, family="monospace", linespacing=1.5)
    figure.text(0.65 / wide, 0.95, "Blue: no network here costs less and scores more", fontsize=11, color=INK)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata=_OURS)
    write_bytes(buffer.getvalue(), name)


def _panel(axis: Axes, costs: Sequence[float], gains: Sequence[float]) -> None:
    front = pareto_front(costs, gains)
    axis.plot([costs[i] for i in front], [gains[i] for i in front], color=FRONT, lw=1.2, drawstyle="steps-post")
    for i, (cost, gain) in enumerate(zip(costs, gains, strict=True)):
        above = 3 + (i in front)
        axis.plot(cost, gain, "o", ms=13, mfc=FRONT if i in front else OTHER, mec="white", mew=0.8, zorder=above)
        axis.text(cost, gain, str(i + 1), ha="center", va="center_baseline", fontsize=7, color="white", zorder=above)
    axis.grid(color="#e6e6e6", lw=0.6)
    axis.margins(0.08)
    log_axis(axis)
