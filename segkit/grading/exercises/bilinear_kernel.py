"""Chapter 04: the bilinear kernel of a transposed convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives
from segkit.grading.exercises.case_tensors import grouped

TASK = """The weight of a transposed convolution that enlarges by `stride` as bilinear interpolation does:
channels×channels×k×k with k = 2·stride − stride mod 2. Each channel goes to itself only. The row of
numbers is a tent around the middle of the kernel, (k − 1)/2, falling by 1/stride per pixel from a
height of 1; the kernel is the outer product of the row with itself."""


def tent(stride: int) -> Tensor:
    """One row of the bilinear kernel: 2·stride − stride mod 2 numbers."""
    k = 2 * stride - stride % 2
    centre = (k - 1) / 2
    return 1 - (torch.arange(k) - centre).abs() / stride


def _on_diagonal(plane: Tensor, channels: int) -> Tensor:
    return torch.eye(channels)[:, :, None, None] * plane


def kernel(channels: int, stride: int) -> Tensor:
    """Reference of `bilinear_kernel`."""
    return _on_diagonal(torch.outer(tent(stride), tent(stride)), channels)


@each
def _row(change: Function) -> Ways:
    """The kernel from another row of numbers."""
    return does(lambda c, s: _on_diagonal(torch.outer(change(s), change(s)), c))


def _triangle(k: int, centre: float, reach: float) -> Tensor:
    return (1 - (torch.arange(k) - centre).abs() / reach).clamp(min=0)


def _kernel_cases() -> list[Case]:
    return grouped(
        ("plain", (1, 2)),
        ("several channels", (3, 2), (2, 2)),
        ("larger strides", (1, 4), (2, 8)),
        ("odd strides", (1, 3), (2, 5)),
        ("stride 1", (2, 1)),
        ("FCN-32s", (2, 32)),
    )


MESSAGES = """
arguments-exchanged: channels and stride have changed places.
channels-mixed: Every input channel feeds every output channel. Only the diagonal, channel c to channel c, is filled;
    the rest is 0.
one-channel-filled: Only the first channel gets a kernel. Each has one, on the diagonal.
depthwise-shape: The shape is that of a grouped convolution. Without groups the weight is channels×channels×k×k.
plane-only: You return one k×k plane. The weight is channels×channels×k×k, with this plane at [c, c] for each channel c
    and 0 elsewhere.
size-always-even: For an odd stride the kernel has an odd size, so that it has a middle pixel: k = 2·stride − stride mod
    2.
size-always-odd: For an even stride the kernel has an even size: its middle lies between two pixels.
centre-off: The tent's top is half a pixel from the middle of the kernel, so everything would move as it grows. The
    middle is (k − 1)/2.
sum-is-one: The kernel sums to 1. It should sum to stride²: each input pixel fills stride × stride outputs.
top-is-one: The tent is stretched until its top is 1. For an even stride the top lies between two pixels, so no weight
    reaches 1.
box: All weights are equal: this copies the nearest pixel. The weights should fall with the distance.
kernel-too-small: The kernel is stride×stride. A tent reaches to the neighbours on both sides, so it is about twice as
    wide.
wrong-slope: The tent falls too fast or too slowly: by 1/stride per pixel.
added-not-multiplied: The two tents are added or averaged. The kernel is their product.
one-axis-only: The weights fall along one axis only.
squared: The row is multiplied in twice: the weights are squared.
"""

WAYS = {
    "arguments-exchanged": given(lambda c, s: (s, c)),
    "channels-mixed": does(lambda c, s: kernel(1, s).expand(c, c, -1, -1)),
    "one-channel-filled": gives(lambda r, c, s: r * (torch.arange(c) == 0)[:, None, None, None]),
    "depthwise-shape": does(lambda c, s: kernel(1, s).expand(c, 1, -1, -1), lambda c, s: kernel(1, s)),
    "plane-only": does(lambda c, s: kernel(1, s)[0, 0]),
    "size-always-even": _row(lambda s: _triangle(2 * s, s - 0.5, s), lambda s: _triangle(2 * s, s - 1, s)),
    "size-always-odd": _row(lambda s: _triangle(2 * s - 1, s - 1, s), lambda s: _triangle(2 * s + 1, s, s)),
    "centre-off": _row(
        lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2) // 2, s),
        lambda s: _triangle(2 * s - s % 2, s - 1, s),
        lambda s: _triangle(2 * s - s % 2, s - 0.5, s),
        lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2) / 2, s),
    ),
    "sum-is-one": gives(lambda r, c, s: r / kernel(1, s).sum(), lambda r, c, s: r / s**2, lambda r, c, s: r / r.sum()),
    "top-is-one": gives(lambda r, c, s: r / r.max()) + _row(lambda s: tent(s) / tent(s).max()),
    "box": gives(lambda r, c, s: (r > 0).float())
    + _row(lambda s: torch.full_like(tent(s), 0.5))
    + gives(
        lambda r, c, s: (r > 0).float() * s * s / r[0, 0].numel(), lambda r, c, s: (r > 0).float() / r[0, 0].numel()
    ),
    "kernel-too-small": _row(lambda s: _triangle(s, (s - 1) / 2, s), lambda s: _triangle(s, (s - 1) / 2, (s + 1) // 2))
    + does(lambda c, s: _on_diagonal(torch.ones(s, s), c)),
    "wrong-slope": _row(
        lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2 - 1) / 2, s + 1),
        lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2 - 1) / 2, s + 0.5),
        lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2 - 1) / 2, (2 * s - s % 2) / 2),
        lambda s: _triangle(2 * s - s % 2, (2 * s - s % 2 - 1) / 2, 2 * s - s % 2),
    ),
    "added-not-multiplied": does(
        lambda c, s: _on_diagonal((tent(s)[:, None] + tent(s)) / 2, c),
        lambda c, s: _on_diagonal(tent(s)[:, None] + tent(s), c),
        lambda c, s: _on_diagonal(torch.minimum(tent(s)[:, None], tent(s)), c),
    ),
    "one-axis-only": does(
        lambda c, s: _on_diagonal(tent(s).expand(len(tent(s)), -1), c),
        lambda c, s: _on_diagonal(tent(s)[:, None].expand(-1, len(tent(s))), c),
    ),
    "squared": gives(lambda r, *a: r**2),
}

EXERCISE = Exercise(
    "bilinear_kernel(channels, stride)",
    TASK,
    kernel,
    _kernel_cases,
    catalogue(MESSAGES, WAYS),
    facts=lambda c, s: {
        "stride is odd": s % 2 == 1,
        "stride is 1": s == 1,
        "there is more than one channel": c > 1,
        "stride is not 2": s != 2,
    },
)
