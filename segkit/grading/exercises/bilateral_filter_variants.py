"""`bilateral_filter` as it should be, and as it is often got wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each


def places(h: int, w: int) -> Tensor:
    """Row and column of every pixel, row by row, P×2."""
    return torch.cartesian_prod(torch.arange(h).double(), torch.arange(w).double())


def kernel(picture: Tensor, alpha: float, beta: float) -> Tensor:
    """exp(−|Δplace|²/2α² − |Δcolour|²/2β²) of every pair, P×P."""
    p, c = places(*picture.shape[1:]), picture.double().flatten(1).T
    return torch.exp(-(squares(p) / (2 * alpha**2)) - squares(c) / (2 * beta**2))


def squares(points: Tensor) -> Tensor:
    return (points[:, None] - points).square().sum(2)


def sums(values: Tensor, k: Tensor) -> Tensor:
    """Σ_j k_ij values_j, in the shape and type of values."""
    return (values.double().flatten(1) @ k.T).to(values.dtype).reshape(values.shape)


def bilateral(values: Tensor, picture: Tensor, alpha: float, beta: float) -> Tensor:
    """Reference of `bilateral_filter`."""
    return sums(values, kernel(picture, alpha, beta))


@each
def by(build: Function) -> Ways:
    """Another kernel: build(picture, alpha, beta) is P×P."""
    return does(lambda v, p, a, b: sums(v, build(p, a, b)))


def made_of(place: Function | None = None, colour: Function | None = None) -> Ways:
    """Another squared distance of places (h, w) or of colours (C×P)."""

    def build(p: Tensor, a: float, b: float) -> Tensor:
        d = place(*p.shape[1:]) if place else squares(places(*p.shape[1:]))
        c = colour(p.double().flatten(1)) if colour else squares(p.double().flatten(1).T)
        return torch.exp(-d / (2 * a**2) - c / (2 * b**2))

    return by(build)


def part(p: Tensor, a: float, b: float, which: str) -> Tensor:
    space, far = kernel(p[:1] * 0, a, 1.0), kernel(p, 1e9, b)
    return {"space": space, "colour": far, "sum": space + far, "mean": (space + far) / 2}[which]


def without_self(p: Tensor, a: float, b: float) -> Tensor:
    k = kernel(p, a, b)
    return k - torch.diag(k.diag())


def over_sum(p: Tensor, a: float, b: float, rows: float, columns: float, self_too: bool = True) -> Tensor:
    k = kernel(p, a, b) if self_too else without_self(p, a, b)
    norm = k.sum(1)
    return norm[:, None] ** -rows * k * norm**-columns


def near(p: Tensor, a: float, b: float, reach: int) -> Tensor:
    d = (places(*p.shape[1:])[:, None] - places(*p.shape[1:])).abs().amax(2)
    return kernel(p, a, b) * (d <= reach)


def unsquared(p: Tensor, a: float, b: float, both: bool) -> Tensor:
    d, c = squares(places(*p.shape[1:])), squares(p.double().flatten(1).T)
    if both:
        return torch.exp(-d.sqrt() / (2 * a**2) - c.sqrt() / (2 * b**2))
    return torch.exp(-d.sqrt() / a - c.sqrt() / b)


def flat(h: int, w: int) -> Tensor:
    at = torch.arange(h * w).double()
    return (at[:, None] - at).square()


def turned(h: int, w: int) -> Tensor:
    """Places counted column by column, while the pixels are row by row."""
    return squares(places(w, h))


def in_bytes(p: Tensor, a: float, b: float, squared: bool) -> Tensor:
    """Differences of a uint8 picture that wrap around at 256, and their squares, too."""
    if p.dtype != torch.uint8:
        return kernel(p, a, b)
    c = p.flatten(1)
    d = c[:, :, None] - c[:, None]
    d = d.square() if squared else d.double().square()
    return kernel(p[:1] * 0, a, b) * torch.exp(-d.double().sum(0) / (2 * b**2))


def l1(c: Tensor) -> Tensor:
    return (c[:, :, None] - c[:, None]).abs().sum(0).square()
