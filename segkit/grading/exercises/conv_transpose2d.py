"""Chapter 03: transposed convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, layer
from segkit.grading.exercises.conv_transpose2d_ways import WAYS, transposed

TASK = """The transposed convolution of torch.nn.functional.conv_transpose2d (groups left out; mind that
dilation follows output_padding here). x is N×C×H×W, weight is C×C_out×k_h×k_w, bias has C_out
numbers or is None; the others are whole numbers. Each input pixel stamps x[n, c, i, j] · weight[c,
o, u, v] onto output row i·stride + u·dilation − padding and column j·stride + v·dilation − padding;
stamps add up. The height is (H − 1)·stride − 2·padding + dilation·(k_h − 1) + output_padding + 1.
The result has the dtype of x."""


def _call(seed: int, x: Shape, w: Shape, bias: int = 0, dtype: torch.dtype = torch.float32, **steps: int) -> Args:
    """A call; `steps` are those of stride, padding, output_padding and dilation that are not 1, 0, 0 and 1."""
    return *layer(seed, x, w, bias, dtype), *{"s": 1, "p": 0, "o": 0, "d": 1, **steps}.values()


def transposed_cases() -> list[Case]:
    return grouped(
        ("plain", _call(1, (2, 2), (2, 2)), _call(2, (3, 4), (3, 3)), _call(3, (4, 3), (2, 2))),
        ("channels", _call(4, (1, 3, 3, 4), (3, 1, 2, 2)), _call(5, (1, 2, 3, 3), (2, 4, 3, 3))),
        ("channels", _call(6, (1, 3, 4, 3), (3, 3, 2, 2))),
        ("batch", _call(7, (2, 1, 3, 2), (3, 3)), _call(8, (3, 2, 2, 3), (2, 2, 3, 3))),
        ("bias", _call(9, (2, 3), (2, 2), 1), _call(10, (1, 2, 3, 3), (2, 3, 3, 3), 3)),
        ("stride", _call(11, (2, 3), (2, 2), s=2), _call(12, (3, 4), (3, 3), s=2), _call(13, (3, 2), (2, 2), s=3)),
        ("padding", _call(14, (3, 4), (3, 3), p=1), _call(15, (4, 5), (3, 3), p=2)),
        ("output_padding", _call(16, (3, 4), (3, 3), s=2, o=1), _call(17, (3, 3), (3, 3), s=2, p=1, o=1)),
        ("output_padding", _call(18, (3, 2), (3, 3), s=3, p=1, o=2)),
        ("dilation", _call(19, (3, 4), (3, 3), d=2), _call(20, (4, 3), (2, 2), d=3)),
        ("kernel shape", _call(21, (3, 4), (1, 3)), _call(22, (1, 2, 4, 3), (2, 2, 3, 2))),
        ("stride", _call(27, (2, 2), (1, 1), s=2)),
        ("padding", _call(28, (2, 2), (2, 2), p=1)),
        ("output_padding", _call(29, (1, 2), (2, 2), s=2, o=1)),
        ("dilation", _call(30, (1, 1), (2, 2), d=2)),
        ("batch", _call(31, (2, 1, 1, 2), (2, 2))),
        ("channels", _call(32, (1, 2, 1, 2), (2, 1, 2, 2))),
        ("float64", _call(23, (2, 2, 3, 3), (2, 3, 3, 3), 3, torch.float64, s=2)),
        ("memory layout", _call(24, (2, 3, 4, 3), (3, 3, 3, 2))),
        ("everything together", _call(25, (2, 3, 4, 5), (3, 2, 3, 2), 2, s=3, p=1, o=2, d=2)),
        ("everything together", _call(26, (3, 2, 5, 4), (2, 4, 2, 3), 4, s=2, p=2, o=1, d=3)),
    )


def transposed_facts(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, o: int, d: int) -> dict[str, bool]:
    return {
        "stride is above 1": s > 1,
        "padding is above 0": p > 0,
        "output_padding is above 0": o > 0,
        "dilation is above 1": d > 1,
        "there is a bias": b is not None,
        "the stamps overlap": s < max(w.shape[2:]),
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": w.shape[1] > 1,
        "the kernel is not square": w.shape[2] != w.shape[3],
        "the picture is not square": x.shape[2] != x.shape[3],
    }


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

EXERCISE = Exercise(
    "conv_transpose2d(x, weight, bias=None, stride=1, padding=0, output_padding=0, dilation=1)",
    TASK,
    transposed,
    transposed_cases,
    catalogue(MESSAGES, WAYS),
    facts=transposed_facts,
)
