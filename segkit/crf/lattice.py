"""The permutohedral lattice: a Gaussian filter in any number of dimensions, in time linear in the number of points.

Wanted is out_i = Σ_j exp(−½‖f_i − f_j‖²) in_j over N points with features f in d dimensions: N² terms. Instead, cut
space into simplices whose corners are the lattice points: those x in the plane Σ x = 0 of d + 1 dimensions whose
coordinates are whole numbers with one remainder modulo d + 1 (for d = 2, a grid of triangles). Each point lies in one
simplex, and is the mean of its d + 1 corners with barycentric weights b. Then

    splat   every lattice point gathers Σ b·in of the points around it                   y = Sᵀ in
    blur    along each of the d + 1 axes in turn, with [½, 1, ½]                         y = B_d ⋯ B_0 y
    slice   every point reads the same corners back, with the same weights               out = S y / (1 + 2^−d)

B_j adds half of the two neighbours x ± (1, …, 1 − (d+1), …, 1), the exception at coordinate j, where these exist. A
simplex has d + 1 corners (a box would have 2^d), and only corners that some point touches are kept, so the cost is
N(d+1) products for each of splat and slice. The result is about a Gaussian times a factor that varies with the place
(0.88 in 2 dimensions; in 5, 0.71 where points fill space and some 0.55 on pictures): use and compare it normalised.

In float32 a corner adds up as many numbers as there are points around it. Where a kernel is as wide as the picture
these are hundreds of thousands, and rounding would show; such sums are made in pieces. Give float64 for more digits.

Differs from the reference code of Krähenbühl & Koltun: that one takes points four at a time, and where N is no multiple
of four it fills up with points at the origin, whose corners then exist too. Else the two agree to rounding.

Source: Adams, Baek & Davis, "Fast high-dimensional filtering using the permutohedral lattice", Eurographics 2010.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from segkit.checks import chosen
from segkit.crf.corners import distinct_corners, distinct_simplices, neighbours, splat_rows
from segkit.crf.rows import SparseRows
from segkit.crf.simplex import barycentric, elevate, enclosing_simplex

NORMALIZATIONS = ("none", "before", "after", "symmetric")
LONG = 2**14  # numbers that are added up one after the other on a CPU


class PermutohedralLattice:
    """The lattice around N points; building it costs about as much as filtering with it a few times.

    Args:
        features: where the points are, each dimension divided by the standard deviation wanted in it. No gradient
            reaches them: which simplex a point lies in does not change smoothly.

    Shape:
        features N×d, float32 or float64 (whole numbers and halves become float32).

    Attributes:
        splat: Sᵀ, for each lattice point the points around it; slice: S/(1 + 2^−d), for each point the lattice points
        around it; blurs: B_0 … B_d in the order in which they are applied. All SparseRows. Their last lattice point
        stands for all that do not exist: nothing is splatted there, and it stays 0.

    Raises:
        TypeError, ValueError: features that are not a tensor N×d of finite numbers with N and d at least 1.
    """

    def __init__(self, features: Tensor) -> None:
        with torch.no_grad():
            points, furthest = checked_points(features, "PermutohedralLattice")
            _check_reach(points, furthest)
            x = elevate(points)  # d+1, N
            v, rank = enclosing_simplex(x)
            weights = barycentric(x, v).t().contiguous()  # N, d+1
            simplices, v, rank = distinct_simplices(v, rank)  # d+1, S from here on
            del x, points  # what has N·(d+1) numbers goes as soon as it can
            corners = distinct_corners(v, rank)
            del v, rank
            splat = splat_rows(simplices, corners, weights)
            on_cpu = splat.columns.device.type == "cpu"
            self.splat = splat if on_cpu and splat.longest <= LONG else splat.cut()
            halves = weights.new_tensor([1, 0.5, 0.5]).repeat(corners.size + 1, 1)  # M, 3
            self.blurs = [SparseRows(columns, halves, None, len(columns)) for columns in neighbours(corners)]
            weights /= 1 + 2.0 ** -(len(self.blurs) - 1)
            self.slice = SparseRows(corners.of.index_select(0, simplices.of), weights, None, corners.size + 1)
        self._before: Tensor | None = None  # what splat and slice have been scaled by
        self._after: Tensor | None = None

    def __repr__(self) -> str:
        return f"PermutohedralLattice({self.points} points in {self.dimensions} dimensions, {self.size} lattice points)"

    @property
    def points(self) -> int:
        """N."""
        return len(self.slice.columns)

    @property
    def dimensions(self) -> int:
        """d."""
        return len(self.blurs) - 1

    @property
    def size(self) -> int:
        """The number of lattice points that exist."""
        return self.slice.width - 1

    def filter(self, values: Tensor) -> Tensor:
        """Splat, blur and slice: the sum over all points, near ones weighted most.

        Shape: N×K, or N for one value a point; the same comes out, in float32 at least. Differentiable in the values.
        """
        check_values(values, self.points)
        rows = values if values.dtype == torch.float64 else values.float()
        filtered = _Filter.apply((rows if rows.ndim == 2 else rows[:, None]).contiguous(), self)
        return filtered if values.ndim == 2 else filtered[:, 0]

    def blurred(self, values: Tensor) -> Tensor:
        """The first two of the three steps, without a gradient. Shape: N×K → M×K."""
        y = self.splat @ values  # M, K
        for blur in self.blurs:
            y = blur @ y
        return y

    def normalized(self, normalization: str) -> PermutohedralLattice:
        """The same lattice with its filter K, as it is now, normalised by D = diag(K·1).

        Args:
            normalization: "none": K; "before": K D⁻¹; "after": D⁻¹ K; "symmetric": D^−½ K D^−½.
        """
        chosen(normalization, "normalization", "PermutohedralLattice", NORMALIZATIONS)
        if normalization == "none":
            return self
        norm = self.filter(torch.ones_like(self.slice.weights[:, 0])) + 1e-20  # N
        scale = norm.rsqrt() if normalization == "symmetric" else norm.reciprocal()
        other = copy.copy(self)
        if normalization != "after":
            other.splat = self.splat.scale_columns(scale)
            other._before = scale if self._before is None else self._before * scale
        if normalization != "before":
            other.slice = self.slice.scale_rows(scale)
            other._after = scale if self._after is None else self._after * scale
        return other

    @property
    def adjoint(self) -> PermutohedralLattice:
        """The lattice whose filter is the transposed matrix: the axes are blurred in the opposite order."""
        other = copy.copy(self)
        other.blurs = self.blurs[::-1]
        if self._before is not self._after:
            one = torch.ones_like(self.slice.weights[:, 0])
            before, after = (one if scale is None else scale for scale in (self._before, self._after))
            other._before, other._after = after, before
            other.splat = self.splat.scale_columns(after / before)
            other.slice = self.slice.scale_rows(before / after)
        return other


class _Filter(torch.autograd.Function):
    """A linear map, whose gradient is the transposed map of the gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, lattice: PermutohedralLattice) -> Tensor:
        ctx.lattice = lattice
        return lattice.slice @ lattice.blurred(values)  # N, K

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Filter.apply(gradients[0].contiguous(), ctx.lattice.adjoint), None


def checked_points(features: Any, who: str) -> tuple[Tensor, float]:
    """Features of points in float32 at least, and how far from 0 they reach. Shape: N×d → d×N.

    Raises:
        TypeError, ValueError: no tensor N×d of finite numbers with N and d at least 1; in the name of `who`.
    """
    if not isinstance(features, Tensor) or features.is_complex():
        raise TypeError(f"{who} got {_named(features)}; it takes a tensor N×d of real numbers")
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(f"{who} got features {tuple(features.shape)}; it takes N×d, one row a point, both at least 1")
    points = (features if features.dtype == torch.float64 else features.float()).t().contiguous()  # d, N
    furthest = max(abs(float(bound)) for bound in points.detach().aminmax())  # NaN and infinity show here
    if not math.isfinite(furthest):
        raise ValueError(f"{who} got features that are NaN or infinite; every point needs a place")
    return points, furthest


def check_values(values: Any, points: int) -> None:
    """Values that a filter can take: N×K or N, for N points.

    Raises:
        TypeError, ValueError: they are not.
    """
    if not isinstance(values, Tensor) or not values.is_floating_point():
        raise TypeError(f"filter got {_named(values)}; it takes a tensor of floating-point numbers")
    if values.ndim not in (1, 2) or len(values) != points:
        raise ValueError(f"filter got values {tuple(values.shape)}; it takes N×K for {points} points")


def _check_reach(points: Tensor, furthest: float) -> None:
    """Whether rounding leaves every point in its simplex. Shape: d×N."""
    limit = 0.5 / torch.finfo(points.dtype).eps / (len(points) * (len(points) + 1))  # remainders keep their sign
    if furthest > limit:
        raise ValueError(
            f"PermutohedralLattice got features up to {furthest:g}; in {points.dtype} they reach to {limit:g} "
            "standard deviations from 0; subtract their mean, divide by larger deviations, or give float64"
        )


def _named(value: Any) -> str:
    return f"a tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
