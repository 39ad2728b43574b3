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
from segkit.metrics.counting import Labels


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
    ids, _, table = contingency(s_ids[on_cells], t_ids[on_cells])  # segments × cells
    alone = 0  # pixels that are segments of their own
    t = table.sum(0) / n
    if zero != "segment" and ids[0] == 0:
        alone = int(table[0].sum())
        table = table[1:]
    p, s = table / n, table.sum(1) / n
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
        ids = np.asarray(given.detach().cpu() if hasattr(given, "detach") else given)
        if not (np.issubdtype(ids.dtype, np.integer) or ids.dtype == bool):
            raise TypeError(f"{name} has type {ids.dtype}; ids are whole numbers, 0 outside; see label_components")
        if ids.size and int(ids.min()) < 0:
            raise ValueError(f"{name} has the id {int(ids.min())}; ids are 0 outside and positive on things")
        maps.append(ids.astype(np.int64))
    if maps[0].shape != maps[1].shape:
        raise ValueError(f"prediction has shape {maps[0].shape} and truth {maps[1].shape}; id maps must agree")
    return maps[0], maps[1]


def contingency(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids of a, ids of b, and in how many pixels each pair of them meets; the ids ascend."""
    ids_a, rows = np.unique(a, return_inverse=True)
    ids_b, columns = np.unique(b, return_inverse=True)
    flat = np.bincount(rows.reshape(-1) * len(ids_b) + columns.reshape(-1), minlength=len(ids_a) * len(ids_b))
    return ids_a, ids_b, flat.reshape(len(ids_a), len(ids_b))


def _entropy(p: np.ndarray) -> float:
    """−Σ p ln p over the entries above 0."""
    p = p[p > 0]
    return float(-(p * np.log(p)).sum()) + 0.0


def _share(part: float, whole: float) -> float:
    """part / whole; with no uncertainty on either side (one cell, one segment) all is known: 1."""
    return part / whole if whole > 1e-15 else 1.0
