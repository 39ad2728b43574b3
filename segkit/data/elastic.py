"""Elastic deformation: bend a picture and all that is known of it as if it were drawn on rubber.

Few labelled pictures of tissue become many believable ones, because tissue really is soft. Sources: Simard, Steinkraus,
Platt, "Best practices for convolutional neural networks applied to visual document analysis", ICDAR 2003, section 2;
Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, section 3.1.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from segkit.data.sample import Sample


class Elastic:
    """Smooth random displacement after Simard: noise blurred by `sigma`, then multiplied by `alpha`.

    Away from the borders a displacement's standard deviation is about 0.163 · alpha / sigma pixels, in x and in y.

    Args:
        alpha: strength in pixels; 0 leaves the sample as it is.
        sigma: how wide the bends are, the standard deviation of the blur in pixels; small ones tear things apart.
        p: chance that a sample is deformed at all, 0–1.

    Shape: a Sample of any size gives a Sample of the same size. The picture is read bilinearly, labels, instances and
        depth from the nearest pixel, and what lies outside is the picture mirrored about its outermost pixels.

    Raises:
        ValueError: an option is out of range; on call, a sample has a next frame or flow, which would no longer fit.
    """

    def __init__(self, alpha: float = 200.0, sigma: float = 8.0, p: float = 1.0) -> None:
        if not 0 <= alpha < math.inf or not 0 < sigma < math.inf:
            raise ValueError(f"Elastic got alpha={alpha}, sigma={sigma}; it needs alpha >= 0 and sigma > 0, in pixels")
        self.alpha, self.sigma, self.p = float(alpha), float(sigma), _chance("Elastic", p)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.random() >= self.p:
            return sample
        noise = rng.uniform(-1.0, 1.0, (2, *sample.labels.shape))  # 2, H, W
        smooth = [ndimage.gaussian_filter(n, self.sigma, mode="reflect", truncate=3.0) for n in noise]
        return warped(sample, torch.from_numpy(self.alpha * np.stack(smooth)))


class ElasticGrid:
    """U-Net's deformation: random displacements on a coarse grid, bicubic in between.

    Args:
        std: standard deviation of the displacements in pixels, in x and in y.
        points: grid points along each side; they span the picture from corner to corner.
        p: chance that a sample is deformed at all, 0–1.

    Shape and Raises: as for `Elastic`.
    Source: Ronneberger et al. 2015, section 3.1: a 3×3 grid and 10 pixels, on pictures of 512×512 pixels and above.
        The paper leaves open where the grid lies; on smaller pictures scale `std` along.
    """

    def __init__(self, std: float = 10.0, points: int = 3, p: float = 1.0) -> None:
        if not 0 <= std < math.inf:
            raise ValueError(f"ElasticGrid got std={std}; it is a number of pixels, 0 or more")
        if isinstance(points, bool) or not isinstance(points, int) or points < 2:
            raise ValueError(f"ElasticGrid got points={points!r}; it needs a whole number of at least 2 per side")
        self.std, self.points, self.p = float(std), points, _chance("ElasticGrid", p)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.random() >= self.p:
            return sample
        coarse = torch.from_numpy(rng.normal(0.0, self.std, (1, 2, self.points, self.points)))
        size = (int(sample.labels.shape[0]), int(sample.labels.shape[1]))
        fine = F.interpolate(coarse, size=size, mode="bicubic", align_corners=True)  # 1, 2, H, W
        return warped(sample, fine[0])


def warped(sample: Sample, displacement: Tensor) -> Sample:
    """The sample with each pixel read at its own place plus a displacement.

    Args:
        sample: with neither next frame nor flow.
        displacement: float, (dy, dx) in pixels; what shows at (y, x) is what was at (y + dy, x + dx).

    Shape: displacement 2×H×W, H×W those of the sample.

    Raises:
        ValueError: another shape, or a sample with a next frame or flow.
    """
    height, width = sample.labels.shape
    if displacement.shape != (2, height, width):
        raise ValueError(
            f"a displacement of shape {tuple(displacement.shape)} does not fit a picture of {height}×{width}; it needs "
            f"(2, {height}, {width}), dy and dx for each pixel"
        )
    if sample.next_image is not None or sample.flow is not None:
        raise ValueError(
            f"{sample.name or 'the sample'} has a next frame or flow, and one picture cannot be bent without them; "
            "make the data set without motion"
        )
    y = torch.arange(height, dtype=torch.float64)[:, None] + displacement[0].double()  # H, W
    x = torch.arange(width, dtype=torch.float64)[None, :] + displacement[1].double()  # H, W
    rows, columns = _mirror((y + 0.5).floor(), height), _mirror((x + 0.5).floor(), width)

    def fact(t: Tensor | None) -> Tensor | None:
        return None if t is None else t[rows, columns]

    labels = sample.labels[rows, columns]
    return Sample(
        image=_bilinear(sample.image, y, x), labels=labels, instances=fact(sample.instances),
        depth=fact(sample.depth), name=sample.name,
    )  # fmt: skip


def _bilinear(image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """The picture read at (y, x) between four pixels, mirrored outside."""
    top, left = y.floor(), x.floor()
    v, u = (y - top).to(image), (x - left).to(image)  # H, W
    rows = [_mirror(top + k, image.shape[-2]) for k in (0, 1)]
    columns = [_mirror(left + k, image.shape[-1]) for k in (0, 1)]
    upper = image[:, rows[0], columns[0]] * (1 - u) + image[:, rows[0], columns[1]] * u  # 3, H, W
    lower = image[:, rows[1], columns[0]] * (1 - u) + image[:, rows[1], columns[1]] * u
    return upper * (1 - v) + lower * v


def _mirror(place: Tensor, length: int) -> Tensor:
    """Whole-numbered places folded back into 0…length−1 about the outermost pixels: −1 → 1, length → length − 2."""
    if length == 1:
        return torch.zeros_like(place, dtype=torch.int64)
    period = 2 * (length - 1)
    folded = place.to(torch.int64).remainder(period)
    return torch.minimum(folded, period - folded)


def _chance(who: str, p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"{who} got p={p}; a chance lies between 0 and 1")
    return float(p)
