"""What `bilateral_filter` is tried on, and what each case is about."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case
from segkit.grading.exercises.case_tensors import noncontiguous, normal, quarters


def _case(
    seed: int,
    k: int,
    c: int,
    h: int,
    w: int,
    alpha: float,
    beta: float,
    group: str,
    dtype: torch.dtype = torch.float32,
    loose: bool = False,
) -> Case:
    make = normal if dtype == torch.float64 else quarters
    values, picture = make(seed, k, h, w, dtype=dtype), 4 * quarters(seed + 1, c, h, w, dtype=dtype)
    return Case(
        (noncontiguous(values), noncontiguous(picture), alpha, beta) if loose else (values, picture, alpha, beta), group
    )


def bilateral_cases() -> list[Case]:
    values, small = _case(40, 2, 3, 3, 4, 2.0, 40.0, "").args[:2]
    photograph = (small * 15 + 128).to(torch.uint8)
    return [
        _case(1, 1, 1, 1, 2, 2.0, 5.0, "plain"),
        _case(3, 1, 1, 2, 3, 1.5, 4.0, "plain"),
        _case(5, 1, 1, 4, 3, 1.0, 6.0, "plain"),
        _case(7, 1, 3, 2, 3, 1.5, 8.0, "colours"),
        _case(9, 1, 3, 3, 4, 2.0, 6.0, "colours"),
        _case(11, 1, 2, 3, 2, 1.0, 6.0, "colours"),
        _case(13, 3, 1, 2, 3, 2.0, 5.0, "classes"),
        _case(15, 4, 3, 3, 2, 1.5, 9.0, "classes"),
        _case(17, 1, 1, 2, 5, 0.5, 5.0, "other widths"),
        _case(19, 2, 3, 3, 3, 8.0, 2.5, "other widths"),
        _case(21, 2, 3, 2, 4, 3.0, 30.0, "other widths"),
        Case((values, photograph, 2.0, 60.0), "whole numbers"),
        Case((values[:1], photograph[:1], 3.0, 90.0), "whole numbers"),
        _case(23, 2, 3, 1, 1, 2.0, 5.0, "one pixel"),
        _case(25, 2, 3, 3, 4, 1.5, 8.0, "float64", torch.float64),
        _case(27, 3, 3, 4, 5, 2.0, 7.0, "memory layout", loose=True),
    ]


def bilateral_facts(values: Tensor, picture: Tensor, alpha: float, beta: float) -> dict[str, bool]:
    return {
        "the picture has more than one channel": picture.shape[0] > 1,
        "there is more than one class": values.shape[0] > 1,
        "the picture holds whole numbers": picture.dtype == torch.uint8,
        "there is a single pixel": picture[0].numel() == 1,
        "the picture is not square": picture.shape[1] != picture.shape[2],
    }
