"""What `conv2d` is tried on, and what each case is about."""

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
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    dtype: torch.dtype = torch.float32,
    loose: bool = False,
) -> Case:
    make = normal if dtype == torch.float64 else quarters
    picture, weight = make(seed, *x, dtype=dtype), make(seed + 1, *w, dtype=dtype)
    if loose:
        picture, weight = noncontiguous(picture), noncontiguous(weight)
    b = make(seed + 2, w[0], dtype=dtype) if bias else None
    return Case((picture, weight, b, stride, padding, dilation), group)


def conv_cases() -> list[Case]:
    one, mono = (1, 1, 5, 5), (1, 1, 3, 3)
    return [
        call(1, (1, 1, 3, 3), (1, 1, 2, 2), "plain"),
        call(2, one, mono, "plain"),
        call(3, (1, 1, 6, 7), mono, "plain"),
        call(4, (1, 3, 5, 5), (1, 3, 3, 3), "channels"),
        call(5, (1, 2, 5, 6), (4, 2, 3, 3), "channels"),
        call(6, (1, 3, 6, 5), (3, 3, 2, 2), "channels"),
        call(7, (2, 1, 4, 5), mono, "batch"),
        call(8, (3, 2, 5, 4), (2, 2, 3, 3), "batch"),
        call(9, one, mono, "bias", bias=True),
        call(10, (1, 2, 5, 5), (3, 2, 3, 3), "bias", bias=True),
        call(11, (1, 1, 5, 7), mono, "stride", stride=2),
        call(12, (1, 1, 8, 6), mono, "stride", stride=2),
        call(13, (1, 1, 9, 10), (1, 1, 2, 2), "stride", stride=3),
        call(14, (1, 1, 4, 3), mono, "padding", padding=1),
        call(15, (1, 1, 5, 6), mono, "padding", padding=2),
        call(16, (1, 1, 3, 4), (1, 1, 1, 1), "padding", padding=1),
        call(17, (1, 1, 7, 6), mono, "dilation", dilation=2),
        call(18, (1, 1, 8, 9), (1, 1, 2, 2), "dilation", dilation=3),
        call(19, (1, 1, 5, 6), (1, 1, 1, 3), "kernel shape"),
        call(20, (1, 1, 6, 6), (1, 1, 3, 2), "kernel shape"),
        call(21, (1, 2, 6, 7), (2, 2, 2, 4), "kernel shape"),
        call(26, (1, 1, 3, 3), (1, 1, 1, 1), "stride", stride=2),
        call(27, (1, 1, 3, 3), (1, 1, 2, 2), "dilation", dilation=2),
        call(28, (1, 1, 1, 2), (1, 1, 1, 1), "padding", padding=1),
        call(29, (1, 1, 2, 2), (1, 1, 2, 2), "bias", bias=True),
        call(30, (2, 1, 2, 2), (1, 1, 2, 2), "batch"),
        call(31, (1, 2, 2, 2), (1, 2, 2, 2), "channels"),
        call(22, (2, 2, 5, 5), (2, 2, 3, 3), "float64", bias=True, dtype=torch.float64),
        call(32, (1, 2, 4, 5), (2, 2, 3, 3), "float64", dtype=torch.float64),
        call(23, (2, 3, 6, 5), (2, 3, 3, 2), "memory layout", loose=True),
        call(24, (2, 3, 9, 11), (4, 3, 3, 2), "everything together", bias=True, stride=2, padding=2, dilation=3),
        call(25, (3, 2, 10, 7), (3, 2, 2, 3), "everything together", bias=True, stride=3, padding=1, dilation=2),
    ]


def conv_facts(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> dict[str, bool]:
    return {
        "stride is above 1": s > 1,
        "padding is above 0": p > 0,
        "dilation is above 1": d > 1,
        "there is a bias": b is not None,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": w.shape[0] > 1,
        "the kernel is not square": w.shape[2] != w.shape[3],
        "the picture is not square": x.shape[2] != x.shape[3],
        "the stride does not divide the way of the kernel": s > 1
        and (x.shape[2] + 2 * p - d * (w.shape[2] - 1) - 1) % s > 0,
    }
