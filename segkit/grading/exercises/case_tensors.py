"""Tables of cases, and tensors for them, the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.grading.exercise import Case, Function

Args = tuple[Any, ...]
Shape = tuple[int, ...]


def quarters(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Multiples of ¼ between −2 and 2, never 0: short to print, exact in float32."""
    values = np.random.default_rng(seed).integers(1, 9, shape) * 0.25
    signs = np.random.default_rng(seed + 1000).choice([-1.0, 1.0], shape)
    return torch.from_numpy(np.asarray(values * signs)).to(dtype)


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normally distributed numbers."""
    return torch.from_numpy(np.asarray(np.random.default_rng(seed).normal(size=shape))).to(dtype)


def distinct(seed: int, *shape: int, dtype: torch.dtype = torch.float32, top: float | None = None) -> Tensor:
    """Numbers of which no two are equal, around 0, or all below `top`."""
    count = int(np.prod(shape))
    values = np.random.default_rng(seed).permutation(count).reshape(shape) * 0.25
    values = values - (count // 2) * 0.25 if top is None else values - count * 0.25 + top
    return torch.from_numpy(np.asarray(values)).to(dtype)


def labels(seed: int, classes: int, *shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
    """A label map."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, classes, shape)).to(dtype)


def with_void(target: Tensor, seed: int, share: float = 0.25, void: int = 255) -> Tensor:
    """A label map in which some pixels are void, at least one."""
    hit = np.random.default_rng(seed).random(tuple(target.shape)) < share
    hit.reshape(-1)[-1] = True
    out = target.clone()
    out[torch.from_numpy(hit)] = void
    return out


def numbers(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Quarters; in float64 normally distributed numbers, which show where digits get lost."""
    return (normal if dtype == torch.float64 else quarters)(seed, *shape, dtype=dtype)


def nchw(shape: Shape) -> Shape:
    """A shape of two sizes as that of one picture with one channel."""
    return (1, 1, *shape)[-4:]


def layer(
    seed: int, x: Shape, weight: Shape, bias: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor | None]:
    """A picture, the weight of a layer, and its bias: so many numbers, or None."""
    picture, kernels = (numbers(seed + i, *nchw(shape), dtype=dtype) for i, shape in enumerate((x, weight)))
    return picture, kernels, numbers(seed + 2, bias, dtype=dtype) if bias else None


def noncontiguous(x: Tensor) -> Tensor:
    """The same values in another memory order, as after `permute`."""
    return x.transpose(-1, -2).contiguous().transpose(-1, -2)


def grouped(*rows: Args, of: Function | None = None) -> list[Case]:
    """Cases from the rows of a table: the name of an aspect, then its calls.

    Args:
        rows: the aspects; the calls of "memory layout" get their tensors in another memory order.
        of: makes the arguments of a call from what stands in the row (default: it is the arguments).
    """
    cases = []
    for aspect, *calls in rows:
        for call in calls:
            args = of(*call) if of else call
            if aspect == "memory layout":
                args = tuple(noncontiguous(a) if isinstance(a, Tensor) and a.ndim > 1 else a for a in args)
            cases.append(Case(args, aspect))
    return cases
