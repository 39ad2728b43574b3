"""From a map of scores to the picture: bilinear, with each cell where its encoder puts it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from segkit.engine import engine


def enlarge(score: Tensor, stride: int, corner_aligned: bool = False) -> Tensor:
    """Enlarge a map `stride` times, bilinear.

    Args:
        score: the map.
        stride: pixels of the picture from one cell to the next.
        corner_aligned: where the cells stand, as an `Encoder` says: on pixel i·stride, or over the middle of their
            stride×stride pixels. The wrong choice moves everything by half a cell.

    Shape:
        N×K×h×w → N×K×H×W with H ≥ h·stride; the first rows and columns are the picture's.
    """
    if corner_aligned:
        return enlarge_from_corners(score, stride)
    return engine().interpolate(score, scale_factor=stride, mode="bilinear", align_corners=False)


def enlarge_from_corners(score: Tensor, stride: int) -> Tensor:
    """Enlarge a map whose cell i stands at pixel i·stride: bilinear between cells, constant after the last.

    Shape:
        N×K×h×w → N×K×(h·stride + 1)×(w·stride + 1); the first H, W of them are the picture's.
    """
    h, w = score.shape[-2:]
    score = F.pad(score, (0, 1, 0, 1), mode="replicate")  # N, K, h + 1, w + 1
    return engine().interpolate(score, (stride * h + 1, stride * w + 1), mode="bilinear", align_corners=True)
