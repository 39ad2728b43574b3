"""What `conv_transpose2d` is tried on, and what each case is about."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case
from segkit.grading.exercises.case_tensors import noncontiguous, normal, quarters


def call(
    seed: int,
    x: tuple[int, ...],
    w: tuple[int, ...],
    group: str,
    *,
    bias: bool = False,
    s: int = 1,
    p: int = 0,
    o: int = 0,
    d: int = 1,
    dtype: torch.dtype = torch.float32,
    loose: bool = False,
) -> Case:
    make = normal if dtype == torch.float64 else quarters
    picture, weight = make(seed, *x, dtype=dtype), make(seed + 1, *w, dtype=dtype)
    if loose:
        picture, weight = noncontiguous(picture), noncontiguous(weight)
    return Case((picture, weight, make(seed + 2, w[1], dtype=dtype) if bias else None, s, p, o, d), group)


def transposed_cases() -> list[Case]:
    mono = (1, 1, 3, 3)
    return [
        call(1, (1, 1, 2, 2), (1, 1, 2, 2), "plain"),
        call(2, (1, 1, 3, 4), mono, "plain"),
        call(3, (1, 1, 4, 3), (1, 1, 2, 2), "plain"),
        call(4, (1, 3, 3, 4), (3, 1, 2, 2), "channels"),
        call(5, (1, 2, 3, 3), (2, 4, 3, 3), "channels"),
        call(6, (1, 3, 4, 3), (3, 3, 2, 2), "channels"),
        call(7, (2, 1, 3, 2), mono, "batch"),
        call(8, (3, 2, 2, 3), (2, 2, 3, 3), "batch"),
        call(9, (1, 1, 2, 3), (1, 1, 2, 2), "bias", bias=True),
        call(10, (1, 2, 3, 3), (2, 3, 3, 3), "bias", bias=True),
        call(11, (1, 1, 2, 3), (1, 1, 2, 2), "stride", s=2),
        call(12, (1, 1, 3, 4), mono, "stride", s=2),
        call(13, (1, 1, 3, 2), (1, 1, 2, 2), "stride", s=3),
        call(14, (1, 1, 3, 4), mono, "padding", p=1),
        call(15, (1, 1, 4, 5), mono, "padding", p=2),
        call(16, (1, 1, 3, 4), mono, "output_padding", s=2, o=1),
        call(17, (1, 1, 3, 3), mono, "output_padding", s=2, p=1, o=1),
        call(18, (1, 1, 3, 2), mono, "output_padding", s=3, p=1, o=2),
        call(19, (1, 1, 3, 4), mono, "dilation", d=2),
        call(20, (1, 1, 4, 3), (1, 1, 2, 2), "dilation", d=3),
        call(21, (1, 1, 3, 4), (1, 1, 1, 3), "kernel shape"),
        call(22, (1, 2, 4, 3), (2, 2, 3, 2), "kernel shape"),
        call(27, (1, 1, 2, 2), (1, 1, 1, 1), "stride", s=2),
        call(28, (1, 1, 2, 2), (1, 1, 2, 2), "padding", p=1),
        call(29, (1, 1, 1, 2), (1, 1, 2, 2), "output_padding", s=2, o=1),
        call(30, (1, 1, 1, 1), (1, 1, 2, 2), "dilation", d=2),
        call(31, (2, 1, 1, 2), (1, 1, 2, 2), "batch"),
        call(32, (1, 2, 1, 2), (2, 1, 2, 2), "channels"),
        call(23, (2, 2, 3, 3), (2, 3, 3, 3), "float64", bias=True, s=2, dtype=torch.float64),
        call(24, (2, 3, 4, 3), (3, 3, 3, 2), "memory layout", loose=True),
        call(25, (2, 3, 4, 5), (3, 2, 3, 2), "everything together", bias=True, s=3, p=1, o=2, d=2),
        call(26, (3, 2, 5, 4), (2, 4, 2, 3), "everything together", bias=True, s=2, p=2, o=1, d=3),
    ]


def transposed_facts(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> dict[str, bool]:
    return {
        "stride is above 1": s > 1,
        "padding is above 0": p > 0,
        "output_padding is above 0": o > 0,
        "dilation is above 1": d > 1,
        "there is a bias": b is not None,
        "the stamps overlap": s < max(w.shape[2:]),
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": w.shape[1] > 1,
        "the kernel is not square": w.shape[2] != w.shape[3],
        "the picture is not square": x.shape[2] != x.shape[3],
    }
