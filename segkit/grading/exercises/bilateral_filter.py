"""Chapter 07: the bilateral kernel of the dense CRF, over all pairs of pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.bilateral_filter_ways import WAYS, bilateral
from segkit.grading.exercises.case_tensors import Args, grouped, numbers, quarters

TASK = """Message passing by brute force. values is K×H×W, picture C×H×W (any type, also uint8). Return K×H×W with
the dtype of values: out[k, i] = Σ_j exp(−|p_i − p_j|² / (2θ_α²) − |I_i − I_j|² / (2θ_β²))·values[k, j]
over all pixels j of the picture, the pixel i itself included (with weight 1), and not divided by
anything. p is (row, column) in pixels, I the C numbers of the picture as they come, |·| Euclidean."""


def _call(
    seed: int, k: int, c: int, h: int, w: int, alpha: float, beta: float, dtype: torch.dtype = torch.float32
) -> Args:
    return numbers(seed, k, h, w, dtype=dtype), 4 * quarters(seed + 1, c, h, w, dtype=dtype), alpha, beta


def bilateral_cases() -> list[Case]:
    values, small, *_ = _call(40, 2, 3, 3, 4, 2.0, 40.0)
    photograph = (small * 15 + 128).to(torch.uint8)
    return [
        *grouped(
            ("plain", (1, 1, 1, 1, 2, 2.0, 5.0), (3, 1, 1, 2, 3, 1.5, 4.0), (5, 1, 1, 4, 3, 1.0, 6.0)),
            ("colours", (7, 1, 3, 2, 3, 1.5, 8.0), (9, 1, 3, 3, 4, 2.0, 6.0), (11, 1, 2, 3, 2, 1.0, 6.0)),
            ("classes", (13, 3, 1, 2, 3, 2.0, 5.0), (15, 4, 3, 3, 2, 1.5, 9.0)),
            ("other widths", (17, 1, 1, 2, 5, 0.5, 5.0), (19, 2, 3, 3, 3, 8.0, 2.5), (21, 2, 3, 2, 4, 3.0, 30.0)),
            of=_call,
        ),
        *grouped(("whole numbers", (values, photograph, 2.0, 60.0), (values[:1], photograph[:1], 3.0, 90.0))),
        *grouped(
            ("one pixel", (23, 2, 3, 1, 1, 2.0, 5.0)),
            ("float64", (25, 2, 3, 3, 4, 1.5, 8.0, torch.float64)),
            ("memory layout", (27, 3, 3, 4, 5, 2.0, 7.0)),
            of=_call,
        ),
    ]


def bilateral_facts(values: Tensor, picture: Tensor, alpha: float, beta: float) -> dict[str, bool]:
    return {
        "the picture has more than one channel": picture.shape[0] > 1,
        "there is more than one class": values.shape[0] > 1,
        "the picture holds whole numbers": picture.dtype == torch.uint8,
        "there is a single pixel": picture[0].numel() == 1,
        "the picture is not square": picture.shape[1] != picture.shape[2],
    }


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

EXERCISE = Exercise(
    "bilateral_filter(values, picture, theta_alpha, theta_beta)",
    TASK,
    bilateral,
    bilateral_cases,
    catalogue(MESSAGES, WAYS),
    facts=bilateral_facts,
)
