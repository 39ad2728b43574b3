"""The Gaussian filter as it is defined, over all pairs of points: what the lattice is measured against."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.checks import chosen
from segkit.crf.lattice import NORMALIZATIONS, check_values, checked_points


class BruteForceFilter:
    """out_i = Σ_j k_ij in_j with k_ij = exp(−½‖f_i − f_j‖²), the term j = i included, normalised as asked.

    Args:
        features: as for PermutohedralLattice. N² numbers are kept: for small pictures.
        normalization: "none": K; "before": K D⁻¹; "after": D⁻¹ K; "symmetric": D^−½ K D^−½, with D = diag(K·1).
    """

    def __init__(self, features: Tensor, normalization: str = "none") -> None:
        chosen(normalization, "normalization", "BruteForceFilter", NORMALIZATIONS)
        f = checked_points(features, "BruteForceFilter")[0].t().double()
        distances = torch.cdist(f, f, compute_mode="donot_use_mm_for_euclid_dist")
        kernel = torch.exp(-distances.square() / 2)  # N, N
        norm = kernel.sum(1)
        power = {"none": (0.0, 0.0), "before": (0.0, -1.0), "after": (-1.0, 0.0), "symmetric": (-0.5, -0.5)}
        rows, columns = power[normalization]
        self.matrix = norm[:, None] ** rows * kernel * norm**columns

    def filter(self, values: Tensor) -> Tensor:
        """The exact sums. Shape: N×K or N → the same, in float32 at least."""
        check_values(values, len(self.matrix))
        values = values if values.dtype == torch.float64 else values.float()
        return self.matrix.to(values.dtype) @ values


def brute_force(features: Tensor, values: Tensor, normalization: str = "none") -> Tensor:
    """Filter values over points, all pairs of them: N² terms.

    Args:
        features: N×d, each dimension divided by the standard deviation wanted in it.
        values: what is filtered, of floating-point numbers.
        normalization: see BruteForceFilter.

    Shape: N×d and N×K or N → as values, in float32 at least.

    Raises:
        TypeError, ValueError: features or values that do not fit, or an unknown normalization.

    Source: Krähenbühl & Koltun 2011, equation 3.
    """
    return BruteForceFilter(features, normalization).filter(values)
