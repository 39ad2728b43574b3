"""SkipExplorer: what the three heads of FCN-8s say by themselves, and mixed in any proportion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from segkit.data.sample import VOID, Sample
from segkit.explore.canvas import BLUE, INK, ORANGE, Canvas
from segkit.explore.labelled import LabelledExplorer, mean_iou, panels, streets
from segkit.models.modes import in_evaluation
from segkit.viz import colourise, legend, to_picture

HEADS = ("score_32", "score_16", "score_8")
STRIDES = ("fc7, stride 32", "pool4, stride 16", "pool3, stride 8")
SCENES = 4


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
    legend(canvas.axes(0.76, 0.6, 0.235, 0.33), classes, palette, columns=1 + (len(classes) - 1) // 8)
    score = canvas.axes(0.76, 0.525, 0.235, 0.035, ticks=True)
    score.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    score.text(0, 1.15, "mean IoU of the mixture, 0 to 1", transform=score.transAxes, fontsize=8, color=INK)
    bar = Rectangle((0, 0.1), 0, 0.8, facecolor=BLUE)
    score.add_patch(bar)
    (ghost,) = score.plot([], [], "|", ms=12, mew=2, color=ORANGE, zorder=4)
    canvas.moves(pictures["mixture"], bar, ghost)
    return {"pictures": pictures, "rings": rings, "bar": bar, "ghost": ghost}


class SkipExplorer(LabelledExplorer):
    """The heads of an FCN-8s on one picture, mixed by three sliders; click a pixel to hear what each says there.

    Args:
        model: a trained FCN-8s.
        sample: the picture, with labels if there are any, or several of one size to choose from; None for streets.
        classes: names of the classes; None for those of street scenes.
        palette: uint8 K×3.
    """

    title = "The heads of FCN-8s"

    def __init__(
        self,
        model: nn.Module,
        sample: Sample | Sequence[Sample] | None = None,
        classes: tuple[str, ...] | None = None,
        palette: Any = None,
    ) -> None:
        given = streets(SCENES) if sample is None else [sample] if isinstance(sample, Sample) else list(sample)
        if len({s.image.shape for s in given}) != 1:
            sizes = ", ".join("×".join(map(str, s.image.shape)) for s in given) or "none"
            raise ValueError(f"pictures to choose from: {sizes}; give at least one, all of one size")
        self.model, self.samples, self._known = model, given, {0: head_scores(model, given[0].image)}
        K, H, W = self.heads["logits"].shape
        super().__init__(Canvas(9.4, 3.9), given[0], K, classes, palette)
        self.parts = drawing(self.canvas, to_picture(given[0].image), self.classes, self.palette)
        self._shown = -1  # the scene that the upper pictures show
        with self.together():
            self.menu("scene", "scene", [(f"scene {i + 1}", i) for i in range(len(given))], 0, "the picture")
            for name, label in zip(HEADS, STRIDES, strict=True):
                self.share(name, label, 1.0, f"weight of the scores from {label}", high=2.0)
            self.ring(H, W, "the marked pixel; a click on a picture sets it")

    @property
    def heads(self) -> dict[str, Tensor]:
        """What each head says of the scene that is chosen; computed once for each scene."""
        scene = self["scene"] if hasattr(self, "controls") else 0
        if scene not in self._known:
            self._known[scene] = head_scores(self.model, self.samples[scene].image)
        return self._known[scene]

    def _fill(self) -> None:
        """Put the chosen scene into the pictures that the weights do not change."""
        pictures = self.parts["pictures"]
        pictures["picture"].set_data(to_picture(self.samples[self["scene"]].image))
        truth = self.labels if self.known else torch.full_like(self.labels, VOID)
        pictures["truth"].set_data(colourise(truth, self.palette))
        for panel, head in zip((*STRIDES, "the network"), (*HEADS, "logits"), strict=True):
            prediction = self.heads[head].argmax(0)
            pictures[panel].set_data(colourise(prediction, self.palette))
            pictures[panel].axes.set_title(
                f"{panel}: mIoU {mean_iou(prediction, self.labels, len(self.classes)):.2f}", fontsize=9
            )
        self._shown = self["scene"]
        self.canvas.stale()

    def compute(self) -> Mixture:
        self.labels = self.samples[self["scene"]].labels
        return mix(self.heads, [self[name] for name in HEADS], self.labels)

    def draw(self, results: Mixture) -> str:
        row, column = self["row"], self["column"]
        if self._shown != self["scene"]:
            self._fill()
        self.parts["bar"].set_width(0.0 if math.isnan(results.mean_iou) else results.mean_iou)
        self.parts["ghost"].set_data(([self.last.mean_iou], [0.5]) if self.last else ([], []))
        self.parts["pictures"]["mixture"].set_data(colourise(results.labels, self.palette))
        for ring in self.parts["rings"]:
            ring.set_data([column], [row])
        said = [self.classes[int(self.heads[name][:, row, column].argmax())] for name in HEADS]
        return (
            f"Mixture: mean IoU {results.mean_iou:.3f} on this picture. In the ring (row {row}, column {column}) "
            f"fc7 says {said[0]}, pool4 {said[1]}, pool3 {said[2]}, the mixture {self.name(results.labels)}; "
            f"it is {self.name(self.labels)}."
        )
