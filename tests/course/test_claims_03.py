"""Chapter 03: each claim holds, and fails when its cause is taken away."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.course.claims import refuted, run

ADJOINT, OVERLAP, BILINEAR, STITCH = "is the adjoint", "published =", "def upsample(", "204 windows"
UNTRAINED = "def untrained("
Operator = Callable[..., Tensor]


def test_the_claims_hold() -> None:
    for words in (ADJOINT, OVERLAP, UNTRAINED, BILINEAR, STITCH):
        run("03", words)


def test_adjoint_needs_the_kernel_as_it_is() -> None:
    def turned(old: Operator) -> Operator:
        return lambda x, weight, *rest: old(x, weight.flip(2, 3), *rest)

    refuted("03", ADJOINT, conv_transpose2d=turned)


def test_adjoint_needs_the_same_alignment() -> None:
    def moved(old: Operator) -> Operator:
        return lambda *arguments: old(*arguments).roll(1, 2)

    def scaled(old: Operator) -> Operator:
        return lambda *arguments: old(*arguments) * (1 + 1e-8)

    refuted("03", ADJOINT, conv_transpose2d=moved)
    refuted("03", ADJOINT, conv_transpose2d=scaled)


def test_overlap_is_in_the_stamping() -> None:
    """Interpolate first, then convolve: the remedy is flat for every pair, so the claim's rule must fail."""

    def remedy(old: Operator) -> Operator:
        def flat(k: int, s: int, n: int = 12) -> Tensor:
            size = (n - 1) * s + k
            up = F.interpolate(torch.ones(1, 1, n, n), (size + k - 1, size + k - 1))
            return F.conv2d(up, torch.ones(1, 1, k, k))[0, 0]

        return flat

    refuted("03", OVERLAP, stamped=remedy)


def test_overlap_needs_the_stride_and_the_whole_kernel() -> None:
    refuted("03", OVERLAP, stamped=lambda old: lambda k, s, n=12: old(k, 1, 4 * n))
    refuted("03", OVERLAP, stamped=lambda old: lambda k, s, n=12: old(k + 1, s, n + 2))


@pytest.mark.parametrize("kernels", [{3: 4, 4: 4}, {3: 3, 4: 3}, {3: 4, 4: 3}])
def test_the_grid_of_random_weights_is_in_the_kernel(kernels: dict[int, int]) -> None:
    """Without an uneven kernel there is no grid to see, and without an even one no flat map."""

    class Other(nn.ConvTranspose2d):
        def __init__(self, into: int, out: int, k: int, **rest: Any) -> None:
            super().__init__(into, out, kernels[k], **rest)

    refuted("03", UNTRAINED, nn=lambda old: SimpleNamespace(**vars(old) | {"ConvTranspose2d": Other}))


def test_the_grid_of_random_weights_needs_many_channels() -> None:
    """In a handful of channels chance draws a grid for kernel 4 too."""

    class Few(nn.ConvTranspose2d):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x) * (torch.arange(self.out_channels) < 2)[:, None, None]

    refuted("03", UNTRAINED, nn=lambda old: SimpleNamespace(**vars(old) | {"ConvTranspose2d": Few}))


def test_interpolation_needs_the_tent() -> None:
    def box(s: int) -> Tensor:
        taps = torch.zeros(2 * s - s % 2, dtype=torch.float64)
        taps[s // 2 : s // 2 + s] = 1  # nearest neighbour
        return taps

    def pointed(s: int) -> Tensor:
        k = 2 * s - s % 2
        return 1 - (torch.arange(k, dtype=torch.float64) - (k - 1) / 2).abs() / (s + 1)

    refuted("03", BILINEAR, tent=lambda old: box)
    refuted("03", BILINEAR, tent=lambda old: pointed)
    refuted("03", BILINEAR, tent=lambda old: lambda s: torch.rand(2 * s - s % 2, dtype=torch.float64))


def wrong_stitch(kind: str) -> Operator:
    """Shift-and-stitch with one thing missing."""

    def stitch(network: Callable[[Tensor], Tensor], x: Tensor, s: int, field: int) -> Tensor:
        H, W = (n - field + 1 for n in x.shape[-2:])
        y = x.new_zeros(len(x), 2, H, W)
        for dy in range(s):
            for dx in range(s):
                if kind == "unshifted":
                    score = network(x)
                elif kind == "rolled the other way":
                    score = network(x.roll((dy, dx), (-2, -1)))
                elif kind == "rows and columns exchanged":
                    score = network(x[..., dx:, dy:])
                else:
                    score = network(x[..., dy:, dx:]) * ((dy, dx) != (s - 1, s - 1))
                part: Any = y[..., dy::s, dx::s]
                h, w = min(part.shape[-2], score.shape[-2]), min(part.shape[-1], score.shape[-1])
                part[..., :h, :w] = score[..., :h, :w]
        return y

    return stitch


def test_stitching_needs_the_right_shifts() -> None:
    for kind in ("unshifted", "rolled the other way", "rows and columns exchanged", "last one missing"):
        refuted("03", STITCH, shift_and_stitch=lambda old, kind=kind: wrong_stitch(kind))


def test_stitching_is_no_interpolation() -> None:
    def interpolated(net: Callable[[Tensor], Tensor], x: Tensor, s: int, field: int) -> Tensor:
        return F.interpolate(net(x), (x.shape[-2] - field + 1, x.shape[-1] - field + 1), mode="bilinear")

    refuted("03", STITCH, shift_and_stitch=lambda old: interpolated)
