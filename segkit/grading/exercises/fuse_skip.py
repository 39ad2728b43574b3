"""Chapter 04: FCN's skip."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives
from segkit.grading.exercises.bilinear_kernel import kernel
from segkit.grading.exercises.case_tensors import grouped, layer
from segkit.grading.exercises.common import FIRST_PICTURE

TASK = """FCN's skip. coarse is N×K×h×w, fine N×K×H×W with H = 2h, or 2h − 1 where pooling rounded up; W likewise.
Enlarge coarse with a transposed convolution of stride 2 and the 4×4 bilinear kernel, each class by
itself; with padding 1 it is 2h×2w (without, it has one more row or column on each side: they go).
Keep the first H rows and W columns, and add fine. The result is N×K×H×W. (segkit.models.fuse_skip takes
the coarse map after the enlargement, this function takes it before.)"""


def enlarged(coarse: Tensor) -> Tensor:
    """N×K×(2h+2)×(2w+2): the bilinear transposed convolution of stride 2, before the cut."""
    return F.conv_transpose2d(coarse, kernel(coarse.shape[1], 2, 2).to(coarse.dtype), stride=2)


def _cut(up: Tensor, fine: Tensor, y: int = 1, x: int = 1) -> Tensor:
    return up[..., y : y + fine.shape[2], x : x + fine.shape[3]]


def fuse(coarse: Tensor, fine: Tensor) -> Tensor:
    """Reference of `fuse_skip`."""
    return _cut(enlarged(coarse), fine) + fine


def _skip_cases() -> list[Case]:
    return grouped(
        ("plain", (1, (1, 2), (2, 4)), (3, (2, 3), (4, 6)), (5, (4, 3), (8, 6))),
        ("classes", (7, (1, 3, 3, 2), (1, 3, 6, 4))),
        ("batch", (9, (3, 1, 2, 3), (3, 1, 4, 6)), (11, (2, 4, 3, 3), (2, 4, 6, 6))),
        ("odd sizes", (13, (1, 2, 3, 4), (1, 2, 5, 8)), (15, (1, 2, 3, 4), (1, 2, 5, 7))),
        ("float64", (17, (2, 2, 3, 4), (2, 2, 6, 8), 0, torch.float64)),
        ("memory layout", (19, (2, 3, 4, 3), (2, 3, 8, 6))),
        of=lambda *made: layer(*made)[:2],
    )


def _skip_facts(coarse: Tensor, fine: Tensor) -> dict[str, bool]:
    return {
        "fine is smaller than twice coarse": fine.shape[2] < 2 * coarse.shape[2] or fine.shape[3] < 2 * coarse.shape[3],
        "there is more than one picture in the batch": coarse.shape[0] > 1,
        "there is more than one class": coarse.shape[1] > 1,
    }


def _interpolated(mode: str, to_fine: bool, **options: bool) -> Ways:
    def fused(coarse: Tensor, fine: Tensor) -> Tensor:
        size = fine.shape[2:] if to_fine else (2 * coarse.shape[2], 2 * coarse.shape[3])
        up = F.interpolate(coarse, size=tuple(size), mode=mode, **options)
        return (up if to_fine else up[..., : fine.shape[2], : fine.shape[3]]) + fine

    return does(fused)


@each
def _upsampled_with(weight: Function) -> Ways:
    def fused(coarse: Tensor, fine: Tensor) -> Tensor:
        return _cut(F.conv_transpose2d(coarse, weight(coarse.shape[1]).to(coarse.dtype), stride=2), fine) + fine

    return does(fused)


def _last(coarse: Tensor, fine: Tensor) -> Tensor:
    up = enlarged(coarse)
    return _cut(up, fine, up.shape[2] - fine.shape[2], up.shape[3] - fine.shape[3]) + fine


def _last_of_picture(coarse: Tensor, fine: Tensor) -> Tensor:
    up = enlarged(coarse)[..., 1:-1, 1:-1]
    return up[..., up.shape[2] - fine.shape[2] :, up.shape[3] - fine.shape[3] :] + fine


def _squeezed(coarse: Tensor, fine: Tensor) -> Tensor:
    up = enlarged(coarse)[..., 1:-1, 1:-1]
    return F.interpolate(up, size=tuple(fine.shape[2:]), mode="bilinear", align_corners=False) + fine


MESSAGES = """
cut-at-zero: You cut at row 0. The transposed convolution adds a border of one pixel, so the picture starts at row and
    column 1.
cut-at-two: You cut one row and column too late. The picture starts at row and column 1.
cut-from-end: You keep the last rows and columns. Where pooling rounded up, the surplus is at the bottom and on the
    right: keep the first ones.
squeezed-not-cut: Where fine is smaller than twice coarse, you resize the enlarged map to fit. That moves every pixel:
    cut it off at the bottom and the right.
interpolated: You interpolate. Inside that gives the same; at the border interpolation repeats the last pixel where the
    transposed convolution adds nothing.
align-corners: You interpolate with align_corners=True, which stretches the grid: positions of the two maps no longer
    agree.
nearest: You copy each coarse pixel four times. The enlargement should be bilinear.
not-summed: The two maps are put side by side as channels, or multiplied. FCN adds them.
averaged: You take the mean of the two maps. FCN adds them.
coarse-forgotten: Only one of the two maps is in your result.
classes-mixed: The scores of all classes flow into each other. The kernel is filled on its diagonal only.
kernel-sum: The enlarged map is too faint or too strong. The bilinear kernel of stride 2 sums to 4.
shrunk-instead: You shrink fine to the size of coarse. It is the other way round: coarse is enlarged.
first-picture-only: Only the first picture of the batch is worked on.
fine-subtracted: You subtract where you should add.
"""

WAYS = {
    "cut-at-zero": does(lambda c, f: _cut(enlarged(c), f, 0, 0) + f),
    "cut-at-two": does(lambda c, f: _cut(F.pad(enlarged(c), (0, 1, 0, 1)), f, 2, 2) + f),
    "cut-from-end": does(_last, _last_of_picture),
    "squeezed-not-cut": does(_squeezed),
    "interpolated": _interpolated("bilinear", True, align_corners=False)
    + _interpolated("bilinear", False, align_corners=False),
    "align-corners": _interpolated("bilinear", True, align_corners=True)
    + _interpolated("bilinear", False, align_corners=True),
    "nearest": _interpolated("nearest", True),
    "not-summed": does(
        lambda c, f: torch.cat([_cut(enlarged(c), f), f], 1),
        lambda c, f: torch.cat([f, _cut(enlarged(c), f)], 1),
        lambda c, f: _cut(enlarged(c), f) * f,
        lambda c, f: torch.maximum(_cut(enlarged(c), f), f),
    ),
    "averaged": gives(lambda r, *a: r / 2),
    "coarse-forgotten": does(lambda c, f: f) + gives(lambda r, c, f: r - f),
    "classes-mixed": _upsampled_with(lambda k: kernel(1, 2, 2).expand(k, k, -1, -1)),
    "kernel-sum": _upsampled_with(lambda k: kernel(k, 2, 2) / 4, lambda k: kernel(k, 2, 2) / kernel(1, 2, 2).max()),
    "shrunk-instead": does(
        lambda c, f: c + F.interpolate(f, size=tuple(c.shape[2:]), mode="bilinear", align_corners=False),
        lambda c, f: c + F.adaptive_avg_pool2d(f, tuple(c.shape[2:])),
    ),
    "first-picture-only": FIRST_PICTURE + given(lambda c, f: (c[:1], f)),
    "fine-subtracted": gives(lambda r, c, f: r - 2 * f, lambda r, c, f: 2 * f - r),
}

EXERCISE = Exercise(
    "fuse_skip(coarse, fine)",
    TASK,
    fuse,
    _skip_cases,
    catalogue(MESSAGES, WAYS),
    facts=_skip_facts,
    number="04.3",
    marks=5,
    finished=("fuse_skip",),
)
