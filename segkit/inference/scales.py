"""One picture at several sizes and mirrored, and the answers fused: slower, and a little better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import chosen, finite
from segkit.inference.network import Around, cell_stride, checked_pictures, corner_aligned, evaluating, scored

SMALLEST, LARGEST = 1 / 16, 16.0  # factors beyond these are slips of the pen


def multi_scale(
    network: nn.Module,
    image: Tensor,
    scales: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5),
    flip: bool = True,
    fuse: str = "mean",
) -> Tensor:
    """Probabilities of each class from the picture at several sizes, in evaluation and without gradients.

    Sizes follow the network's cells. Where cell i stands on pixel s·i (`corner_aligned`), a picture of H pixels becomes
    (H − 1)·scale + 1, its first and last pixels staying first and last: at scale 2 every second cell then stands just
    where a cell stood at scale 1, as in DeepLab. With H·scale and half-pixel centres they would stand (scale − 1)/2
    pixels beside. Where a cell stands over the middle of its s pixels, H·scale and half-pixel centres do the same: at
    scale ½ it covers the middle of four cells. Both round to whole pixels, and scores go back as the picture came.

    Args:
        network: gives scores N×K×H×W.
        image: the pictures.
        scales: factors of the picture's size, each from 1/16 to 16; 1 is the picture itself, not resampled. A smaller
            picture is averaged from the larger one (antialiased), as pictures in training are.
        flip: also each of them mirrored left and right.
        fuse: "mean" of the probabilities; or "max": the largest score over the sizes for each class, and the softmax of
            these, as in DeepLab v2.

    Shape:
        N×C×H×W → N×K×H×W, each pixel's K numbers summing to 1.

    Raises:
        TypeError, ValueError: no scales, or one that is no number in that range; another fuse; NaN or infinite scores.

    Source:
        DeepLab v2, section 3.2 and 4.1 (max), at test time with shared weights; DeepLab v3, section 4 (mean, flips).
    """
    return MultiScale(network, scales, flip, fuse)(image)


class MultiScale(Around):
    """A network whose answer to a picture is `multi_scale`'s: to hand to `tiled`.

    Args:
        network, scales, flip, fuse: as for `multi_scale`.

    Attributes:
        tile_stride: tiles that start on multiples of it start on a cell at every scale.
    """

    def __init__(
        self,
        network: nn.Module,
        scales: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5),
        flip: bool = True,
        fuse: str = "mean",
    ) -> None:
        super().__init__()
        if isinstance(scales, str) or not isinstance(scales, Sequence) or len(scales) == 0:
            raise TypeError(f"multi_scale got scales={scales!r}; it takes one or more numbers, such as (0.75, 1, 1.25)")
        wanted = "a scale is a number from 1/16 to 16"
        self.scales = tuple(finite(s, "scales", "multi_scale", SMALLEST, LARGEST, wanted) for s in scales)
        self.fuse = chosen(fuse, "fuse", "multi_scale", ("mean", "max"))
        self.module, self.flip = network, bool(flip)
        fractions = [Fraction(s).limit_denominator(8).denominator for s in self.scales]
        self.tile_stride = cell_stride(network) * math.lcm(*fractions)

    def forward(self, x: Tensor) -> Tensor:
        H, W = checked_pictures(self.module, x, "multi_scale")
        corners = corner_aligned(self.module)
        total: Tensor | None = None
        with evaluating(self.module):
            for scale in self.scales:
                small = _resized(x, (_scaled(H, scale, corners), _scaled(W, scale, corners)), corners)
                for mirrored in (False, True)[: 1 + self.flip]:
                    found = scored(self.module, small.flip(-1) if mirrored else small, "multi_scale")
                    found = found.softmax(1) if self.fuse == "mean" else found
                    found = _enlarged(found.flip(-1) if mirrored else found, (H, W), corners)  # N, K, H, W
                    if total is None:
                        total = found
                    else:
                        total = total + found if self.fuse == "mean" else torch.maximum(total, found)
        assert total is not None
        return total / (len(self.scales) * (1 + self.flip)) if self.fuse == "mean" else total.softmax(1)


def _scaled(length: int, scale: float, corners: bool) -> int:
    return max(1, round((length - 1) * scale) + 1 if corners else round(length * scale))


def _resized(x: Tensor, size: tuple[int, int], corners: bool) -> Tensor:
    """The picture at another size, averaged where it shrinks."""
    if size == (x.shape[-2], x.shape[-1]):
        return x
    shrinks = size[0] < x.shape[-2] or size[1] < x.shape[-1]
    if corners and shrinks:  # torch's antialias puts the first pixel of the small picture elsewhere
        return _means(x.shape[-2], size[0], x) @ x @ _means(x.shape[-1], size[1], x).t()
    return F.interpolate(x, size, mode="bilinear", align_corners=corners, antialias=shrinks)


def _means(before: int, after: int, like: Tensor) -> Tensor:
    """The matrix that shrinks one side: weighted means around each new pixel, first on first and last on last.

    Shape:
        after×before, rows summing to 1: triangles that reach as far as the next new pixel.
    """
    step = (before - 1) / (after - 1) if after > 1 else max(1, before)
    places = torch.arange(before, dtype=torch.float64)
    centres = torch.arange(after, dtype=torch.float64) * step if after > 1 else torch.tensor([(before - 1) / 2])
    weights = (1 - (places - centres[:, None]).abs() / max(1.0, step)).clamp_min(0)  # after, before
    return (weights / weights.sum(1, keepdim=True)).to(like)


def _enlarged(scores: Tensor, size: tuple[int, int], corners: bool) -> Tensor:
    """Scores back at the picture's size, bilinear."""
    if size == (scores.shape[-2], scores.shape[-1]):
        return scores
    return F.interpolate(scores, size, mode="bilinear", align_corners=corners)
