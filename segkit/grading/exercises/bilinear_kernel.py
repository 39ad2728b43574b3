"""Chapter 04: the bilinear kernel of a transposed convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives
from segkit.grading.exercises.case_tensors import grouped

TASK = """The weight of a transposed convolution that enlarges by `rows` along the height and by `columns` along
the width, as bilinear interpolation does. A side that is enlarged by s takes k = 2·s − s mod 2 numbers: a tent around
the middle, (k − 1)/2, falling by 1/s per pixel from a height of 1. The plane is the outer product of the tent of `rows`
and that of `columns`; the weight is channels×channels×k_h×k_w, and each channel goes to itself only."""


def tent(stride: int) -> Tensor:
    """The numbers along one side: 2·stride − stride mod 2 of them."""
    k = 2 * stride - stride % 2
    centre = (k - 1) / 2
    return 1 - (torch.arange(k) - centre).abs() / stride


def _on_diagonal(plane: Tensor, channels: int) -> Tensor:
    return torch.eye(channels)[:, :, None, None] * plane


def kernel(channels: int, rows: int, columns: int) -> Tensor:
    """Reference of `bilinear_kernel`."""
    return _on_diagonal(torch.outer(tent(rows), tent(columns)), channels)


@each
def _side(shape: Function) -> Ways:
    """Another tent along each side: its size, middle and reach, shape(factor, the right size)."""

    def bent(s: int) -> Tensor:
        k, centre, reach = shape(s, 2 * s - s % 2)
        return (1 - (torch.arange(k) - centre).abs() / reach).clamp(min=0)

    return does(lambda c, r, s: _on_diagonal(torch.outer(bent(r), bent(s)), c))


def _kernel_cases() -> list[Case]:
    return grouped(
        ("plain", (1, 2, 4), (1, 4, 2)),
        ("equal factors", (1, 2, 2), (1, 4, 4)),
        ("several channels", (3, 2, 4), (5, 4, 2)),
        ("larger factors", (1, 4, 8), (2, 8, 4)),
        ("odd factors", (1, 3, 5), (2, 5, 2), (1, 4, 3)),
        ("a factor of 1", (2, 1, 3), (1, 2, 1), (2, 1, 1)),
        ("FCN-32s", (2, 32, 32)),
    )


MESSAGES = """
arguments-exchanged: rows and columns have changed places: the first belongs to the height.
one-factor-for-both: One factor serves both sides. Height and width have their own.
channels-mixed: Every input channel feeds every output channel. Only the diagonal, channel c to channel c, is filled;
    the rest is 0.
one-channel-filled: Only the first channel gets a kernel. Each has one, on the diagonal.
depthwise-shape: The shape is that of a grouped convolution. Without groups the weight is channels×channels×k_h×k_w.
plane-only: You return one plane. The weight is channels×channels×k_h×k_w, with this plane at [c, c] for each channel c
    and 0 elsewhere.
size-always-even: For an odd factor s the side is odd, so that it has a middle pixel: k = 2·s − s mod 2.
size-always-odd: For an even factor the side is even: its middle lies between two pixels.
centre-off: The tent's top is half a pixel from the middle of the kernel, so everything would move as it grows. The
    middle is (k − 1)/2.
sum-is-one: The kernel sums to 1. It should sum to rows · columns: each input pixel fills that many outputs.
top-is-one: The tent is stretched until its top is 1. For an even factor the top lies between two pixels, so no weight
    reaches 1.
box: All weights are equal: this copies the nearest pixel. The weights should fall with the distance.
kernel-too-small: The kernel is rows×columns. A tent reaches to the neighbours on both sides, so it is about twice as
    wide.
wrong-slope: The tent falls too fast or too slowly: by 1/s per pixel, where s is the factor of its side.
added-not-multiplied: The two tents are added or averaged. The kernel is their product.
one-axis-only: The weights fall along one axis only.
squared: The row is multiplied in twice: the weights are squared.
"""

WAYS = {
    "arguments-exchanged": given(lambda c, h, s: (c, s, h)),
    "one-factor-for-both": given(lambda c, h, s: (c, h, h), lambda c, h, s: (c, s, s)),
    "channels-mixed": does(lambda c, h, s: kernel(1, h, s).expand(c, c, -1, -1)),
    "one-channel-filled": gives(lambda r, c, h, s: r * (torch.arange(c) == 0)[:, None, None, None]),
    "depthwise-shape": does(lambda c, h, s: kernel(1, h, s).expand(c, 1, -1, -1), lambda c, h, s: kernel(1, h, s)),
    "plane-only": does(lambda c, h, s: kernel(1, h, s)[0, 0]),
    "size-always-even": _side(lambda s, k: (2 * s, s - 0.5, s), lambda s, k: (2 * s, s - 1, s)),
    "size-always-odd": _side(lambda s, k: (2 * s - 1, s - 1, s), lambda s, k: (2 * s + 1, s, s)),
    "centre-off": _side(
        lambda s, k: (k, k // 2, s),
        lambda s, k: (k, s - 1, s),
        lambda s, k: (k, s - 0.5, s),
        lambda s, k: (k, k / 2, s),
    ),
    "sum-is-one": gives(lambda r, c, h, s: r / (h * s), lambda r, c, h, s: r / r.sum()),
    "top-is-one": gives(lambda r, *a: r / r.max()),
    "box": gives(lambda r, *a: (r > 0).float(), lambda r, *a: (r > 0).float() / r[0, 0].numel()),
    "kernel-too-small": _side(lambda s, k: (s, (s - 1) / 2, s), lambda s, k: (s, (s - 1) / 2, (s + 1) // 2))
    + does(lambda c, h, s: _on_diagonal(torch.ones(h, s), c)),
    "wrong-slope": _side(
        *(
            lambda s, k, reach=reach: (k, (k - 1) / 2, reach(s, k))
            for reach in (lambda s, k: s + 1, lambda s, k: (k + 1) / 2, lambda s, k: k / 2, lambda s, k: k)
        )
    ),
    "added-not-multiplied": does(
        lambda c, h, s: _on_diagonal((tent(h)[:, None] + tent(s)) / 2, c),
        lambda c, h, s: _on_diagonal(tent(h)[:, None] + tent(s), c),
        lambda c, h, s: _on_diagonal(torch.minimum(tent(h)[:, None], tent(s)), c),
    ),
    "one-axis-only": does(
        lambda c, h, s: _on_diagonal(tent(s).expand(len(tent(h)), -1), c),
        lambda c, h, s: _on_diagonal(tent(h)[:, None].expand(-1, len(tent(s))), c),
    ),
    "squared": gives(lambda r, *a: r**2),
}

EXERCISE = Exercise(
    "bilinear_kernel(channels, rows, columns)",
    TASK,
    kernel,
    _kernel_cases,
    catalogue(MESSAGES, WAYS),
    facts=lambda c, h, s: {
        "the two factors differ": h != s,
        "a factor is odd": h % 2 == 1 or s % 2 == 1,
        "a factor is 1": 1 in (h, s),
        "there is more than one channel": c > 1,
    },
    number="04.2",
    marks=4,
    finished=("bilinear_kernel",),
)
