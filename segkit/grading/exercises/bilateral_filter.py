"""Chapter 07: the bilateral kernel of the dense CRF, over all pairs of pixels."""

from __future__ import annotations

import torch

from segkit.grading.exercise import Exercise, catalogue, does, given, gives, stops
from segkit.grading.exercises.bilateral_filter_cases import bilateral_cases, bilateral_facts
from segkit.grading.exercises.bilateral_filter_variants import (
    bilateral,
    by,
    flat,
    in_bytes,
    kernel,
    l1,
    made_of,
    near,
    over_sum,
    part,
    places,
    squares,
    turned,
    unsquared,
    without_self,
)

TASK = """Message passing by brute force. values is K×H×W, picture C×H×W (any type, also uint8). Return K×H×W with
the dtype of values: out[k, i] = Σ_j exp(−|p_i − p_j|² / (2θ_α²) − |I_i − I_j|² / (2θ_β²))·values[k, j]
over all pixels j of the picture, the pixel i itself included (with weight 1), and not divided by
anything. p is (row, column) in pixels, I the C numbers of the picture as they come, |·| Euclidean."""

MESSAGES = """
normalised: You divide by the sum of the weights. Here the plain sum is asked for: a pixel in a large even region gets
    much, one that stands alone little.
itself-left-out: The pixel itself is missing from its sum. The term j = i counts here, with weight 1.
itself-twice: The pixel itself counts twice: the sum over all pixels has it already, with weight 1.
normalised-without-itself: You leave the pixel itself out and divide by the sum of the weights. Neither is asked for.
wrong-width: A bell has another width than asked for: the square of the distance is divided by 2θ², θ squared and the 2
    outside of the square.
widths-exchanged: θ_α and θ_β have changed places: α is for the places, β for the colours.
colour-ignored: The colours make no difference: this is a blur. Pixels of another colour count less.
place-ignored: The places make no difference: a pixel of the same colour counts alike, near or far.
kernels-added: You add a kernel of places and one of colours. They are multiplied: both have to be near.
not-squared: The distances in the exponent are not squared.
sign-forgotten: The minus in the exponent is missing: the farther a pixel, the more it counts.
channels-not-summed: The colour distance is not that of all channels: add up the squares of their differences.
other-distance: A distance is not Euclidean: add the squares of the differences, not their absolute values.
flat-distance: The distance of places is that of their numbers in the flat picture, or of one axis only. Each pixel has
    a row and a column.
rows-columns-mixed: Places and pixels are in different order: pixel number i of the flat picture is row i // W, column i
    % W.
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
    + made_of(colour=lambda c: squares(c.T).sqrt())
    + made_of(colour=lambda c: (c[:, :, None] - c[:, None]).abs().sum(0))
    + made_of(place=lambda h, w: squares(places(h, w)).sqrt()),
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
    "other-distance": made_of(colour=l1)
    + made_of(place=lambda h, w: (places(h, w)[:, None] - places(h, w)).abs().sum(2).square())
    + made_of(place=lambda h, w: (places(h, w)[:, None] - places(h, w)).abs().amax(2).square()),
    "flat-distance": made_of(place=flat)
    + made_of(place=lambda h, w: squares(places(h, w)[:, :1]))
    + made_of(place=lambda h, w: squares(places(h, w)[:, 1:])),
    "rows-columns-mixed": made_of(place=turned)
    + gives(lambda r, *a: r.transpose(1, 2), lambda r, *a: r.transpose(1, 2).reshape(r.shape)),
    "places-scaled": made_of(place=lambda h, w: squares(places(h, w) / torch.tensor([h, w])))
    + made_of(place=lambda h, w: squares(places(h, w) / torch.tensor([max(h - 1, 1), max(w - 1, 1)]))),
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
    "first-class-only": gives(
        lambda r, *a: r[:1],
        lambda r, *a: r[:1].expand_as(r),
        lambda r, *a: torch.cat([r[:1], torch.zeros_like(r[1:])]),
        lambda r, *a: r.sum(0, keepdim=True).expand_as(r),
    ),
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
)
