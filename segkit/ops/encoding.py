"""Residual encoding: how a map differs, all in all, from each of a few learned codewords.

Each pixel is shared out among the codewords, most of it, where the scales are alike, to the nearest, and each codeword
adds up the differences, weighted by its shares. What comes out says nothing of places, only how much there is of what:
the texture of the whole scene.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.ops.arguments import batched, floating, in_float32, one_type, tensor
from segkit.ops.attention import softmax

OP = "encode"


@in_float32
def encode(input: Tensor, codewords: Tensor, scale: Tensor) -> Tensor:
    """e(k) = Σᵢ a(i, k)·(x(i) − d(k)), where a(i, ·) = softmax over k of scale(k)·‖x(i) − d(k)‖².

    Args:
        input: the maps; each pixel is a vector x(i) of C numbers.
        codewords: the vectors d(k).
        scale: how sharply pixels are shared out; below 0, so that a nearer codeword gets a larger share.

    Shape:
        input N×C×H×W or C×H×W, codewords K×C, scale K → N×K×C or K×C.

    Raises:
        TypeError: something is not a tensor of floating-point numbers, or types are mixed.
        ValueError: shapes do not fit.

    Source:
        Zhang, Xue & Dana, CVPR 2017 (arXiv 1612.02844), equations 1 and 2; Zhang et al., CVPR 2018 (EncNet, arXiv
        1803.08904), section 3. There the exponent is −s‖r‖² with s above 0; the released code and ours leave the sign
        to `scale`.
    """
    x = check_encode(input, codewords, scale)
    pixels = x.flatten(2).mT  # N, H·W, C
    squares = torch.stack([(pixels - word).square().sum(-1) for word in codewords], -1)  # N, H·W, K
    shares = softmax(scale * squares)  # N, H·W, K
    found = [(shares[..., k, None] * (pixels - word)).sum(1) for k, word in enumerate(codewords)]  # K times N, C
    return torch.stack(found, 1).reshape(*input.shape[:-3], *codewords.shape)  # N, K, C


def check_encode(input: Tensor, codewords: Tensor, scale: Tensor) -> Tensor:
    """The input as N×C×H×W, where everything fits."""
    x, _ = batched(input, OP)
    floating(x, OP)
    words, scales = tensor(codewords, "codewords", OP), tensor(scale, "scale", OP)
    if words.ndim != 2 or words.shape[1] != x.shape[1] or not len(words) or scales.shape != words.shape[:1]:
        raise ValueError(f"{OP} got input of shape {tuple(input.shape)}, codewords of shape {tuple(words.shape)} and "
                         f"scale of shape {tuple(scales.shape)}; it takes codewords K×{x.shape[1]}, one or more, and "
                         "scale K")  # fmt: skip
    one_type([x, words, scales], OP)
    return x
