"""Chapter 03: transposed convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from segkit.grading.exercise import Exercise, catalogue, does, given, gives, stops
from segkit.grading.exercises.common import squared
from segkit.grading.exercises.conv_transpose2d_cases import transposed_cases, transposed_facts
from segkit.grading.exercises.conv_transpose2d_variants import (
    args,
    as_conv,
    bias_not_below,
    crop,
    crowded,
    grown,
    late_crop,
    mean_of_stamps,
    overwritten,
    overwritten_by_taps,
    pixelwise,
    resized,
    transposed,
    weights_scaled,
)

TASK = """The transposed convolution of torch.nn.functional.conv_transpose2d (groups left out; mind that
dilation follows output_padding here). x is N×C×H×W, weight is C×C_out×k_h×k_w, bias has C_out
numbers or is None; the others are whole numbers. Each input pixel stamps x[n, c, i, j] · weight[c,
o, u, v] onto output row i·stride + u·dilation − padding and column j·stride + v·dilation − padding;
stamps add up. The height is (H − 1)·stride − 2·padding + dilation·(k_h − 1) + output_padding + 1.
The result has the dtype of x."""

MESSAGES = """
kernel-flipped: Your kernel is stamped upside down and back to front. A transposed convolution stamps it as it is.
    (Written as a convolution over the spread-out input it has to be flipped, once.)
kernel-transposed: Rows and columns of your kernel are exchanged.
weight-order: Your weight is read as C_out×C, as in an ordinary convolution. Here the input channel comes first.
output-padding-ignored: `output_padding` makes no difference. It adds rows at the bottom and columns at the right.
output-padding-empty: The rows that output_padding adds are left empty in your function. They are part of the output:
    stamps that reach them, and the bias, belong there. Crop from a canvas that is large enough.
output-padding-all-sides: `output_padding` is added on the wrong sides. It goes to the bottom and the right only.
padding-ignored: `padding` makes no difference. It takes rows and columns away on all four sides.
padding-added: `padding` makes your output larger. In the transposed operation it takes away what the convolution's
    padding had added.
padding-off-by-one: One row and column too many or too few are cut away on each side.
padding-one-sided: `padding` is cut away on two sides only, or twice on one side. Each of the four sides loses `padding`
    pixels.
overwritten: Where stamps overlap, the later one replaces the earlier. They add up.
bias-ignored: `bias` makes no difference in your function.
bias-per-stamp: The bias comes with every stamp, so it is counted as often as stamps overlap. Add it once, at the end.
stride-ignored: `stride` makes no difference: neighbouring stamps always lie one pixel apart.
stride-dilation-swapped: Stride and dilation have changed places. Stride is the distance of the stamps; dilation is the
    distance of the weights within one.
dilation-ignored: `dilation` makes no difference in your function.
dilation-off-by-one: `dilation` is the step from one weight to the next, so 1 leaves no gap.
arguments-in-torch-order: torch has `groups` before `dilation`; here the seventh argument is dilation.
size-too-small: Your output is too small: the last stamp starts at (H − 1)·stride and reaches a whole kernel further.
convolution: This is the ordinary convolution: it gathers where the transposed one scatters.
first-picture-only: Only the first picture of the batch is worked on.
first-channel-only: Only one input channel counts. Each output is a sum over all of them.
channels-not-mixed: Each output channel sees a single input channel. It should add up what all of them bring.
first-output-only: All output channels use the first kernel, or only one is made. Each has its own, weight[:, o].
only-square-kernels: Your function takes the kernel to be as wide as it is high. Read both sizes off `weight.shape`.
averaged: You divide by the number of stamps or weights. Overlapping stamps are added, not averaged.
"""

WAYS = {
    "kernel-flipped": given(lambda x, w, *a: (x, w.flip(2, 3), *a)),
    "kernel-transposed": given(lambda x, w, *a: (x, w.transpose(2, 3), *a)),
    "weight-order": does(lambda x, w, *a: transposed(x, w.transpose(0, 1), *a)),
    "output-padding-ignored": args(lambda s, p, o, d: (s, p, 0, d)),
    "output-padding-empty": does(late_crop, bias_not_below),
    "output-padding-all-sides": does(
        lambda x, w, b, s, p, o, d: resized(transposed(x, w, b, s, p, 0, d), o, o, o),
        lambda x, w, b, s, p, o, d: resized(transposed(x, w, b, s, p, 0, d), 0, 0, o),
        lambda x, w, b, s, p, o, d: (
            (lambda r: r[..., : r.shape[2] - 2 * p + 2 * o, : r.shape[3] - 2 * p + 2 * o])(
                resized(transposed(x, w, b, s, 0, 0, d), o, o, o)
            )[..., p:, p:]
            if o
            else transposed(x, w, b, s, p, o, d)
        ),
    ),
    "padding-ignored": args(lambda s, p, o, d: (s, 0, o, d)),
    "padding-added": does(grown),
    "padding-off-by-one": does(
        lambda x, w, b, s, p, o, d: (
            resized(transposed(x, w, b, s, p, o, d), 1, 1, 1) if p else transposed(x, w, b, s, p, o, d)
        ),
        lambda x, w, b, s, p, o, d: resized(transposed(x, w, b, s, p, o, d), -1, -1, -1),
        lambda x, w, b, s, p, o, d: transposed(x, w, b, s, p - 1, o, d) if p else transposed(x, w, b, s, p, o, d),
        lambda x, w, b, s, p, o, d: transposed(x, w, b, s, p + 1, o, d) if p else transposed(x, w, b, s, p, o, d),
    )
    + args(lambda s, p, o, d: (s, p + 1, o, d)),
    "padding-one-sided": does(
        *(lambda x, w, b, s, p, o, d, m=m: crop(x, w, b, s, p, o, d, *m) for m in ((1, 0), (0, 1), (2, 0), (0, 2)))
    ),
    "overwritten": does(overwritten, overwritten_by_taps),
    "bias-ignored": given(lambda x, w, b, *a: (x, w, None, *a)),
    "bias-per-stamp": gives(
        pixelwise, lambda r, x, w, b, *a: r if b is None else r + (x.shape[1] - 1) * b[:, None, None]
    ),
    "stride-ignored": args(lambda s, p, o, d: (1, p, o, d))
    + does(lambda x, w, b, s, p, o, d: crowded(x, w, b, s, p, o, d, 1, d)),
    "stride-dilation-swapped": does(lambda x, w, b, s, p, o, d: resized(transposed(x, w, b, d, p, 0, s), o))
    + args(lambda s, p, o, d: (d, p, o, s)),
    "dilation-ignored": args(lambda s, p, o, d: (s, p, o, 1))
    + does(lambda x, w, b, s, p, o, d: crowded(x, w, b, s, p, o, d, s, 1)),
    "dilation-off-by-one": args(lambda s, p, o, d: (s, p, o, d + 1), lambda s, p, o, d: (s, p, o, max(d - 1, 1))),
    "arguments-in-torch-order": stops(lambda x, w, b, s, p, o, d: F.conv_transpose2d(x, w, b, s, p, o, d)),
    "size-too-small": gives(
        lambda r, *a: r[..., :-1, :-1], lambda r, x, w, b, s, *a: r[..., : x.shape[2] * s, : x.shape[3] * s]
    ),
    "convolution": does(as_conv),
    "first-picture-only": gives(
        lambda r, *a: r[:1], lambda r, *a: r[:1].expand_as(r), lambda r, *a: torch.cat([r[:1], torch.zeros_like(r[1:])])
    ),
    "first-channel-only": given(lambda x, w, *a: (x[:, :1], w[:1], *a), lambda x, w, *a: (x[:, -1:], w[-1:], *a)),
    "channels-not-mixed": given(
        lambda x, w, *a: (
            x,
            w * (torch.arange(w.shape[0])[:, None] == torch.arange(w.shape[1]) % w.shape[0])[..., None, None],
            *a,
        )
    ),
    "first-output-only": gives(lambda r, *a: r[:, :1], lambda r, *a: r[:, :1].expand_as(r))
    + given(lambda x, w, *a: (x, w[:, :1].expand_as(w), *a)),
    "only-square-kernels": given(
        lambda x, w, *a: (x, squared(w, 2), *a),
        lambda x, w, *a: (x, squared(w, 3), *a),
        lambda x, w, *a: (x, w[..., : min(w.shape[2:]), : min(w.shape[2:])], *a),
    ),
    "averaged": weights_scaled(lambda w, s: w.shape[2] * w.shape[3], lambda w, s: s * s) + does(mean_of_stamps),
}

EXERCISE = Exercise(
    "conv_transpose2d(x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1)",
    TASK,
    transposed,
    transposed_cases,
    catalogue(MESSAGES, WAYS),
    facts=transposed_facts,
)
