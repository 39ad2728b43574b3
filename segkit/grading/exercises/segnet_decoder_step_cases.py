"""What `segnet_decoder_step` is tried on, and what each case is about."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case
from segkit.grading.exercises.case_tensors import distinct, noncontiguous, normal, quarters


def _case(
    seed: int,
    shape: tuple[int, int, int, int],
    out: int,
    group: str,
    bias: bool = False,
    dtype: torch.dtype = torch.float32,
    loose: bool = False,
) -> Case:
    make = normal if dtype == torch.float64 else quarters
    big = normal(seed, *shape, dtype=dtype) if dtype == torch.float64 else distinct(seed, *shape, dtype=dtype)
    _, i = F.max_pool2d(big, 2, 2, return_indices=True)
    x, weight = make(seed + 1, *i.shape, dtype=dtype), make(seed + 2, out, shape[1], 3, 3, dtype=dtype)
    if loose:
        x, i, weight = noncontiguous(x), noncontiguous(i), noncontiguous(weight)
    return Case((x, i, shape[2:], weight, make(seed + 3, out, dtype=dtype) if bias else None), group)


def step_cases() -> list[Case]:
    return [
        _case(1, (1, 1, 2, 4), 1, "plain"),
        _case(5, (1, 1, 4, 6), 1, "plain"),
        _case(9, (1, 1, 6, 4), 1, "plain"),
        _case(13, (1, 1, 5, 7), 1, "odd sizes"),
        _case(17, (1, 1, 7, 4), 1, "odd sizes"),
        _case(21, (1, 1, 4, 5), 1, "odd sizes"),
        _case(25, (1, 3, 4, 6), 1, "channels"),
        _case(29, (1, 2, 4, 4), 3, "channels"),
        _case(33, (1, 3, 6, 4), 3, "channels"),
        _case(37, (3, 1, 4, 6), 1, "batch"),
        _case(41, (2, 2, 6, 4), 2, "batch"),
        _case(45, (1, 1, 4, 6), 1, "bias", bias=True),
        _case(49, (1, 2, 4, 4), 3, "bias", bias=True),
        _case(53, (2, 2, 4, 6), 3, "float64", bias=True, dtype=torch.float64),
        _case(57, (2, 3, 4, 6), 3, "memory layout", bias=True, loose=True),
        _case(61, (2, 3, 7, 5), 4, "everything together", bias=True),
        _case(65, (3, 4, 5, 9), 2, "everything together", bias=True),
    ]


def step_facts(x: Tensor, i: Tensor, z: tuple[int, int], w: Tensor, b: Tensor | None) -> dict[str, bool]:
    return {
        "the output is not twice as large": tuple(z) != (2 * x.shape[2], 2 * x.shape[3]),
        "there is a bias": b is not None,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": w.shape[0] > 1,
    }
