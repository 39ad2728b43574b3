"""A coarse answer, and some of its points asked again: which, by whom, and what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.data.sample import VOID
from segkit.explore.labelled import mean_iou
from segkit.metrics import boundary_iou
from segkit.metrics.boundary import near_other_class

STRIDES = (4, 8, 16)
COUNTS = (0, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)  # points asked; the last stop is all there are
WAYS = ("the most uncertain", "nearest to borders", "random")
FARTHEST = 8  # pixels from a border of the coarse answer, up to which distances are told apart
HIDDEN = 256  # channels of PointRend's pyramid and of its point head, section 4.2


def macs_per_point(num_classes: int) -> int:
    """Multiply-adds of PointRend's head at one point: three layers that read a fine map and the coarse scores."""
    return HIDDEN * (HIDDEN + num_classes) + 2 * HIDDEN**2 + HIDDEN * num_classes


def stops(pixels: int) -> tuple[int, ...]:
    """How many points may be asked of a picture: COUNTS, as far as there are pixels, and all."""
    return (*(n for n in COUNTS if n < pixels), pixels)


def lots(pixels: int, seed: int) -> Tensor:
    """A rank for each pixel, drawn without place: the numbers from 0 to pixels − 1, mixed."""
    return torch.randperm(pixels, generator=torch.Generator().manual_seed(seed))


@dataclass(frozen=True)
class Coarse:
    """Perfect labels averaged over cells of stride × stride pixels and enlarged again.

    Args:
        truth: int64 H×W, the labels; void adds to no class.
        stride: side of a cell in pixels; H and W are multiples of it.
        num_classes: K.

    Raises:
        ValueError: a picture that is not made of whole cells.
    """

    truth: Tensor
    stride: int
    num_classes: int

    def __post_init__(self) -> None:
        if any(n % self.stride for n in self.truth.shape):
            raise ValueError(f"labels of shape {tuple(self.truth.shape)} are not made of cells of {self.stride}×"
                             f"{self.stride} pixels; give sides that are multiples of {self.stride}")  # fmt: skip

    @cached_property
    def shares(self) -> Tensor:
        """How much of each class there is, bilinear between the cells' centres. Shape: float64 K×H×W.

        All its numbers are fractions of a power of two, so that everybody computes the same ones to the last digit.
        """
        known = self.truth != VOID
        one = F.one_hot(torch.where(known, self.truth, 0), self.num_classes).double() * known[..., None]  # H, W, K
        cells = F.avg_pool2d(one.permute(2, 0, 1)[None], self.stride)  # 1, K, h, w
        return F.interpolate(cells, scale_factor=self.stride, mode="bilinear", align_corners=False)[0]

    @cached_property
    def labels(self) -> Tensor:
        """The class with the largest share. Shape: int64 H×W."""
        return self.shares.argmax(0)

    @cached_property
    def margin(self) -> Tensor:
        """By how much the largest share exceeds the second largest: small where the answer is uncertain. Shape: H×W."""
        first, second = self.shares.topk(2, 0).values
        return first - second

    def order(self, way: str) -> Tensor:
        """All pixels, those first that are asked first; ties are broken by lot. Shape: int64 H·W, row by row."""
        drawn = lots(self.truth.numel(), 0).argsort()  # pixel by rank
        if way == "random":
            return drawn
        key = self.margin if way == "the most uncertain" else self.distance
        return drawn[key.flatten()[drawn].argsort(stable=True)]

    @cached_property
    def distance(self) -> Tensor:
        """From the nearest pixel of another class in the coarse answer, up to FARTHEST; one more beyond. Shape: H×W."""
        found = torch.full_like(self.labels, FARTHEST + 1)
        for d in range(FARTHEST, 0, -1):
            found[near_other_class(self.labels, d)] = d
        return found

    def answers(self, right: float) -> Tensor:
        """What is said if asked: the truth at this share of all pixels, drawn by lot, else the likeliest other class.

        Void has no truth; there the coarse answer stands.
        """
        known = self.truth != VOID
        true = torch.where(known, self.truth, 0)[None]
        other = self.shares.scatter(0, true, -1.0).argmax(0)  # H, W
        lucky = lots(self.truth.numel(), 1).view_as(self.truth) < round(right * self.truth.numel())
        return torch.where(known, torch.where(lucky, self.truth, other), self.labels)


def asked(coarse: Coarse, answers: Tensor, order: Tensor, count: int) -> Tensor:
    """The coarse answer with its first `count` points of an order asked again. Shape: int64 H×W."""
    found, where = coarse.labels.flatten().clone(), order[:count]
    found[where] = answers.flatten()[where]
    return found.view_as(coarse.labels)


def figures(prediction: Tensor, coarse: Coarse, width: int) -> tuple[float, float]:
    """Mean IoU and Boundary IoU of a prediction, the second for edges of `width` pixels."""
    truth, K = coarse.truth, coarse.num_classes
    return mean_iou(prediction, truth, K), float(boundary_iou(prediction, truth, K, width=width))


def curve(coarse: Coarse, answers: Tensor, way: str, width: int) -> tuple[tuple[float, float], ...]:
    """Mean IoU and Boundary IoU at every stop."""
    order = coarse.order(way)
    counts = stops(coarse.truth.numel())
    return tuple(figures(asked(coarse, answers, order, count), coarse, width) for count in counts)
