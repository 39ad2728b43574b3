"""Chapter 13: residual encoding in which some pixels take no part."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, labels, numbers
from segkit.grading.exercises.encode_valid_ways import WAYS, encode

TASK = """EncNet's encoding layer, where some pixels take no part. x is N×C×h×w, codewords K×C, scale K numbers
(below 0 as a rule, not always), valid N×h×w bools.
Pixel i shares itself out among the codewords d(k): a(i, ·) is the softmax over k of scale(k) · ‖x(i) − d(k)‖², with the
squared Euclidean distance over the C channels. Codeword k then adds up the differences, weighted by its shares, over
the pixels of a picture where valid is True: e(k) = Σ a(i, k) · (x(i) − d(k)).
A pixel where valid is False takes no part. What x holds there may be anything, even NaN. A picture without a valid
pixel gives zeros. Distances may be large.
Return N×K×C with the dtype of x."""


def _valid(seed: int, n: int, h: int, w: int) -> Tensor:
    """Bools; in each picture some are False and, where there is room, some are True."""
    valid = labels(seed, 3, n, h * w) > 0
    valid[:, 0] = False
    valid[:, -1] = True
    return valid.reshape(n, h, w)


def _call(
    seed: int, channels: int, size: tuple[int, int], words: int, *, n: int = 1, masked: bool = False, gone: int = -1,
    hole: float | None = None, factor: float = 1.0, steep: bool = False, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """masked: some pixels are not valid; gone: a picture without any valid one; hole: what x holds at those; steep:
    scales of both signs."""
    x = factor * numbers(seed, n, channels, *size, dtype=dtype)
    valid = _valid(seed + 3, n, *size) if masked else torch.ones(n, *size, dtype=torch.bool)
    if gone >= 0:
        valid[gone] = False
    if hole is not None:
        x = torch.where(valid[:, None], x, hole)
    scale = numbers(seed + 2, words, dtype=dtype) / 2
    return x, numbers(seed + 1, words, channels, dtype=dtype), scale if steep else -scale.abs(), valid


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(1, 3, (1, 2), 2), call(5, 3, (2, 3), 3), call(9, 4, (4, 3), 4)),
        ("channels and codewords", call(13, 1, (1, 3), 2), call(17, 4, (2, 2), 2), call(21, 2, (2, 2), 5)),
        ("one codeword", call(25, 2, (2, 2), 1)),
        ("scales of both signs", call(29, 3, (2, 2), 3, steep=True), call(33, 3, (2, 3), 4, steep=True)),
        ("valid", call(37, 3, (1, 3), 2, masked=True), call(41, 3, (2, 3), 3, masked=True)),
        ("valid", call(45, 2, (3, 4), 3, masked=True, steep=True), call(49, 3, (3, 2), 2, n=2, masked=True)),
        ("anything where not valid", call(53, 2, (1, 3), 2, masked=True, hole=float("nan"))),
        ("anything where not valid", call(57, 4, (2, 3), 3, n=2, masked=True, hole=float("inf"))),
        ("no valid pixel", call(61, 2, (1, 2), 2, masked=True, gone=0), call(65, 3, (2, 2), 3, n=2, gone=1)),
        ("batch", call(69, 3, (1, 2), 2, n=2), call(73, 3, (2, 3), 4, n=3)),
        ("far from the codewords", call(77, 2, (1, 3), 2, factor=30.0), call(81, 3, (2, 3), 3, factor=50.0)),
        ("float64", call(85, 3, (3, 2), 4, n=2, masked=True, steep=True, dtype=torch.float64)),
        ("memory layout", call(89, 3, (2, 4), 3, n=2, masked=True)),
        ("everything together", call(93, 4, (4, 5), 3, n=3, masked=True, gone=1, hole=float("nan"), steep=True)),
        of=lambda *args: args,
    )


def _facts(x: Tensor, codewords: Tensor, scale: Tensor, valid: Tensor) -> dict[str, bool]:
    return {
        "a pixel is not valid": not bool(valid.all()),
        "a picture has no valid pixel": not bool(valid.flatten(1).any(1).all()),
        "x holds NaN or infinity where it is not valid": not bool(x.isfinite().all()),
        "there is a single codeword": len(codewords) == 1,
        "a scale is above 0": bool((scale > 0).any()),
        "the pixels are far from the codewords": bool(x.nan_to_num(0.0, 0.0, 0.0).abs().max() > 20),
        "there is more than one picture in the batch": len(x) > 1,
        "the map is not square": x.shape[2] != x.shape[3],
    }


MESSAGES = """
scale-sign: The sign of the scale is turned round: the farthest codeword gets the largest share. `scale` has its sign
    already.
scale-ignored: `scale` makes no difference.
one-scale-for-all: All codewords get the scale of the first. Each has its own.
scale-outside: You multiply the shares by the scale, after the softmax. It belongs inside, before the squared distances.
distance-not-squared: You use the distance. Its square is asked for: leave the root out.
mean-of-squares: You average the squared differences over the channels. Add them up.
product-for-distance: The shares come from products of pixels and codewords, as in attention. Here they come from
    squared distances.
nearest-only: You give each pixel as a whole to a single codeword. A softmax should share it out.
softmax-over-pixels: Your softmax runs over the pixels. It should run over the codewords: the shares of each pixel
    add up to 1.
softmax-missing: Your shares of a pixel do not add up to 1. Divide the exponentials by their sum, as a softmax does.
underflows: Far from all codewords your exponentials all become 0, and 0/0 is NaN. Subtract the largest exponent first,
    as `softmax` does.
codeword-not-subtracted: You add up the pixels themselves. Add up how much they differ from the codeword, x(i) − d(k).
difference-reversed: You add up d(k) − x(i). Add up x(i) − d(k).
averaged: You divide by the number of pixels. e(k) is a sum.
divided-by-shares: You divide by the sum of the shares, which makes a mean. e(k) is a sum.
invalid-counted: `valid` makes no difference: all pixels are counted.
invalid-zeroed: You set the pixels that are not valid to 0 and then count them like others. A pixel of zeros differs
    from the codewords too: leave these pixels out of the sum.
nan-times-zero: You multiply what is not valid by 0, and NaN times 0 is NaN. Take only the valid pixels, or put 0 there
    with `torch.where`.
valid-inverted: You count the pixels that are not valid. True means that a pixel takes part.
first-mask-for-all: All pictures get the `valid` of the first one. Each has its own.
mask-in-columns: You flatten `valid` column by column and x line by line, or the other way round. Flatten both in the
    same order.
batch-summed: You add up over all pictures of the batch. Each has an encoding of its own.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×K×C.
"""

EXERCISE = Exercise(
    "encode_valid(x, codewords, scale, valid)",
    TASK,
    encode,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="13.3",
    marks=4,
    finished=("encode",),
)
