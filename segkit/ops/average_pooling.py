"""Average pooling: the mean of each window, over windows of one size or over windows that share a picture out evenly.

Both are separable: adding up a window is adding up its rows and then the sums of the rows, k + k additions for k².
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.ops.arguments import IntOrPair, batched, floating, in_float32, pair, whole
from segkit.ops.windows import pooled_size, shared_out


@in_float32
def avg_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window, as `torch.nn.functional.avg_pool2d`.

    Args:
        input: the maps; the batch may be empty.
        kernel_size: height and width of a window.
        stride: pixels from one window to the next; kernel_size where None.
        padding: zeros around the picture, at most half the kernel.
        ceil_mode: round the number of windows up: the last one may hang over the edge (but begins inside).
        count_include_pad: divide by the window's pixels including padding (never those beyond it that ceil_mode adds).
        divisor_override: divide by this number instead.

    Shape:
        N×C×H×W or C×H×W → N×C×h×w or C×h×w, h = ⌊(H + 2·padding − kernel_size) / stride⌋ + 1 (⌈⌉ in ceil_mode).

    Raises:
        TypeError: the input is not a tensor of floating-point numbers, or a setting is not a whole number.
        ValueError: shapes or settings do not fit; the message says which and how to fix it.
    """
    x, single = batched(input, "avg_pool2d")
    floating(x, "avg_pool2d")
    kernel = pair(kernel_size, "kernel_size", "avg_pool2d", 1)
    steps = kernel if stride is None else pair(stride, "stride", "avg_pool2d", 1)
    pads = pair(padding, "padding", "avg_pool2d", 0)
    if divisor_override is not None and whole(divisor_override, "divisor_override", "avg_pool2d", -math.inf) == 0:
        raise ValueError(
            "avg_pool2d got divisor_override=0; divide by another whole number, or None for the window's size"
        )
    divisors = []
    for axis in (2, 3):
        k, s, p, n = kernel[axis - 2], steps[axis - 2], pads[axis - 2], x.shape[axis]
        count = pooled_size(n, k, s, p, 1, ceil_mode, "avg_pool2d")
        x = _add_windows(x, axis, k, s, p, count)
        divisors.append(_window_sizes(n, k, s, p, count, count_include_pad).to(x))
    y = x / (divisors[0][:, None] * divisors[1] if divisor_override is None else divisor_override)
    return y[0] if single else y


def _add_windows(x: Tensor, axis: int, k: int, s: int, p: int, count: int) -> Tensor:
    """Sums of `count` windows along one axis: tap by tap, every s-th pixel from that tap on."""
    beyond = (count - 1) * s + k - x.shape[axis] - p
    if p or beyond > 0:
        x = F.pad(x, (0, 0, p, max(beyond, 0)) if axis == 2 else (p, max(beyond, 0)))
    taps = [x.narrow(axis, tap, (count - 1) * s + 1) for tap in range(k)]
    taps = [tap[:, :, ::s] if axis == 2 else tap[..., ::s] for tap in taps]
    return functools.reduce(torch.add, taps)


def _window_sizes(n: int, k: int, s: int, p: int, count: int, include_pad: bool) -> Tensor:
    """How many pixels of an axis each window counts."""
    start = torch.arange(count) * s - p
    end = (start + k).clamp(max=n + p)  # what ceil_mode adds beyond the padding never counts
    return end - start if include_pad else end.clamp(max=n) - start.clamp(min=0)


@in_float32
def adaptive_avg_pool2d(input: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """The mean of each of h×w windows that share the picture out evenly, as `torch.nn.functional.adaptive_avg_pool2d`.

    Window u of h on an axis of H pixels goes from ⌊u·H/h⌋ to ⌈(u + 1)·H/h⌉ (`windows.bin_bounds`); neighbours may share
    a pixel where h does not divide H.

    Args:
        input: the maps; the batch may be empty.
        output_size: (h, w), or one number for both; None in its place keeps the input's size.

    Shape:
        N×C×H×W or C×H×W → N×C×h×w or C×h×w.

    Raises:
        TypeError: the input is not a tensor of floating-point numbers, or a size is not a whole number.
        ValueError: the shape does not fit; the message says how to fix it.
    """
    x, single = batched(input, "adaptive_avg_pool2d", empty_channels=True)
    floating(x, "adaptive_avg_pool2d")
    for axis, bins in enumerate(shared_out(x.shape[2:], output_size, "adaptive_avg_pool2d"), 2):
        means = [x.narrow(axis, start, end - start).mean(axis) for start, end in bins]
        x = torch.stack(means, axis) if means else x.narrow(axis, 0, 0)
    return x[0] if single else x
