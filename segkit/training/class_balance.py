"""Pixels of each class, and the class weights that follow from them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segkit.data import VOID, collate, describe
from segkit.training.losses import check_labels
from segkit.typed import typed


@typed
def count_pixels(dataset: Any) -> Tensor:
    """Pixels of each class over a data set, void left out, for `class_weights`."""
    K = describe(dataset).num_classes
    counts = torch.zeros(K, dtype=torch.int64)
    for i in range(len(dataset)):
        batch = collate([dataset[i]])
        check_labels(batch.labels, K, batch.name)
        counts += torch.bincount(batch.labels[batch.labels != VOID], minlength=K)
    return counts


@typed
def class_weights(counts: Tensor, scheme: str = "median") -> Tensor:
    """One weight per class from how often it occurs.

    Args:
        counts: K, pixels of each class in the training set.
        scheme: "median": median frequency ÷ frequency (Eigen & Fergus 2015; SegNet); "log": 1 ÷ ln(1.02 + frequency)
            (ENet, section 5.2); "none": all 1.

    Returns:
        float32 K; a class that never occurs has weight 0.

    Raises:
        ValueError: an unknown scheme, negative counts, or no pixel at all.
    """
    counts = counts.double()
    if counts.ndim != 1 or not ((counts >= 0) & counts.isfinite()).all() or counts.sum() == 0:
        raise ValueError(f"class_weights got counts {counts.tolist()}; give one non-negative pixel count per class")
    seen = counts > 0
    frequency = counts / counts.sum()
    if scheme == "median":
        weights = torch.quantile(frequency[seen], 0.5) / frequency.clamp_min(1e-30)
    elif scheme == "log":
        weights = 1 / torch.log(1.02 + frequency)
    elif scheme == "none":
        weights = torch.ones_like(frequency)
    else:
        raise ValueError(f"class_weights got scheme={scheme!r}; choose 'median', 'log' or 'none'")
    return torch.where(seen, weights, 0.0).float()
