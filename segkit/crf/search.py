"""Widths and weights of a dense CRF from data: pictures with labels, neither trained on nor tested on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from segkit.checks import whole
from segkit.crf.dense import DenseCRF, checked_scores
from segkit.crf.grid import DEFAULTS, GRID, Setting, checked_grid, combinations, finer
from segkit.metrics import ConfusionMatrix, TrimapIoU
from segkit.typed import shown

VOID = 255  # as in segkit.data
Scores = Callable[[Tensor], Tensor] | Sequence[Tensor]


@dataclass(frozen=True)
class Found:
    """What a search has found; printed, it says in words what each number means.

    Args:
        options: the arguments of DenseCRF: the best setting, and what was the same in all of them.
        best: the best setting alone.
        rows: every setting with its figures, best first.
        without: the same figures for the scores as they came, without a CRF.
        metric: the figure that was searched by.
        border: parameters whose best value is the smallest or the largest that was tried.
        pictures: how many pictures the figures are from.
    """

    options: dict[str, Any]
    best: Setting
    rows: list[Setting]
    without: Setting
    metric: str
    border: tuple[str, ...]
    pictures: int

    def table(self, most: int = 10) -> str:
        """The best settings, below the scores without a CRF; figures in per cent."""
        figures = list(self.without)
        lines = [[*self.best, *figures]]
        for row in [self.without, *self.rows[:most]]:
            setting = [f"{row[k]:.4g}" if k in row else "–" for k in self.best]
            lines.append(setting + [f"{100 * row[k]:.1f}" for k in figures])
        wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(cell.rjust(n) for cell, n in zip(line, wide, strict=True)) for line in lines)

    def __str__(self) -> str:
        said = [f"{len(self.rows)} settings on {self.pictures} pictures, best first by {self.metric}; figures in %"]
        said += [self.table(), *in_words(self.options)]
        if self.border:
            said.append(f"{', '.join(self.border)}: best at the border of what was tried; a wider grid may do better")
        return "\n".join(said)


def in_words(options: Mapping[str, Any]) -> list[str]:
    """What the widths and weights among DenseCRF's arguments mean, a line each."""
    away = ", ".join(f"{100 * math.exp(-k * k / 2):.0f} % at {{{k - 1}:.3g}}" for k in (1, 2, 3))
    lines = {
        "gaussian_sxy": f"pixels: a neighbour of any colour counts {away} pixels",
        "bilateral_sxy": f"pixels: a pixel of the same colour counts {away} pixels",
        "bilateral_srgb": f"of 0–255 ({{3:.3g}} grey levels): a colour counts {away} steps of a channel",
        "gaussian_compat": "is about what a label's score gains where all around it agree",
        "bilateral_compat": "is about what a label's score gains if all the pixels that look alike agree on it",
    }
    found = []
    for name, text in lines.items():
        value = options.get(name)
        if isinstance(value, int | float):
            steps = (value, 2 * value, 3 * value, value / math.sqrt(3))  # a grey level moves all three channels
            found.append(f"{name} {value:.4g} {text.format(*steps)}")
    return found


@torch.no_grad()
def search(
    scores: Scores,
    samples: Any,
    grid: Mapping[str, Iterable[float]] = GRID,
    *,
    stages: int = 1,
    band: int | None = 2,
    most: int | None = 100,
    seed: int = 0,
    quiet: bool = False,
    **fixed: Any,
) -> Found:
    """The widths and weights of a dense CRF that do best on the pictures of a validation split.

    A width is a standard deviation: what lies one width away counts e^−½ = 61 % of what is at hand, two widths away
    14 %, three widths 1 %. `gaussian_sxy` and `bilateral_sxy` are in pixels of these pictures: at another size they are
    others. `bilateral_srgb` is in steps of 0–255 of one channel; g grey levels, in all three channels at once, are
    √3·g such steps. A weight is about what a label's score gains where all that a pixel listens to have that label.

    Args:
        scores: a model in eval mode, which gives logits 1×K×H×W for a picture 1×3×H×W; or logits K×H×W, one for each
            sample.
        samples: pairs of a picture (3×H×W, 0–1) and its labels (H×W, 255 for void), as segkit's data sets give them;
            never those of a test split.
        grid: the values to try for gaussian_sxy, gaussian_compat, bilateral_sxy, bilateral_srgb or bilateral_compat;
            every combination is scored.
        stages: rounds of the search. Each later one tries three values of each parameter: the best so far, and one on
            either side, halfway in ratio to what was tried.
        band: search by the mean IoU within so many pixels of a true edge; None for that of all pixels.
        most: at most so many pictures, drawn by `seed`; None for all.
        quiet: no progress bar.
        fixed: other arguments of DenseCRF, which has its usual ones where they are not given, but for iterations=10
            and picture_max=1.

    Returns:
        Found. Nothing is read from an earlier search, and nothing is written.

    Raises:
        TypeError, ValueError: an empty or impossible grid, a test split, a model in training mode, scores that do not
            fit the pictures, labels outside 0…K−1, no labelled pixel, or none near an edge.

    Source: Chen et al., "DeepLab", PAMI 2018, section 4.1.1: 100 pictures of val, coarse to fine, 10 iterations.
    Differs from the paper: any of the five numbers may be searched, and they are judged near the edges.
    """
    axes = checked_grid(grid, fixed)
    usual = {name: value for name, value in DEFAULTS.items() if name not in axes}
    fixed = {**usual, "iterations": 10, "picture_max": 1, **fixed}
    whole(stages, "stages", "search", 1)
    whole(seed, "seed", "search", 0)
    chosen = drawn(samples, most, seed)
    if not callable(scores):
        if not isinstance(scores, Sequence | Tensor):
            raise TypeError(f"search got scores={shown(scores)}; it takes a model, or logits K×H×W for each picture")
        if len(scores) != len(samples):
            raise ValueError(f"search got {len(scores)} logits for {len(samples)} pictures; give K×H×W for each")
        scores = [scores[i] for i in chosen]
    pictures = [tuple(samples[i]) for i in chosen]
    trial = _Trial(scores, pictures, band, fixed)
    rows: list[Setting] = []
    for stage in range(stages):
        known = [{name: row[name] for name in axes} for row in rows]
        settings = [setting for setting in combinations(axes) if setting not in known]
        title = f"crf search, stage {stage + 1} of {stages}"
        with tqdm(total=len(settings) * len(pictures), desc=title, unit="CRF", disable=quiet) as bar:
            rows = sorted(rows + trial(settings, bar.update), key=lambda row: -row[trial.metric])
        best = {name: rows[0][name] for name in axes}
        tried = {name: sorted({row[name] for row in rows}) for name in axes}
        axes = {name: finer(tried[name], best[name]) for name in axes}
    border = tuple(k for k, v in tried.items() if len(v) > 1 and best[k] in (v[0], v[-1]))
    return Found({**fixed, **best}, best, rows, trial.without, trial.metric, border, len(pictures))


def drawn(samples: Any, most: int | None, seed: int) -> list[int]:
    """The numbers of the pictures to score on, in order.

    Raises:
        ValueError: they are of a test split, or there are none.
    """
    if getattr(samples, "split", None) == "test":
        raise ValueError("search got the test split; what is chosen there cannot be tested there: give val")
    if not len(samples):
        raise ValueError("search got no pictures; give at least one with its labels")
    if most is None or whole(most, "most", "search", 1) >= len(samples):
        return list(range(len(samples)))
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(seed))
    return sorted(order[:most].tolist())


class _Trial:
    """Tries settings on the same pictures; what is wrong with them is said before anything is tried."""

    def __init__(
        self, scores: Scores, pictures: Sequence[tuple[Any, ...]], band: int | None, fixed: Mapping[str, Any]
    ) -> None:
        if isinstance(scores, nn.Module) and any(module.training for module in scores.modules()):
            raise ValueError("search got a model in training mode; call model.eval() first")
        self.scores, self.pictures, self.fixed = scores, pictures, fixed
        self.band = None if band is None else whole(band, "band", "search", 1)
        self.metric = "mean_iou" if band is None else f"trimap_iou_{band}px"
        self.K = self._logits(0).shape[1]
        if not sum(self._labelled(i) for i in range(len(pictures))):
            raise ValueError(f"search got {len(pictures)} pictures without a labelled pixel; give some with labels")
        counts = self._counters()
        for i in range(len(pictures)):
            self._count(counts, self._logits(i), i)
        self.without = self._figures(counts)
        if math.isnan(self.without[self.metric]):
            raise ValueError(f"search got no labelled pixel within {band} px of an edge; give band=None for all pixels")

    def __call__(self, settings: Sequence[Setting], done: Callable[[], Any]) -> list[Setting]:
        """Each setting with its figures; `done` is called after each CRF."""
        crfs = [DenseCRF(**self.fixed, **setting) for setting in settings]  # type: ignore[arg-type]
        counts = [self._counters() for _ in settings]
        for i, (image, *_) in enumerate(self.pictures):
            logits = self._logits(i)
            for crf, mine in zip(crfs, counts, strict=True):
                self._count(mine, crf(logits, image[None].to(logits.device)), i)
                done()
        return [{**setting, **self._figures(mine)} for setting, mine in zip(settings, counts, strict=True)]

    def _logits(self, i: int) -> Tensor:
        """1×K×H×W of picture i."""
        image, labels, *_ = self.pictures[i]
        if callable(self.scores):
            parameters = self.scores.parameters() if isinstance(self.scores, nn.Module) else iter(())
            home = next(parameters, image).device
            logits = checked_scores(self.scores(image[None].to(home)))
        else:
            logits = checked_scores(self.scores[i][None])
        if logits.shape[2:] != labels.shape:
            raise ValueError(
                f"search got scores {tuple(logits.shape)} for labels {tuple(labels.shape)}; K×H×W fits H×W"
            )
        if i and logits.shape[1] != self.K:
            raise ValueError(f"search got scores of {self.K} classes, and of {logits.shape[1]} for picture {i}")
        return logits

    def _labelled(self, i: int) -> int:
        """How many pixels of picture i have a label, which all are one of the K classes."""
        known = self.pictures[i][1]
        known = known[known != VOID]
        if len(known) and not 0 <= int(known.min()) <= int(known.max()) < self.K:
            raise ValueError(
                f"search got labels from {int(known.min())} to {int(known.max())} in picture {i} and scores of "
                f"{self.K} classes; labels are 0 to {self.K - 1}, and {VOID} for void"
            )
        return len(known)

    def _counters(self) -> dict[str, ConfusionMatrix | TrimapIoU]:
        near = {} if self.band is None else {self.metric: TrimapIoU(self.K, self.band)}
        return {**near, "all": ConfusionMatrix(self.K)}

    def _count(self, counts: Mapping[str, Any], scores: Tensor, i: int) -> None:
        for counter in counts.values():
            counter.update(scores.argmax(1).cpu(), self.pictures[i][1][None])

    @staticmethod
    def _figures(counts: dict[str, Any]) -> Setting:
        near = {name: counter.mean_iou() for name, counter in counts.items() if name != "all"}
        return {**near, "mean_iou": counts["all"].mean_iou(), "pixel_accuracy": counts["all"].pixel_accuracy()}
