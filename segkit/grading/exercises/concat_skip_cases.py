"""What `concat_skip` is tried on, and what each case is about."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case
from segkit.grading.exercises.case_tensors import distinct, noncontiguous, normal


def _case(
    seed: int,
    n: int,
    channels: tuple[int, int],
    small: tuple[int, int],
    large: tuple[int, int],
    group: str,
    dtype: torch.dtype = torch.float32,
    loose: bool = False,
) -> Case:
    make = normal if dtype == torch.float64 else distinct
    d, e = make(seed, n, channels[0], *small, dtype=dtype), make(seed + 1, n, channels[1], *large, dtype=dtype)
    return Case((noncontiguous(d), noncontiguous(e)) if loose else (d, e), group)


def skip_cases() -> list[Case]:
    return [
        _case(1, 1, (1, 1), (2, 2), (4, 4), "plain"),
        _case(3, 1, (1, 1), (2, 3), (6, 7), "plain"),
        _case(5, 1, (1, 1), (3, 2), (5, 8), "plain"),
        _case(7, 1, (1, 1), (2, 3), (3, 4), "odd differences"),
        _case(9, 1, (1, 1), (3, 2), (6, 5), "odd differences"),
        _case(11, 1, (1, 1), (3, 3), (8, 4), "odd differences"),
        _case(13, 1, (1, 1), (3, 4), (10, 9), "odd differences"),
        _case(15, 1, (1, 1), (2, 3), (2, 3), "equal sizes"),
        _case(17, 1, (1, 1), (3, 3), (3, 5), "equal sizes"),
        _case(19, 1, (1, 1), (4, 3), (7, 3), "equal sizes"),
        _case(21, 1, (2, 3), (2, 3), (4, 5), "channels"),
        _case(23, 1, (4, 2), (3, 2), (7, 4), "channels"),
        _case(25, 1, (2, 2), (2, 2), (4, 4), "channels"),
        _case(27, 2, (1, 1), (2, 3), (4, 5), "batch"),
        _case(29, 3, (2, 3), (2, 2), (6, 4), "batch"),
        _case(31, 2, (2, 3), (3, 4), (5, 7), "float64", torch.float64),
        _case(33, 2, (3, 3), (3, 4), (7, 8), "memory layout", loose=True),
        _case(35, 2, (3, 4), (4, 3), (7, 8), "everything together"),
    ]


def skip_facts(d: Tensor, e: Tensor) -> dict[str, bool]:
    y, x = e.shape[2] - d.shape[2], e.shape[3] - d.shape[3]
    return {
        "encoder is larger by an odd number": bool(y % 2 or x % 2),
        "encoder is exactly one larger": 1 in (y, x),
        "encoder and decoder are equally high or wide": 0 in (y, x),
        "encoder is larger by another number in height than in width": y != x,
        "there is more than one picture in the batch": d.shape[0] > 1,
        "encoder and decoder have different numbers of channels": d.shape[1] != e.shape[1],
    }
