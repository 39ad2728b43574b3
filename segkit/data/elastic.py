"""Elastic deformation: bend a picture and all that is known of it as if it were drawn on rubber.

Few labelled pictures of tissue become many believable ones, because tissue really is soft. Sources: Simard, Steinkraus,
Platt, "Best practices for convolutional neural networks applied to visual document analysis", ICDAR 2003, section 2;
Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, section 3.1.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from segkit.checks import finite, whole
from segkit.data.sample import Sample, size_of


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
        self.alpha = finite(alpha, "alpha", "Elastic", 0)
        self.sigma = finite(sigma, "sigma", "Elastic", 1e-6)
        self.p = finite(p, "p", "Elastic", 0, 1)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        size = size_of(sample)
        if rng.random() >= self.p:
            return sample
        noise = rng.uniform(-1.0, 1.0, (2, *size))  # 2, H, W
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
        self.std = finite(std, "std", "ElasticGrid", 0)
        self.points = whole(points, "points", "ElasticGrid", 2)
        self.p = finite(p, "p", "ElasticGrid", 0, 1)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        size = size_of(sample)
        if rng.random() >= self.p:
            return sample
        coarse = torch.from_numpy(rng.normal(0.0, self.std, (1, 2, self.points, self.points)))
        fine = F.interpolate(coarse, size=size, mode="bicubic", align_corners=True)  # 1, 2, H, W
        return warped(sample, fine[0])


def warped(sample: Sample, displacement: Tensor) -> Sample:
    """The sample with each pixel read at its own place plus a displacement.

    Args:
        sample: with neither next frame nor flow.
        displacement: float, (dy, dx) in pixels; what shows at (y, x) is what was at (y + dy, x + dx).

    Shape: displacement 2×H×W, H×W those of the sample.

    Raises:
        ValueError: another shape, NaN or infinity, or a sample with a next frame or flow.
    """
    height, width = size_of(sample)
    if displacement.shape != (2, height, width):
        raise ValueError(
            f"a displacement of shape {tuple(displacement.shape)} does not fit a picture of {height}×{width}; it needs "
            f"(2, {height}, {width}), dy and dx for each pixel"
        )
    if not displacement.isfinite().all():
        raise ValueError("a displacement holds NaN or infinity; give dy and dx in pixels for each pixel")
    if sample.next_image is not None or sample.flow is not None:
        raise ValueError(
            f"{sample.name or 'the sample'} has a next frame or flow, and one picture cannot be bent without them; "
            "make the data set without motion"
        )
    y = torch.arange(height, dtype=torch.float64)[:, None] + displacement[0].double()  # H, W
    x = torch.arange(width, dtype=torch.float64)[None, :] + displacement[1].double()  # H, W
    number = np.arange(height * width).reshape(height, width)  # of each pixel; the nearest one's is read at each place
    nearest = torch.from_numpy(ndimage.map_coordinates(number, np.stack([y, x]), order=0, mode="mirror"))  # H, W

    def fact(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.flatten()[nearest]

    grid = torch.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], -1)[None]  # 1, H, W, 2
    image = F.grid_sample(
        sample.image[None].double(), grid, mode="bilinear", padding_mode="reflection", align_corners=True
    )[0].to(sample.image)  # 3, H, W
    return Sample(
        image=image, labels=sample.labels.flatten()[nearest], instances=fact(sample.instances),
        depth=fact(sample.depth), name=sample.name,
    )  # fmt: skip
