"""CrfExplorer: whom a pixel listens to, what a dense CRF makes of the scores, and the KL divergence that it lowers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segkit.crf.kernels import PixelKernels
from segkit.crf.mean_field import Term
from segkit.data.sample import Sample
from segkit.explore.canvas import BLUE, FAINT, INK, VERMILION, Canvas
from segkit.explore.crf_steps import BAND, STEPS, Sharpened, falls, infer, listens_to, sharpened, verdict
from segkit.explore.labelled import LabelledExplorer, panels
from segkit.models.modes import in_evaluation
from segkit.viz import colourise, legend, to_picture

WIDTHS = (2, 3, 5, 8, 12, 20, 30, 50, 80)  # pixels
COLOURS = (2, 3, 5, 8, 13, 20, 30, 50, 80)  # on the scale of 0–255
SCENES, SIZE = 8, (96, 128)  # streets where the caller brings none
LISTENS = "who the pixel in the ring listens to"


def drawing(canvas: Canvas, image: np.ndarray, classes: tuple[str, ...], palette: np.ndarray) -> dict[str, Any]:
    """The empty picture: four pictures above; below two more, the legend and the curve."""
    names = ("picture", "truth", "scores alone", "after the CRF", LISTENS, "changes")
    places = [(0.005 + 0.25 * k, 0.53) for k in range(4)] + [(0.005 + 0.25 * k, 0.02) for k in range(2)]
    pictures, rings = panels(canvas, names, places, (0.24, 0.41), image)
    titles = {}
    for name in ("truth", "scores alone", "after the CRF"):
        axes = pictures[name].axes
        axes.set_title("")
        titles[name] = axes.text(0.5, 1.03, name, transform=axes.transAxes, ha="center", fontsize=9, color=INK)
    legend(canvas.axes(0.51, 0.02, 0.24, 0.41), classes, palette, columns=1 + (len(classes) - 1) // 8)
    curve = canvas.axes(0.81, 0.1, 0.175, 0.33, "KL divergence, from 1", ticks=True)
    curve.set(xlim=(-0.4, STEPS + 0.4), ylim=(-0.06, 1.06), xticks=(0, 5, 10), yticks=(0, 1))
    curve.set_xlabel("iterations (grey: the last value)", fontsize=8)
    (ghost,) = curve.plot([], [], "o-", color=FAINT, ms=3, alpha=0.7)
    (line,) = curve.plot([], [], "o-", color=BLUE, ms=3)
    (here,) = curve.plot([], [], "o", color=VERMILION, ms=7)
    text = curve.text(0.97, 0.95, "", transform=curve.transAxes, ha="right", va="top", fontsize=8, color=INK)
    canvas.moves(*pictures.values(), *titles.values(), ghost, line, here, text)
    return {"pictures": pictures, "rings": rings, "titles": titles, "ghost": ghost, "line": line, "here": here,
            "text": text}  # fmt: skip


class CrfExplorer(LabelledExplorer):
    """A dense CRF on a choice of pictures: widths and weights of its kernels, and its iterations. Click a pixel to see
    whom it listens to.

    Args:
        scores: logits K×H×W for each picture (for one picture they need no list), or a network that gives them.
        samples: the pictures (0–1), with labels if there are any, all of one size; None for street scenes.
        classes: names of the classes; None for those of street scenes.
        palette: uint8 K×3.
        settings: where the sliders start: sxy, srgb, bilateral, places.
        gaussian_sxy: width of the kernel of places alone, pixels.
        scene: the number of the picture to start with.

    Raises:
        ValueError: not one tensor of scores for each picture, or of another size.
    """

    title = "A dense CRF"

    def __init__(
        self,
        scores: Tensor | Sequence[Tensor] | nn.Module,
        samples: Sample | Sequence[Sample] | None = None,
        classes: tuple[str, ...] | None = None,
        palette: Any = None,
        settings: tuple[int, int, int, int] = (20, 13, 4, 3),
        gaussian_sxy: float = 2,
        scene: int = 0,
    ) -> None:
        self.samples = _samples(samples, scores)
        self.scores = _scores(scores, self.samples)
        K, H, W = self.scores[0].shape
        self.gaussian_sxy = gaussian_sxy
        self._kept: dict[str, tuple[Any, Any]] = {}
        super().__init__(Canvas(10.4, 4.4), self.samples[scene], K, classes, palette)
        self.parts = drawing(self.canvas, to_picture(self.samples[scene].image), self.classes, self.palette)
        sxy, srgb, bilateral, places = settings
        with self.together():
            self.menu("scene", "scene", [(f"scene {i + 1}", i) for i in range(len(self.samples))], scene, "the picture")
            self.stops("sxy", "width, places", _with(WIDTHS, sxy), sxy, "bilateral kernel: pixels")
            self.stops("srgb", "width, colours", _with(COLOURS, srgb), srgb, "bilateral kernel: steps of 0–255")
            self.slider("bilateral", "weight, colours", 0, 15, bilateral, "of the bilateral kernel")
            self.slider("places", "weight, places", 0, 15, places, f"of the kernel of places, {gaussian_sxy} px wide")
            self.slider("iterations", "iterations", 0, STEPS, 5, "steps of mean-field inference")
            self.ring(H, W, "the ring; a click on a picture sets it")

    def _once(self, name: str, key: Any, make: Any) -> Any:
        """What was made for the same key the last time, or made now."""
        if name not in self._kept or self._kept[name][0] != key:
            self._kept[name] = key, make()
        return self._kept[name][1]

    @property
    def image(self) -> Tensor:
        """The picture that shows now, 3×H×W on the scale of 0–255."""
        return self.samples[self["scene"]].image.float() * 255

    def compute(self) -> Sharpened:
        scene, widths, weights = self["scene"], (self["sxy"], self["srgb"]), (self["bilateral"], self["places"])
        self.labels = self.samples[scene].labels
        inference = self._once(
            "inference", (scene, widths, weights), lambda: infer(self.scores[scene], self._terms(widths, weights))
        )
        step = self["iterations"]
        key = scene, widths, weights, step
        return self._once("sharpened", key, lambda: sharpened(scene, inference, step, self.labels))

    def _terms(self, widths: tuple[int, int], weights: tuple[int, int]) -> list[Term]:
        kernels = PixelKernels(self.gaussian_sxy, *widths, picture_max=255, normalization="symmetric")
        bilateral = self._once("bilateral", (self["scene"], widths), lambda: kernels.bilateral(self.image))
        H, W = self.labels.shape
        spatial = self._once("spatial", 0, lambda: kernels.spatial(H, W, self.scores[0]))
        lattices = zip((bilateral, spatial), weights, strict=True)
        return [(lattice, torch.tensor(-float(weight))) for lattice, weight in lattices if weight]

    def draw(self, results: Sharpened) -> str:
        row, column, pictures = self["row"], self["column"], self.parts["pictures"]
        answers = {"truth": self.labels, "scores alone": results.before, "after the CRF": results.after}
        for name, labels in answers.items():
            shown = self.known or name != "truth"
            self.parts["titles"][name].set_text(f"{name}: {self.name(labels) if shown else 'unknown'}")
        if self.last is None or self.last.scene != results.scene:
            pictures["picture"].set_data(to_picture(self.samples[results.scene].image))
            for name in ("truth", "scores alone"):
                pictures[name].set_data(colourise(answers[name], self.palette))
        if self.last is not results:  # more than the ring has moved
            pictures["after the CRF"].set_data(colourise(results.after, self.palette))
            pictures["changes"].set_data(verdict(results.before, results.after, self.labels))
        pictures[LISTENS].set_data(listens_to(self.image, self["sxy"], self["srgb"], row, column).numpy())
        for ring in self.parts["rings"]:
            ring.set_data([column], [row])
        self._curve(results)
        return self._caption(results)

    @property
    def _ghost(self) -> Sharpened | None:
        """What showed before, where it was of the same picture and another answer."""
        last = self.last
        same = last is None or last.scene != self["scene"] or torch.equal(last.after, self.results.after)
        return None if same else last

    def _curve(self, results: Sharpened) -> None:
        kl, ghost = results.inference.kl, self._ghost
        line, before = falls(kl, None if ghost is None else ghost.inference.kl)
        self.parts["line"].set_data(np.arange(len(line)), line)
        self.parts["here"].set_data([results.step], [line[results.step]])
        self.parts["ghost"].set_data(([], []) if before is None else (np.arange(len(before)), before))
        self.parts["text"].set_text(f"{kl[results.step] - kl[0]:+.3f} a pixel")

    def _caption(self, results: Sharpened) -> str:
        n, changed, ghost = results.step, int((results.after != results.before).sum()), self._ghost
        text = (
            f"After {n} iteration{'' if n == 1 else 's'} {changed} of {results.after.numel()} pixels have another label"
        )
        if self.known:
            pairs = {"mean IoU": results.iou, f"within {BAND} px of an edge": results.near}
            text += ": " + ", ".join(f"{name} {a:.3f} → {b:.3f}" for name, (a, b) in pairs.items())
            text += "" if ghost is None else f" (before the last move {ghost.near[1]:.3f})"
        was, now = self.name(results.before), self.name(results.after)
        return f"{text}. The pixel in the ring (row {self['row']}, column {self['column']}): {was} → {now}."


def _with(stops: tuple[int, ...], value: int) -> list[int]:
    return sorted({*stops, value})


def _samples(samples: Sample | Sequence[Sample] | None, scores: Any) -> list[Sample]:
    """The pictures as a list; where none are given, as many streets as there are scores."""
    if samples is None:
        from segkit.data.street import StreetScenes

        streets = StreetScenes(split="val", size=SIZE)
        return [streets[i] for i in range(SCENES if isinstance(scores, nn.Module) else len(_listed(scores)))]
    return [samples] if isinstance(samples, Sample) else list(samples)


def _listed(scores: Any) -> list[Any]:
    return list(scores) if isinstance(scores, Sequence) else [scores]


def _scores(scores: Tensor | Sequence[Tensor] | nn.Module, samples: Sequence[Sample]) -> list[Tensor]:
    """K×H×W for each picture."""
    if isinstance(scores, nn.Module):
        with in_evaluation(scores), torch.no_grad():
            found: list[Any] = [scores(sample.image[None])[0] for sample in samples]
    else:
        found = _listed(scores)
    if len(found) != len(samples):
        raise ValueError(
            f"CrfExplorer got {len(found)} tensors of scores for {len(samples)} pictures; give one for each"
        )
    for one, sample in zip(found, samples, strict=True):
        if not isinstance(one, Tensor) or one.ndim != 3 or one.shape[1:] != samples[0].image.shape[1:]:
            shape = tuple(one.shape) if isinstance(one, Tensor) else type(one).__name__
            raise ValueError(
                f"CrfExplorer got scores {shape} for a picture {tuple(sample.image.shape)}; they are K×H×W"
            )
    return [one.detach().float().cpu() for one in found]
