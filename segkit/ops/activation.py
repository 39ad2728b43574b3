"""PReLU: what is positive passes, what is negative is multiplied by a slope that is learned."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.ops.arguments import floating, in_float32, one_type, tensor


@in_float32
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """y = x where x > 0, weight · x elsewhere, as `torch.nn.functional.prelu`.

    Args:
        input: any tensor; its channels are the second dimension.
        weight: the slope of the negative side: one number for all channels, or one for each.

    Shape:
        input N×C×…, weight 1 or C → the input's.

    Raises:
        TypeError: something is not a tensor of floating-point numbers, or types are mixed.
        ValueError: the weight is neither one number nor one per channel.

    Source:
        He, Zhang, Ren & Sun, "Delving Deep into Rectifiers", ICCV 2015 (arXiv 1502.01852), equation 1.
    """
    x, slope = tensor(input, "input", "prelu"), tensor(weight, "weight", "prelu")
    floating(x, "prelu")
    one_type([x, slope], "prelu")
    channels = x.shape[1] if x.ndim > 1 else 1
    if slope.ndim > 1 or slope.numel() not in (1, channels):
        raise ValueError(
            f"prelu got input of shape {tuple(x.shape)} and weight of shape {tuple(slope.shape)}; the weight is one "
            f"number, or one for each channel: (1,) or ({channels},)"
        )
    slope = slope.reshape(-1, *[1] * (x.ndim - 2)) if x.ndim > 1 else slope.reshape(())  # C, 1, 1
    zero = x.new_zeros(())
    positive, negative = torch.where(x > 0, x, zero), torch.where(x > 0, zero, x)
    return positive + slope * negative
