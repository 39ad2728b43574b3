"""Counting things rather than pixels: which cells were found, merged, split, and how tightly they are drawn.

Sources: Caicedo et al., "Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl", Nature Methods
2019 (matches above a threshold of IoU; the score over thresholds from 0.5 to 0.95; merges and splits).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segkit.labels import Labels
from segkit.metrics.confusion import same_kind
from segkit.metrics.partition import contingency, id_maps, partition_scores
from segkit.typed import typed

DSB_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True)
class ObjectMatch:
    """Which predicted things match which true ones.

    Args:
        pairs: (predicted id, true id, IoU) of the matches, by predicted id.
        tp, fp, fn: numbers of matches, of predicted things without and of true things without one.
        merges: predicted things that cover more than half of each of two or more true things.
        splits: true things in which two or more predicted things lie with more than half of their area, each at least
            5 % of the true thing's (specks are not pieces).
    """

    pairs: tuple[tuple[int, int, float], ...]
    tp: int
    fp: int
    fn: int
    merges: int
    splits: int

    @property
    def precision(self) -> float:
        """Share of the predicted things that match; NaN if none is predicted."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the true things that are matched; NaN if there is none."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn); NaN if there is nothing in truth and prediction."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


@typed
def match_objects(prediction: Labels, truth: Labels, iou: float = 0.5) -> ObjectMatch:
    """Match predicted with true things whose IoU is above a threshold.

    From 0.5 on a thing has at most one partner, so no assignment needs to be searched.

    Args:
        prediction, truth: whole numbers, 0 outside, else the id of a thing.
        iou: threshold from 0.5 to below 1; a match has more than this.

    Shape: both H×W: ids are of one picture.

    Raises:
        TypeError: fractions. ValueError: the shapes differ, or the threshold is out of range.
    """
    if not 0.5 <= iou < 1:
        raise ValueError(f"match_objects got iou={iou}; from 0.5 to below 1 a match is unique")
    meets = _overlaps(prediction, truth)
    good = meets.iou > iou
    ids = meets.p_ids[meets.p[good]].tolist(), meets.t_ids[meets.t[good]].tolist()
    pairs = tuple(zip(*ids, meets.iou[good].tolist(), strict=True))
    covers = 2 * meets.both > meets.t_area
    pieces = (2 * meets.both > meets.p_area) & (20 * meets.both >= meets.t_area)
    return ObjectMatch(
        pairs=pairs, tp=len(pairs), fp=len(meets.p_ids) - len(pairs), fn=len(meets.t_ids) - len(pairs),
        merges=_twice(meets.p[covers]), splits=_twice(meets.t[pieces]),
    )  # fmt: skip


@typed
def average_precision(prediction: Labels, truth: Labels, thresholds: Sequence[float] = DSB_THRESHOLDS) -> float:
    """Mean over thresholds of tp / (tp + fp + fn) for one picture, the score of the 2018 Data Science Bowl.

    Args:
        prediction, truth: as for `match_objects`.
        thresholds: of IoU, each from 0.5 to below 1.

    Returns:
        0–1, or NaN if there is nothing in truth and prediction.

    Raises: as `match_objects`; ValueError for no thresholds.
    """
    thresholds = list(thresholds)
    if not thresholds or not all(0.5 <= t < 1 for t in thresholds):
        raise ValueError(f"average_precision got thresholds={thresholds!r}; give some from 0.5 to below 1")
    meets = _overlaps(prediction, truth)
    hits, things = [int((meets.iou > t).sum()) for t in thresholds], len(meets.p_ids) + len(meets.t_ids)
    return float(np.mean([_ratio(tp, things - tp) for tp in hits]))


class CellScores:
    """All of the above over a data set.

    The challenges score each picture and average the scores, so `rand`, `info` and `ap` are means over pictures (those
    without true cells left out of rand and info, those without any things out of ap). Things are counted over all
    pictures first: `precision`, `recall`, `f1`, `merges`, `splits`.

    Args:
        iou: threshold of a match, see `match_objects`.
        zero: what predicted 0 on a true cell means, see `partition_scores`.
    """

    @typed
    def __init__(self, iou: float = 0.5, zero: str = "singletons") -> None:
        empty = np.zeros((1, 1), dtype=np.int64)
        match_objects(empty, empty, iou)  # refuses wrong options now
        partition_scores(empty, empty, zero)
        self.iou, self.zero = iou, zero
        self.reset()

    def reset(self) -> None:
        """Forget all pictures."""
        self.per_picture: list[dict[str, float]] = []
        self.counts = dict.fromkeys(("tp", "fp", "fn", "merges", "splits"), 0)

    def update(self, prediction: Labels, truth: Labels) -> None:
        """Score one picture H×W, or several N×H×W; both are id maps, 0 outside."""
        p, t = id_maps(prediction, truth)
        if p.ndim not in (2, 3):
            raise ValueError(f"CellScores.update got shape {p.shape}; it takes H×W or N×H×W")
        for one, other in zip(p, t, strict=True) if p.ndim == 3 else [(p, t)]:
            parts, match = partition_scores(one, other, self.zero), match_objects(one, other, self.iou)
            scores = {k: getattr(parts, k) for k in ("rand", "rand_split", "rand_merge", "info")}
            self.per_picture.append({**scores, "ap": average_precision(one, other)})
            for name in self.counts:
                self.counts[name] += getattr(match, name)

    def merge(self, other: CellScores) -> None:
        """Add what another one has seen with the same settings."""
        same_kind(self, other)
        if (self.iou, self.zero) != (other.iou, other.zero):
            raise ValueError(f"merge got (iou, zero) = {(other.iou, other.zero)}; it must be {(self.iou, self.zero)}")
        self.per_picture += other.per_picture
        for name, count in other.counts.items():
            self.counts[name] += count

    def summary(self) -> dict[str, float]:
        """rand, rand_split, rand_merge, adapted_rand_error, info, ap, precision, recall, f1, merges, splits, cells."""
        means = {k: self._mean(k) for k in ("rand", "rand_split", "rand_merge", "info", "ap")}
        all_of_them = ObjectMatch((), **self.counts)
        names = ("precision", "recall", "f1", "merges", "splits")
        counted = {name: getattr(all_of_them, name) for name in names}
        cells = all_of_them.tp + all_of_them.fn
        return {**means, "adapted_rand_error": 1 - means["rand"], **counted, "cells": cells}

    def _mean(self, name: str) -> float:
        values = [s[name] for s in self.per_picture if not math.isnan(s[name])]
        return float(np.mean(values)) if values else math.nan


@dataclass(frozen=True)
class _Overlaps:
    """Predicted ids and true ids; and of each pair that shares pixels: places p and t in these, pixels, both areas."""

    p_ids: np.ndarray
    t_ids: np.ndarray
    p: np.ndarray
    t: np.ndarray
    both: np.ndarray
    p_area: np.ndarray
    t_area: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        return self.both / (self.p_area + self.t_area - self.both)


def _overlaps(prediction: Labels, truth: Labels) -> _Overlaps:
    p, t = id_maps(prediction, truth)
    if p.ndim != 2:
        raise ValueError(f"got id maps of shape {p.shape}; things are matched within one picture, H×W")
    table = contingency(p, t)
    things = (table.a_ids[table.a] > 0) & (table.b_ids[table.b] > 0)
    rows, columns = table.a[things], table.b[things]
    areas = table.a_area[rows], table.b_area[columns]  # they count what lies on the background too
    outside = [
        int(ids[:1].sum() == 0 and len(ids) > 0) for ids in (table.a_ids, table.b_ids)
    ]  # 0 comes first, if at all
    p_ids, t_ids = table.a_ids[outside[0] :], table.b_ids[outside[1] :]
    return _Overlaps(p_ids, t_ids, rows - outside[0], columns - outside[1], table.pixels[things], *areas)


def _twice(places: np.ndarray) -> int:
    """How many places occur more than once."""
    return int((np.unique(places, return_counts=True)[1] >= 2).sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
