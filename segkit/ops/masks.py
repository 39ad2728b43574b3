"""Adaptive pooling of a map whose size is not known yet, as in an exported program: by masks instead of slices.

ONNX has no adaptive pooling, and torch's translation of its own holds for the size that was traced alone. Which cells a
window covers is here computed from the size, when that is there: a mean is then a product with a small matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pool_by_masks(input: Tensor, output_size: int | Sequence[int | None] | None, mode: str) -> Tensor:
    """`adaptive_avg_pool2d` or `adaptive_max_pool2d`, for any size of the input in one program.

    Args:
        input: the maps.
        output_size: (h, w), or one number for both; None in its place keeps the input's size.
        mode: "avg" or "max".

    Shape:
        N×C×H×W or C×H×W → N×C×h×w or C×h×w.
    """
    rows, columns = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    x = _along_columns(input, columns, mode)
    return _along_columns(x.transpose(-1, -2), rows, mode).transpose(-1, -2)


def _along_columns(x: Tensor, count: int | None, mode: str) -> Tensor:
    """Pool the last axis of n cells to `count` windows."""
    if count is None:
        return x
    if count == 1:
        return x.mean(-1, keepdim=True) if mode == "avg" else x.amax(-1, keepdim=True)
    n = x.shape[-1]
    starts = n * torch.arange(count, device=x.device).unsqueeze(1)  # of windows, in units of 1/count of a cell
    beyond = count * torch.arange(n, device=x.device) - starts  # count, n: how far each cell begins behind each start
    inside = (beyond > -count) & (beyond < n)  # it has not ended before the window begins, and begins before its end
    if mode == "max":
        return torch.where(inside, x[..., None, :], -torch.inf).amax(-1)  # …, count
    share = inside.to(x.dtype)
    return x @ (share / share.sum(1, keepdim=True)).T
