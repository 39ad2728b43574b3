"""Labels at single points of a picture, for a loss that asks there and nowhere else."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.typed import typed


@typed
def labels_at(labels: Tensor, points: Tensor) -> Tensor:
    """The labels at some places, each that of the nearest pixel.

    Args:
        labels: whole numbers.
        points: (x, y) in pixels, as `PointRend` gives them.

    Shape:
        labels N×H×W, points N×2×P×1 → N×P×1, as `cross_entropy` takes them beside scores N×K×P×1.

    Raises:
        TypeError, ValueError: other shapes, labels that are fractions, points that are not finite.

    Source:
        Kirillov et al., "PointRend", CVPR 2020 (arXiv 1912.08193), section 3.1.
    """
    shapes = f"labels of shape {tuple(labels.shape)} and points of shape {tuple(points.shape)}"
    if labels.ndim != 3 or 0 in labels.shape[1:] or points.ndim != 4 or points.shape[1::2] != (2, 1):
        raise ValueError(f"labels_at got {shapes}; it takes N×H×W, H and W at least 1, and N×2×P×1 with x first")
    if len(labels) != len(points):
        raise ValueError(f"labels_at got {shapes}; both have one entry for each picture")
    if labels.is_floating_point() or labels.is_complex():
        raise TypeError(f"labels_at got labels of {labels.dtype}; they are whole numbers (labels.long())")
    if not points.isfinite().all():
        raise ValueError("labels_at got points with NaN or infinity; they are places in the picture, in pixels")
    H, W = labels.shape[-2:]
    column, row = (points[:, axis].round().long().clamp(0, n - 1) for axis, n in ((0, W), (1, H)))  # N, P, 1
    return labels[torch.arange(len(labels), device=labels.device)[:, None, None], row, column]
