"""A matplotlib figure that is redrawn in milliseconds: what moves is drawn over a stored picture of what does not."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

INK, FAINT = "#222222", "#9a9a9a"
BLUE, ORANGE, VERMILION, SKY = "#0072B2", "#E69F00", "#D55E00", "#56B4E9"  # Okabe & Ito 2008


def boxes(left: np.ndarray, bottom: np.ndarray, right: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Corners of rectangles, for a PolyCollection. Shape: four times n → n×4×2."""
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    return np.stack([np.stack(corner, -1) for corner in corners], 1)  # n, 4, 2


class Canvas:
    """A figure on opaque white, with artists that move.

    Args:
        width, height: inches.
        dpi: pixels per inch.
    """

    def __init__(self, width: float, height: float, dpi: int = 96) -> None:
        self.figure = Figure(figsize=(width, height), dpi=dpi, facecolor="white")
        self.agg = FigureCanvasAgg(self.figure)
        self.moving: list[Artist] = []
        self._background: object = None

    def axes(
        self, left: float, bottom: float, width: float, height: float, title: str = "", ticks: bool = False
    ) -> Axes:
        """Axes at a place in the figure (0–1), for a picture unless `ticks`."""
        axes = self.figure.add_axes((left, bottom, width, height))
        axes.set_title(title, fontsize=9, color=INK)
        axes.tick_params(labelsize=7, colors=INK, length=2)
        if not ticks:
            axes.set_xticks([])
            axes.set_yticks([])
        return axes

    def moves(self, *artists: Artist) -> None:
        """These artists are redrawn at every step; all others only once."""
        for artist in artists:
            artist.set_animated(True)
            self.moving.append(artist)

    def stale(self) -> None:
        """Something that does not move has changed after all: draw everything at the next step."""
        self._background = None

    def pixels(self) -> np.ndarray:
        """The figure as uint8 H×W×3."""
        if self._background is None:
            self.agg.draw()
            self._background = self.agg.copy_from_bbox(self.figure.bbox)
        self.agg.restore_region(self._background)  # type: ignore[arg-type]
        for artist in sorted(self.moving, key=lambda a: a.get_zorder()):
            artist.axes.draw_artist(artist) if artist.axes is not None else self.figure.draw_artist(artist)
        return np.asarray(self.agg.buffer_rgba())[..., :3]

    def png(self) -> bytes:
        """The figure as PNG, packed lightly: it is made again with the next move of a slider."""
        file = io.BytesIO()
        Image.fromarray(self.pixels()).save(file, "PNG", compress_level=1)
        return file.getvalue()

    def place(self, x: float, y: float) -> tuple[Axes, float, float] | None:
        """The axes and data coordinates under a point of the picture (0–1 from the top left); None between axes."""
        width, height = self.figure.bbox.size
        point = (x * width, (1 - y) * height)
        for axes in self.figure.axes:
            if axes.bbox.contains(*point):
                column, row = axes.transData.inverted().transform(point)
                return axes, float(column), float(row)
        return None

    def point(self, axes: Axes, column: float, row: float) -> tuple[float, float]:
        """The reverse of `place`: where in the picture (0–1 from the top left) a data point of some axes lies."""
        x, y = axes.transData.transform((column, row))
        width, height = self.figure.bbox.size
        return float(x / width), float(1 - y / height)

    def still(self, caption: str = "") -> Figure:
        """The whole figure with a caption under it, for pages that do not move."""
        import matplotlib.pyplot as plt

        pixels = self.pixels()
        height, width = pixels.shape[:2]
        dpi, strip = self.figure.dpi, 35 if caption else 0
        total = height + strip
        figure = plt.figure(figsize=(width / dpi, total / dpi), dpi=dpi, facecolor="white")
        axes = figure.add_axes((0, strip / total, 1, height / total))
        axes.imshow(pixels, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        text = figure.text(0.5, strip / total / 2, caption, ha="center", va="center", fontsize=9, wrap=True)
        if (tall := text.get_window_extent().height + 4) > strip > 0:  # a long caption takes more than two lines
            figure.set_size_inches(width / dpi, (height + tall) / dpi)
            axes.set_position((0, tall / (height + tall), 1, height / (height + tall)))
            text.set_y(tall / (height + tall) / 2)
        plt.close(figure)  # pyplot would show it a second time at the end of the cell
        return figure
