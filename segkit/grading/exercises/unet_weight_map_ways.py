"""`unet_weight_map` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy import ndimage
from torch import Tensor

from segkit.grading.exercise import Ways, does, each, given, gives, stops

FAR = float("inf")
Rule = Callable[..., Tensor]


def grid(m: Tensor) -> Tensor:
    """Row and column of every pixel, P×2."""
    return torch.cartesian_prod(*(torch.arange(n, dtype=torch.float64) for n in m.shape))


def ids(m: Tensor) -> list[int]:
    return [int(i) for i in m.unique() if i != 0]


def with_far(rows: list[Tensor], m: Tensor) -> Tensor:
    """Distances to the cells of a map, and to two more that are infinitely far, (cells + 2)×H×W."""
    return torch.stack([*(row.reshape(m.shape) for row in rows), *[torch.full(m.shape, FAR, dtype=torch.float64)] * 2])


def distances(m: Tensor, cells: list[int], p: float = 2.0, of: Rule = torch.amin) -> Tensor:
    """Distance of every pixel to every cell, which is the least of those to its pixels."""
    place = grid(m)
    return with_far([of(torch.cdist(place, place[(m == i).flatten()], p=p), 1) for i in cells], m)


def bell(a: Tensor, b: Tensor | float, w0: float, sigma: float) -> Tensor:
    return w0 * torch.exp(-((a + b) ** 2) / (2 * sigma**2))


def weigh(m: Tensor, d: Tensor, w0: float, sigma: float, bell: Rule = bell) -> Tensor:
    """1, and on the background w0·exp(…) of the two smallest distances."""
    near = d.sort(0).values
    return 1 + torch.where(m == 0, bell(near[0], near[1], w0, sigma), 0.0)


def weight_map(m: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Reference of `unet_weight_map`."""
    return weigh(m, distances(m, ids(m)), w0, sigma)


@each
def exp(bell: Rule) -> Ways:
    """Another formula of the two distances."""
    return does(lambda m, w0, s: weigh(m, distances(m, ids(m)), w0, s, bell))


@each
def measured(change: Rule) -> Ways:
    """Other distances: change(m, d) of the right ones."""
    return does(lambda m, w0, s: weigh(m, change(m, distances(m, ids(m))), w0, s))


@each
def to_one_point(pick: Rule) -> Ways:
    """Distance to one point of each cell: pick(its places)."""

    def weighed(m: Tensor, w0: float, s: float) -> Tensor:
        place = grid(m)
        rows = [torch.cdist(place, pick(place[(m == i).flatten()])[None]) for i in ids(m)]
        return weigh(m, with_far(rows, m), w0, s)

    return does(weighed)


def second_pixel(m: Tensor, w0: float, s: float) -> Tensor:
    """The two nearest pixels of any cells."""
    place = grid(m)
    d = torch.cdist(place, place[(m != 0).flatten()])
    d = torch.cat([d, torch.full((len(d), 2), FAR, dtype=torch.float64)], 1)
    return weigh(m, d.T.reshape(-1, *m.shape), w0, s)


def merged(m: Tensor) -> Tensor:
    """Every connected region as one cell."""
    return torch.from_numpy(ndimage.label((m != 0).numpy())[0]).long()


def split(m: Tensor) -> Tensor:
    """Every piece of a cell as a cell of its own."""
    found, out = 0, torch.zeros_like(m).long()
    for i in ids(m):
        pieces, count = ndimage.label((m == i).numpy())
        out += torch.where(torch.from_numpy(pieces) > 0, torch.from_numpy(pieces).long() + found, 0)
        found += count
    return out


def up_to_max(m: Tensor, w0: float, s: float) -> Tensor:
    """Cells 1 … max, of which some have no pixel."""
    if m.any() and len(ids(m)) < int(m.max()):
        raise RuntimeError
    return weight_map(m, w0, s)


@each
def counted_up(last: Rule) -> Ways:
    """Cells 1 … last(m) by scipy's distance transform, which gives a map without a cell some distance as well."""

    def weighed(m: Tensor, w0: float, s: float) -> Tensor:
        masks = ((m != i).numpy() for i in range(1, int(last(m)) + 1))
        return weigh(m, with_far([torch.from_numpy(ndimage.distance_transform_edt(mask)) for mask in masks], m), w0, s)

    return does(weighed)


@each
def alone(share: float) -> Ways:
    """With a single cell d2 is so many times d1."""
    return measured(lambda m, d: torch.cat([d[:1], share * d[:1], d[2:]]) if len(d) == 3 else d)


@each
def unless_few(change: Rule) -> Ways:
    """Something done to the result, with and without a look at the number of cells before."""
    return gives(lambda r, m, *a: change(r, m, *a), lambda r, m, *a: change(r, m, *a) if len(ids(m)) > 1 else r)


@each
def needs(count: int) -> Ways:
    return stops(lambda m, w0, s: weight_map(m, w0, s) if len(ids(m)) >= count else [][0])


def everywhere(m: Tensor, w0: float, s: float) -> Tensor:
    return weigh(torch.zeros_like(m), distances(m, ids(m)), w0, s)


def balanced(m: Tensor, w0: float, s: float) -> Tensor:
    share = (m != 0).double().mean()
    return weight_map(m, w0, s) - 1 + torch.where(m != 0, 1 / share, 1 / (1 - share))


def first_two(m: Tensor, w0: float, s: float) -> Tensor:
    """The first two cells of the list, near or far."""
    d = distances(m, ids(m))
    return 1 + torch.where(m == 0, bell(d[0], d[1], w0, s), 0.0)


def in_bytes(m: Tensor, w0: float, s: float) -> Tensor:
    """Squared distances in the type of the ids, which wrap around at 256 in uint8."""
    place = torch.cartesian_prod(*(torch.arange(n) for n in m.shape)).to(m.dtype)
    squares = (((place[:, None] - place[(m == i).flatten()]) ** 2).to(torch.int64).sum(2) for i in ids(m))
    return weigh(m, with_far([one.min(1).values.double().sqrt() for one in squares], m), w0, s)


_WIDTHS: tuple[Callable[[float], float], ...] = (
    lambda s: 2 * s**2, lambda s: s**2, lambda s: 2 * s, lambda s: s, lambda s: (2 * s) ** 2, lambda s: 2 / s**2
)  # fmt: skip

WAYS = {
    "second-pixel": does(
        second_pixel, lambda m, w0, s: second_pixel(m, w0, s) if len(ids(m)) > 1 else weight_map(m, w0, s)
    ),
    "one-distance-only": exp(
        lambda a, b, w, s: bell(a, 0, w, s),
        lambda a, b, w, s: bell(b, 0, w, s),
        lambda a, b, w, s: torch.where(b < FAR, bell(a, 0, w, s), 0.0),
        lambda a, b, w, s: bell(a, torch.where(b < FAR, a, FAR), w, s),
    ),
    "squares-added": exp(lambda a, b, w, s: w * torch.exp(-(a**2 + b**2) / (2 * s**2))),
    "difference": exp(
        lambda a, b, w, s: torch.where(b < FAR, bell(a, -b, w, s), 0.0), lambda a, b, w, s: bell(a * b, 0, w, s)
    ),
    "not-squared": exp(*(lambda a, b, w, s, width=width: w * torch.exp(-(a + b) / width(s)) for width in _WIDTHS)),
    "wrong-width": given(*(lambda m, w0, s, width=width: (m, w0, (width(s) / 2) ** 0.5) for width in _WIDTHS[1:])),
    "mean-distance": given(lambda m, w0, s: (m, w0, 2 * s)),
    "sign-forgotten": exp(lambda a, b, w, s: torch.where(b < FAR, w * torch.exp((a + b) ** 2 / (2 * s**2)), 0.0)),
    "cells-weighted-too": does(everywhere, lambda m, w0, s: 1 + torch.where(m != 0, everywhere(m, w0, s) - 1, 0.0)),
    "one-forgotten": unless_few(
        lambda r, *a: r - 1, lambda r, m, *a: r - (m != 0).to(r.dtype), lambda r, m, *a: r - (m == 0).to(r.dtype)
    ),
    "classes-balanced": does(balanced),
    "one-times-w0": unless_few(lambda r, m, w0, s: w0 + r - 1),
    "w0-fixed": given(lambda m, w0, s: (m, 10.0, s), lambda m, w0, s: (m, 1.0, s)),
    "sigma-fixed": given(lambda m, w0, s: (m, w0, 5.0), lambda m, w0, s: (m, w0, 1.0)),
    "arguments-exchanged": given(lambda m, w0, s: (m, s, w0)),
    "other-distance": does(
        lambda m, w0, s: weigh(m, distances(m, ids(m), 1.0), w0, s),
        lambda m, w0, s: weigh(m, distances(m, ids(m), FAR), w0, s),
    )
    + measured(lambda m, d: d**2),
    "distance-shifted": measured(lambda m, d: d - 1, lambda m, d: d - 0.5, lambda m, d: d + 1),
    "distance-to-centre": to_one_point(lambda p: p.mean(0), lambda p: (p.amin(0) + p.amax(0)) / 2),
    "first-pixel-of-cell": to_one_point(lambda p: p[0])
    + does(lambda m, w0, s: weigh(m, distances(m, ids(m), of=torch.amax), w0, s)),
    "farthest-cells": measured(
        lambda m, d: d[:-2].sort(0).values[-2:] if len(d) > 3 else d,
        lambda m, d: d[:-2].sort(0).values[[0, -1]] if len(d) > 3 else d,
        lambda m, d: torch.cat([d.sort(0).values[1:], d[-1:]]),
    ),
    "first-two-cells": does(first_two),
    "distance-inverted": does(lambda m, w0, s: 1 + w0 * (m == 0) * float(len(ids(m)) > 1)),
    "bytes-wrap": does(in_bytes),
    "cells-merged": given(lambda m, w0, s: (merged(m), w0, s)),
    "pieces-apart": given(lambda m, w0, s: (split(m), w0, s)),
    "normalised": gives(lambda r, *a: r / r.mean(), lambda r, *a: r / r.max(), lambda r, *a: r / r.sum()),
    "id-255-left-out": given(
        lambda m, w0, s: (torch.where(m == 255, 0, m), w0, s),
    )
    + does(lambda m, w0, s: torch.where(m == 255, 1.0, weight_map(torch.where(m == 255, 0, m), w0, s))),
    "ids-counted-up": stops(up_to_max) + counted_up(Tensor.max, lambda m: len(ids(m))),
    "few-cells": needs(2, 1) + alone(0.0, 1.0) + gives(lambda r, m, *a: r - 1 if len(ids(m)) < 2 else r),
}
