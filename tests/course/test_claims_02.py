"""Chapter 02: each claim holds, and fails when its cause is taken away."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.course.claims import refuted, run

Layers = list[tuple[int, int, int]]
FIELDS, SHARES = "gradient_footprint", "variances must add"


def test_the_claims_hold() -> None:
    run("02", FIELDS)
    run("02", SHARES)


def without_strides(layers: Layers) -> tuple[int, int]:
    """A recursion that forgets that later layers take larger steps."""
    return 1 + sum((kernel - 1) * dilation for kernel, _, dilation in layers), 1


def by_one_picture(layers: Layers, size: int = 448) -> int:
    """A footprint through real max pooling: one picture, one winner per window, so that most places stay hidden."""
    x = torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        ones = torch.ones(1, 1, kernel, kernel) / kernel**2
        y = F.max_pool2d(y, kernel, stride) if stride > 1 else F.conv2d(y, ones, dilation=dilation)
    middle = y.shape[-1] // 2
    y[0, 0, middle, middle].backward()
    assert x.grad is not None
    return int((x.grad[0, 0] > 0).any(1).sum())


def test_fields_need_the_strides() -> None:
    refuted("02", FIELDS, receptive_field=lambda old: without_strides)
    refuted("02", FIELDS, vgg16=lambda old: [(3, 1, 1)] * 13)


def test_fields_need_all_the_layers() -> None:
    refuted("02", FIELDS, fc6=lambda old: [*old[:-1], (1, 1, 1)])


def test_a_footprint_must_open_every_path() -> None:
    refuted("02", FIELDS, footprint=lambda old: by_one_picture)


def test_shares_need_the_bell_curve() -> None:
    def even(old: Callable[[int], Tensor]) -> Callable[[int], Tensor]:
        return lambda n: torch.ones(2 * n + 1, dtype=torch.float64)  # every pixel of the field counts alike

    refuted("02", SHARES, influence=even)


def test_shares_need_equal_taps() -> None:
    for taps in ([0.5, 0.0, 0.5], [0.25, 0.5, 0.25], [0.0, 1.0, 0.0]):
        refuted("02", SHARES, taps=lambda old, taps=taps: torch.tensor(taps, dtype=torch.float64))


def test_shares_must_shrink() -> None:
    """A stack that always has five layers, whatever it is asked for."""
    refuted("02", SHARES, influence=lambda old: lambda n: old(5))
