"""Two ways to spread a small map over a large one, with zeros between: where the maxima were, or on a fixed grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.ops.arguments import IntOrPair, batched, floating, pair

OP = "max_unpool2d"


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put each value back where `max_pool2d` found it, zeros elsewhere, as `torch.nn.functional.max_unpool2d`.

    Args:
        input: the values.
        indices: their places in the output's plane, row·w + column, as max_pool2d's return_indices gives them; int64.
        kernel_size: that of the pooling; like stride and padding it only tells the output's size.
        stride: that of the pooling; kernel_size where None.
        padding: that of the pooling.
        output_size: (h, w), or the whole shape; the size that was pooled, less than one stride from the one computed.

    Where several values name one place, one of them stands there (torch leaves open which; here it is the last).

    Shape:
        N×C×H×W or C×H×W → N×C×h×w or C×h×w, with h = (H − 1)·stride − 2·padding + kernel_size, and w likewise.

    Raises:
        TypeError: something is not a tensor of its type, or a setting is not a whole number.
        ValueError: shapes do not fit, or an index lies outside the output.

    Source:
        Zeiler & Fergus, ECCV 2014, section 2.1; Badrinarayanan, Kendall & Cipolla (SegNet), section 3.
    """
    x, single = batched(input, OP)
    floating(x, OP)
    if not isinstance(indices, Tensor) or indices.dtype != torch.int64:
        came = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise TypeError(f"{OP} got indices of type {came}; it takes an int64 tensor, as max_pool2d gives it")
    if indices.shape != input.shape:
        raise ValueError(
            f"{OP} got input of shape {tuple(input.shape)} and indices of {tuple(indices.shape)}; they have one shape"
        )
    kernel = pair(kernel_size, "kernel_size", OP, 1)
    steps = kernel if stride is None else pair(stride, "stride", OP, 1)
    h, w = _output_size(x, kernel, steps, pair(padding, "padding", OP, 0), output_size)
    N, C = x.shape[:2]
    places = (indices[None] if single else indices).flatten(2)  # N, C, H·W
    low, high = _extremes(places)
    if not 0 <= low <= high < h * w:
        raise ValueError(
            f"{OP} got indices from {low} to {high} for an output of {h}×{w}, which has "
            f"places 0 to {h * w - 1}; give the size that was pooled as output_size"
        )
    y = x.new_zeros(N, C, h * w).scatter(2, places, x.flatten(2)).view(N, C, h, w)
    return y[0] if single else y


def _extremes(places: Tensor) -> tuple[int, int]:
    """The least and the largest index; 0, 0 where there is none or torch.vmap hides them (scatter then checks)."""
    try:
        return (int(places.min()), int(places.max())) if places.numel() else (0, 0)
    except RuntimeError:
        return 0, 0


def _output_size(
    x: Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], wanted: Sequence[int] | None
) -> tuple[int, int]:
    """The size asked for, if the pooling could have come from it; else the smallest that it comes from."""
    h, w = ((n - 1) * s - 2 * p + k for n, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True))
    if wanted is not None:
        if not isinstance(wanted, Sequence) or len(wanted) not in (2, 4):
            raise ValueError(f"{OP} got output_size={wanted!r}; give (height, width) or the whole shape N×C×h×w")
        asked_h, asked_w = (int(n) for n in wanted[-2:])
        if abs(asked_h - h) >= stride[0] or abs(asked_w - w) >= stride[1]:
            raise ValueError(
                f"{OP} got output_size={tuple(wanted)}; with these settings it is {h}×{w}, give or take less than one "
                f"stride {stride}"
            )
        h, w = asked_h, asked_w
    if h < 1 or w < 1:
        raise ValueError(f"{OP} got padding={padding}, which leaves an output of {h}×{w}; give that of the pooling")
    return h, w


def bed_of_nails(input: Tensor, stride: IntOrPair = 2) -> Tensor:
    """Put each value in the upper left corner of its own window of `stride`, zeros elsewhere.

    Args:
        input: the map.
        stride: height and width of a window, that is how many times larger the output is.

    Shape:
        N×C×H×W or C×H×W → N×C×(stride·H)×(stride·W) or C×…; output[…, u·stride, v·stride] = input[…, u, v].

    Raises:
        TypeError: the input is not a tensor of numbers, or stride is not a whole number.
        ValueError: the input is not of that shape, or stride is below 1.
    """
    x, single = batched(input, "bed_of_nails")
    sh, sw = pair(stride, "stride", "bed_of_nails", 1)
    N, C, H, W = x.shape
    x = F.pad(x[:, :, :, None, :, None], (0, sw - 1, 0, 0, 0, sh - 1))  # N, C, H, sh, W, sw
    x = x.reshape(N, C, H * sh, W * sw)
    return x[0] if single else x
