"""Unary energies from labels that are only partly trusted."""

from __future__ import annotations

import math
from numbers import Integral, Real

import torch
from torch import Tensor

from segkit.checks import whole
from segkit.labels import whole_numbers


def unary_from_labels(
    labels: Tensor, gt_prob: float, num_classes: int | None = None, unsure: int | None = 255
) -> Tensor:
    """−log p, where the label given has probability gt_prob and the others share the rest.

    Args:
        labels: whole numbers from 0 to K − 1, and `unsure`.
        gt_prob: how far a label is trusted, above 0 and below 1; below 1/K the label given is the unlikeliest.
        num_classes: K; one more than the largest label where None.
        unsure: the label of pixels of which nothing is known: all classes have probability 1/K. None if there is none.

    Shape: N×H×W or H×W → N×K×H×W (N = 1 for H×W), float32, for `DenseCRF()(unary=…)`.

    Raises:
        TypeError, ValueError: labels that are no whole numbers or no class, a probability outside 0–1.
    """
    if not isinstance(labels, Tensor):
        raise TypeError(f"unary_from_labels got labels {type(labels).__name__}; it takes a tensor of whole numbers")
    labels = whole_numbers(labels, "unary_from_labels' labels")
    if labels.ndim not in (2, 3):
        raise ValueError(f"unary_from_labels got labels {tuple(labels.shape)}; they are H×W or N×H×W")
    if not isinstance(gt_prob, Real) or not 0 < gt_prob < 1:
        raise ValueError(f"unary_from_labels got gt_prob={gt_prob!r}; it is a probability above 0 and below 1")
    if num_classes is not None:
        whole(num_classes, "num_classes", "unary_from_labels", 1)
    if unsure is not None and not isinstance(unsure, Integral):
        raise TypeError(f"unary_from_labels got unsure={unsure!r}; it is one label, or None")
    labels = labels[None] if labels.ndim == 2 else labels  # N, H, W
    known = torch.ones_like(labels, dtype=torch.bool) if unsure is None else labels != unsure
    found = labels[known]
    if num_classes is None and not len(found):
        raise ValueError(f"unary_from_labels got no label but {unsure}, unsure; say num_classes")
    K = int(found.max()) + 1 if num_classes is None else int(num_classes)
    if len(found) and (int(found.min()) < 0 or int(found.max()) >= K):
        raise ValueError(
            f"unary_from_labels got labels from {int(found.min())} to {int(found.max())}; "
            f"with {K} classes they are 0 to {K - 1}, and {unsure} where unsure"
        )
    others = -math.log((1 - gt_prob) / (K - 1)) if K > 1 else 0.0
    energy = torch.full((len(labels), K, *labels.shape[1:]), others, device=labels.device)  # N, K, H, W
    energy.scatter_(1, torch.where(known, labels, 0)[:, None], -math.log(gt_prob) if K > 1 else 0.0)
    return torch.where(known[:, None], energy, math.log(K))
