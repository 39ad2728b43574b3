"""Chapter 07: the bilateral kernel of the dense CRF, over all pairs of pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives, stops
from segkit.grading.exercises.case_tensors import Args, grouped, numbers, quarters
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, exchanged

TASK = """Message passing by brute force. values is K×H×W, picture C×H×W (any type, also uint8). Return K×H×W with
the dtype of values: out[k, i] = Σ_j exp(−|p_i − p_j|² / (2θ_α²) − |I_i − I_j|² / (2θ_β²))·values[k, j]
over all pixels j of the picture, the pixel i itself included (with weight 1), and not divided by
anything. p is (row, column) in pixels, I the C numbers of the picture as they come, |·| Euclidean."""


def places(h: int, w: int) -> Tensor:
    """Row and column of every pixel, row by row, P×2."""
    return torch.cartesian_prod(torch.arange(h).double(), torch.arange(w).double())


def _squares(points: Tensor) -> Tensor:
    return (points[:, None] - points).square().sum(2)


def made_of(place: Tensor, colour: Tensor, a: float, b: float) -> Tensor:
    """exp(−place/2α² − colour/2β²), of squared distances P×P."""
    return torch.exp(-place / (2 * a**2) - colour / (2 * b**2))


def kernel(picture: Tensor, alpha: float, beta: float) -> Tensor:
    """exp(−|Δplace|²/2α² − |Δcolour|²/2β²) of every pair, P×P."""
    colours = picture.double().flatten(1).T
    return made_of(_squares(places(*picture.shape[1:])), _squares(colours), alpha, beta)


def _sums(values: Tensor, k: Tensor) -> Tensor:
    """Σ_j k_ij values_j, in the shape and type of values."""
    return (values.double().flatten(1) @ k.T).to(values.dtype).reshape(values.shape)


def bilateral(values: Tensor, picture: Tensor, alpha: float, beta: float) -> Tensor:
    """Reference of `bilateral_filter`."""
    return _sums(values, kernel(picture, alpha, beta))


@each
def _by(build: Function) -> Ways:
    """Another kernel: build(picture, alpha, beta) is P×P."""
    return does(lambda v, p, a, b: _sums(v, build(p, a, b)))


@each
def _by_place(distance: Function) -> Ways:
    """Another squared distance of places: distance(h, w)."""
    return _by(lambda p, a, b: made_of(distance(*p.shape[1:]), _squares(p.double().flatten(1).T), a, b))


@each
def _by_colour(distance: Function) -> Ways:
    """Another squared distance of colours: distance(C×P)."""
    return _by(lambda p, a, b: made_of(_squares(places(*p.shape[1:])), distance(p.double().flatten(1)), a, b))


def _part(p: Tensor, a: float, b: float, which: str) -> Tensor:
    return kernel(p[:1] * 0, a, 1.0) if which == "space" else kernel(p, 1e9, b)


def _without_self(p: Tensor, a: float, b: float) -> Tensor:
    k = kernel(p, a, b)
    return k - torch.diag(k.diag())


def _over_sum(p: Tensor, a: float, b: float, rows: float, columns: float, self_too: bool = True) -> Tensor:
    k = kernel(p, a, b) if self_too else _without_self(p, a, b)
    norm = k.sum(1)
    return norm[:, None] ** -rows * k * norm**-columns


def _near(p: Tensor, a: float, b: float, reach: int) -> Tensor:
    d = (places(*p.shape[1:])[:, None] - places(*p.shape[1:])).abs().amax(2)
    return kernel(p, a, b) * (d <= reach)


def _unsquared(p: Tensor, a: float, b: float, both: bool) -> Tensor:
    d, c = _squares(places(*p.shape[1:])), _squares(p.double().flatten(1).T)
    if both:
        return torch.exp(-d.sqrt() / (2 * a**2) - c.sqrt() / (2 * b**2))
    return torch.exp(-d.sqrt() / a - c.sqrt() / b)


def _in_bytes(p: Tensor, a: float, b: float, squared: bool) -> Tensor:
    """Differences of a uint8 picture that wrap around at 256, and their squares, too."""
    if p.dtype != torch.uint8:
        return kernel(p, a, b)
    c = p.flatten(1)
    d = c[:, :, None] - c[:, None]
    d = d.square() if squared else d.double().square()
    return kernel(p[:1] * 0, a, b) * torch.exp(-d.double().sum(0) / (2 * b**2))


def _call(
    seed: int, k: int, c: int, h: int, w: int, alpha: float, beta: float, dtype: torch.dtype = torch.float32
) -> Args:
    return numbers(seed, k, h, w, dtype=dtype), 4 * quarters(seed + 1, c, h, w, dtype=dtype), alpha, beta


def bilateral_cases() -> list[Case]:
    values, small, *_ = _call(40, 2, 3, 3, 4, 2.0, 40.0)
    photograph = (small * 15 + 128).to(torch.uint8)
    return grouped(
        ("plain", (1, 1, 1, 1, 2, 2.0, 5.0), (3, 1, 1, 2, 3, 1.5, 4.0), (5, 1, 1, 4, 3, 1.0, 6.0)),
        (
            "colours",
            (7, 1, 3, 2, 3, 1.5, 8.0),
            (9, 1, 3, 3, 4, 2.0, 6.0),
            (11, 1, 2, 3, 2, 1.0, 6.0),
            (29, 1, 5, 2, 3, 1.5, 8.0),
        ),
        ("classes", (13, 3, 1, 2, 3, 2.0, 5.0), (15, 4, 3, 3, 2, 1.5, 9.0)),
        ("other widths", (17, 1, 1, 2, 5, 0.5, 5.0), (19, 2, 3, 3, 3, 8.0, 2.5), (21, 2, 3, 2, 4, 3.0, 30.0)),
        ("whole numbers", (values, photograph, 2.0, 60.0), (values[:1], photograph[:1], 3.0, 90.0)),
        ("one pixel", (23, 2, 3, 1, 1, 2.0, 5.0)),
        ("float64", (25, 2, 3, 3, 4, 1.5, 8.0, torch.float64)),
        ("memory layout", (27, 3, 3, 4, 5, 2.0, 7.0)),
        of=lambda *row: row if isinstance(row[0], Tensor) else _call(*row),
    )


def bilateral_facts(values: Tensor, picture: Tensor, alpha: float, beta: float) -> dict[str, bool]:
    return {
        "the picture has more than one channel": picture.shape[0] > 1,
        "there is more than one class": values.shape[0] > 1,
        "the picture holds whole numbers": picture.dtype == torch.uint8,
        "there is a single pixel": picture[0].numel() == 1,
        "the picture is not square": picture.shape[1] != picture.shape[2],
    }


MESSAGES = """
normalised: You divide by the sum of the weights. Here the plain sum is asked for: a pixel in a large even region gets a
    large one, a pixel that stands alone a small one.
itself-left-out: The pixel itself is missing from its sum. The term j = i counts here, with weight 1.
itself-twice: The pixel itself counts twice: the sum over all pixels has it already, with weight 1.
normalised-without-itself: You leave the pixel itself out and divide by the sum of the weights. Neither is asked for.
wrong-width: A bell has another width than asked for: divide the square of the distance by 2θ², in which only θ is
    squared.
widths-exchanged: θ_α and θ_β have changed places: α is for the places, β for the colours.
colour-ignored: The colours make no difference: this is a blur. Pixels of another colour count less.
place-ignored: The places make no difference: a pixel of the same colour counts alike, near or far.
kernels-added: You add a kernel of places and one of colours. They are multiplied: a pixel counts where both are near.
not-squared: The distances in the exponent are not squared.
sign-forgotten: The minus in the exponent is missing: the farther a pixel, the more it counts.
channels-not-summed: The colour distance is not that of all channels: add up the squares of their differences.
other-distance: A distance is not Euclidean: add the squares of the differences, not their absolute values.
flat-distance: The distance of places is that of their numbers in the flat picture, or of one axis only. Each pixel has
    a row and a column.
rows-columns-mixed: Places and pixels are in different orders: pixel number i of the flat picture is in row i // W,
    column i % W.
places-scaled: Places are divided by the size of the picture. They count in pixels, and so does θ_α.
colours-scaled: Colours are divided by 255. θ_β is on the scale of the picture: take it as it comes.
bytes-wrap: With a picture of uint8 the differences wrap around (3 − 5 is 254 there), or torch refuses. Turn it into
    floating-point numbers before you subtract.
neighbours-only: Only near pixels count. Every pixel of the picture does.
left-flat: The result is flat, or has its dimensions in another order: give it the shape of values, K×H×W.
first-class-only: Only the first class is filtered, or all classes together.
weights-returned: You return the sums of the weights, without the values.
"""

WAYS = {
    "normalised": _by(
        lambda p, a, b: _over_sum(p, a, b, 1, 0),
        lambda p, a, b: _over_sum(p, a, b, 0, 1),
        lambda p, a, b: _over_sum(p, a, b, 0.5, 0.5),
    )
    + gives(lambda r, v, p, a, b: r / p[0].numel()),
    "itself-left-out": _by(_without_self),
    "itself-twice": gives(lambda r, v, p, a, b: r + v),
    "normalised-without-itself": _by(lambda p, a, b: _over_sum(p, a, b, 1, 0, False)),
    "wrong-width": given(
        *(
            lambda v, p, a, b, f=f, on=on: (v, p, f(a) if on[0] else a, f(b) if on[1] else b)
            for f in (lambda t: t / 2**0.5, lambda t: t**0.5, lambda t: t * 2**0.5)
            for on in ((1, 1), (1, 0), (0, 1))
        )
    ),
    "widths-exchanged": exchanged(2, 3),
    "colour-ignored": _by(lambda p, a, b: _part(p, a, b, "space")),
    "place-ignored": _by(lambda p, a, b: _part(p, a, b, "colour")),
    "kernels-added": _by(lambda p, a, b: _part(p, a, b, "space") + _part(p, a, b, "colour")),
    "not-squared": _by(lambda p, a, b: _unsquared(p, a, b, True), lambda p, a, b: _unsquared(p, a, b, False))
    + _by_colour(lambda c: _squares(c.T).sqrt())
    + _by_place(lambda h, w: _squares(places(h, w)).sqrt()),
    "sign-forgotten": _by(
        lambda p, a, b: 1 / kernel(p, a, b),
        lambda p, a, b: _part(p, a, b, "space") / _part(p, a, b, "colour"),
        lambda p, a, b: _part(p, a, b, "colour") / _part(p, a, b, "space"),
    ),
    "channels-not-summed": given(
        lambda v, p, a, b: (v, p[:1], a, b),
        lambda v, p, a, b: (v, p[:3], a, b),
        lambda v, p, a, b: (v, p, a, b * p.shape[0] ** 0.5),
        lambda v, p, a, b: (v, p.double().mean(0, keepdim=True), a, b),
    ),
    "other-distance": _by_colour(lambda c: (c[:, :, None] - c[:, None]).abs().sum(0).square())
    + _by_place(lambda h, w: (places(h, w)[:, None] - places(h, w)).abs().sum(2).square()),
    "flat-distance": _by_place(
        lambda h, w: _squares(torch.arange(h * w).double()[:, None]),
        lambda h, w: _squares(places(h, w)[:, :1]),
        lambda h, w: _squares(places(h, w)[:, 1:]),
    ),
    "rows-columns-mixed": _by_place(lambda h, w: _squares(places(w, h))) + gives(lambda r, *a: r.mT),
    "places-scaled": _by_place(
        lambda h, w: _squares(places(h, w) / torch.tensor([h, w])),
        lambda h, w: _squares(places(h, w) / torch.tensor([max(h - 1, 1), max(w - 1, 1)])),
    ),
    "colours-scaled": given(
        lambda v, p, a, b: (v, p, a, 255 * b), lambda v, p, a, b: (v, p, a, 255 * b if p.dtype == torch.uint8 else b)
    ),
    "bytes-wrap": _by(lambda p, a, b: _in_bytes(p, a, b, False), lambda p, a, b: _in_bytes(p, a, b, True))
    + stops(lambda v, p, a, b: [][0] if p.dtype == torch.uint8 else bilateral(v, p, a, b)),
    "neighbours-only": _by(lambda p, a, b: _near(p, a, b, 1), lambda p, a, b: _near(p, a, b, 2)),
    "left-flat": LEFT_FLAT[:2],
    "first-class-only": FIRST_PICTURE + gives(lambda r, *a: r.sum(0, keepdim=True).expand_as(r)),
    "weights-returned": does(
        lambda v, p, a, b: bilateral(torch.ones_like(v), p, a, b),
        lambda v, p, a, b: bilateral(torch.ones_like(v[:1]), p, a, b)[0],
        lambda v, p, a, b: kernel(p, a, b),
    ),
}

EXERCISE = Exercise(
    "bilateral_filter(values, picture, theta_alpha, theta_beta)",
    TASK,
    bilateral,
    bilateral_cases,
    catalogue(MESSAGES, WAYS),
    facts=bilateral_facts,
    number="07.1",
    marks=7,
    finished=("BruteForceFilter", "PermutohedralLattice", "brute_force"),
    exact=False,  # its weights may be made in float32, whatever the values come in
)
