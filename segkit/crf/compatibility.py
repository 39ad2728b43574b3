"""What it costs two pixels that are alike to have labels l and l': the compatibility μ(l, l')."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Compatibility = float | Sequence[float] | Sequence[Sequence[float]] | Tensor


def compatibility(value: Compatibility, num_classes: int, like: Tensor, name: str = "compat") -> Tensor:
    """μ from one number, K numbers or K×K.

    Args:
        value: one number w is Potts' model with w for the same label: μ = −w on the diagonal, 0 elsewhere. (A cost of
            w for every pair of different labels adds the same to all labels of a pixel: it gives the same Q.)
            K numbers are the diagonal of μ, K×K are μ itself: costs, so that agreement is rewarded by
            negative numbers on the diagonal or positive ones elsewhere. A tensor may require a gradient (an
            nn.Parameter that is an attribute of a module is then one of that module's parameters).
        num_classes: K.
        like: a tensor whose type and device the answer gets.
        name: of the argument, for messages.

    Returns:
        −w (no dimension), K, or K×K made symmetric as ½(μ + μᵀ).

    Raises:
        TypeError, ValueError: no numbers, another shape, or NaN.
    Source: Krähenbühl & Koltun 2011, section 2; 2013, section 3.1. The signs are those of their code.
    """
    try:
        if torch.is_tensor(value) and value.is_complex():
            raise TypeError(f"complex numbers, {value.dtype}")
        mu = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"got {name}={value!r}; it is one number, {num_classes} numbers or {num_classes}×{num_classes}"
        ) from error
    if mu.shape not in ((), (num_classes,), (num_classes, num_classes)):
        raise ValueError(
            f"got {name} of shape {tuple(mu.shape)} for {num_classes} classes; it is one number (Potts), "
            f"{num_classes} numbers (the diagonal) or {num_classes}×{num_classes}"
        )
    if not mu.isfinite().all():
        raise ValueError(f"got {name} with NaN or infinite values")
    if mu.ndim == 0:
        return -mu
    return (mu + mu.t()) / 2 if mu.ndim == 2 else mu


def is_nought(value: Any) -> bool:
    """Whether this compatibility is the plain number 0, which leaves its kernel out."""
    return isinstance(value, int | float) and value == 0
