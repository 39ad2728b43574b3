"""MetricsExplorer: spoil a perfect prediction in one way or another, and watch which metric notices."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from segkit.data.sample import VOID, Sample
from segkit.explore.canvas import BLUE, FAINT, INK, Canvas
from segkit.explore.labelled import LabelledExplorer, street
from segkit.metrics import ConfusionMatrix, boundary_iou, trimap_iou
from segkit.viz import colourise, error_map, legend

EVERYTHING = -1  # "merge every class into …"
NOTHING = -2
NAMES = ("pixel accuracy", "mean accuracy", "mean IoU", "freq. weighted IoU", "mean Dice", "trimap IoU", "Boundary IoU")


@dataclass(frozen=True)
class Scores:
    """A spoilt prediction and what the metrics say of it; all but `prediction` lie between 0 and 1.

    Args:
        prediction: int64 H×W.
        iou: K, NaN for classes in neither map.
    """

    prediction: Tensor
    pixel_accuracy: float
    mean_accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    dice: float
    trimap_iou: float
    boundary_iou: float
    iou: Tensor

    def values(self) -> list[float]:
        """The seven figures in the order of NAMES."""
        return [getattr(self, field.name) for field in fields(self) if field.type == "float"]


def spoil(
    labels: Tensor, target: int, grow: int = 0, down: int = 0, right: int = 0, merge: int = NOTHING, into: int = 0
) -> Tensor:
    """A prediction that is wrong in a known way.

    Args:
        labels: the truth, int64 H×W; void (255) is predicted as what stands left of it.
        target: the class that grows or shrinks.
        grow: pixels by which it is dilated, or eroded if negative, by a square; what it loses goes to its neighbours.
        down, right: pixels by which the whole prediction is shifted; the border is repeated.
        merge: a class that is called `into` instead; EVERYTHING or NOTHING.
        into: what the merged class is called.

    Returns:
        int64 H×W without void.
    """
    prediction = _without_void(labels)
    for _ in range(abs(grow)):
        inside = prediction == target
        if grow > 0:
            prediction = torch.where(_widest(inside), target, prediction)
        else:
            others = _widest(torch.where(inside, -1, prediction))  # −1 where there are none
            prediction = torch.where(inside & (others >= 0), others, prediction)
    h, w = prediction.shape
    rows, columns = (torch.arange(h) - down).clamp(0, h - 1), (torch.arange(w) - right).clamp(0, w - 1)
    prediction = prediction[rows][:, columns]
    return torch.where((prediction == merge) | (merge == EVERYTHING), into, prediction)


def score(prediction: Tensor, labels: Tensor, num_classes: int, width: int = 2) -> Scores:
    """All seven metrics of one prediction; `width` pixels on each side of an edge count for the last two."""
    confusion = ConfusionMatrix(num_classes)
    confusion.update(prediction, labels)
    return Scores(
        prediction, **confusion.summary(), dice=float(confusion.dice().nanmean()), iou=confusion.iou(),
        trimap_iou=float(trimap_iou(prediction, labels, num_classes, width)),
        boundary_iou=float(boundary_iou(prediction, labels, num_classes, width=width)),
    )  # fmt: skip


def drawing(canvas: Canvas, image: np.ndarray, classes: tuple[str, ...], palette: np.ndarray) -> dict[str, Any]:
    """The empty picture: prediction, errors, and a bar for each metric."""
    places = ((0.01, ""), (0.345, "errors (orange)"))
    pictures = []
    for left, title in places:
        axes = canvas.axes(left, 0.2, 0.32, 0.73, title)
        pictures.append(axes.imshow(image, interpolation="nearest"))
    bars = canvas.axes(0.83, 0.2, 0.11, 0.73)
    bars.set_xlim(0, 1)
    bars.set_ylim(len(NAMES) - 0.4, -0.6)
    bars.set_yticks(range(len(NAMES)), NAMES, fontsize=8)
    for side in ("top", "right", "bottom"):
        bars.spines[side].set_visible(False)
    bars.tick_params(length=0)
    rectangles = bars.barh(range(len(NAMES)), [1] * len(NAMES), height=0.6, color=BLUE).patches
    texts = [bars.text(1.04, k, "", va="center", fontsize=9, color=INK) for k in range(len(NAMES))]
    bars.axvline(1, color=FAINT, linewidth=0.6)
    first = pictures[0].axes
    chosen = first.text(0.5, 1.02, "", transform=first.transAxes, ha="center", fontsize=9, color=INK)
    legend(canvas.axes(0.0, 0.0, 1.0, 0.18), classes, palette, columns=7)
    canvas.moves(*pictures, *rectangles, *texts, chosen)
    return {"title": chosen, "pictures": pictures, "bars": rectangles, "texts": texts}


def draw(parts: dict[str, Any], scores: Scores, labels: Tensor, palette: np.ndarray, chosen: str) -> None:
    """Put a prediction, its scores and the name of the chosen class into the picture."""
    parts["title"].set_text(f"prediction (chosen: {chosen})")
    prediction, errors = parts["pictures"]
    prediction.set_data(colourise(scores.prediction, palette))
    errors.set_data(error_map(scores.prediction, labels))
    for bar, text, value in zip(parts["bars"], parts["texts"], scores.values(), strict=True):
        bar.set_width(value)
        text.set_text(f"{value:.3f}")


class MetricsExplorer(LabelledExplorer):
    """Erode, dilate, shift and merge the classes of a perfect prediction; click one to choose it.

    Args:
        sample: a Sample with labels; None for a street scene.
        classes: their names, in order.
        palette: uint8 K×3.
        width: pixels on each side of an edge that trimap and Boundary IoU look at.
    """

    title = "Metrics of a spoilt prediction"

    def __init__(
        self, sample: Sample | None = None, classes: tuple[str, ...] | None = None, palette: Any = None, width: int = 2
    ) -> None:
        from segkit.data.street import StreetScenes

        if (classes is None) != (sample is None):
            raise ValueError("give a sample together with the names of its classes, or neither for a street scene")
        chosen = street() if sample is None else sample
        super().__init__(Canvas(9.4, 3.4), chosen, len(classes or StreetScenes.classes), classes, palette)
        self.width = width
        present = [k for k in self.labels.unique().tolist() if k != VOID]
        if not present or max(present) >= len(self.classes):
            raise ValueError(f"labels {present} do not fit {len(self.classes)} classes")
        self.parts = drawing(
            self.canvas, colourise(_without_void(self.labels), self.palette), self.classes, self.palette
        )
        options = [(self.classes[k], k) for k in present]
        every = [("nothing", NOTHING), ("everything", EVERYTHING), *options]
        names = [(name, k) for k, name in enumerate(self.classes)]
        largest = int(torch.bincount(self.labels[self.labels != VOID].flatten()).argmax())
        with self.together():
            self.menu("target", "class", options, largest, "the class that grows or shrinks; a click chooses it too")
            self.slider("grow", "erode / dilate", -6, 6, 0, "pixels: below 0 the class shrinks, above 0 it grows")
            self.slider("right", "shift right", -12, 12, 0, "pixels by which the prediction is shifted sideways")
            self.slider("down", "shift down", -12, 12, 0, "pixels by which the prediction is shifted down")
            self.menu("merge", "merge", every, NOTHING, "this class is called …")
            self.menu("into", "… into", names, largest, "… by this name")

    def compute(self) -> Scores:
        prediction = spoil(
            self.labels, self["target"], self["grow"], self["down"], self["right"], self["merge"], self["into"]
        )
        return score(prediction, self.labels, len(self.classes), self.width)

    def draw(self, results: Scores) -> str:
        draw(self.parts, results, self.labels, self.palette, self.classes[self["target"]])
        self.controls["into"].disabled = self["merge"] == NOTHING  # without a merge it would change nothing
        wrong = int(((results.prediction != self.labels) & (self.labels != VOID)).sum())
        iou = float(results.iou[self["target"]])
        own = f"IoU of {self.classes[self['target']]} {iou:.3f}"
        return (
            f"{wrong} pixels wrong: pixel accuracy {results.pixel_accuracy:.3f}, mean IoU {results.mean_iou:.3f}, "
            f"Boundary IoU {results.boundary_iou:.3f}; {own}."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """A pixel of either picture: choose its true class."""
        if axes in [image.axes for image in self.parts["pictures"]]:
            h, w = self.labels.shape
            label = int(self.labels[min(max(round(row), 0), h - 1), min(max(round(column), 0), w - 1)])
            if label != VOID:
                self.controls["target"].value = label


def _without_void(labels: Tensor) -> Tensor:
    known = torch.where(labels == VOID, -1, labels)
    place = torch.where(known >= 0, torch.arange(labels.shape[1]), 0).cummax(1).values
    return known.gather(1, place).clamp(min=0)


def _widest(values: Tensor) -> Tensor:
    """Largest value of each pixel's 3×3 neighbourhood."""
    return torch.from_numpy(ndimage.maximum_filter(values.numpy(), 3, mode="nearest"))
