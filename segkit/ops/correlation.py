"""The heart of both convolutions: a kernel slid over a picture, as a sum of shifted 1×1 products.

A 1×1 convolution is one matrix product: weight (O×C) times pixels (C×HW). A k×k convolution is k² of them, one for each
tap of the kernel, each on the picture shifted by that tap's place, all summed. Nothing has to be copied to shift: lay
the rows of the padded picture end to end, and the pixel i rows down and j columns right of pixel q is q + i·W + j, for
every q alike. The shifted picture is the same strip of memory, read from a later start:

    strip   a b c d | e f g h | i j k l     3 rows of W = 4, kernel 2×2, output 2×3
    tap 00  a b c d   e f g                 each row of the output gets W numbers, of which the last k − 1 mix the end
    tap 01    b c d   e f g h               of one row with the start of the next and are dropped at the end
    tap 10            e f g h   i j k
    tap 11              f g h   i j k l

So no k²-fold columns are ever stored. What flows back is of the same kind: the gradient by the picture is the output's
gradient correlated with the turned kernel, and the gradient by the kernel is one product of two strips per tap. The
backward pass of each is written with the others, so they can be differentiated again and again. A dimension that
torch.vmap hides joins the groups, or the batch where all share one kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.ops.patches import hidden_first

Pad = tuple[int, int, int, int]  # left, right, top, bottom as in F.pad; a negative number cuts off


def correlate(x: Tensor, weight: Tensor, pad: Pad, dilation: tuple[int, int], groups: int) -> Tensor:
    """Slide the kernel over the padded picture with stride 1. The caller has checked the arguments.

    Shape:
        x N×C×H×W, weight O×(C/groups)×kh×kw → N×O×(H + pads − dilation·(kh − 1))×(W + pads − dilation·(kw − 1)).
    """
    return _Correlate.apply(x, weight, pad, dilation, groups)


def turned(weight: Tensor, groups: int) -> Tensor:
    """The kernel of the adjoint: turned by 180°, inputs and outputs exchanged; (G·o)×c×kh×kw → (G·c)×o×kh×kw."""
    return weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1).flip(-1, -2)


class _Correlate(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, pad: Pad, dilation: tuple[int, int], groups: int) -> Tensor:
        N, (O, c, kh, kw) = len(x), weight.shape
        strips, W = _strips(x, pad, groups)  # N·G, c, H·W
        h, w = strips.shape[-1] // W - dilation[0] * (kh - 1), W - dilation[1] * (kw - 1)
        length = (h - 1) * W + w
        taps = weight.reshape(groups, O // groups, c, kh * kw).permute(3, 0, 1, 2).contiguous()  # kh·kw, G, o, c
        total = strips.new_zeros(N * groups, O // groups, length)
        for tap, start in enumerate(_starts(kh, kw, dilation, W)):
            _add_product(total, taps[tap], strips[..., start : start + length])
        return total.as_strided((N, O, h, w), (O * length, length, W, 1)).contiguous()  # N, O, h, w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _keep(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = _correlate_back(grad, weight, *ctx.settings)
        if ctx.needs_input_grad[1]:
            dw = _KernelGradient.apply(x, grad, tuple(weight.shape[2:]), *ctx.settings)
        return dx, dw, None, None, None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, dw: Tensor | None, *_: Any) -> Tensor:
        return _product_rule(correlate, ctx, dx, dw)

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], x: Tensor, weight: Tensor, *settings: Any) -> tuple[Tensor, int]:
        V, (pad, dilation, groups) = info.batch_size, settings
        x = hidden_first(x, dims[0], V)  # V, N, C, H, W
        if dims[1] is None:
            return correlate(x.flatten(0, 1), weight, *settings).unflatten(0, (V, -1)), 0
        weight = hidden_first(weight, dims[1], V).flatten(0, 1)  # V·O, c, kh, kw
        return correlate(_join_channels(x), weight, pad, dilation, V * groups).unflatten(1, (V, -1)), 1


class _KernelGradient(torch.autograd.Function):
    """The derivative of ⟨correlate(x, weight), y⟩ by the weight, which does not depend on the weight."""

    @staticmethod
    def forward(
        x: Tensor, y: Tensor, kernel: tuple[int, int], pad: Pad, dilation: tuple[int, int], groups: int
    ) -> Tensor:
        (N, O, h, w), (kh, kw) = y.shape, kernel
        strips, W = _strips(x, pad, groups)  # N·G, c, H·W
        length = (h - 1) * W + w
        given = F.pad(y, (0, W - w)).reshape(N * groups, O // groups, h * W)[..., :length]  # N·G, o, length
        taps = [
            _batch_product(given, strips[..., start : start + length], groups)  # G, o, c
            for start in _starts(kh, kw, dilation, W)
        ]
        return torch.stack(taps, -1).flatten(0, 1).unflatten(-1, kernel)  # O, c, kh, kw

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _keep(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        _, *settings = ctx.settings
        dx, dy = _correlate_back(y, grad, *settings), correlate(x, grad, *settings)
        return dx, dy, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, dy: Tensor | None, *_: Any) -> Tensor:
        return _product_rule(_KernelGradient.apply, ctx, dx, dy)

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], x: Tensor, y: Tensor, *settings: Any) -> tuple[Tensor, int]:
        V, (*others, groups) = info.batch_size, settings
        x, y = (_join_channels(hidden_first(t, dim, V)) for t, dim in zip((x, y), dims, strict=False))
        return _KernelGradient.apply(x, y, *others, V * groups).unflatten(0, (V, -1)), 0


def _keep(ctx: Any, a: Tensor, b: Tensor, *settings: Any) -> None:
    ctx.save_for_backward(a, b)
    ctx.save_for_forward(a, b)
    ctx.settings = settings


def _product_rule(f: Callable[..., Tensor], ctx: Any, da: Tensor | None, db: Tensor | None) -> Tensor:
    """The derivative of f(a, b), linear in both, along (da, db): f(da, b) + f(a, db)."""
    a, b = ctx.saved_tensors
    parts = [f(*pair, *ctx.settings) for pair in ((da, b), (a, db)) if None not in pair]
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _join_channels(x: Tensor) -> Tensor:
    """V, N, C, H, W → N, V·C, H, W."""
    return x.transpose(0, 1).flatten(1, 2)


def _correlate_back(y: Tensor, weight: Tensor, pad: Pad, dilation: tuple[int, int], groups: int) -> Tensor:
    """The adjoint of `correlate` in the picture, from its output's shape to its input's: another correlation."""
    left, right, top, bottom = pad
    reach_h, reach_w = (d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True))
    back = reach_w - left, reach_w - right, reach_h - top, reach_h - bottom
    return correlate(y, turned(weight, groups), back, dilation, groups)


def _strips(x: Tensor, pad: Pad, groups: int) -> tuple[Tensor, int]:
    """The padded picture with its rows laid end to end, and the length W of one row."""
    x = F.pad(x, pad) if any(pad) else x
    N, C, H, W = x.shape
    return x.reshape(N * groups, C // groups, H * W), W  # N·G, c, H·W


def _starts(kh: int, kw: int, dilation: tuple[int, int], W: int) -> list[int]:
    """Where each tap begins to read the strip, in the order of the kernel's rows."""
    return [i * dilation[0] * W + j * dilation[1] for i in range(kh) for j in range(kw)]


def _add_product(total: Tensor, tap: Tensor, strips: Tensor) -> None:
    """total += tap · strips; N·G×o×L, G×o×c, N·G×c×L."""
    taps = tap.expand(len(strips) // len(tap), *tap.shape).flatten(0, 1)  # N·G, o, c
    if taps.shape[1:] == (1, 1):  # depthwise: a product of numbers, not of matrices
        total.addcmul_(taps, strips)
    else:
        total.baddbmm_(taps, strips)


def _batch_product(y: Tensor, x: Tensor, groups: int) -> Tensor:
    """Sum over the batch of y · xᵀ; N·G×o×L, N·G×c×L → G×o×c."""
    return torch.bmm(y, x.transpose(1, 2)).unflatten(0, (-1, groups)).sum(0)
