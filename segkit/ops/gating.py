"""Gates: numbers between 0 and 1, made from the whole map or from its rows, that open or close channels.

Squeeze-and-excitation has one for each channel, HANet one for each channel and row, split attention lets the r splits
of a channel compete: their gates add up to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.ops.arguments import batched, floating, in_float32, one_type, tensor, whole
from segkit.ops.attention import softmax

OP = "gate"


@in_float32
def gate(input: Tensor, scores: Tensor, splits: int = 1) -> Tensor:
    """input · sigmoid(scores); with splits, the sum over the splits of input · softmax(scores).

    Args:
        input: the maps; the splits of a channel stand C apart: first come all channels of the first split.
        scores: one for each channel, or for each channel and row, column or pixel.
        splits: how many maps compete for each channel that comes out; 1 for none: a softmax would then be 1, so a
            sigmoid takes its place.

    Shape:
        input N×(splits·C)×H×W, scores N×(splits·C)×h×w with h either H or 1 and w either W or 1 → N×C×H×W.

    Raises:
        TypeError: something is not a tensor of floating-point numbers, or types are mixed.
        ValueError: shapes do not fit, or the channels do not divide into the splits.

    Source:
        Hu et al., CVPR 2018 (arXiv 1709.01507), equations 3 and 4; Choi et al., CVPR 2020 (HANet, arXiv 2003.05128),
        equation 2; Zhang et al., 2020 (ResNeSt, arXiv 2004.08955), equation 2.
    """
    r = check_gate(input, scores, splits)
    if r == 1:
        return input * torch.sigmoid(scores)  # …, C, H, W
    x, g = input.unflatten(-3, (r, -1)), scores.unflatten(-3, (r, -1))  # …, r, C, H, W
    return (x * softmax(g, -4)).sum(-4)  # …, C, H, W


def check_gate(input: Tensor, scores: Tensor, splits: int) -> int:
    """The number of splits, where everything fits."""
    x, _ = batched(input, OP)
    floating(x, OP)
    if tensor(scores, "scores", OP).ndim not in (3, 4):
        raise ValueError(f"{OP} got scores of shape {tuple(scores.shape)}; it takes N×C×1×1, with the input's height "
                         "or width in place of a 1 where gates differ along it")  # fmt: skip
    g = scores if scores.ndim == 4 else scores[None]
    one_type([x, g], OP)
    r = whole(splits, "splits", OP, 1)
    fits = all(b in (a, 1) for a, b in zip(x.shape[2:], g.shape[2:], strict=True))
    if input.ndim != scores.ndim or x.shape[:2] != g.shape[:2] or not fits:
        raise ValueError(f"{OP} got input of shape {tuple(input.shape)} and scores of shape {tuple(scores.shape)}; the "
                         "scores must have its pictures and channels, and its height and width or 1")  # fmt: skip
    if x.shape[1] % r:
        raise ValueError(f"{OP} got {x.shape[1]} channels and splits={r}; the channels are a multiple of the splits")
    return r
