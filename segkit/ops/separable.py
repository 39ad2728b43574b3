"""Separable convolution: one expensive sum taken apart into two cheap ones, in either of two ways.

By depth. A convolution looks around and mixes channels at once: k·k·C·O multiply-adds for each output pixel. Let each
channel look around alone (depthwise, k·k·C), then let each pixel mix its channels alone (pointwise, a 1×1 convolution,
C·O): 1/O + 1/k² of the cost. It is another, smaller family of functions, so its weights are trained as such.

By space. A kernel that is a column times a row, K[i, j] = a[i]·b[j] (a matrix of rank 1), need not be slid as a square:
slide the row, then the column, 2k products instead of k². Any kernel is a sum of min(kh, kw) such products, and the
singular value decomposition gives the r of them that come closest:

     1  0 −1       1
     2  0 −2   =   2  ·  [ 1  0 −1 ]
     1  0 −1       1
"""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.ops.arguments import IntOrPair, batched, check_weight, floating, in_float32, tensor, whole
from segkit.ops.convolution import conv2d

OP = "separable_conv2d"


@in_float32
def separable_conv2d(
    input: Tensor,
    depthwise_weight: Tensor,
    pointwise_weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
) -> Tensor:
    """Convolve each channel alone, then mix the channels of each pixel; with a dilation, atrous separable convolution.

    With one kernel k[c] for each channel it is the `conv2d` whose kernels are W[o, c] = pointwise[o, c] · k[c].

    Args:
        input: the pictures; the batch may be empty.
        depthwise_weight: M kernels for each input channel, usually one; those of a channel stand side by side.
        pointwise_weight: from each of their C·M outputs to each output channel.
        bias: added to each output channel.
        stride, padding, dilation: of the depthwise step, as in `conv2d`.

    Shape:
        input N×C×H×W or C×H×W, depthwise_weight (C·M)×1×kh×kw, pointwise_weight O×(C·M)×1×1, bias O →
        N×O×h×w or O×h×w, with h and w as in `conv2d`.

    Raises:
        TypeError: something is not a tensor of numbers, types are mixed, a setting is not a whole number.
        ValueError: shapes or settings do not fit; the message says which and how to fix it.

    Source:
        Sifre, "Rigid-motion scattering for image classification", PhD thesis 2014, section 6.2; Chollet, CVPR 2017
        (arXiv 1610.02357). Atrous: Chen et al., ECCV 2018 (arXiv 1802.02611), Figure 3.
    """
    x, _ = batched(input, OP)
    check_weight(x, depthwise_weight, None, x.shape[1], OP)
    made = len(depthwise_weight)
    if tuple(tensor(pointwise_weight, "pointwise_weight", OP).shape[1:]) != (made, 1, 1):
        raise ValueError(
            f"{OP} got depthwise_weight of shape {tuple(depthwise_weight.shape)} and pointwise_weight of shape "
            f"{tuple(pointwise_weight.shape)}; the second takes what the first makes: O×{made}×1×1"
        )
    y = conv2d(input, depthwise_weight, None, stride, padding, dilation, groups=x.shape[1])  # N, C·M, h, w
    return conv2d(y, pointwise_weight, bias)  # N, O, h, w


def spatial_factors(weight: Tensor, rank: int = 1) -> tuple[Tensor, Tensor]:
    """A convolution as one with columns, then one with rows: the closest of this rank.

        conv2d(conv2d(x, columns), rows)    ≈    conv2d(x, weight)

    Laid out as a matrix with a line for each input channel and kernel row, and a column for each output channel and
    kernel column, a weight of rank r is the product of two thin matrices: two convolutions with r maps between them.
    The truncated singular value decomposition is the closest of rank r, and the squares of the singular values left
    out are its squared error. A single kernel of rank 1 comes out exactly.

    Args:
        weight: of a convolution, or a single kernel.
        rank: maps between the two.

    Shape:
        O×C×kh×kw or kh×kw (as 1×1×kh×kw) → columns rank×C×kh×1, rows O×rank×1×kw.

    Raises:
        TypeError: the weight is not a tensor of floating-point numbers.
        ValueError: another shape, or a rank above min(C·kh, O·kw), at which the product is exact.

    Source:
        Eckart & Young, Psychometrika 1936, for the closest matrix; Jaderberg, Vedaldi & Zisserman, BMVC 2014
        (arXiv 1405.3866), section 2.2, scheme 2, for the two convolutions.
    """
    floating(tensor(weight, "weight", "spatial_factors"), "spatial_factors")
    if weight.ndim not in (2, 4) or 0 in weight.shape:
        raise ValueError(
            f"spatial_factors got weight of shape {tuple(weight.shape)}; it takes O×C×kh×kw or one kernel, kh×kw"
        )
    O, C, kh, kw = (1, 1, *weight.shape) if weight.ndim == 2 else weight.shape
    r = whole(rank, "rank", "spatial_factors", 1, min(C * kh, O * kw))
    matrix = weight.reshape(O, C, kh, kw).permute(1, 2, 0, 3).reshape(C * kh, O * kw)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    sign = left.gather(0, left.abs().argmax(0, keepdim=True)).sign()  # the largest number of each column is positive
    scale = values[:r].sqrt()
    columns = (left * sign)[:, :r] * scale  # C·kh, r
    rows = (right * sign.mT)[:r] * scale[:, None]  # r, O·kw
    return columns.mT.reshape(r, C, kh, 1), rows.reshape(r, O, 1, kw).transpose(0, 1).contiguous()
