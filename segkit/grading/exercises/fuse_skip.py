"""Chapter 04: FCN's skip."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.bilinear_kernel import kernel
from segkit.grading.exercises.made import noncontiguous, normal, quarters


def enlarged(coarse: Tensor) -> Tensor:
    """N×K×(2h+2)×(2w+2): the bilinear transposed convolution of stride 2, before the cut."""
    return F.conv_transpose2d(coarse, kernel(coarse.shape[1], 2).to(coarse.dtype), stride=2)


def _cut(up: Tensor, fine: Tensor, y: int = 1, x: int = 1) -> Tensor:
    return up[..., y : y + fine.shape[2], x : x + fine.shape[3]]


def fuse(coarse: Tensor, fine: Tensor) -> Tensor:
    """Reference of `fuse_skip`."""
    return _cut(enlarged(coarse), fine) + fine


def _skip_case(
    seed: int,
    n: int,
    k: int,
    coarse: tuple[int, int],
    fine: tuple[int, int],
    group: str,
    dtype: torch.dtype = torch.float32,
) -> Case:
    make = normal if dtype == torch.float64 else quarters
    return Case((make(seed, n, k, *coarse, dtype=dtype), make(seed + 1, n, k, *fine, dtype=dtype)), group)


def _skip_cases() -> list[Case]:
    coarse, fine = _skip_case(19, 2, 3, (4, 3), (8, 6), "").args
    return [
        _skip_case(1, 1, 1, (1, 2), (2, 4), "plain"),
        _skip_case(3, 1, 1, (2, 3), (4, 6), "plain"),
        _skip_case(5, 1, 1, (4, 3), (8, 6), "plain"),
        _skip_case(7, 1, 3, (3, 2), (6, 4), "classes"),
        _skip_case(9, 3, 1, (2, 3), (4, 6), "batch"),
        _skip_case(11, 2, 4, (3, 3), (6, 6), "batch"),
        _skip_case(13, 1, 2, (3, 4), (5, 8), "odd sizes"),
        _skip_case(15, 1, 2, (3, 4), (5, 7), "odd sizes"),
        _skip_case(17, 2, 2, (3, 4), (6, 8), "float64", torch.float64),
        Case((noncontiguous(coarse), noncontiguous(fine)), "memory layout"),
    ]


def _skip_facts(coarse: Tensor, fine: Tensor) -> dict[str, bool]:
    return {
        "fine is smaller than twice coarse": fine.shape[2] < 2 * coarse.shape[2] or fine.shape[3] < 2 * coarse.shape[3],
        "there is more than one picture in the batch": coarse.shape[0] > 1,
        "there is more than one class": coarse.shape[1] > 1,
    }


def _interpolated(mode: str, to_fine: bool, **options: bool):  # type: ignore[no-untyped-def]
    def fused(coarse: Tensor, fine: Tensor) -> Tensor:
        size = fine.shape[2:] if to_fine else (2 * coarse.shape[2], 2 * coarse.shape[3])
        up = F.interpolate(coarse, size=tuple(size), mode=mode, **options)
        return (up if to_fine else up[..., : fine.shape[2], : fine.shape[3]]) + fine

    return does(fused)


def _upsampled_with(weight: Any):  # type: ignore[no-untyped-def]
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


register(
    Exercise(
        name="fuse_skip",
        signature="fuse_skip(coarse, fine)",
        text=(
            "FCN's skip. coarse is N×K×h×w, fine N×K×H×W with H = 2h, or 2h − 1 where pooling rounded up; W likewise.\n"
            "Enlarge coarse with a transposed convolution of stride 2 and the 4×4 bilinear kernel, each class by\n"
            "itself; with padding 1 it is 2h×2w (without, it has one more row or column on each side: they go).\n"
            "Keep the first H rows and W columns, and add fine. The result is N×K×H×W. (segkit.models.fuse_skip takes\n"
            "the coarse map after the enlargement, this function takes it before.)"
        ),
        reference=fuse,
        cases=_skip_cases,
        facts=_skip_facts,
        mistakes=(
            mistake(
                "cut-at-zero",
                "You cut at row 0. The transposed convolution adds a border of one pixel, so the picture starts at "
                "row and column 1.",
                does(lambda c, f: _cut(enlarged(c), f, 0, 0) + f),
            ),
            mistake(
                "cut-at-two",
                "You cut one row and column too late. The picture starts at row and column 1.",
                does(lambda c, f: _cut(F.pad(enlarged(c), (0, 1, 0, 1)), f, 2, 2) + f),
            ),
            mistake(
                "cut-from-end",
                "You keep the last rows and columns. What pooling rounded up was added at the bottom and the right: "
                "keep the first ones.",
                does(_last),
                does(_last_of_picture),
            ),
            mistake(
                "squeezed-not-cut",
                "Where fine is smaller than twice coarse, you resize the enlarged map to fit. That moves every pixel: "
                "cut it off at the bottom and the right.",
                does(_squeezed),
            ),
            mistake(
                "interpolated",
                "You interpolate. Inside that gives the same; at the border interpolation repeats the last pixel "
                "where the transposed convolution adds nothing.",
                _interpolated("bilinear", True, align_corners=False),
                _interpolated("bilinear", False, align_corners=False),
            ),
            mistake(
                "align-corners",
                "You interpolate with align_corners=True, which stretches the grid: positions of the two maps no "
                "longer agree.",
                _interpolated("bilinear", True, align_corners=True),
                _interpolated("bilinear", False, align_corners=True),
            ),
            mistake(
                "nearest",
                "You copy each coarse pixel four times. The enlargement should be bilinear.",
                _interpolated("nearest", True),
                _interpolated("nearest", False),
            ),
            mistake(
                "not-summed",
                "The two maps are put side by side as channels, or multiplied. FCN adds them.",
                does(lambda c, f: torch.cat([_cut(enlarged(c), f), f], 1)),
                does(lambda c, f: torch.cat([f, _cut(enlarged(c), f)], 1)),
                does(lambda c, f: _cut(enlarged(c), f) * f),
                does(lambda c, f: torch.maximum(_cut(enlarged(c), f), f)),
            ),
            mistake("averaged", "You take the mean of the two maps. FCN adds them.", gives(lambda r, *a: r / 2)),
            mistake(
                "coarse-forgotten",
                "Only one of the two maps is in your result.",
                does(lambda c, f: f),
                gives(lambda r, c, f: r - f),
            ),
            mistake(
                "classes-mixed",
                "The scores of all classes flow into each other. The kernel is filled on its diagonal only.",
                _upsampled_with(lambda k: kernel(1, 2).expand(k, k, -1, -1)),
            ),
            mistake(
                "kernel-sum",
                "The enlarged map is too faint or too strong. The bilinear kernel of stride 2 sums to 4.",
                _upsampled_with(lambda k: kernel(k, 2) / 4),
                _upsampled_with(lambda k: kernel(k, 2) / kernel(1, 2).max()),
                _upsampled_with(lambda k: kernel(k, 2) * 4),
            ),
            mistake(
                "shrunk-instead",
                "You shrink fine to the size of coarse. The other way round: coarse is enlarged.",
                does(lambda c, f: c + F.interpolate(f, size=tuple(c.shape[2:]), mode="bilinear", align_corners=False)),
                does(lambda c, f: c + F.adaptive_avg_pool2d(f, tuple(c.shape[2:]))),
            ),
            mistake(
                "first-picture-only",
                "Only the first picture of the batch is worked on.",
                gives(lambda r, *a: r[:1]),
                gives(lambda r, *a: r[:1].expand_as(r)),
                given(lambda c, f: (c[:1], f)),
            ),
            mistake(
                "fine-subtracted",
                "You subtract where you should add.",
                gives(lambda r, c, f: r - 2 * f),
                gives(lambda r, c, f: 2 * f - r),
            ),
        ),
    )
)
