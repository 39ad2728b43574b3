"""SkipExplorer: what the three heads of FCN-8s say by themselves, and mixed in any proportion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.data.sample import Sample
from segkit.explore.canvas import Canvas
from segkit.explore.labelled import LabelledExplorer, mean_iou, panels, street
from segkit.models.modes import in_evaluation
from segkit.viz import colourise, legend, to_picture

HEADS = ("score_32", "score_16", "score_8")
STRIDES = ("fc7, stride 32", "pool4, stride 16", "pool3, stride 8")


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
    with in_evaluation(model), torch.no_grad():
        found = contributions(image[None])
    missing = [name for name in HEADS if name not in found]
    if missing:
        raise ValueError(
            f"{type(model).__name__}.contributions lacks {', '.join(missing)}; take fcn8s, which has three heads"
        )
    return {"logits": sum(found.values())[0], **{name: found[name][0] for name in HEADS}}


def mix(heads: dict[str, Tensor], weights: Sequence[float], labels: Tensor | None = None) -> Mixture:
    """Add the heads' scores, each times its weight, and score the result."""
    scores = sum((w * heads[name] for name, w in zip(HEADS, weights, strict=True)), torch.zeros_like(heads["logits"]))
    prediction = scores.argmax(0)
    return Mixture(scores, prediction, mean_iou(prediction, labels, len(scores)))


def drawing(canvas: Canvas, image: np.ndarray, classes: tuple[str, ...], palette: np.ndarray) -> dict[str, Any]:
    """The empty picture: picture, truth and the network's answer above, the heads and their mixture below."""
    names = ("picture", "truth", "the network", *STRIDES, "mixture")
    places = [(0.01 + 0.25 * k, 0.52) for k in range(3)] + [(0.01 + 0.25 * k, 0.02) for k in range(4)]
    pictures, rings = panels(canvas, names, places, (0.235, 0.41), image)
    legend(canvas.axes(0.76, 0.52, 0.235, 0.41), classes, palette, columns=1 + (len(classes) - 1) // 8)
    canvas.moves(pictures["mixture"])
    return {"pictures": pictures, "rings": rings}


class SkipExplorer(LabelledExplorer):
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
        chosen = street() if sample is None else sample
        self.heads = head_scores(model, chosen.image)
        K, H, W = self.heads["logits"].shape
        super().__init__(Canvas(9.4, 3.9), chosen, K, classes, palette)
        self.parts = drawing(self.canvas, to_picture(chosen.image), self.classes, self.palette)
        self._fill()
        with self.together():
            for name, label in zip(HEADS, STRIDES, strict=True):
                self.share(name, label, 1.0, f"weight of the scores from {label}", high=2.0)
            self.ring(H, W, "the marked pixel; a click on a picture sets it")

    def _fill(self) -> None:
        pictures = self.parts["pictures"]
        if self.known:
            pictures["truth"].set_data(colourise(self.labels, self.palette))
        for panel, head in zip((*STRIDES, "the network"), (*HEADS, "logits"), strict=True):
            prediction = self.heads[head].argmax(0)
            pictures[panel].set_data(colourise(prediction, self.palette))
            pictures[panel].axes.set_title(
                f"{panel}: mIoU {mean_iou(prediction, self.labels, len(self.classes)):.2f}", fontsize=9
            )

    def compute(self) -> Mixture:
        return mix(self.heads, [self[name] for name in HEADS], self.labels)

    def draw(self, results: Mixture) -> str:
        row, column = self["row"], self["column"]
        self.parts["pictures"]["mixture"].set_data(colourise(results.labels, self.palette))
        for ring in self.parts["rings"]:
            ring.set_data([column], [row])
        said = [self.classes[int(self.heads[name][:, row, column].argmax())] for name in HEADS]
        return (
            f"Mixture: mean IoU {results.mean_iou:.3f} on this picture. In the ring (row {row}, column {column}) "
            f"fc7 says {said[0]}, pool4 {said[1]}, pool3 {said[2]}, the mixture {self.name(results.labels)}; "
            f"it is {self.name(self.labels)}."
        )
