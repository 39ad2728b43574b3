"""CrfExplorer: who a pixel listens to, what a dense CRF makes of the scores, and the energy that it lowers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.crf import bilateral_features, message_passing
from segkit.crf.kernels import PixelKernels
from segkit.crf.mean_field import Term
from segkit.data.sample import VOID, Sample
from segkit.explore.canvas import BLUE, INK, VERMILION, Canvas
from segkit.explore.labelled import LabelledExplorer, mean_iou, panels, street
from segkit.models.modes import in_evaluation
from segkit.viz import colourise, legend, to_picture

STEPS = 10
BAND = 2  # pixels on each side of an edge
WIDTHS = (2, 3, 5, 8, 12, 20, 30, 50, 80)  # pixels
COLOURS = (2, 3, 5, 8, 13, 20, 30, 50, 80)  # on the scale of 0–255
SPOILED, MENDED, OTHER = (213, 94, 0), (0, 114, 178), (150, 150, 150)


@dataclass(frozen=True)
class Inference:
    """All steps of mean-field inference on one picture.

    Args:
        q: (steps + 1) tensors H·W×K: the probabilities before the first step and after each.
        energy, kl: steps + 1 numbers a pixel, the latter but for a constant; see segkit.crf.Trace.
        size: H, W.
    """

    q: list[Tensor]
    energy: np.ndarray
    kl: np.ndarray
    size: tuple[int, int]

    def labels(self, step: int) -> Tensor:
        """The likeliest label of each pixel, int64 H×W."""
        return self.q[step].argmax(1).view(self.size)


def infer(logits: Tensor, terms: list[Term], steps: int = STEPS) -> Inference:
    """Mean-field inference with every step kept.

    Args:
        logits: K×H×W.
        terms: kernels and their compatibilities, as for segkit.crf.mean_field.
    """
    _, H, W = logits.shape
    rows = logits.flatten(1).t().contiguous().log_softmax(1)  # H·W, K
    log_q, q = rows, [rows.exp()]
    energies, kls = [], []
    for step in range(steps + 1):
        updated = message_passing(rows, q[-1], terms)  # H·W, K
        energy = -(q[-1] * (rows + updated)).sum(dtype=torch.float64) / 2
        energies.append(energy)
        kls.append(energy + (q[-1] * log_q).sum(dtype=torch.float64))
        if step < steps:  # a softmax, for few classes faster than torch's
            updated = updated - updated.amax(1, keepdim=True)
            likely = updated.exp()
            total = likely.sum(1, keepdim=True)
            q.append(likely.div_(total))
            log_q = updated.sub_(total.log_())
    each_pixel = torch.stack((torch.stack(energies), torch.stack(kls))).numpy() / (H * W)
    return Inference(q, each_pixel[0], each_pixel[1], (H, W))


def listens_to(picture: Tensor, sxy: float, srgb: float, row: int, column: int) -> Tensor:
    """The bilateral kernel from one pixel to all: exp(−½·distance²) in place and colour. 3×H×W, 0–255 → H×W."""
    _, H, W = picture.shape
    features = bilateral_features(picture, sxy, srgb)  # H·W, 5
    return torch.exp(-(features - features[row * W + column]).square().sum(1) / 2).view(H, W)


def verdict(before: Tensor, after: Tensor, truth: Tensor) -> np.ndarray:
    """Blue where a change of label made a pixel right, vermilion where it made it wrong, grey for other changes."""
    picture = np.full((*before.shape, 3), 255, np.uint8)
    known = truth != VOID
    changed = before != after
    for where, colour in (
        (changed, OTHER),
        (changed & known & (after == truth), MENDED),
        (changed & known & (before == truth), SPOILED),
    ):
        picture[where.numpy()] = colour
    return picture


def drawing(canvas: Canvas, image: np.ndarray, classes: tuple[str, ...], palette: np.ndarray) -> dict[str, Any]:
    """The empty picture: four pictures above; below two more, the legend and the curve."""
    names = ("picture", "truth", "scores alone", "after the CRF", "who the pixel in the ring listens to", "changes")
    places = [(0.01 + 0.25 * k, 0.54) for k in range(4)] + [(0.01 + 0.25 * k, 0.03) for k in range(2)]
    pictures, rings = panels(canvas, names, places, (0.235, 0.40), image)
    legend(canvas.axes(0.51, 0.03, 0.23, 0.40), classes, palette, columns=1 + (len(classes) - 1) // 8)
    curve = canvas.axes(0.81, 0.11, 0.175, 0.32, "KL divergence, from 1", ticks=True)
    curve.set(xlim=(-0.4, STEPS + 0.4), ylim=(-0.06, 1.06), xticks=(0, 5, 10), yticks=(0, 1))
    curve.set_xlabel("iterations", fontsize=8)
    (line,) = curve.plot([], [], "o-", color=BLUE, ms=3)
    (here,) = curve.plot([], [], "o", color=VERMILION, ms=7)
    text = curve.text(0.97, 0.95, "", transform=curve.transAxes, ha="right", va="top", fontsize=8, color=INK)
    still = ("picture", "truth", "scores alone")
    canvas.moves(*(p for n, p in pictures.items() if n not in still), line, here, text)
    return {"pictures": pictures, "rings": rings, "line": line, "here": here, "text": text}


class CrfExplorer(LabelledExplorer):
    """A dense CRF on one picture: widths and weights of its kernels, and its iterations. Click a pixel to see to whom
    it listens.

    Args:
        scores: logits K×H×W, or a network that gives them for the sample's picture.
        sample: the picture (0–1), with labels if there are any; None for a street scene.
        classes: names of the classes; None for those of street scenes.
        palette: uint8 K×3.
        settings: where the sliders start: sxy, srgb, bilateral, places.
        gaussian_sxy: width of the kernel of places alone, pixels.
    """

    title = "A dense CRF"

    def __init__(
        self,
        scores: Tensor | nn.Module,
        sample: Sample | None = None,
        classes: tuple[str, ...] | None = None,
        palette: Any = None,
        settings: tuple[int, int, int, int] = (20, 13, 4, 3),
        gaussian_sxy: float = 2,
    ) -> None:
        chosen = street() if sample is None else sample
        self.logits = _logits(scores, chosen.image)
        K, H, W = self.logits.shape
        self.image = chosen.image.float() * 255
        self.gaussian_sxy = gaussian_sxy
        self._kept: dict[str, tuple[Any, Any]] = {}
        super().__init__(Canvas(9.4, 3.9), chosen, K, classes, palette)
        self.parts = drawing(self.canvas, to_picture(chosen.image), self.classes, self.palette)
        self._fill()
        sxy, srgb, bilateral, places = settings
        with self.together():
            self.stops("sxy", "width, places", _with(WIDTHS, sxy), sxy, "bilateral kernel: pixels")
            self.stops("srgb", "width, colours", _with(COLOURS, srgb), srgb, "bilateral kernel: steps of 0–255")
            self.slider("bilateral", "weight", 0, 15, bilateral, "of the bilateral kernel")
            self.slider("places", "weight, places", 0, 15, places, f"of the kernel of places, {gaussian_sxy} px wide")
            self.slider("iterations", "iterations", 0, STEPS, 5, "steps of mean-field inference")
            self.ring(H, W, "the ring; a click on a picture sets it")

    def _fill(self) -> None:
        """The panels that do not move."""
        pictures, before = self.parts["pictures"], self.logits.argmax(0)
        pictures["scores alone"].set_data(colourise(before, self.palette))
        if self.known:
            pictures["truth"].set_data(colourise(self.labels, self.palette))
        self.before = self._marks(before)

    def _marks(self, prediction: Tensor) -> tuple[float, float]:
        """Mean IoU of all pixels and of those near an edge; NaN without a truth."""
        K = len(self.classes)
        return mean_iou(prediction, self.labels, K), mean_iou(prediction, self.labels, K, BAND)

    def _once(self, name: str, key: Any, make: Any) -> Any:
        """What was made for the same key the last time, or made now."""
        if name not in self._kept or self._kept[name][0] != key:
            self._kept[name] = key, make()
        return self._kept[name][1]

    def compute(self) -> Inference:
        widths = self["sxy"], self["srgb"]
        weights = self["bilateral"], self["places"]
        return self._once("inference", (widths, weights), lambda: infer(self.logits, self._terms(widths, weights)))

    def _terms(self, widths: tuple[int, int], weights: tuple[int, int]) -> list[Term]:
        kernels = self._once(
            "kernels",
            widths,
            lambda: PixelKernels(self.gaussian_sxy, *widths, picture_max=255, normalization="symmetric"),
        )
        bilateral = self._once("bilateral", widths, lambda: kernels.bilateral(self.image))
        spatial = self._once("spatial", 0, lambda: kernels.spatial(*self.image.shape[1:], self.logits))
        lattices = zip((bilateral, spatial), weights, strict=True)
        return [(lattice, torch.tensor(-float(weight))) for lattice, weight in lattices if weight]

    def draw(self, results: Inference) -> str:
        n, row, column = self["iterations"], self["row"], self["column"]
        pictures, after = self.parts["pictures"], results.labels(n)
        pictures["after the CRF"].set_data(colourise(after, self.palette))
        pictures["changes"].set_data(verdict(results.labels(0), after, self.labels))
        weights = listens_to(self.image, self["sxy"], self["srgb"], row, column)
        pictures["who the pixel in the ring listens to"].set_data(weights.numpy())
        for ring in self.parts["rings"]:
            ring.set_data([column], [row])
        fall = results.kl - results.kl.min()
        share = fall / fall[0] if fall[0] > 0 else np.ones_like(fall)
        self.parts["line"].set_data(np.arange(len(share)), share)
        self.parts["here"].set_data([n], [share[n]])
        self.parts["text"].set_text(f"{results.kl[n] - results.kl[0]:+.3f} a pixel")
        return self._caption(results, after)

    def _caption(self, results: Inference, after: Tensor) -> str:
        n, changed = self["iterations"], int((after != results.labels(0)).sum())
        text = f"After {n} iteration{'' if n == 1 else 's'} {changed} of {after.numel()} pixels have another label"
        if self.known:
            marks = zip(("mean IoU", f"within {BAND} px of an edge"), self.before, self._marks(after), strict=True)
            text += ": " + ", ".join(f"{name} {a:.3f} → {b:.3f}" for name, a, b in marks)
        was, now = self.name(results.labels(0)), self.name(after)
        return f"{text}. The pixel in the ring (row {self['row']}, column {self['column']}): {was} → {now}."


def _with(stops: tuple[int, ...], value: int) -> list[int]:
    return sorted({*stops, value})


def _logits(scores: Tensor | nn.Module, image: Tensor) -> Tensor:
    """K×H×W for this picture."""
    if isinstance(scores, nn.Module):
        with in_evaluation(scores), torch.no_grad():
            scores = scores(image[None])[0]
    if not isinstance(scores, Tensor) or scores.ndim != 3 or scores.shape[1:] != image.shape[1:]:
        shape = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise ValueError(f"CrfExplorer got scores {shape} for a picture {tuple(image.shape)}; they are K×H×W")
    return scores.detach().float().cpu()
