"""Chapter 02: each claim holds, and fails when its cause is taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.analysis.baselines import Baseline
from segkit.data import Sample, StreetScenes
from tests.course.claims import refuted, run

Layers = list[tuple[int, int, int]]
FIELDS, SHARES, CEILING = "gradient_footprint", "variances must add", "one class per cell is no ceiling"


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


def few(transform: Callable[[Sample], Sample] | None = None) -> Callable[[StreetScenes], StreetScenes]:
    """Four of the chapter's streets, perhaps changed."""
    return lambda old: StreetScenes(split="test", size=(96, 128), length=4, transform=transform)


def test_scores_say_more_than_a_class_per_cell() -> None:
    run("02", CEILING)


def test_ceilings_need_bilinear_scores() -> None:
    """Scores that may not change within a cell: the commonest class is the best that they can say."""

    def painted(old: Any) -> Callable[[StreetScenes, int], Baseline]:
        def fit(streets: StreetScenes, s: int) -> Baseline:
            found = old(streets, 32)
            labels = torch.stack([street.labels for street in streets])
            votes = F.avg_pool2d(F.one_hot(labels, streets.num_classes).permute(0, 3, 1, 2).float(), s)
            answer = votes.argmax(1).repeat_interleave(s, 1).repeat_interleave(s, 2)
            hits = torch.stack([((answer == k) & (labels == k)).sum() for k in range(streets.num_classes)])
            either = torch.stack([((answer == k) | (labels == k)).sum() for k in range(streets.num_classes)])
            iou = hits / either
            return replace(found, scores={"mean_iou": float(iou.nanmean())}, iou=iou)

        return fit

    refuted("02", CEILING, streets=few(), fitted_ceiling=painted)


def test_ceilings_need_detail_to_lose() -> None:
    """Streets that hold one class in each 32×32 block: every stride can say everything."""

    def coarse(sample: Sample) -> Sample:
        blocks = sample.labels[16::32, 16::32].repeat_interleave(32, 0).repeat_interleave(32, 1)
        return replace(sample, labels=blocks)

    refuted("02", CEILING, streets=few(coarse))
