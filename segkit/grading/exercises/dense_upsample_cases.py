"""What `dense_upsample` is tried on, and what each case is about."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case
from segkit.grading.exercises.case_tensors import noncontiguous, normal, quarters

Size = tuple[int, int]


def _case(
    seed: int,
    x: tuple[int, int, int, int],
    classes: int,
    d: int,
    size: Size,
    group: str,
    bias: bool = False,
    dtype: torch.dtype = torch.float32,
    loose: bool = False,
) -> Case:
    make = normal if dtype == torch.float64 else quarters
    picture = make(seed, *x, dtype=dtype)
    weight = make(seed + 1, classes * d * d, x[1], 3, 3, dtype=dtype)
    if loose:
        picture, weight = noncontiguous(picture), noncontiguous(weight)
    return Case((picture, weight, make(seed + 2, len(weight), dtype=dtype) if bias else None, d, size), group)


def duc_cases() -> list[Case]:
    return [
        _case(1, (1, 1, 1, 2), 1, 2, (2, 4), "plain"),
        _case(4, (1, 1, 2, 3), 1, 2, (4, 6), "plain"),
        _case(7, (1, 1, 4, 3), 1, 2, (8, 6), "plain"),
        _case(10, (1, 2, 2, 3), 1, 2, (4, 6), "channels"),
        _case(13, (1, 3, 3, 2), 1, 2, (6, 4), "channels"),
        _case(16, (1, 1, 2, 3), 3, 2, (4, 6), "classes"),
        _case(19, (1, 2, 3, 2), 2, 2, (6, 4), "classes"),
        _case(22, (2, 1, 2, 3), 1, 2, (4, 6), "batch"),
        _case(25, (3, 2, 3, 2), 2, 2, (6, 4), "batch"),
        _case(28, (1, 1, 2, 3), 1, 2, (4, 6), "bias", bias=True),
        _case(31, (1, 2, 3, 2), 3, 2, (6, 4), "bias", bias=True),
        _case(34, (1, 1, 2, 3), 1, 3, (6, 9), "other factors"),
        _case(37, (1, 2, 1, 2), 2, 4, (4, 8), "other factors"),
        _case(40, (1, 2, 3, 4), 2, 1, (3, 4), "other factors"),
        _case(43, (1, 1, 2, 3), 1, 2, (3, 6), "cropped"),
        _case(46, (1, 1, 2, 3), 2, 2, (4, 5), "cropped"),
        _case(49, (1, 1, 3, 2), 1, 3, (7, 5), "cropped"),
        _case(52, (1, 1, 3, 3), 1, 4, (9, 10), "cropped"),
        _case(67, (1, 1, 3, 4), 1, 2, (3, 4), "cropped"),
        _case(55, (2, 2, 2, 3), 2, 2, (3, 5), "float64", bias=True, dtype=torch.float64),
        _case(58, (2, 2, 3, 3), 2, 2, (6, 6), "memory layout", loose=True),
        _case(61, (2, 3, 3, 2), 3, 4, (11, 7), "everything together", bias=True),
        _case(64, (3, 2, 2, 4), 2, 3, (5, 12), "everything together", bias=True),
    ]


def duc_facts(x: Tensor, w: Tensor, b: Tensor | None, d: int, size: Size) -> dict[str, bool]:
    return {
        "the map is cut": tuple(size) != (d * x.shape[2], d * x.shape[3]),
        "there is a bias": b is not None,
        "factor is not 2": d != 2,
        "factor is 1": d == 1,
        "there is more than one class": len(w) > d * d,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one picture in the batch": x.shape[0] > 1,
    }
