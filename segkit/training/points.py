"""Labels at single points of a picture, for a loss that asks there and nowhere else."""

from __future__ import annotations

import torch
from torch import Tensor


def labels_at(labels: Tensor, points: Tensor) -> Tensor:
    """The labels at some places, each that of the nearest pixel.

    Args:
        labels: whole numbers.
        points: (x, y) in pixels, as `PointRend` gives them.

    Shape:
        labels N×H×W, points N×2×P×1 → N×P×1, as `cross_entropy` takes them beside scores N×K×P×1.

    Source:
        Kirillov et al., "PointRend", CVPR 2020 (arXiv 1912.08193), section 3.1.
    """
    H, W = labels.shape[-2:]
    column, row = (points[:, axis].round().long().clamp(0, n - 1) for axis, n in ((0, W), (1, H)))  # N, P, 1
    return labels[torch.arange(len(labels), device=labels.device)[:, None, None], row, column]
