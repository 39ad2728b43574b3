"""MetricsExplorer: spoil a perfect prediction in one way or another, and watch which metric notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.data.sample import VOID, Sample
from segkit.explore.canvas import BLUE, FAINT, INK, ORANGE, Canvas
from segkit.explore.labelled import LabelledExplorer
from segkit.explore.spoiling import EVERYTHING, NOTHING, bordered, spoil
from segkit.metrics import CONVENTIONS, ConfusionMatrix, boundary_iou, mean_iou_as, picture_counts, trimap_iou
from segkit.viz import colourise, error_map, legend

SCENES = (18, 0, 2, 10, 14, 28)  # of StreetScenes' test split: among them one without a bus, sign or bicyclist
NAMES = ("pixel accuracy", "mean accuracy", "mean IoU", "freq. weighted IoU", "mean Dice", "trimap IoU", "Boundary IoU")


@dataclass(frozen=True)
class Scores:
    """A spoilt prediction of one picture and what the metrics say of it; all but `prediction` lie between 0 and 1.

    Args:
        prediction: int64 H×W.
        iou: K, NaN for classes in neither map.
        figures: the seven in the order of NAMES.
        pooled: mean IoU of all pictures under the chosen convention.
    """

    prediction: Tensor
    iou: Tensor
    figures: tuple[float, ...]
    pooled: float = float("nan")

    def __getitem__(self, name: str) -> float:
        """A figure by its name."""
        return self.figures[NAMES.index(name)]

    @property
    def bars(self) -> tuple[float, ...]:
        """All that is drawn: the seven, and the pooled one."""
        return (*self.figures, self.pooled)


def score(prediction: Tensor, labels: Tensor, num_classes: int, width: int = 2, pooled: float = float("nan")) -> Scores:
    """All seven metrics of one prediction; `width` pixels on each side of an edge count for the last two."""
    confusion = ConfusionMatrix(num_classes)
    confusion.update(prediction, labels)
    figures = (
        *confusion.summary().values(), float(confusion.dice().nanmean()),
        float(trimap_iou(prediction, labels, num_classes, width)),
        float(boundary_iou(prediction, labels, num_classes, width=width)),
    )  # fmt: skip
    return Scores(prediction, confusion.iou(), figures, pooled)


def drawing(canvas: Canvas, image: np.ndarray, classes: tuple[str, ...], palette: np.ndarray) -> dict[str, Any]:
    """The empty picture: prediction and errors above; below a bar for each metric, with its ghost, and the classes."""
    pictures = [
        canvas.axes(left, 0.41, 0.49, 0.55, title).imshow(image, interpolation="nearest")
        for left, title in ((0.005, ""), (0.505, "errors (orange), void (grey)"))
    ]
    first = pictures[0].axes
    title = first.text(0.5, 1.02, "", transform=first.transAxes, ha="center", fontsize=9, color=INK)
    count = len(NAMES) + 1
    bars = canvas.axes(0.25, 0.02, 0.3, 0.36)
    bars.set_xlim(0, 1)
    bars.set_ylim(count - 0.2, -0.6)
    for side in ("top", "right", "bottom"):
        bars.spines[side].set_visible(False)
    places = [*range(count - 1), count - 0.7]  # the last stands apart: it is of all pictures
    colours = [BLUE] * (count - 1) + [ORANGE]
    rectangles = bars.barh(places, [1] * count, height=0.6, color=colours).patches
    (ghosts,) = bars.plot([], [], "|", ms=13, mew=2, color=INK, alpha=0.6)
    names = [
        bars.text(-0.03, y, name, va="center", ha="right", fontsize=8.5, color=INK)
        for y, name in zip(places, (*NAMES, ""), strict=True)
    ]
    texts = [bars.text(1.03, y, "", va="center", fontsize=8.5, color=INK) for y in places]
    bars.axvline(1, color=FAINT, linewidth=0.6)
    legend(canvas.axes(0.64, 0.02, 0.355, 0.36), classes, palette, columns=1 + (len(classes) - 1) // 7)
    (spot,) = first.plot([], [], "o", ms=9, mew=2, mfc="none", color=ORANGE)  # where the last click was
    canvas.moves(*pictures, spot, *rectangles, ghosts, *texts, *names[-3:], title)
    return {"title": title, "spot": spot, "pictures": pictures, "bars": rectangles, "texts": texts, "names": names,
            "ghosts": ghosts, "places": places}  # fmt: skip


def draw(parts: dict[str, Any], scores: Scores, last: Scores | None, labels: Tensor, palette: np.ndarray) -> None:
    """Put a prediction, its errors, its figures and the figures before it into the picture."""
    prediction, errors = parts["pictures"]
    prediction.set_data(colourise(scores.prediction, palette))
    errors.set_data(error_map(scores.prediction, labels))
    for bar, text, value in zip(parts["bars"], parts["texts"], scores.bars, strict=True):
        bar.set_width(np.nan_to_num(value))
        text.set_text(f"{value:.3f}" if value == value else "undefined")
    moved = [] if last is None else [
        (old, y) for old, new, y in zip(last.bars, scores.bars, parts["places"], strict=True) if abs(old - new) > 5e-4
    ]  # fmt: skip
    parts["ghosts"].set_data(*zip(*moved, strict=True) if moved else ([], []))


class MetricsExplorer(LabelledExplorer):
    """Erode, dilate, shift and merge the classes of a perfect prediction; click one to choose it.

    All pictures are spoilt in the same way; the one that shows is scored by seven metrics, and all of them together
    by mean IoU under a convention of `segkit.metrics.CONVENTIONS`. Dark marks are the figures before the last move.

    Args:
        samples: Samples with labels, or one; None for street scenes.
        classes: their names, in order.
        palette: uint8 K×3.
        width: pixels on each side of an edge that trimap and Boundary IoU look at, to begin with.
    """

    title = "Metrics of a spoilt prediction"

    def __init__(
        self,
        samples: Sequence[Sample] | Sample | None = None,
        classes: tuple[str, ...] | None = None,
        palette: Any = None,
        width: int = 2,
    ) -> None:
        from segkit.data.street import StreetScenes

        if (classes is None) != (samples is None):
            raise ValueError("give samples together with the names of their classes, or neither for street scenes")
        streets = StreetScenes("test")
        given = [streets[i] for i in SCENES] if samples is None else samples
        self.samples = [given] if isinstance(given, Sample) else list(given)
        if not self.samples:
            raise ValueError("MetricsExplorer got no samples; give at least one with labels")
        self.spot: tuple[list[float], list[float]] = ([], [])
        K = len(classes or StreetScenes.classes)
        super().__init__(Canvas(9.2, 6.1), self.samples[0], K, classes, palette)
        seen = torch.cat([s.labels.flatten() for s in self.samples])
        present = [k for k in seen.unique().tolist() if k != VOID]
        if not present or max(present) >= K:
            raise ValueError(f"labels {present} do not fit {K} classes")
        blank = np.full((*self.labels.shape, 3), 255, np.uint8)
        self.parts = drawing(self.canvas, blank, self.classes, self.palette)
        self._controls(present, int(torch.bincount(seen[seen != VOID]).argmax()), width)

    def _controls(self, present: list[int], largest: int, width: int) -> None:
        options = [(self.classes[k], k) for k in present]
        every = [("nothing", NOTHING), ("everything", EVERYTHING), *options]
        names = [(name, k) for k, name in enumerate(self.classes)]
        scenes = [(s.name or f"picture {i + 1}", i) for i, s in enumerate(self.samples)]
        with self.together():
            self.menu("scene", "scene", scenes, 0, "the picture that shows")
            self.menu("target", "class", options, largest, "the class that grows or shrinks; a click chooses it too")
            self.slider("grow", "erode / dilate", -6, 6, 0, "pixels by which the class grows; below 0, it shrinks")
            self.slider("right", "shift right", -12, 12, 0, "pixels by which the prediction is shifted sideways")
            self.slider("down", "shift down", -12, 12, 0, "pixels by which the prediction is shifted down")
            self.menu("merge", "merge", every, NOTHING, "this class is called …")
            self.menu("into", "… into", names, largest, "… by this name")
            self.slider("width", "edge width", 1, 8, width, "width of the bands of trimap and Boundary IoU, in pixels")
            self.slider("void", "void at edges", 0, 3, 0, "pixels on each side of every true edge that become void")
            self.menu("convention", "convention", list(CONVENTIONS), "data set", "how the last bar is computed")

    def compute(self) -> Scores:
        moves = [self[name] for name in ("target", "grow", "down", "right", "merge", "into")]
        predictions = [spoil(s.labels, *moves) for s in self.samples]
        truths = [bordered(s.labels, self["void"]) for s in self.samples]
        self.labels = truths[self["scene"]]
        K = len(self.classes)
        pooled = mean_iou_as(CONVENTIONS[self["convention"]], picture_counts(predictions, truths, K))
        return score(predictions[self["scene"]], self.labels, K, self["width"], pooled)

    def draw(self, results: Scores) -> str:
        draw(self.parts, results, self.last, self.labels, self.palette)
        self.parts["spot"].set_data(*self.spot)
        which = f"{self['convention']} ({len(self.samples)} scene{'s' * (len(self.samples) > 1)})"
        self.parts["title"].set_text(f"prediction (chosen: {self.classes[self['target']]})")
        edges = [f"{name}, {self['width']} px" for name in NAMES[-2:]]
        for text, name in zip(self.parts["names"][-3:], (*edges, which), strict=True):
            text.set_text(name)
        self.controls["into"].disabled = self["merge"] == NOTHING  # without a merge it would change nothing
        wrong = int(((results.prediction != self.labels) & (self.labels != VOID)).sum())
        own = float(results.iou[self["target"]])
        name = self.classes[self["target"]]
        return (
            f"This scene: {wrong} pixels wrong, pixel accuracy {results['pixel accuracy']:.3f}, mean IoU "
            f"{results['mean IoU']:.3f}; IoU of {name} {f'{own:.3f}' if own == own else 'undefined: it is not there'}. "
            f"All scenes: mean IoU {results.pooled:.3f} ({CONVENTIONS[self['convention']].definition})."
        )

    def reset(self, _: Any = None) -> None:
        """As for every explorer; the ring of the last click goes too."""
        self.spot = [], []
        super().reset(_)

    def click(self, axes: Any, column: float, row: float) -> None:
        """A pixel of either picture: choose its true class."""
        if axes in [image.axes for image in self.parts["pictures"]]:
            self.spot = [column], [row]
            labels = self.samples[self["scene"]].labels
            h, w = labels.shape
            label = int(labels[min(max(round(row), 0), h - 1), min(max(round(column), 0), w - 1)])
            if label != VOID:
                self.controls["target"].value = label
