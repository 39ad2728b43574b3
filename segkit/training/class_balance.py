"""Pixels of each class, and the class weights that follow from them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from segkit.data import VOID, Augmented, collate, describe
from segkit.data.base import warn_of_void
from segkit.training.losses import check_labels
from segkit.training.recipe import Recipe
from segkit.typed import typed


@typed
def count_pixels(dataset: Any) -> Tensor:
    """Pixels of each class over a data set, void left out, for `class_weights`."""
    facts, voids = describe(dataset), 0
    K = facts.num_classes
    counts = torch.zeros(K, dtype=torch.int64)
    for i in range(len(dataset)):
        batch = collate([dataset[i]])
        labels = check_labels(batch.labels, K, batch.name)
        counts += torch.bincount(labels[labels != VOID], minlength=K)
        voids += int((labels == VOID).sum())
    warn_of_void(facts, int(counts[1:2].sum()), voids)
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
    if counts.is_complex():
        raise TypeError(f"class_weights got counts of {counts.dtype}; give one non-negative pixel count per class")
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


def training_weights(dataset: Any, recipe: Recipe, weight: Tensor | None, device: torch.device) -> Tensor | None:
    """The class weights of a run: those given, or what its recipe asks for, counted without the augmentation."""
    scheme = recipe.class_weights
    if weight is not None and scheme != "none":
        raise ValueError(f"weight=… takes the place of the recipe's class_weights={scheme!r}; leave one of the two out")
    if not isinstance(scheme, str):
        weight = torch.tensor(scheme, dtype=torch.float32)
    elif scheme != "none":
        while isinstance(dataset, Augmented):
            dataset = dataset.dataset
        weight = class_weights(count_pixels(dataset), scheme)
    return None if weight is None else weight.to(device)
