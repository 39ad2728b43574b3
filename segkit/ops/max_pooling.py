"""Max pooling, with its backward pass written out: the gradient goes to the pixel that won, and to no other."""

from __future__ import annotations

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

from segkit.ops.arguments import IntOrPair, batched, pair
from segkit.ops.patches import Pair, hidden_first
from segkit.ops.windows import pooled_size


def max_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window, as `torch.nn.functional.max_pool2d`.

    Args:
        input: the maps; the batch may be empty.
        kernel_size: height and width of a window.
        stride: pixels from one window to the next; kernel_size where None.
        padding: how far a window may begin outside, at most half the kernel; what lies outside never wins.
        dilation: pixels from one tap of a window to the next.
        ceil_mode: round the number of windows up: the last one may hang over the edge (but begins inside).
        return_indices: give (values, indices); an index is the winner's place in its plane, row·W + column, int64.

    Of equal values the first wins, row by row. NaN beats everything.

    Shape:
        N×C×H×W or C×H×W → N×C×h×w or C×h×w, h = ⌊(H + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1
        (⌈⌉ in ceil_mode).

    Raises:
        TypeError: the input is not a tensor of numbers, or a setting is not a whole number.
        ValueError: shapes or settings do not fit; the message says which and how to fix it.
    """
    x, single = batched(input, "max_pool2d")
    kernel = pair(kernel_size, "kernel_size", "max_pool2d", 1)
    steps = kernel if stride is None else pair(stride, "stride", "max_pool2d", 1)
    pads, spread = pair(padding, "padding", "max_pool2d", 0), pair(dilation, "dilation", "max_pool2d", 1)
    settings = zip(x.shape[2:], kernel, steps, pads, spread, strict=True)
    h, w = (pooled_size(*numbers, ceil_mode, "max_pool2d") for numbers in settings)
    differentiated = (x.requires_grad and torch.is_grad_enabled()) or forward_ad._current_level >= 0
    if not (return_indices or differentiated):  # nobody asks who won
        values = functools.reduce(torch.maximum, _taps(x, kernel, steps, pads, spread, (h, w))).contiguous()
        return values[0] if single else values
    values, winners = _MaxPool.apply(x, kernel, steps, pads, spread, (h, w))  # N, C, h, w
    values = values[0] if single else values
    if not return_indices:
        return values
    indices = _plane_indices(winners, x.shape[3], kernel, steps, pads, spread)
    return values, indices[0] if single else indices


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(
        x: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, windows: Pair
    ) -> tuple[Tensor, Tensor]:
        taps = _taps(x, kernel, stride, padding, dilation, windows)
        values = taps[0].clone()  # N, C, h, w
        first = [_first_inside(*numbers) for numbers in zip(windows, stride, padding, dilation, strict=True)]
        start = first[0][:, None] * kernel[1] + first[1]  # h, w: the first tap that is not padding
        winners = start.to(x.device, torch.uint8 if len(taps) <= 256 else torch.int64).expand(values.shape).clone()
        for number, tap in enumerate(taps[1:], 1):
            better = (tap > values) | (tap != tap)  # NaN is the one number that differs from itself
            winners.masked_fill_(better, number)
            values = torch.maximum(values, tap)
        return values, winners

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, *settings, _ = inputs
        ctx.shape, ctx.settings = x.shape, settings
        ctx.save_for_backward(output[1])
        ctx.save_for_forward(output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> tuple[Tensor | None, ...]:
        N, C, H, W = ctx.shape
        grad, indices = _routes(ctx, grad)  # N, C, h, w
        dx = grad.new_zeros(N, C, H * W).scatter_add(2, indices.flatten(2), grad.flatten(2))  # a pixel may win twice
        return dx.view(N, C, H, W), None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, *_: Any) -> tuple[Tensor, None]:
        (winners,) = ctx.saved_tensors
        there, indices = _routes(ctx, torch.ones_like(winners, dtype=dx.dtype))  # N, C, h, w
        return dx.flatten(2).gather(2, indices.flatten(2)).view(indices.shape) * there, None

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], x: Tensor, *settings: Any) -> tuple[Any, tuple[int, int]]:
        V = info.batch_size
        x = hidden_first(x, dims[0], V).flatten(0, 1)  # V·N, C, H, W
        return tuple(out.unflatten(0, (V, -1)) for out in _MaxPool.apply(x, *settings)), (0, 0)


def _routes(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
    """What flows to the winner of each window, and its place in the plane; nothing where a window has no pixel."""
    (winners,) = ctx.saved_tensors
    _, _, H, W = ctx.shape
    indices = _plane_indices(winners, W, *ctx.settings)  # N, C, h, w
    for axis, size in enumerate((H, W)):  # padding and dilation can leave a window without a pixel: −∞, no winner
        _, stride, padding, dilation = (setting[axis] for setting in ctx.settings)
        places = torch.arange(grad.shape[axis + 2]) * stride - padding
        lost = places + _first_inside(len(places), stride, padding, dilation) * dilation >= size
        if lost.any():
            lost = (lost[:, None] if axis == 0 else lost).to(grad.device)
            grad, indices = grad.masked_fill(lost, 0), indices.masked_fill(lost, 0)
    return grad, indices


def _taps(x: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, windows: Pair) -> list[Tensor]:
    """For each tap of the window, row by row, the pixels that all windows have there: kh·kw views of N×C×h×w."""
    (kh, kw), (sh, sw), (dh, dw), (h, w) = kernel, stride, dilation, windows
    below = max(0, (h - 1) * sh + dh * (kh - 1) + 1 - x.shape[2] - padding[0])
    right = max(0, (w - 1) * sw + dw * (kw - 1) + 1 - x.shape[3] - padding[1])
    if any(padding) or below or right:
        lowest = -float("inf") if x.is_floating_point() else torch.iinfo(x.dtype).min
        x = F.pad(x, (padding[1], right, padding[0], below), value=lowest)
    return [
        x[..., i * dh : i * dh + (h - 1) * sh + 1 : sh, j * dw : j * dw + (w - 1) * sw + 1 : sw]
        for i in range(kh)
        for j in range(kw)
    ]


def _first_inside(windows: int, stride: int, padding: int, dilation: int) -> Tensor:
    """On one axis, each window's first tap that lies in the picture; it wins where all are −∞."""
    outside = (padding - torch.arange(windows) * stride).clamp(min=0)
    return (outside + dilation - 1) // dilation


def _plane_indices(winners: Tensor, W: int, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
    """From the number of the winning tap in its window to the winner's place in its plane of row length W."""
    h, w = winners.shape[2:]
    rows = torch.arange(h, device=winners.device) * stride[0] - padding[0]
    columns = torch.arange(w, device=winners.device) * stride[1] - padding[1]
    down = torch.arange(kernel[0], device=winners.device) * dilation[0]
    right = torch.arange(kernel[1], device=winners.device) * dilation[1]
    steps = (down[:, None] * W + right).flatten()  # kh·kw: from a window's corner to each of its taps
    return rows[:, None] * W + columns + steps[winners.long()]  # N, C, h, w
