"""Bilinear enlargement of a map whose first cell stands on the first pixel."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.engine import engine
from segkit.layers.borders import last_again


def enlarge_from_corners(score: Tensor, stride: int) -> Tensor:
    """Enlarge a map whose cell i stands at pixel i·stride: bilinear between cells, constant after the last.

    Shape:
        N×K×h×w → N×K×(h·stride + 1)×(w·stride + 1); the first H, W of them are the picture's.
    """
    check_enlarged(score, stride, "enlarge_from_corners")
    h, w = score.shape[-2:]
    score = last_again(score)  # N, K, h + 1, w + 1
    return engine().interpolate(score, (stride * h + 1, stride * w + 1), mode="bilinear", align_corners=True)


def check_enlarged(score: Tensor, stride: int, who: str) -> None:
    """Refuse what is no map or no whole stride; in a form that torch.compile and export can follow."""
    empty = isinstance(score, Tensor) and not torch.compiler.is_compiling() and 0 in score.shape[1:]
    if not isinstance(score, Tensor) or score.ndim != 4 or empty:
        kind = tuple(score.shape) if isinstance(score, Tensor) else type(score).__name__
        raise ValueError(f"{who} got scores of shape {kind}; they are N×K×h×w, K, h and w at least 1")
    if type(stride) is not int or stride < 1:
        raise ValueError(f"{who} got stride={stride!r}; it is a whole number of pixels from 1 up")
