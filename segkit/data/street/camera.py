"""A pinhole camera that looks straight down a street; the street may bend.

World coordinates in metres: X to the right, Y up from the ground, Z along the street. The road's middle is at
X = bend · Z². The camera does not turn, it only moves; where the vanishing point lies in the picture is set by the
principal point (cx, cy), as with a shift lens. Pixel i has its centre at i + 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

NEAR = 1.0  # metres; nothing is drawn closer to the camera
SKY_DEPTH = 1000.0  # metres; the depth of sky pixels


@dataclass
class Camera:
    """Where the camera is and how it maps metres to pixels.

    Args:
        size: (H, W) in pixels.
        focal: focal length in pixels.
        cx, cy: the vanishing point of the street's direction, in pixels.
        height: metres above the ground.
        x, z: where it stands, in metres.
        bend: the road's curvature, 1/metres.
        pixel: the least width of anything drawn, in pixels.
    """

    size: tuple[int, int]
    focal: float
    cx: float
    cy: float
    height: float
    x: float
    z: float
    bend: float
    pixel: float = 1.0
    across: np.ndarray = field(init=False)  # W: (u − cx) / focal, the slope of each column's rays
    down: np.ndarray = field(init=False)  # H: (v − cy) / focal, the slope of each row's rays

    def __post_init__(self) -> None:
        h, w = self.size
        self.across = (np.arange(w) + 0.5 - self.cx) / self.focal
        self.down = (np.arange(h) + 0.5 - self.cy) / self.focal

    def middle(self, z: float) -> float:
        """X of the road's middle at world Z, as seen from the camera's own X."""
        return self.bend * z * z - self.x

    def wall_distance(self, offset: float) -> np.ndarray:
        """For each column, the distance at which its rays meet a wall that follows the road at `offset` metres.

        Solves across·z + x = offset + bend·(z + camera z)² for the smallest positive z; infinite where there is none.

        Shape: W, float64.
        """
        a = self.bend
        b = 2.0 * self.bend * self.z - self.across
        c = offset + self.bend * self.z * self.z - self.x
        disc = b * b - 4.0 * a * c
        q = -0.5 * (b + np.where(b < 0.0, -1.0, 1.0) * np.sqrt(np.maximum(disc, 0.0)))
        with np.errstate(divide="ignore", invalid="ignore"):
            first, second = q / a if a else np.full_like(q, np.inf), c / q
        first = np.where(first > NEAR, first, np.inf)  # also drops NaN
        second = np.where(second > NEAR, second, np.inf)
        return np.where(disc >= 0.0, np.minimum(first, second), np.inf)

    def moved(self, dx: float, dz: float) -> Camera:
        """The same camera one time step later."""
        return replace(self, x=self.x + dx, z=self.z + dz)
