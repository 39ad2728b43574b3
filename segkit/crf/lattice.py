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
(0.88 in 2 dimensions, 0.57 in 5, on average): compare it, and use it, normalised.

Source: Adams, Baek & Davis, "Fast high-dimensional filtering using the permutohedral lattice", Eurographics 2010.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from segkit.crf.rows import SparseRows
from segkit.crf.simplex import barycentric, elevate, enclosing_simplex, strides

NORMALIZATIONS = ("none", "before", "after", "symmetric")


class PermutohedralLattice:
    """The lattice around N points; building it costs about as much as filtering with it a few times.

    Args:
        features: where the points are, each dimension divided by the standard deviation wanted in it. No gradient
            reaches them: which simplex a point lies in does not change smoothly.

    Shape:
        features N×d, float32 or float64 (whole numbers and halves become float32).

    Attributes:
        vertices: N×(d+1), int32, the lattice points around each point; barycentric: their weights, the same shape.
        neighbours: (d+1)×M×3, int32, of each lattice point along each axis: itself and two more. The last of the M
            points stands for those that do not exist, and stays 0.

    Raises:
        TypeError, ValueError: features that are not a tensor N×d of finite numbers with N and d at least 1.
    """

    def __init__(self, features: Tensor) -> None:
        points = _checked(features)
        with torch.no_grad():
            x = elevate(points.t().contiguous())  # d+1, N
            v, rank = enclosing_simplex(x)
            self.barycentric = barycentric(x, v).t().contiguous()  # N, d+1
            simplex_of, v, rank = _distinct_simplices(v, rank)
            corner_of, self.neighbours = _corners(v, rank)
        self.vertices = corner_of.index_select(0, simplex_of)  # N, d+1
        self._before: Tensor | None = None
        self._after: Tensor | None = None

    def __repr__(self) -> str:
        return f"PermutohedralLattice({len(self.vertices)} points in {self.dimensions} dimensions, {self.size} corners)"

    @property
    def dimensions(self) -> int:
        """d."""
        return self.vertices.shape[1] - 1

    @property
    def size(self) -> int:
        """The number of lattice points that exist."""
        return self.neighbours.shape[1] - 1

    def filter(self, values: Tensor) -> Tensor:
        """Splat, blur and slice: the sum over all points, near ones weighted most.

        Shape: N×K, or N for one value a point; the same comes out, in float32 at least. Differentiable in the values.
        """
        if not isinstance(values, Tensor) or not values.is_floating_point():
            raise TypeError(f"filter got {_named(values)}; it takes a tensor of floating-point numbers")
        if values.ndim not in (1, 2) or len(values) != len(self.vertices):
            raise ValueError(f"filter got values {tuple(values.shape)}; it takes N×K for {len(self.vertices)} points")
        rows = values if values.dtype == torch.float64 else values.float()
        rows = rows[:, None] if values.ndim == 1 else rows
        filtered = _Filter.apply(rows.contiguous(), self)
        return filtered[:, 0] if values.ndim == 1 else filtered

    def normalized(self, normalization: str) -> PermutohedralLattice:
        """The same lattice with its filter K normalised by D = diag(K·1).

        Args:
            normalization: "none": K; "before": K D⁻¹; "after": D⁻¹ K; "symmetric": D^−½ K D^−½.
        """
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"got normalization={normalization!r}; choose one of {', '.join(NORMALIZATIONS)}")
        if normalization == "none":
            return self
        norm = self.filter(torch.ones_like(self.barycentric[:, 0])) + 1e-20  # N
        scale = norm.rsqrt() if normalization == "symmetric" else norm.reciprocal()
        before = None if normalization == "after" else scale
        return self._scaled(before, None if normalization == "before" else scale)

    @cached_property
    def adjoint(self) -> PermutohedralLattice:
        """The lattice whose filter is the transposed matrix: the axes are blurred in the opposite order."""
        other = self._scaled(self._after, self._before)
        other.blurs = self.blurs[::-1]
        if self._before is self._after:  # the matrices are the same ones
            other.__dict__.update({k: self.__dict__[k] for k in ("splat", "slice") if k in self.__dict__})
        return other

    @cached_property
    def splat(self) -> SparseRows:
        """Sᵀ: for each lattice point, the points around it."""
        corner = self.vertices.flatten()  # N·(d+1)
        starts = torch.zeros(self.size + 2, dtype=torch.int32, device=corner.device)
        starts[1:-1] = torch.bincount(corner, minlength=self.size).cumsum(0)
        starts[-1] = len(corner)
        order = corner.sort(stable=True).indices.to(torch.int32)
        points = order // (self.dimensions + 1)
        weights = self.barycentric.flatten().index_select(0, order)
        if self._before is not None:
            weights *= self._before.index_select(0, points)
        return SparseRows(points, weights, starts, len(self.vertices))

    @cached_property
    def blurs(self) -> list[SparseRows]:
        """B_0 … B_d in the order in which they are applied."""
        weights = self.barycentric.new_tensor([1, 0.5, 0.5]).repeat(self.size + 1, 1)  # M, 3
        return [SparseRows(columns, weights, None, self.size + 1) for columns in self.neighbours]

    @cached_property
    def slice(self) -> SparseRows:
        """S / (1 + 2^−d): for each point, the lattice points around it."""
        weights = self.barycentric / (1 + 2.0**-self.dimensions)
        if self._after is not None:
            weights *= self._after[:, None]
        return SparseRows(self.vertices, weights, None, self.size + 1)

    def _scaled(self, before: Tensor | None, after: Tensor | None) -> PermutohedralLattice:
        """A shallow copy with other scales and no matrices yet."""
        other = copy.copy(self)
        for name in ("splat", "slice", "adjoint"):
            other.__dict__.pop(name, None)
        other._before, other._after = before, after
        return other


class _Filter(torch.autograd.Function):
    """A linear map, whose gradient is the transposed map of the gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, lattice: PermutohedralLattice) -> Tensor:
        ctx.lattice = lattice
        y = lattice.splat @ values  # M, K
        for blur in lattice.blurs:
            y = blur @ y
        return lattice.slice @ y  # N, K

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _Filter.apply(gradients[0].contiguous(), ctx.lattice.adjoint), None


def _distinct_simplices(v: Tensor, rank: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points in the same simplex merged: the number of each point's simplex, and v and rank of each simplex.

    Shape: (d+1)×N twice → N, int32, and (d+1)×S twice, int64, S the number of distinct simplices.
    """
    N = v.shape[1]
    digits = torch.cat((v[:-1].long(), rank[:-1].long()))  # 2d, N: the last of each follows from the others
    lowest, highest = digits.aminmax(dim=1)
    key = ((digits - lowest[:, None]) * strides(lowest, highest)[:, None]).sum(0)  # N
    first, order, number = _groups(key)
    simplex_of = torch.empty(N, dtype=torch.int32, device=v.device)
    simplex_of[order] = number
    chosen = order[first]
    return simplex_of, v[:, chosen].long(), rank[:, chosen].long()


def _corners(v: Tensor, rank: Tensor) -> tuple[Tensor, Tensor]:
    """The lattice points that S simplices touch, numbered, and their neighbours.

    Shape: (d+1)×S twice → S×(d+1), int32, and (d+1)×M×3, int32, as in PermutohedralLattice.neighbours.
    """
    n, S = v.shape
    lowest, highest = v[:-1].aminmax(dim=1)
    s = strides(n * (lowest - 3), n * (highest + 3))  # d: room for every corner and its neighbours
    s = torch.cat((s, s.new_zeros(1)))[:, None]  # d+1, 1: the last coordinate follows from the others
    step = s.sum()
    jump = torch.zeros_like(v).scatter_(0, rank, (n * s).expand(n, S))  # d+1, S: by rank, what one d + 1 less costs
    key = (n * v * s).sum(0) + torch.arange(n, device=v.device)[:, None] * step  # d+1, S
    key[1:] -= jump.flip(0).cumsum(0)[:-1]
    first, order, number = _groups(key.flatten())
    corner_of = torch.empty(n * S, dtype=torch.int32, device=v.device)
    corner_of[order] = number
    return corner_of.view(n, S).t().contiguous(), _neighbours(key.flatten()[order[first]], step - n * s[:, 0])


def _neighbours(keys: Tensor, offsets: Tensor) -> Tensor:
    """For each key, ascending, its own place and those of key + offset and key − offset; len(keys) where there is none.

    Shape: M and d+1 → (d+1)×(M+1)×3, int32; the last row of each stands for no lattice point.
    """
    M = len(keys)
    here = torch.arange(M + 1, dtype=torch.int32, device=keys.device)
    out = torch.full((len(offsets), M + 1, 3), M, dtype=torch.int32, device=keys.device)
    for axis, offset in zip(out, offsets, strict=True):
        wanted = keys + offset
        place = torch.searchsorted(keys, wanted, out_int32=True)
        place[keys.index_select(0, place.clamp(max=M - 1)) != wanted] = M
        axis[:, 0] = here
        axis[:M, 1] = place
        axis[:, 2].index_copy_(0, place.long(), here[:M])
        axis[M, 2] = M
    return out


def _groups(key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Equal keys brought together: where each group begins, the order that does it, the group of each place in it."""
    ordered, order = key.sort()
    new = torch.ones_like(ordered, dtype=torch.bool)
    torch.ne(ordered[1:], ordered[:-1], out=new[1:])
    return new.nonzero()[:, 0], order, new.cumsum(0, dtype=torch.int32) - 1


def _checked(features: Any) -> Tensor:
    if not isinstance(features, Tensor) or features.is_complex():
        raise TypeError(f"PermutohedralLattice got {_named(features)}; it takes a tensor N×d of real numbers")
    if features.ndim != 2 or 0 in features.shape:
        raise ValueError(
            f"PermutohedralLattice got features {tuple(features.shape)}; it takes N×d, one row a point, both at least 1"
        )
    points = features.detach() if features.dtype == torch.float64 else features.detach().float()
    if not points.isfinite().all():
        raise ValueError("PermutohedralLattice got features that are NaN or infinite; every point needs a place")
    return points


def _named(value: Any) -> str:
    return f"a tensor of {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
