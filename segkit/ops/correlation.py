"""The heart of both convolutions: a kernel slid over a picture, as a sum of matrix products, one for each kernel row.

A 1×1 convolution is one matrix product: weight (O×C) times pixels (C×HW). So is a kernel of one row if each pixel
brings the neighbours along that the row sees: stack kw copies of the picture, each shifted by the columns of one tap,
with zeros where a tap looks past the edge. A kernel of kh rows is kh such products, each on the stack shifted by some
rows, all summed. That shift copies nothing: lay the rows of the stack end to end, and what lies i rows down is i·w
numbers further on, for every pixel alike. The shifted stack is the same strip of memory, read from a later start; and a
row past the edge is not read at all, which for large dilations saves much of the work. A 3×3 kernel with padding 1:

    picture   the stack, rows end to end       kernel row   adds to output rows   from the stack's rows
    a b c     tap 0   0 a b  0 d e  0 g h          0                1 2                    0 1
    d e f     tap 1   a b c  d e f  g h i          1               0 1 2                  0 1 2
    g h i     tap 2   b c 0  e f 0  h i 0          2               0 1                     1 2

So columns are stored for one direction of the kernel only, kw-fold and not kh·kw-fold, and only for a few pictures at a
time. What flows back is of the same kind: the gradient by the picture is the output's gradient correlated with the
turned kernel, and the gradient by the kernel is one product of two strips per kernel row. The backward pass of each is
written with the others, so they can be differentiated again and again. A dimension that torch.vmap hides joins the
groups, or the batch where all share one kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from segkit.ops.patches import hidden_first
from segkit.ops.strips import Pad

Spans = list[tuple[slice, slice]]  # of each tap on one axis: the outputs that it serves, and the pixels it sees there
STACKED = 1 << 19  # numbers in a stack: it holds as many pictures as fit, at least one


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
        O, _, kh, kw = weight.shape
        rows, columns, size = _spans(x, (kh, kw), pad, dilation)
        taps = weight.unflatten(0, (groups, -1)).permute(3, 0, 1, 4, 2).flatten(3)  # kh, G, o, kw·c
        y = x.new_zeros(len(x), O, *size)
        by_group = y.unflatten(1, (groups, -1))  # N, G, o, h, w
        for few, stack in _stacks(x, columns, size[1], groups):
            for tap, (outputs, pixels) in zip(taps, rows, strict=True):
                _add_product(by_group[few, ..., outputs, :], tap, stack[..., pixels, :])
        return y  # itself, not a view of it: a ReLU in place may come next

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
        C, O, (kh, kw) = x.shape[1], y.shape[1], kernel
        rows, columns, size = _spans(x, kernel, pad, dilation)
        y = y.contiguous().unflatten(1, (groups, -1))  # N, G, o, h, w
        dw = x.new_zeros(kh, groups, O // groups, kw * C // groups)
        for few, stack in _stacks(x, columns, size[1], groups):
            for tap, (outputs, pixels) in zip(dw, rows, strict=True):
                tap += (y[few, ..., outputs, :].flatten(3) @ stack[..., pixels, :].flatten(3).mT).sum(0)  # G, o, kw·c
        return dw.view(kh, O, kw, C // groups).permute(1, 3, 0, 2).contiguous()  # O, c, kh, kw

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


def _spans(
    x: Tensor, kernel: tuple[int, int], pad: Pad, dilation: tuple[int, int]
) -> tuple[Spans, Spans, tuple[int, int]]:
    """Where the taps of rows and of columns see the picture and not its padding; and the output's size."""
    spans, sizes = [], []
    for n, k, d, before, after in zip(x.shape[2:], kernel, dilation, (pad[2], pad[0]), (pad[3], pad[1]), strict=True):
        size = n + before + after - d * (k - 1)
        steps = [tap * d - before for tap in range(k)]  # from an output to the pixel that the tap sees
        ends = [(max(0, -step), max(0, -step, min(size, n - step))) for step in steps]
        spans.append([(slice(a, b), slice(a + step, b + step)) for step, (a, b) in zip(steps, ends, strict=True)])
        sizes.append(size)
    return spans[0], spans[1], (sizes[0], sizes[1])


def _stacks(x: Tensor, columns: Spans, w: int, groups: int) -> Iterator[tuple[slice, Tensor]]:
    """A few pictures at a time: which, and what the taps of a kernel row see in them, one on top of the other.

    The next few overwrite the last ones; the zeros past the edge stay where they are.

    Shape:
        x N×C×H×W → n×G×(kw·c)×H×w, the channels of each tap together.
    """
    N, C, H, W = x.shape
    if w == W and columns == [(slice(0, W), slice(0, W))]:  # one tap that sees everything, and nothing beyond
        yield slice(N), x.contiguous().unflatten(1, (groups, -1))
        return
    several = max(1, STACKED // (len(columns) * C * H * w))
    stack = x.new_zeros(min(several, N), groups, len(columns), C // groups, H, w)
    for start in range(0, N, several):
        few = x[start : start + several].unflatten(1, (groups, -1))  # n, G, c, H, W
        for tap, (outputs, pixels) in enumerate(columns):
            stack[: len(few), :, tap, ..., outputs] = few[..., pixels]
        yield slice(start, start + several), stack[: len(few)].flatten(2, 3)


def _add_product(total: Tensor, tap: Tensor, seen: Tensor) -> None:
    """total += tap · seen, with their rows end to end; n×G×o×r×w, G×o×K, n×G×K×r×w."""
    taps = tap.expand(len(total), *tap.shape).flatten(0, 1)  # n·G, o, K
    total.flatten(3).flatten(0, 1).baddbmm_(taps, seen.flatten(3).flatten(0, 1))
