"""Transposed convolution: the way back, in which each input pixel paints a weighted kernel into the output.

    y[n, o, u·stride + i·dilation, v·stride + j·dilation] += weight[c, o, i, j] · x[n, c, u, v]    for all c, i, j

of which `padding` rows and columns are then cut off at every side. As a linear map it is the transpose of the
convolution with the same weight and settings, ⟨conv2d(y, w), x⟩ = ⟨y, conv_transpose2d(x, w)⟩, and so each is the
other's gradient. It is not its inverse.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.ops.arguments import IntOrPair, batched, check_weight, in_float32, pair, whole
from segkit.ops.convolution import convolve
from segkit.ops.correlation import turned
from segkit.ops.patches import Pair, col2im

OP = "conv_transpose2d"


@in_float32
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> Tensor:
    """Convolve transposed, as `torch.nn.functional.conv_transpose2d` does (mind that `dilation` comes last).

    Args:
        input: the maps; the batch may be empty.
        weight: one kernel per input channel and output channel of its group.
        bias: added to each output channel.
        stride: output pixels from one painted kernel to the next, so about how many times larger the output is.
        padding: rows and columns cut off at each side (the padding of the convolution that it transposes).
        output_padding: rows at the bottom and columns at the right that are made in addition. A convolution of stride s
            maps s input sizes to one output size; this says which of them to go back to. Less than stride or dilation.
        groups: cut the channels into this many blocks, which do not see each other.
        dilation: output pixels from one tap of the kernel to the next.

    Shape:
        input N×C×H×W or C×H×W, weight C×(O/groups)×kh×kw, bias O →
        N×O×h×w or O×h×w, with h = (H − 1)·stride − 2·padding + dilation·(kh − 1) + output_padding + 1, and w likewise.

    Raises:
        TypeError: something is not a tensor of numbers, types are mixed, a setting is not a whole number.
        ValueError: shapes or settings do not fit; the message says which and how to fix it.
    """
    x, single = batched(input, OP, empty_channels=True)
    groups = whole(groups, "groups", OP, 1)
    check_weight(x, weight, bias, groups, OP)
    steps, spread = pair(stride, "stride", OP, 1), pair(dilation, "dilation", OP, 1)
    cut, extra = pair(padding, "padding", OP, 0), pair(output_padding, "output_padding", OP, 0)
    kernel: Pair = (weight.shape[2], weight.shape[3])
    h, w = (_size(*numbers) for numbers in zip(x.shape[2:], kernel, steps, cut, extra, spread, strict=True))
    if steps == (1, 1):  # painting with a kernel = looking through the turned kernel
        top, left = (d * (k - 1) - p for k, d, p in zip(kernel, spread, cut, strict=True))
        pad = left, left + extra[1], top, top + extra[0]
        y = convolve(x, turned(weight, groups), pad, steps, spread, groups)  # N, O, h, w
    else:
        y = _paint(x, weight, (h + 2 * cut[0], w + 2 * cut[1]), steps, spread, groups)
        y = y[..., cut[0] : cut[0] + h, cut[1] : cut[1] + w].contiguous()  # N, O, h, w
    if bias is not None:
        y = y + bias[:, None, None]
    return y[0] if single else y


def _paint(x: Tensor, weight: Tensor, size: Pair, stride: Pair, dilation: Pair, groups: int) -> Tensor:
    """All kernels, each weighted by its pixel, as columns; then added in their places."""
    N, C, H, W = x.shape
    O, (kh, kw) = weight.shape[1] * groups, weight.shape[2:]
    pixels = x.transpose(0, 1).reshape(groups, C // groups, N * H * W)
    columns = torch.bmm(weight.reshape(groups, C // groups, O // groups * kh * kw).transpose(1, 2), pixels)
    return col2im(columns.view(O, kh, kw, N, H, W), size, stride, dilation)  # N, O, size


def _size(n: int, kernel: int, stride: int, cut: int, extra: int, dilation: int) -> int:
    """The output's size on one axis."""
    if extra >= max(stride, dilation):
        raise ValueError(
            f"{OP} got output_padding={extra} with stride={stride} and dilation={dilation}; it is less than one of them"
        )
    size = (n - 1) * stride - 2 * cut + dilation * (kernel - 1) + extra + 1
    if size < 1:
        raise ValueError(
            f"{OP} got an input of {n} pixels with kernel {kernel}, stride {stride}, padding {cut}, "
            f"which leaves an output of {size}; give less padding"
        )
    return size
