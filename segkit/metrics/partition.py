"""How well a picture is cut into cells, whatever the cells are called: Rand and information scores of two partitions.

Both come from one table: p_ij is the share of pixels that lie in segment i of the prediction and cell j of the truth,
s_i = Σ_j p_ij, t_j = Σ_i p_ij. Only pixels on the truth's cells count (the "foreground restriction"), so nobody gains
or loses by drawing membranes a little thicker. Source: Arganda-Carreras et al., "Crowdsourcing the creation of image
segmentation algorithms for connectomics", Frontiers in Neuroanatomy 2015, section "Metrics".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from segkit.checks import chosen
from segkit.labels import Labels, whole_numbers

_FEW = 4  # as many ids for each pixel are counted in a table; more are sorted


@dataclass(frozen=True)
class PartitionScores:
    """Scores from 0 to 1, higher is better; all NaN for a picture whose truth has no cells.

    Args:
        rand: V_rand, 2 Σ p² / (Σ s² + Σ t²), the F-score of the next two.
        rand_split: Σ p² / Σ t²: of two pixels in one true cell, how likely they share a segment; low after splits.
        rand_merge: Σ p² / Σ s²: of two pixels in one segment, how likely they share a cell; low after merges.
        info: V_info, 2 I(S;T) / (H(S) + H(T)).
        info_split: I(S;T) / H(S), low if cells are split.
        info_merge: I(S;T) / H(T), low if cells are merged.
    """

    rand: float
    rand_split: float
    rand_merge: float
    info: float
    info_split: float
    info_merge: float

    @property
    def adapted_rand_error(self) -> float:
        """1 − V_rand, the figure of the ISBI challenge's table: lower is better."""
        return 1.0 - self.rand


def partition_scores(prediction: Labels, truth: Labels, zero: str = "singletons") -> PartitionScores:
    """Foreground-restricted Rand and information scores of one picture.

    Args:
        prediction: whole numbers, 0 on predicted membrane or background, else the id of a segment. Number the pieces of
            a predicted mask with `label_components` first; a mask itself is one segment.
        truth: whole numbers, 0 outside cells, else the id of a cell; pixels with 0 do not count.
        zero: what predicted 0 on a true cell means: "singletons", each pixel a segment of its own (as the SNEMI3D
            challenge counts); "segment", all of them one segment (as in scikit-image); "nearest", each pixel
            belongs to the nearest segment, so that a gap drawn between touching cells costs nothing. A prediction
            without any segment is counted as singletons then.

    Shape: both H×W (or any shape, taken as one picture); tensors on any device, or numpy arrays.

    Differs from scikit-image: as in the paper, a pixel also pairs with itself, which matters for tiny cells only.

    Raises:
        TypeError: fractions. ValueError: the shapes differ, or zero is neither of the two.
    """
    chosen(zero, "zero", "partition_scores", ("singletons", "segment", "nearest"))
    s_ids, t_ids = id_maps(prediction, truth)
    if zero == "nearest" and s_ids.any():
        where = ndimage.distance_transform_edt(s_ids == 0, return_distances=False, return_indices=True)
        s_ids = s_ids[tuple(where)]
    on_cells = t_ids > 0
    n = int(on_cells.sum())
    if n == 0:
        return PartitionScores(*[math.nan] * 6)
    table = contingency(s_ids[on_cells], t_ids[on_cells])  # segments × cells
    s, t, p = table.a_area / n, table.b_area / n, table.pixels / n
    alone = 0  # pixels that are segments of their own
    if zero != "segment" and table.a_ids[0] == 0:
        alone = int(table.a_area[0])
        s, p = s[1:], p[table.a > 0]
    one = 1.0 / n
    pp, ss, tt = (float((x**2).sum()) for x in (p, s, t))
    pp, ss = pp + alone * one**2, ss + alone * one**2
    h_t, h_s = _entropy(t), _entropy(s) + alone * one * math.log(n)
    mutual = max(0.0, h_s + h_t - (_entropy(p) + alone * one * math.log(n)))
    return PartitionScores(
        rand=2 * pp / (ss + tt), rand_split=pp / tt, rand_merge=pp / ss,
        info=_share(2 * mutual, h_s + h_t), info_split=_share(mutual, h_s), info_merge=_share(mutual, h_t),
    )  # fmt: skip


def rand_score(prediction: Labels, truth: Labels, zero: str = "singletons") -> float:
    """V_rand of one picture, foreground-restricted; see `partition_scores`."""
    return partition_scores(prediction, truth, zero).rand


def adapted_rand_error(prediction: Labels, truth: Labels, zero: str = "singletons") -> float:
    """1 − V_rand of one picture; see `partition_scores`."""
    return partition_scores(prediction, truth, zero).adapted_rand_error


def id_maps(prediction: Labels, truth: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Both as int64 numpy arrays of one shape.

    Raises:
        TypeError: fractions. ValueError: the shapes differ, or an id is negative.
    """
    maps = []
    for name, given in (("prediction", prediction), ("truth", truth)):
        ids = whole_numbers(given, name).cpu().numpy()
        if ids.size and int(ids.min()) < 0:
            raise ValueError(f"{name} has the id {int(ids.min())}; ids are 0 outside and positive on things")
        maps.append(ids)
    if maps[0].shape != maps[1].shape:
        raise ValueError(f"prediction has shape {maps[0].shape} and truth {maps[1].shape}; id maps must agree")
    return maps[0], maps[1]


@dataclass(frozen=True)
class Contingency:
    """In how many pixels each id of one map meets each of another. Only pairs that meet are kept: few of all there are.

    Args:
        a_ids, b_ids: the ids of the two maps, ascending.
        a, b, pixels: one entry for each pair that meets: places in a_ids and b_ids, and the number of pixels; by a,
            then b.
    """

    a_ids: np.ndarray
    b_ids: np.ndarray
    a: np.ndarray
    b: np.ndarray
    pixels: np.ndarray

    @property
    def a_area(self) -> np.ndarray:
        """Pixels of each of a_ids."""
        return totals(self.a, self.pixels, len(self.a_ids))

    @property
    def b_area(self) -> np.ndarray:
        """Pixels of each of b_ids."""
        return totals(self.b, self.pixels, len(self.b_ids))


def contingency(a: np.ndarray, b: np.ndarray) -> Contingency:
    """How two maps of ids of one shape lie on each other."""
    (a_ids, rows), (b_ids, columns) = _ranked(a), _ranked(b)
    places = rows * len(b_ids) + columns
    if len(a_ids) * len(b_ids) <= _FEW * places.size:
        counts = np.bincount(places)
        pairs = np.flatnonzero(counts)
        pixels = counts[pairs]
    else:
        pairs, pixels = np.unique(places, return_counts=True)
    return Contingency(a_ids, b_ids, pairs // max(1, len(b_ids)), pairs % max(1, len(b_ids)), pixels)


def _ranked(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ids there are, in order, and the rank of each pixel's id, flat: counted where ids are small, else sorted."""
    flat = ids.reshape(-1)
    if not flat.size or flat.min() < 0 or flat.max() >= _FEW * flat.size:
        found, ranks = np.unique(flat, return_inverse=True)
        return found, ranks.reshape(-1)
    there = np.bincount(flat.astype(np.int64)) > 0
    return np.flatnonzero(there).astype(ids.dtype), (np.cumsum(there) - 1)[flat]


def totals(places: np.ndarray, counts: np.ndarray, length: int) -> np.ndarray:
    """Sum of the counts at each of the places 0 … length − 1, in whole numbers."""
    sums = np.zeros(length, dtype=np.int64)
    np.add.at(sums, places, counts)
    return sums


def _entropy(p: np.ndarray) -> float:
    """−Σ p ln p over the entries above 0."""
    p = p[p > 0]
    return float(-(p * np.log(p)).sum()) + 0.0


def _share(part: float, whole: float) -> float:
    """part / whole; with no uncertainty on either side (one cell, one segment) all is known: 1."""
    return part / whole if whole > 1e-15 else 1.0
