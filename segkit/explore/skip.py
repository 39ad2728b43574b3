"""SkipExplorer: what the three heads of FCN-8s say by themselves, and mixed in any proportion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.data.sample import VOID, Sample
from segkit.explore.canvas import ORANGE, Canvas
from segkit.explore.shell import Explorer
from segkit.metrics import ConfusionMatrix
from segkit.viz import colourise, default_palette, legend, to_picture

HEADS = ("score_32", "score_16", "score_8")


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of the heads' scores.

    Args:
        scores: K×H×W, the sum.
        labels: int64 H×W, its highest class at each pixel.
        mean_iou: against the truth; NaN without one.
    """

    scores: Tensor
    labels: Tensor
    mean_iou: float


def head_scores(model: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """What each head adds to the logits, K×H×W at the picture's size, and the logits, which are their sum.

    Args:
        model: a trained FCN-8s: `model.contributions(x)` has "score_32", "score_16" and "score_8".
        image: 3×H×W, as the model takes it.

    Raises:
        ValueError: the model does not have these heads.
    """
    contributions = getattr(model, "contributions", None)
    if contributions is None:
        raise ValueError(
            f"{type(model).__name__} has no contributions(x); SkipExplorer needs a model of segkit, an fcn8s"
        )
    training = model.training
    with torch.no_grad():
        found = model.eval().contributions(image[None])  # type: ignore[operator]
    model.train(training)
    missing = [name for name in HEADS if name not in found]
    if missing:
        raise ValueError(
            f"{type(model).__name__}.contributions lacks {', '.join(missing)}; take fcn8s, which has three heads"
        )
    return {"logits": sum(found.values())[0], **{name: found[name][0] for name in HEADS}}


def mix(heads: dict[str, Tensor], weights: tuple[float, float, float], labels: Tensor | None = None) -> Mixture:
    """Add the heads' scores, each times its weight, and score the result."""
    scores = sum((w * heads[name] for name, w in zip(HEADS, weights, strict=True)), torch.zeros_like(heads["logits"]))
    prediction = scores.argmax(0)
    return Mixture(scores, prediction, _mean_iou(prediction, labels, len(scores)))


def drawing(canvas: Canvas, image: np.ndarray, classes: tuple[str, ...], palette: np.ndarray) -> dict[str, Any]:
    """The empty picture: picture, truth and the network's answer above, the heads and their mixture below."""
    names = ("picture", "truth", "the network", "fc7, stride 32", "pool4, stride 16", "pool3, stride 8", "mixture")
    places = [(0.01 + 0.25 * k, 0.52) for k in range(3)] + [(0.01 + 0.25 * k, 0.02) for k in range(4)]
    pictures, marks = {}, []
    for name, (left, bottom) in zip(names, places, strict=True):
        axes = canvas.axes(left, bottom, 0.235, 0.41, name)
        pictures[name] = axes.imshow(image, interpolation="nearest")
        (mark,) = axes.plot(
            [0], [0], "o", markersize=9, markerfacecolor="none", markeredgecolor=ORANGE, markeredgewidth=2
        )
        marks.append(mark)
    legend(canvas.axes(0.76, 0.52, 0.235, 0.41), classes, palette, columns=1 + (len(classes) - 1) // 8)
    canvas.moves(pictures["mixture"], *marks)
    return {"pictures": pictures, "marks": marks}


def draw(parts: dict[str, Any], mixture: Mixture, palette: np.ndarray, point: tuple[int, int]) -> None:
    """Put a mixture into the picture, and a ring around the chosen pixel of every panel."""
    parts["pictures"]["mixture"].set_data(colourise(mixture.labels, palette))
    for mark in parts["marks"]:
        mark.set_data([point[1]], [point[0]])


class SkipExplorer(Explorer):
    """The heads of an FCN-8s on one picture, mixed by three sliders; click a pixel to hear what each says there.

    Args:
        model: a trained FCN-8s.
        sample: the picture, with labels if there are any; None for a street scene.
        classes: names of the classes; None for those of street scenes.
        palette: uint8 K×3.
    """

    title = "The heads of FCN-8s"

    def __init__(
        self,
        model: nn.Module,
        sample: Sample | None = None,
        classes: tuple[str, ...] | None = None,
        palette: Any = None,
    ) -> None:
        from segkit.data.street import StreetScenes

        chosen = StreetScenes(split="val")[0] if sample is None else sample
        self.heads = head_scores(model, chosen.image)
        K, H, W = self.heads["logits"].shape
        self.classes = tuple(classes or StreetScenes.classes)
        if len(self.classes) != K:
            raise ValueError(f"the model has {K} classes and there are {len(self.classes)} names; give classes=…")
        self.labels = chosen.labels
        street = classes is None or self.classes == tuple(StreetScenes.classes)
        self.palette = palette if palette is not None else StreetScenes.palette if street else default_palette(K)
        super().__init__(Canvas(9.4, 3.9))
        self.parts = drawing(self.canvas, to_picture(chosen.image), self.classes, self.palette)
        self._fill()
        with self.together():
            for name, label in zip(HEADS, ("fc7, stride 32", "pool4, stride 16", "pool3, stride 8"), strict=True):
                self.share(name, label, 1.0, f"weight of the scores from {label}", high=2.0)
            self.slider("row", "row", 0, H - 1, H // 2, "row of the marked pixel; a click on a picture sets it")
            self.slider(
                "column", "column", 0, W - 1, W // 2, "column of the marked pixel; a click on a picture sets it"
            )

    def _fill(self) -> None:
        pictures, K = self.parts["pictures"], len(self.classes)
        if (self.labels != VOID).any():
            pictures["truth"].set_data(colourise(self.labels, self.palette))
        names = ("fc7, stride 32", "pool4, stride 16", "pool3, stride 8", "the network")
        for panel, head in zip(names, (*HEADS, "logits"), strict=True):
            prediction = self.heads[head].argmax(0)
            pictures[panel].set_data(colourise(prediction, self.palette))
            pictures[panel].axes.set_title(f"{panel}: mIoU {_mean_iou(prediction, self.labels, K):.2f}", fontsize=9)

    def compute(self) -> Mixture:
        weights = tuple(self[name] for name in HEADS)
        return mix(self.heads, weights, self.labels)  # type: ignore[arg-type]

    def draw(self, results: Mixture) -> str:
        row, column = self["row"], self["column"]
        draw(self.parts, results, self.palette, (row, column))
        said = [self.classes[int(self.heads[name][:, row, column].argmax())] for name in HEADS]
        mixed = self.classes[int(results.labels[row, column])]
        truth = int(self.labels[row, column])
        true = "void" if truth == VOID else self.classes[truth]
        return (
            f"Mixture: mean IoU {results.mean_iou:.3f} on this picture. In the ring (row {row}, column {column}) "
            f"fc7 says {said[0]}, pool4 {said[1]}, pool3 {said[2]}, the mixture {mixed}; it is {true}."
        )

    def click(self, axes: Any, column: float, row: float) -> None:
        """A pixel of any panel."""
        h, w = self.labels.shape
        self.controls["row"].value = int(np.clip(round(row), 0, h - 1))
        self.controls["column"].value = int(np.clip(round(column), 0, w - 1))


def _mean_iou(prediction: Tensor, labels: Tensor | None, num_classes: int) -> float:
    if labels is None or not (labels != VOID).any():
        return float("nan")
    confusion = ConfusionMatrix(num_classes)
    confusion.update(prediction, labels)
    return confusion.mean_iou()
