"""Label maps as people bring them, tensors and arrays of many types, as int64; what has no exact int64 is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.checks import WrongKind

Labels = Tensor | np.ndarray


def whole_numbers(value: Any, name: str) -> Tensor:
    """The labels as int64, so that no comparison with a class number or with 255 wraps round in a narrow type.

    Args:
        value: a tensor or a numpy array of whole numbers of any width, or of bools, which count as 0 and 1.
        name: what they are, for messages, such as "target".

    Shape: any; the result has it too, and the device.

    Raises:
        WrongKind: anything else: fractions even where each is whole, words, objects, a masked array.
        ValueError: a number above 2⁶³ − 1.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise WrongKind(
            f"{name} is a masked array; give labels.filled(255) if masked is void, or ids.filled(0) if it is outside"
        )
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biu":
            raise WrongKind(f"{name} is an array of {value.dtype}; labels are whole numbers (int64, uint8, …)")
        if value.dtype == np.uint64:
            _below(int(value.max(initial=0)), name)
        return torch.from_numpy(value.astype(np.int64, order="C", copy=False))
    if not isinstance(value, Tensor):
        raise WrongKind(f"{name} is a {type(value).__name__}; it must be a torch tensor or a numpy array")
    if value.is_floating_point() or value.is_complex() or value.is_quantized:
        raise WrongKind(f"{name} has type {value.dtype}; labels are whole numbers (int64, uint8, …)")
    wide = value.detach().to(torch.int64)
    if value.dtype == torch.uint64 and (wide < 0).any():
        _below(int(wide[wide < 0].max()) + 2**64, name)
    return wide


def _below(largest: int, name: str) -> None:
    if largest >= 2**63:
        raise ValueError(f"{name} has the label {largest}; labels end at 2⁶³ − 1, and are small numbers mostly")
