"""`bilateral_filter` as it should be, and as it is often got wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives, stops
from segkit.grading.exercises.common import FIRST_PICTURE


def places(h: int, w: int) -> Tensor:
    """Row and column of every pixel, row by row, P×2."""
    return torch.cartesian_prod(torch.arange(h).double(), torch.arange(w).double())


def squares(points: Tensor) -> Tensor:
    return (points[:, None] - points).square().sum(2)


def made_of(place: Tensor, colour: Tensor, a: float, b: float) -> Tensor:
    """exp(−place/2α² − colour/2β²), of squared distances P×P."""
    return torch.exp(-place / (2 * a**2) - colour / (2 * b**2))


def kernel(picture: Tensor, alpha: float, beta: float) -> Tensor:
    """exp(−|Δplace|²/2α² − |Δcolour|²/2β²) of every pair, P×P."""
    colours = picture.double().flatten(1).T
    return made_of(squares(places(*picture.shape[1:])), squares(colours), alpha, beta)


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


@each
def by_place(distance: Function) -> Ways:
    """Another squared distance of places: distance(h, w)."""
    return by(lambda p, a, b: made_of(distance(*p.shape[1:]), squares(p.double().flatten(1).T), a, b))


@each
def by_colour(distance: Function) -> Ways:
    """Another squared distance of colours: distance(C×P)."""
    return by(lambda p, a, b: made_of(squares(places(*p.shape[1:])), distance(p.double().flatten(1)), a, b))


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


def in_bytes(p: Tensor, a: float, b: float, squared: bool) -> Tensor:
    """Differences of a uint8 picture that wrap around at 256, and their squares, too."""
    if p.dtype != torch.uint8:
        return kernel(p, a, b)
    c = p.flatten(1)
    d = c[:, :, None] - c[:, None]
    d = d.square() if squared else d.double().square()
    return kernel(p[:1] * 0, a, b) * torch.exp(-d.double().sum(0) / (2 * b**2))


WAYS = {
    "normalised": by(
        lambda p, a, b: over_sum(p, a, b, 1, 0),
        lambda p, a, b: over_sum(p, a, b, 0, 1),
        lambda p, a, b: over_sum(p, a, b, 0.5, 0.5),
    )
    + gives(lambda r, v, p, a, b: r / p[0].numel()),
    "itself-left-out": by(without_self) + gives(lambda r, v, p, a, b: r - v),
    "itself-twice": gives(lambda r, v, p, a, b: r + v),
    "normalised-without-itself": by(lambda p, a, b: over_sum(p, a, b, 1, 0, False)),
    "wrong-width": given(
        *(
            lambda v, p, a, b, f=f, on=on: (v, p, f(a) if on[0] else a, f(b) if on[1] else b)
            for f in (lambda t: t / 2**0.5, lambda t: t**0.5, lambda t: (t / 2) ** 0.5, lambda t: t * 2**0.5)
            for on in ((1, 1), (1, 0), (0, 1))
        )
    ),
    "widths-exchanged": given(lambda v, p, a, b: (v, p, b, a)),
    "colour-ignored": by(lambda p, a, b: part(p, a, b, "space")),
    "place-ignored": by(lambda p, a, b: part(p, a, b, "colour")),
    "kernels-added": by(lambda p, a, b: part(p, a, b, "sum"), lambda p, a, b: part(p, a, b, "mean")),
    "not-squared": by(lambda p, a, b: unsquared(p, a, b, True), lambda p, a, b: unsquared(p, a, b, False))
    + by_colour(lambda c: squares(c.T).sqrt(), lambda c: (c[:, :, None] - c[:, None]).abs().sum(0))
    + by_place(lambda h, w: squares(places(h, w)).sqrt()),
    "sign-forgotten": by(
        lambda p, a, b: 1 / kernel(p, a, b),
        lambda p, a, b: part(p, a, b, "space") / part(p, a, b, "colour"),
        lambda p, a, b: part(p, a, b, "colour") / part(p, a, b, "space"),
    ),
    "channels-not-summed": given(
        lambda v, p, a, b: (v, p[:1], a, b),
        lambda v, p, a, b: (v, p, a, b * p.shape[0] ** 0.5),
        lambda v, p, a, b: (v, p.double().mean(0, keepdim=True), a, b),
        lambda v, p, a, b: (v, p.double().sum(0, keepdim=True), a, b),
    )
    + by(
        lambda p, a, b: torch.stack([kernel(c[None], a, b) for c in p]).mean(0),
        lambda p, a, b: torch.stack([kernel(c[None], a, b) for c in p]).sum(0),
    ),
    "other-distance": by_colour(lambda c: (c[:, :, None] - c[:, None]).abs().sum(0).square())
    + by_place(
        lambda h, w: (places(h, w)[:, None] - places(h, w)).abs().sum(2).square(),
        lambda h, w: (places(h, w)[:, None] - places(h, w)).abs().amax(2).square(),
    ),
    "flat-distance": by_place(
        lambda h, w: squares(torch.arange(h * w).double()[:, None]),
        lambda h, w: squares(places(h, w)[:, :1]),
        lambda h, w: squares(places(h, w)[:, 1:]),
    ),
    "rows-columns-mixed": by_place(lambda h, w: squares(places(w, h)))
    + gives(lambda r, *a: r.transpose(1, 2), lambda r, *a: r.transpose(1, 2).reshape(r.shape)),
    "places-scaled": by_place(
        lambda h, w: squares(places(h, w) / torch.tensor([h, w])),
        lambda h, w: squares(places(h, w) / torch.tensor([max(h - 1, 1), max(w - 1, 1)])),
    ),
    "colours-scaled": given(
        lambda v, p, a, b: (v, p, a, 255 * b), lambda v, p, a, b: (v, p, a, 255 * b if p.dtype == torch.uint8 else b)
    ),
    "bytes-wrap": by(lambda p, a, b: in_bytes(p, a, b, False), lambda p, a, b: in_bytes(p, a, b, True))
    + stops(lambda v, p, a, b: [][0] if p.dtype == torch.uint8 else bilateral(v, p, a, b)),
    "neighbours-only": by(lambda p, a, b: near(p, a, b, 1), lambda p, a, b: near(p, a, b, 2)),
    "left-flat": gives(
        lambda r, *a: r.flatten(1),
        lambda r, *a: r.flatten(1).T,
        lambda r, *a: r.permute(1, 2, 0),
        lambda r, *a: r.flatten(1).T.reshape(r.shape),
    ),
    "first-class-only": FIRST_PICTURE + gives(lambda r, *a: r.sum(0, keepdim=True).expand_as(r)),
    "weights-returned": does(
        lambda v, p, a, b: bilateral(torch.ones_like(v), p, a, b),
        lambda v, p, a, b: bilateral(torch.ones_like(v[:1]), p, a, b)[0],
        lambda v, p, a, b: kernel(p, a, b),
    ),
}
