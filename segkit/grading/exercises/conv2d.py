"""Chapter 02: convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.common import squared
from segkit.grading.exercises.conv2d_cases import conv_cases, conv_facts


def _pad(x: Tensor, left: int, right: int) -> Tensor:
    return F.pad(x, (left, right, left, right))


def _unmixed(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> Tensor:
    """Each output channel sees the one input channel of its own number."""
    own = torch.stack([w[o, o % w.shape[1]] for o in range(len(w))])[:, None]
    return torch.cat(
        [F.conv2d(x[:, [o % x.shape[1]]], own[[o]], None if b is None else b[[o]], s, p, d) for o in range(len(w))], 1
    )


def _ceil(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> Tensor:
    more = [(-(x.shape[i] + 2 * p - d * (w.shape[i] - 1) - 1)) % s for i in (2, 3)]
    return F.conv2d(F.pad(x, (p, p + more[1], p, p + more[0])), w, b, s, 0, d)


def _same(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> Tensor:
    h, v = d * (w.shape[3] - 1), d * (w.shape[2] - 1)
    return F.conv2d(F.pad(x, (h // 2, h - h // 2, v // 2, v - v // 2)), w, b, s, 0, d)


def _sized(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int, stride: int, dilation: int) -> Tensor:
    """The right size, but steps of `stride` and `dilation` inside."""
    h, v = ((x.shape[i] + 2 * p - d * (w.shape[i] - 1) - 1) // s + 1 for i in (2, 3))
    return F.conv2d(x, w, b, stride, p, dilation)[..., :h, :v]


def _plus(times):  # type: ignore[no-untyped-def]
    """A bias that is added more than once."""
    return lambda r, x, w, b, *a: r if b is None else r + (times(x, w) - 1) * b[:, None, None]


register(
    Exercise(
        name="conv2d",
        signature="conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1)",
        text=(
            "The convolution of torch.nn.functional.conv2d (groups left out): x is N×C×H×W, weight is\n"
            "C_out×C×k_h×k_w, bias has C_out numbers or is None; stride, padding (with zeros, on all four sides)\n"
            "and dilation are whole numbers. Output position (i, j) of channel o is bias[o] + Σ_c Σ_u Σ_v\n"
            "weight[o, c, u, v] · x[c, i·stride − padding + u·dilation, j·stride − padding + v·dilation]; its\n"
            "height is ⌊(H + 2·padding − dilation·(k_h − 1) − 1) / stride⌋ + 1. The result has the dtype of x."
        ),
        reference=lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, p, d),
        cases=conv_cases,
        facts=conv_facts,
        mistakes=(
            mistake(
                "kernel-flipped",
                "Your kernel is applied upside down and back to front. That is what mathematicians call "
                "convolution; networks, and this exercise, slide the kernel as it is.",
                given(lambda x, w, *a: (x, w.flip(2, 3), *a)),
            ),
            mistake(
                "kernel-half-flipped",
                "Your kernel is flipped along one axis. It should be applied as it is.",
                given(lambda x, w, *a: (x, w.flip(2), *a)),
                given(lambda x, w, *a: (x, w.flip(3), *a)),
            ),
            mistake(
                "kernel-transposed",
                "Rows and columns of your kernel are exchanged: u goes with the height, v with the width.",
                given(lambda x, w, *a: (x, w.transpose(2, 3), *a)),
            ),
            mistake(
                "stride-dilation-swapped",
                "Stride and dilation have changed places. Stride is the step of the whole kernel from one output to "
                "the next; dilation is the step from one weight to the next within the kernel.",
                given(lambda x, w, b, s, p, d: (x, w, b, d, p, s)),
            ),
            mistake(
                "padding-off-by-one",
                "There is one pixel too much or too little padding on each side.",
                given(lambda x, w, b, s, p, d: (x, w, b, s, p + 1, d)),
                does(lambda x, w, b, s, p, d: F.conv2d(_pad(x, p - 1, p - 1), w, b, s, 0, d)),
                does(lambda x, w, b, s, p, d: F.conv2d(_pad(x, p - 1, p - 1) if p else x, w, b, s, 0, d)),
                given(lambda x, w, b, s, p, d: (x, w, b, s, p + 1 if p else p, d)),
            ),
            mistake(
                "padding-ignored",
                "`padding` makes no difference in your function.",
                given(lambda x, w, b, s, p, d: (x, w, b, s, 0, d)),
            ),
            mistake(
                "padding-one-sided",
                "Your padding is on two sides of the picture only, or all of it on one side. Each of the four sides "
                "gets `padding` pixels.",
                *(
                    does(lambda x, w, b, s, p, d, m=m: F.conv2d(_pad(x, m[0] * p, m[1] * p), w, b, s, 0, d))
                    for m in ((1, 0), (0, 1), (2, 0), (0, 2))
                ),
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, (p, 0), d)),
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, (0, p), d)),
            ),
            mistake(
                "padding-doubled",
                "There is twice as much padding as asked for: `padding` is per side.",
                given(lambda x, w, b, s, p, d: (x, w, b, s, 2 * p, d)),
            ),
            mistake(
                "padding-not-zero",
                "Your padding repeats or mirrors the picture, or is not 0. It should be zeros.",
                *(
                    does(
                        lambda x, w, b, s, p, d, mode=mode: (
                            F.conv2d(F.pad(x, (p, p, p, p), mode=mode), w, b, s, 0, d)
                            if p
                            else F.conv2d(x, w, b, s, p, d)
                        )
                    )
                    for mode in ("replicate", "reflect", "circular")
                ),
                does(lambda x, w, b, s, p, d: F.conv2d(F.pad(x, (p, p, p, p), value=1.0), w, b, s, 0, d)),
            ),
            mistake(
                "padding-always-same",
                "Your output is always as large as the picture, whatever `padding` says.",
                does(_same),
            ),
            mistake(
                "bias-ignored",
                "`bias` makes no difference in your function.",
                given(lambda x, w, b, *a: (x, w, None, *a)),
            ),
            mistake(
                "bias-repeated",
                "The bias is added again for each input channel or each weight. It belongs to the finished sum, once.",
                gives(_plus(lambda x, w: x.shape[1])),
                gives(_plus(lambda x, w: w.shape[2] * w.shape[3])),
                gives(_plus(lambda x, w: w[0].numel())),
            ),
            mistake(
                "bias-first-only",
                "All output channels get the same bias. Each has its own.",
                given(lambda x, w, b, *a: (x, w, None if b is None else b[:1].expand(len(b)), *a)),
            ),
            mistake(
                "stride-ignored",
                "`stride` makes no difference in your function.",
                given(lambda x, w, b, s, p, d: (x, w, b, 1, p, d)),
                does(lambda x, w, b, s, p, d: _sized(x, w, b, s, p, d, 1, d)),
            ),
            mistake(
                "stride-one-axis",
                "The stride is used along one axis only.",
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, (s, 1), p, d)),
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, (1, s), p, d)),
            ),
            mistake(
                "dilation-ignored",
                "`dilation` makes no difference in your function.",
                given(lambda x, w, b, s, p, d: (x, w, b, s, p, 1)),
                does(lambda x, w, b, s, p, d: _sized(x, w, b, s, p, d, s, 1)),
            ),
            mistake(
                "dilation-off-by-one",
                "`dilation` is the step from one weight to the next, so 1 leaves no gap. You leave `dilation` "
                "pixels out instead.",
                given(lambda x, w, b, s, p, d: (x, w, b, s, p, d + 1)),
                given(lambda x, w, b, s, p, d: (x, w, b, s, p, max(d - 1, 1))),
            ),
            mistake(
                "dilation-one-axis",
                "The dilation is used along one axis only.",
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, p, (d, 1))),
                does(lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, p, (1, d))),
            ),
            mistake(
                "first-picture-only",
                "Only the first picture of the batch is worked on. Every picture needs its result.",
                gives(lambda r, *a: r[:1]),
                gives(lambda r, *a: r[:1].expand_as(r)),
                gives(lambda r, *a: torch.cat([r[:1], torch.zeros_like(r[1:])])),
            ),
            mistake(
                "batch-summed",
                "The pictures of a batch are added up. They have nothing to do with each other.",
                gives(lambda r, *a: r.sum(0, keepdim=True)),
                gives(lambda r, *a: r.sum(0, keepdim=True).expand_as(r)),
            ),
            mistake(
                "first-channel-only",
                "Only the first input channel is looked at. Each output is a sum over all input channels.",
                given(lambda x, w, *a: (x[:, :1], w[:, :1], *a)),
            ),
            mistake(
                "channels-not-mixed",
                "Each output channel sees a single input channel. It should add up what all of them bring.",
                does(_unmixed),
            ),
            mistake(
                "last-channel-only",
                "Only the last input channel counts: the sum is overwritten, not added to, in the loop over channels.",
                given(lambda x, w, *a: (x[:, -1:], w[:, -1:], *a)),
            ),
            mistake(
                "channels-averaged",
                "You average over the input channels. Add them.",
                does(lambda x, w, b, *a: F.conv2d(x, w / x.shape[1], b, *a)),
            ),
            mistake(
                "first-output-only",
                "Only the first output channel is made, or all of them use the first kernel. Each output channel "
                "has its own kernel, weight[o].",
                gives(lambda r, *a: r[:, :1]),
                gives(lambda r, *a: r[:, :1].expand_as(r)),
                given(lambda x, w, b, *a: (x, w[:1].expand_as(w), b, *a)),
            ),
            mistake(
                "only-square-kernels",
                "Your function takes the kernel to be as wide as it is high. Read both sizes off `weight.shape`.",
                does(lambda x, w, *a: F.conv2d(x, squared(w, 2), *a)),
                does(lambda x, w, *a: F.conv2d(x, squared(w, 3), *a)),
                does(lambda x, w, *a: F.conv2d(x, w[..., : min(w.shape[2:]), : min(w.shape[2:])], *a)),
            ),
            mistake(
                "only-square-pictures",
                "Your function takes the picture to be as wide as it is high. Read both sizes off `x.shape`.",
                does(lambda x, w, *a: F.conv2d(squared(x, 2), w, *a)),
                does(lambda x, w, *a: F.conv2d(squared(x, 3), w, *a)),
            ),
            mistake(
                "last-window-lost",
                "The output lacks its last row and column: the + 1 of the size is missing.",
                gives(lambda r, *a: r[..., :-1, :-1]),
            ),
            mistake(
                "output-rounded-up",
                "The size of the output is rounded up; a kernel that no longer fits is left out, so it is rounded "
                "down.",
                does(_ceil),
            ),
            mistake(
                "averaged",
                "You divide by the number of weights. Convolution is a plain sum.",
                does(lambda x, w, b, *a: F.conv2d(x, w / w[0].numel(), b, *a)),
                does(lambda x, w, b, *a: F.conv2d(x, w / (w.shape[2] * w.shape[3]), b, *a)),
            ),
        ),
    )
)
