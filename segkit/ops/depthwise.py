"""Depthwise convolution: a kernel for each channel alone, so no matrix to multiply, only numbers times pictures.

    y[n, c, u, v] = Σ_{i, j} kernel[c, i, j] · x[n, c, u·stride + i·dilation, v·stride + j·dilation]

Each tap of the kernel adds one number per channel times the picture, moved; `strips` says how to move without copying.
Three functions belong together: `_look` makes y from x and the kernels, `_paint` makes x from y and the kernels, and
`_weigh` makes the kernels from x and y. Each is the derivative of one number, Σ y · look(x, kernels), by the argument
that is missing. So the derivatives of each are the other two, and they can be differentiated again and again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from segkit.ops.patches import Pair, hidden_first
from segkit.ops.strips import Pad, Plan, plan_strips

NUMBERS = 1 << 19  # in the strips: they hold as many planes (one channel of one picture each) as fit, at least one


def depthwise(x: Tensor, weight: Tensor, pad: Pad, stride: Pair, dilation: Pair) -> Tensor:
    """Slide each channel's kernel over its padded channel. The caller has checked the arguments.

    Args:
        x, weight, stride, dilation: as of `conv2d`.
        pad: left, right, top, bottom as in F.pad; a negative number cuts off.

    Shape:
        x N×C×H×W, weight C×1×kh×kw → N×C×h×w as of `conv2d`.
    """
    plan = plan_strips((x.shape[2], x.shape[3]), (weight.shape[2], weight.shape[3]), pad, stride, dilation)
    return _Missing.apply(x, weight, None, plan)


class _Desk:
    """Room for a few planes at a time, used again and again: their strips, and their outputs with rows end to end.

    Attributes:
        strips: the strips, and `pictures` the pixels in them.
        sums: the outputs, rows end to end, and `y` those of them that are no padding.
        meetings: of each tap its place in the kernel, and the parts of `sums` and of a strip that meet in it.
    """

    def __init__(self, like: Tensor, planes: int, plan: Plan) -> None:
        (h, w), pitch, strips = plan.size, plan.pitch, len(plan.cells)
        rounds = max(1, -(-planes * (strips * plan.length + h * pitch) // NUMBERS))
        self.planes, self.few, self.pixels = planes, -(-planes // rounds), plan.pixels
        self.strips, self.sums = like.new_zeros(strips, self.few, plan.length), like.new_zeros(self.few, h * pitch)
        self.y = self.sums.view(self.few, h, pitch)[..., :w]
        each = self.strips.unbind(0)
        self.pictures = [
            strip.narrow(1, place, height * pitch).view(self.few, height, pitch)[..., :width]
            for strip, (place, height, width) in zip(each, plan.cells, strict=True)
        ]
        self.meetings = [
            (t.place, self.sums.narrow(1, t.start, t.length), each[t.strip].narrow(1, t.start + t.shift, t.length))
            for t in plan.taps
        ]

    def __iter__(self) -> Iterator[slice]:
        """A few planes after the other, always as many; the last ones may come twice."""
        for start in range(0, self.planes, max(1, self.few)):
            start = min(start, self.planes - self.few)
            yield slice(start, start + self.few)

    def lay(self, planes: Tensor) -> None:
        """Pixels into the strips; the zeros between them stay where they are."""
        for picture, (rows, columns) in zip(self.pictures, self.pixels, strict=True):
            picture.copy_(planes[:, rows, columns])

    def take(self, planes: Tensor) -> None:
        """Pixels out of the strips again."""
        for picture, (rows, columns) in zip(self.pictures, self.pixels, strict=True):
            planes[:, rows, columns] = picture


def _look(x: Tensor, weight: Tensor, plan: Plan) -> Tensor:
    y, numbers = x.new_empty(*x.shape[:2], *plan.size), _numbers(weight, len(x))  # N, C, h, w
    planes, out = x.flatten(0, 1), y.flatten(0, 1)
    desk = _Desk(x, len(planes), plan)
    for few in desk:
        desk.lay(planes[few])
        desk.sums.zero_()
        taps = numbers[:, few].unbind(0)
        for place, sums, seen in desk.meetings:
            sums.addcmul_(taps[place], seen)
        out[few] = desk.y
    return y


def _paint(y: Tensor, weight: Tensor, plan: Plan) -> Tensor:
    x, numbers = y.new_zeros(*y.shape[:2], *plan.picture), _numbers(weight, len(y))  # N, C, H, W
    planes, out = y.flatten(0, 1), x.flatten(0, 1)
    desk = _Desk(y, len(planes), plan)
    for few in desk:
        desk.y.copy_(planes[few])
        desk.strips.zero_()
        taps = numbers[:, few].unbind(0)
        for place, sums, seen in desk.meetings:
            seen.addcmul_(taps[place], sums)
        desk.take(out[few])
    return x


def _weigh(x: Tensor, y: Tensor, plan: Plan) -> Tensor:
    (N, C), (kh, kw) = x.shape[:2], plan.kernel
    desk, numbers = _Desk(x, N * C, plan), x.new_zeros(kh * kw, N * C)
    products = torch.empty_like(desk.sums)
    for few in desk:
        desk.lay(x.flatten(0, 1)[few])
        desk.y.copy_(y.flatten(0, 1)[few])
        taps = numbers[:, few].unbind(0)
        for place, sums, seen in desk.meetings:
            product = torch.mul(sums, seen, out=products[:, : sums.shape[1]])
            torch.sum(product, 1, out=taps[place])
    return numbers.view(1, kh, kw, N, C).sum(3).movedim(-1, 0).contiguous()  # C, 1, kh, kw


def _numbers(weight: Tensor, pictures: int) -> Tensor:
    """C×1×kh×kw → (kh·kw)×(N·C)×1: of each tap, the number for each plane."""
    return weight.flatten(1).mT.repeat(1, pictures)[..., None]


class _Missing(torch.autograd.Function):
    """Of x, weight and y: the one that is None, as the derivative of Σ y · look(x, weight) by it."""

    @staticmethod
    def forward(x: Tensor | None, weight: Tensor | None, y: Tensor | None, plan: Plan) -> Tensor:
        if x is None:
            return _paint(y, weight, plan)  # type: ignore[arg-type]
        return _weigh(x, y, plan) if weight is None else _look(x, weight, plan)  # type: ignore[arg-type]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *three, ctx.plan = inputs
        ctx.save_for_backward(*three)
        ctx.save_for_forward(*three)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        three = [grad if t is None else t for t in ctx.saved_tensors]

        def without(place: int) -> Tensor:
            return _Missing.apply(*three[:place], None, *three[place + 1 :], ctx.plan)

        return *(without(place) if ctx.needs_input_grad[place] else None for place in range(3)), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        """Each is linear in both of its arguments: the sum over them, with one put in place of its value."""
        three = ctx.saved_tensors
        parts = [
            _Missing.apply(*three[:place], tangent, *three[place + 1 :], ctx.plan)
            for place, tangent in enumerate(tangents[:3])
            if tangent is not None
        ]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    @staticmethod
    def vmap(info: Any, dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        """The hidden dimension joins the channels; or the batch, where all share one weight."""
        V, (x, weight, y, plan) = info.batch_size, inputs
        shared = weight is not None and dims[1] is None

        def joined(t: Tensor | None, dim: int | None) -> Tensor | None:
            if t is None:
                return None
            t = hidden_first(t, dim, V)  # V, N, C, H, W
            return t.flatten(0, 1) if shared else t.transpose(0, 1).flatten(1, 2)

        if not shared and weight is not None:
            weight = hidden_first(weight, dims[1], V).flatten(0, 1)  # V·C, 1, kh, kw
        out = _Missing.apply(joined(x, dims[0]), weight, joined(y, dims[2]), plan)
        if shared or weight is None:
            return out.unflatten(0, (V, -1)), 0
        return out.unflatten(1, (V, -1)), 1
