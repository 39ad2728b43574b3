"""Joint transforms: whatever happens to the picture happens to everything that is known about it.

A transform is called with a Sample and a numpy Generator and gives a new Sample; it changes nothing in place and keeps
no state, so (seed, epoch, index) decides the outcome. Pictures are interpolated; labels, instance ids, depth and flow
are facts about single pixels, so they are picked (nearest), never averaged: between road and car lies no third class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.checks import finite, pair, whole
from segkit.data.elastic import Elastic as Elastic
from segkit.data.elastic import ElasticGrid as ElasticGrid
from segkit.data.sample import VOID, Sample, size_of
from segkit.pictures import check_unit
from segkit.typed import typed

Transform = Callable[[Sample, np.random.Generator], Sample]

MEAN_COLOUR = (0.485, 0.456, 0.406)  # the mean RGB of ImageNet: what a network takes for "nothing there"


class Compose:
    """One transform after the other.

    Args:
        transforms: callables (sample, rng) -> sample, in the order of use.
    """

    @typed
    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = tuple(transforms)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample


class RandomFlip:
    """Mirror left and right; the horizontal part of the flow changes its sign.

    Args:
        p: chance of a flip, 0–1.
    """

    @typed
    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomFlip got p={p}; a chance lies between 0 and 1")
        self.p = p

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        size_of(sample)  # refuses parts of different sizes
        if rng.random() >= self.p:
            return sample
        mirrored = _each(sample, lambda t: t.flip(-1), lambda t: t.flip(-1))
        if mirrored.flow is not None:
            mirrored.flow = mirrored.flow * mirrored.flow.new_tensor([-1.0, 1.0]).view(2, 1, 1)
        return mirrored


class Resize:
    """Bring every sample to one size: the picture bilinear (averaging where it shrinks), all else nearest.

    Flow is measured in pixels, so it is scaled along; depth is in metres and stays.

    Args:
        size: (height, width) in pixels, or one number for the shorter side.
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        one = not isinstance(size, Sequence)
        self.size = whole(size, "size", "Resize", 1) if one else _pair(size, "Resize")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        height, width = size_of(sample)
        if isinstance(self.size, int):
            s = self.size / min(height, width)
            return resized(sample, (max(1, round(height * s)), max(1, round(width * s))))
        return resized(sample, self.size)


class RandomScale:
    """Scale by a factor drawn so that halving and doubling are equally likely (uniform in the logarithm).

    Args:
        low, high: smallest and largest factor, 0 < low ≤ high.
    """

    @typed
    def __init__(self, low: float = 0.5, high: float = 2.0) -> None:
        if not 0 < low <= high < math.inf:
            raise ValueError(f"RandomScale got low={low}, high={high}; it needs 0 < low <= high")
        self.low, self.high = low, high

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        s = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        height, width = size_of(sample)
        return resized(sample, (max(1, round(height * s)), max(1, round(width * s))))


class RandomCrop:
    """Cut a window at a random place; a picture smaller than the window lies at a random place in it.

    What lies outside the picture becomes void in the labels, the mean colour in the picture, 0 in instances, depth and
    flow.

    Args:
        size: (height, width) of the window in pixels, or one number for a square.
        fill: RGB in 0–1 outside the picture.
    """

    @typed
    def __init__(self, size: int | tuple[int, int], fill: tuple[float, float, float] = MEAN_COLOUR) -> None:
        self.size = pair(size, "size", "RandomCrop", 1)
        self.fill = tuple(finite(level, "fill", "RandomCrop", 0, 1) for level in fill)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        (height, width), (h, w) = size_of(sample), self.size
        top = int(rng.integers(min(0, height - h), max(0, height - h), endpoint=True))
        left = int(rng.integers(min(0, width - w), max(0, width - w), endpoint=True))
        return window(sample, top, left, self.size, self.fill)


class ColourJitter:
    """Change brightness, contrast, saturation and hue, in this order; labels stay, the next picture changes alike.

    Args:
        brightness, contrast, saturation: a factor is drawn from 1 − value … 1 + value for each; 0 switches it off.
        hue: a turn of the colour circle is drawn from −value … +value; 0.5 is half a turn.
    """

    @typed
    def __init__(
        self, brightness: float = 0.3, contrast: float = 0.3, saturation: float = 0.3, hue: float = 0.02
    ) -> None:
        for name, value, top in (
            ("brightness", brightness, 1.0),
            ("contrast", contrast, 1.0),
            ("saturation", saturation, 1.0),
            ("hue", hue, 0.5),
        ):
            if not 0 <= value <= top:
                raise ValueError(f"ColourJitter got {name}={value}; it lies between 0 and {top}")
        self.spread = (brightness, contrast, saturation, hue)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        size_of(sample)
        brightness, contrast, saturation, hue = (float(rng.uniform(-v, v)) for v in self.spread)
        _in_0_1(sample, "ColourJitter")
        level = float(sample.image.mean()) * (1 + brightness)  # of this picture, so that both pictures change alike
        turn = _colour_turn(1 + saturation, hue)

        def picture(t: Tensor) -> Tensor:
            t = (t * (1 + brightness) - level) * (1 + contrast) + level
            return torch.einsum("ij,jhw->ihw", turn.to(t), t).clamp(0, 1)  # 3, H, W

        after = None if sample.next_image is None else picture(sample.next_image)
        return replace(sample, image=picture(sample.image), next_image=after)


def window(sample: Sample, top: int, left: int, size: tuple[int, int], fill: Sequence[float]) -> Sample:
    """What a window of `size` (height, width) shows of the sample; outside lie `fill`, void, and 0 in all else."""
    (height, width), (h, w) = size_of(sample), size
    inside = (slice(max(0, -top), height - top), slice(max(0, -left), width - left))  # of the window
    taken = (slice(max(0, top), top + h), slice(max(0, left), left + w))  # of the picture

    def cut(t: Tensor, outside: Tensor) -> Tensor:
        seen = outside.to(t).expand(*t.shape[:-2], h, w).clone()  # …, h, w
        seen[..., *inside] = t[..., *taken]
        return seen

    nothing, colour = torch.tensor(0), torch.tensor(fill).view(3, 1, 1)
    result = _each(sample, lambda t: cut(t, colour), lambda t: cut(t, nothing))
    result.labels = cut(sample.labels.long(), torch.tensor(VOID))
    return result


def resized(sample: Sample, size: tuple[int, int]) -> Sample:
    """The sample at another size (height, width): picture bilinear, all else nearest, flow scaled along."""
    height, width = size_of(sample)
    h, w = size
    if (h, w) == (height, width):
        return sample
    _in_0_1(sample, "a change of size")
    rows, columns = _nearest(height, h), _nearest(width, w)

    def picture(t: Tensor) -> Tensor:
        big = F.interpolate(t[None], size=(h, w), mode="bilinear", align_corners=False, antialias=True)
        return big[0].clamp(0, 1)  # 3, h, w

    result = _each(sample, picture, lambda t: t[..., rows[:, None], columns])
    if result.flow is not None:
        result.flow = result.flow * result.flow.new_tensor([w / width, h / height]).view(2, 1, 1)
    return result


def _in_0_1(sample: Sample, who: str) -> None:
    """Refuse pictures on another scale, which the clamp to 0–1 at the end would make white, black or NaN."""
    for picture in (sample.image, sample.next_image):
        if picture is None:
            continue
        low, high = (float(bound) for bound in picture.aminmax())  # NaN shows in both
        fix = "divide by 255, and subtract mean and deviation afterwards"
        check_unit(low, high, f"{who} got {sample.name or 'a picture'}", fix)


def _each(sample: Sample, picture: Callable[[Tensor], Tensor], fact: Callable[[Tensor], Tensor]) -> Sample:
    """Apply `picture` to what is seen and `fact` to what is known, leaving out what the sample lacks."""
    kinds = {"image": picture, "next_image": picture, "labels": fact, "instances": fact, "depth": fact, "flow": fact}
    changed: dict[str, Any] = {k: f(t) for k, f in kinds.items() if (t := getattr(sample, k)) is not None}
    return replace(sample, **changed)


def _nearest(before: int, after: int) -> Tensor:
    """For each new pixel the old one that its centre falls into, in whole numbers: floor((i + ½)·before / after)."""
    return (2 * torch.arange(after) + 1) * before // (2 * after)


def _colour_turn(saturation: float, hue: float) -> Tensor:
    """3×3 matrix on RGB that stretches colour by `saturation` and turns it by `hue` turns about grey (in YIQ)."""
    to_yiq = torch.tensor(
        [[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]], dtype=torch.float64
    )
    cos, sin = saturation * math.cos(2 * math.pi * hue), saturation * math.sin(2 * math.pi * hue)
    turn = torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], dtype=torch.float64)
    return torch.linalg.inv(to_yiq) @ turn @ to_yiq


def _pair(size: Any, who: str) -> tuple[int, int]:
    if isinstance(size, str) or len(size) != 2:
        raise ValueError(f"{who} got size={size!r}; it takes (height, width), or one number for the shorter side")
    return pair(size, "size", who, 1)
