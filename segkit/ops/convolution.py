"""Convolution: each output is a weighted sum of the patch of pixels under the kernel.

    y[n, o, u, v] = bias[o] + Σ_{c, i, j} weight[o, c, i, j] · x[n, c, u·stride + i·dilation, v·stride + j·dilation]

where x is padded with zeros, and c runs over the input channels of o's group. (The kernel is not flipped: what deep
learning calls a convolution is a cross-correlation.) There are three ways to compute it, and each wins somewhere: as
one matrix product with all patches as columns (`patches`); as a sum of products with shifted pictures, one for each row
of the kernel (`correlation`); and where each channel has a kernel to itself, so that there is no matrix, as a sum of
numbers times shifted pictures (`depthwise`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.ops.arguments import IntOrPair, batched, check_weight, in_float32, pair, whole
from segkit.ops.correlation import correlate
from segkit.ops.depthwise import depthwise
from segkit.ops.patches import Pair, im2col
from segkit.ops.strips import Pad

SMALL_MAP = 256  # outputs per picture up to which one product with columns of all pictures beats little ones of each


@in_float32
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve a batch of pictures with a bank of kernels, as `torch.nn.functional.conv2d` does.

    Args:
        input: the pictures; the batch may be empty.
        weight: one kernel per output channel.
        bias: added to each output channel.
        stride: pixels from one output to the next.
        padding: zeros around the picture; "valid" for none, "same" for an output of the input's size (stride 1 only; an
            odd zero goes to the right and the bottom).
        dilation: pixels from one tap of the kernel to the next.
        groups: cut the channels into this many blocks, which do not see each other.

    Shape:
        input N×C×H×W or C×H×W, weight O×(C/groups)×kh×kw, bias O →
        N×O×h×w or O×h×w, with h = ⌊(H + 2·padding − dilation·(kh − 1) − 1) / stride⌋ + 1, and w likewise.

    Raises:
        TypeError: something is not a tensor of numbers, types are mixed, a setting is not a whole number.
        ValueError: shapes or settings do not fit; the message says which and how to fix it.
    """
    x, single = batched(input, "conv2d", empty_channels=True)
    groups = whole(groups, "groups", "conv2d", 1)
    check_weight(x, weight, bias, groups, "conv2d")
    steps, spread = pair(stride, "stride", "conv2d", 1), pair(dilation, "dilation", "conv2d", 1)
    kernel: Pair = (weight.shape[2], weight.shape[3])
    pad = _pad(padding, kernel, steps, spread)
    y = convolve(x, weight, pad, steps, spread, groups)  # N, O, h, w
    if bias is not None:
        y = y + bias[:, None, None]
    return y[0] if single else y


def convolve(x: Tensor, weight: Tensor, pad: Pad, stride: Pair, dilation: Pair, groups: int) -> Tensor:
    """Depthwise; shifted products at stride 1 where maps are large; columns otherwise. The caller has checked all."""
    N, C, H, W = x.shape
    O, _, kh, kw = weight.shape
    h = _windows(H + pad[2] + pad[3], kh, stride[0], dilation[0], "height")
    w = _windows(W + pad[0] + pad[1], kw, stride[1], dilation[1], "width")
    if groups == C == O:
        return depthwise(x, weight, pad, stride, dilation)
    if stride == (1, 1) and (h * w > SMALL_MAP or groups == C):  # with a channel in each group, columns never pay
        return correlate(x, weight, pad, dilation, groups)
    x = F.pad(x, pad) if any(pad) else x
    columns = im2col(x, (kh, kw), stride, dilation, (h, w))  # C, kh, kw, N, h, w
    columns = columns.view(groups, C // groups * kh * kw, N * h * w)
    y = torch.bmm(weight.reshape(groups, O // groups, C // groups * kh * kw), columns)  # groups, O/groups, N·h·w
    return y.view(O, N, h, w).transpose(0, 1).contiguous()  # N, O, h, w


def _windows(size: int, kernel: int, stride: int, dilation: int, axis: str) -> int:
    """How many places a kernel has on one axis."""
    reach = dilation * (kernel - 1) + 1
    if size < reach:
        raise ValueError(
            f"conv2d got a kernel that spans {reach} pixels in {axis} on a padded input of {size}; "
            "give more padding, a smaller kernel or dilation, or a larger picture"
        )
    return (size - reach) // stride + 1


def _pad(padding: IntOrPair | str, kernel: Pair, stride: Pair, dilation: Pair) -> Pad:
    """Zeros to the left, right, top and bottom."""
    if not isinstance(padding, str):
        ph, pw = pair(padding, "padding", "conv2d", 0)
        return pw, pw, ph, ph
    if padding not in ("same", "valid"):
        raise ValueError(f"conv2d got padding={padding!r}; the words are 'same' and 'valid', or give whole numbers")
    if padding == "valid":
        return 0, 0, 0, 0
    if stride != (1, 1):
        raise ValueError(f"conv2d got padding='same' with stride={stride}; 'same' means stride 1: give numbers instead")
    th, tw = (d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    return tw // 2, tw - tw // 2, th // 2, th - th // 2
