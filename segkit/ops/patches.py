"""Every patch that a kernel sees, side by side (im2col), and the adjoint, which adds patches into a picture (col2im).

    im2col   column[c, i, j, n, u, v] = x[n, c, u·stride + i·dilation, v·stride + j·dilation]
    col2im   x[n, c, y, z] = the sum of all column entries that im2col would read from there

With patches as columns a convolution is one matrix product, weight · im2col(x), and a transposed convolution is its
transpose, col2im(weightᵀ · y). Each function is the other's backward pass, so they can be differentiated again and
again. Both are linear, so each is its own derivative forward; and a dimension that torch.vmap hides joins the batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

Pair = tuple[int, int]


def im2col(x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, windows: Pair) -> Tensor:
    """Copy the patches at `windows` places, `stride` apart, from the upper left corner on.

    Shape:
        N×C×H×W → C×kh×kw×N×h×w, with (h, w) = windows.
    """
    return _Im2Col.apply(x, kernel, stride, dilation, windows)


def col2im(columns: Tensor, size: Pair, stride: Pair, dilation: Pair) -> Tensor:
    """Add the patches into a picture of this size that is zero at first.

    Shape:
        C×kh×kw×N×h×w → N×C×H×W, with (H, W) = size.
    """
    return _Col2Im.apply(columns, size, stride, dilation)


def hidden_first(tensor: Tensor, dim: int | None, size: int) -> Tensor:
    """A tensor as torch.vmap hands it to a rule, with the hidden dimension in front; repeated where it has none."""
    return tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)


class _Im2Col(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, kernel: Pair, stride: Pair, dilation: Pair, windows: Pair) -> Tensor:
        N, C, H, W = x.shape
        (kh, kw), (sh, sw), (dh, dw), (h, w) = kernel, stride, dilation, windows
        steps = H * W, dh * W, dw, C * H * W, sh * W, sw  # how far memory moves for one more of c, i, j, n, u, v
        return x.contiguous().as_strided((C, kh, kw, N, h, w), steps).contiguous()  # C, kh, kw, N, h, w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.arguments = inputs
        _, stride, dilation, _ = ctx.arguments
        ctx.settings = (x.shape[2], x.shape[3]), stride, dilation

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return col2im(grad, *ctx.settings), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, *_: Any) -> Tensor:
        return im2col(dx, *ctx.arguments)

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], x: Tensor, *arguments: Any) -> tuple[Tensor, int]:
        V = info.batch_size
        columns = im2col(hidden_first(x, dims[0], V).flatten(0, 1), *arguments)  # C, kh, kw, V·N, h, w
        return columns.unflatten(3, (V, -1)), 3


class _Col2Im(torch.autograd.Function):
    @staticmethod
    def forward(columns: Tensor, size: Pair, stride: Pair, dilation: Pair) -> Tensor:
        C, kh, kw, N, h, w = columns.shape
        (H, W), (sh, sw), (dh, dw) = size, stride, dilation
        cells_h = max(-(-H // sh), (kh - 1) * dh // sh + h)
        cells_w = max(-(-W // sw), (kw - 1) * dw // sw + w)
        x = columns.new_zeros(N, C, cells_h * sh, cells_w * sw)
        cells = x.view(N, C, cells_h, sh, cells_w, sw)  # the picture in cells of one stride each
        for top, a, i, n in _cells(kh, sh, dh):
            for left, b, j, m in _cells(kw, sw, dw):
                part = columns[:, i : i + n, j : j + m].permute(3, 0, 4, 1, 5, 2)  # N, C, h, n, w, m
                cells[:, :, top : top + h, a : a + n, left : left + w, b : b + m] += part
        return x if x.shape[2:] == size else x[..., :H, :W]  # N, C, H, W

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        columns, *ctx.arguments = inputs
        _, stride, dilation = ctx.arguments
        ctx.settings = tuple(columns.shape[1:3]), stride, dilation, tuple(columns.shape[4:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return im2col(grad, *ctx.settings), None, None, None

    @staticmethod
    def jvp(ctx: Any, d_columns: Tensor, *_: Any) -> Tensor:
        return col2im(d_columns, *ctx.arguments)

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], columns: Tensor, *arguments: Any) -> tuple[Tensor, int]:
        V = info.batch_size
        columns = hidden_first(columns, dims[0], V).movedim(0, 3).flatten(3, 4)  # C, kh, kw, V·N, h, w
        return col2im(columns, *arguments).unflatten(0, (V, -1)), 0


def _cells(kernel: int, stride: int, dilation: int) -> Iterator[tuple[int, int, int, int]]:
    """Cut one axis of a kernel at the strides, so that a run of taps is added at once and not each by itself.

    Yields:
        (cell, first place in the cell, first tap, number of taps); the taps of a run lie in one cell, side by side.
    """
    if dilation == 1:
        for cell, tap in enumerate(range(0, kernel, stride)):
            yield cell, 0, tap, min(stride, kernel - tap)
    else:
        for tap in range(kernel):
            yield tap * dilation // stride, tap * dilation % stride, tap, 1
