"""What explorers of a labelled picture share: names and colours of its classes, and a ring that a click moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from torch import Tensor

from segkit.data.sample import VOID, Sample
from segkit.explore.canvas import ORANGE, Canvas
from segkit.explore.shell import Explorer
from segkit.metrics import ConfusionMatrix, TrimapIoU
from segkit.viz import default_palette


def street(size: tuple[int, int] = (96, 128)) -> Sample:
    """A street scene, where the caller brings no picture."""
    return streets(1, size)[0]


def streets(count: int, size: tuple[int, int] = (96, 128)) -> list[Sample]:
    """Street scenes to choose from, where the caller brings none."""
    from segkit.data.street import StreetScenes

    scenes = StreetScenes(split="val", size=size)
    return [scenes[i] for i in range(count)]


def mean_iou(prediction: Tensor, labels: Tensor | None, num_classes: int, band: int | None = None) -> float:
    """Of all pixels, or of those within `band` pixels of an edge; NaN without a truth."""
    if labels is None or not (labels != VOID).any():
        return float("nan")
    counter = ConfusionMatrix(num_classes) if band is None else TrimapIoU(num_classes, band)
    counter.update(prediction, labels)
    return counter.mean_iou()


class LabelledExplorer(Explorer):
    """Base class: `labels`, `classes` and `palette` are known, and sliders `row` and `column` hold the ring.

    Args:
        canvas: what is drawn on.
        sample: the picture, with labels if there are any.
        num_classes: K of the scores.
        classes: names of the classes; None for those of street scenes.
        palette: uint8 K×3; None for the street's or viz's own.

    Raises:
        ValueError: not one name for each class.
    """

    def __init__(
        self, canvas: Canvas, sample: Sample, num_classes: int, classes: tuple[str, ...] | None, palette: Any
    ) -> None:
        from segkit.data.street import StreetScenes

        self.labels, self.classes = sample.labels, tuple(classes or StreetScenes.classes)
        if len(self.classes) != num_classes:
            raise ValueError(
                f"the scores are of {num_classes} classes and there are {len(self.classes)} names; give classes=…"
            )
        own = StreetScenes.palette if self.classes == tuple(StreetScenes.classes) else default_palette(num_classes)
        self.palette = own if palette is None else palette
        super().__init__(canvas)

    @property
    def known(self) -> bool:
        """Whether there is a truth to compare with."""
        return bool((self.labels != VOID).any())

    def name(self, labels: Tensor) -> str:
        """The class of the pixel in the ring."""
        label = int(labels[self["row"], self["column"]])
        return "void" if label == VOID else self.classes[label]

    def click(self, axes: Any, column: float, row: float) -> None:
        """A pixel of any picture."""
        if axes in [picture.axes for picture in self.parts["pictures"].values()]:
            self.put(row=row, column=column)


def panels(
    canvas: Canvas,
    names: Sequence[str],
    places: Sequence[tuple[float, float]],
    size: tuple[float, float],
    image: np.ndarray,
) -> tuple[dict[str, Any], list[Line2D]]:
    """The same picture in several axes with a ring in each, which moves; by name, to be filled."""
    pictures, rings = {}, []
    for name, place in zip(names, places, strict=True):
        axes = canvas.axes(*place, *size, name)
        pictures[name] = axes.imshow(image, interpolation="nearest", cmap="cividis", vmin=0, vmax=1)
        rings += axes.plot([0], [0], "o", ms=9, markerfacecolor="none", markeredgecolor=ORANGE, markeredgewidth=2)
    canvas.moves(*rings)
    return pictures, rings
