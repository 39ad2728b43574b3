"""Chapter 02: convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, layer
from segkit.grading.exercises.common import FIRST_PICTURE, refuses_none, squared

TASK = """The convolution of torch.nn.functional.conv2d (groups left out): x is N×C×H×W, weight is
C_out×C×k_h×k_w, bias has C_out numbers or is None; stride, padding (with zeros, on all four sides)
and dilation are whole numbers. Output position (i, j) of channel o is bias[o] + Σ_c Σ_u Σ_v
weight[o, c, u, v] · x[c, i·stride − padding + u·dilation, j·stride − padding + v·dilation]; its
height is ⌊(H + 2·padding − dilation·(k_h − 1) − 1) / stride⌋ + 1. The result has the dtype of x."""


@each
def _padded(pad: Function) -> Ways:
    """A picture padded in another way: pad(x, padding)."""
    return does(lambda x, w, b, s, p, d: F.conv2d(pad(x, p), w, b, s, 0, d))


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


def _plus(times: Function) -> Function:
    """A bias that is added more than once."""
    return lambda r, x, w, b, *a: r if b is None else r + (times(x, w) - 1) * b[:, None, None]


def _call(seed: int, x: Shape, w: Shape, bias: int = 0, dtype: torch.dtype = torch.float32, **steps: int) -> Args:
    """A call; `steps` are those of stride, padding and dilation that are not 1, 0 and 1."""
    return *layer(seed, x, w, bias, dtype), *{"stride": 1, "padding": 0, "dilation": 1, **steps}.values()


def conv_cases() -> list[Case]:
    return grouped(
        ("plain", _call(1, (3, 3), (2, 2)), _call(2, (5, 5), (3, 3)), _call(3, (6, 7), (3, 3))),
        ("channels", _call(4, (1, 3, 5, 5), (1, 3, 3, 3)), _call(5, (1, 2, 5, 6), (4, 2, 3, 3))),
        ("channels", _call(6, (1, 3, 6, 5), (3, 3, 2, 2))),
        ("batch", _call(7, (2, 1, 4, 5), (3, 3)), _call(8, (3, 2, 5, 4), (2, 2, 3, 3))),
        ("bias", _call(9, (5, 5), (3, 3), 1), _call(10, (1, 2, 5, 5), (3, 2, 3, 3), 3)),
        ("stride", _call(11, (5, 7), (3, 3), stride=2), _call(12, (8, 6), (3, 3), stride=2)),
        ("stride", _call(13, (9, 10), (2, 2), stride=3)),
        ("padding", _call(14, (4, 3), (3, 3), padding=1), _call(15, (5, 6), (3, 3), padding=2)),
        ("padding", _call(16, (3, 4), (1, 1), padding=1)),
        ("dilation", _call(17, (7, 6), (3, 3), dilation=2), _call(18, (8, 9), (2, 2), dilation=3)),
        ("kernel shape", _call(19, (5, 6), (1, 3)), _call(20, (6, 6), (3, 2)), _call(21, (1, 2, 6, 7), (2, 2, 2, 4))),
        ("stride", _call(26, (3, 3), (1, 1), stride=2)),
        ("dilation", _call(27, (3, 3), (2, 2), dilation=2)),
        ("padding", _call(28, (1, 2), (1, 1), padding=1)),
        ("bias", _call(29, (2, 2), (2, 2), 1)),
        ("batch", _call(30, (2, 1, 2, 2), (2, 2))),
        ("channels", _call(31, (1, 2, 2, 2), (1, 2, 2, 2))),
        ("float64", _call(22, (2, 2, 5, 5), (2, 2, 3, 3), 2, torch.float64)),
        ("float64", _call(32, (1, 2, 4, 5), (2, 2, 3, 3), dtype=torch.float64)),
        ("memory layout", _call(23, (2, 3, 6, 5), (2, 3, 3, 2))),
        ("everything together", _call(24, (2, 3, 9, 11), (4, 3, 3, 2), 4, stride=2, padding=2, dilation=3)),
        ("everything together", _call(25, (3, 2, 10, 7), (3, 2, 2, 3), 3, stride=3, padding=1, dilation=2)),
    )


def conv_facts(x: Tensor, w: Tensor, b: Tensor | None, s: int, p: int, d: int) -> dict[str, bool]:
    return {
        "stride is above 1": s > 1,
        "padding is above 0": p > 0,
        "dilation is above 1": d > 1,
        "there is a bias": b is not None,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": w.shape[0] > 1,
        "the kernel is not square": w.shape[2] != w.shape[3],
        "the picture is not square": x.shape[2] != x.shape[3],
        "rows are left over below the last window": s > 1 and (x.shape[2] + 2 * p - d * (w.shape[2] - 1) - 1) % s > 0,
    }


MESSAGES = """
kernel-flipped: Your kernel's rows and columns come in reverse order. That is what mathematicians call convolution;
    networks, and this exercise, slide the kernel as it is.
kernel-half-flipped: Your kernel is flipped along one axis. It should be applied as it is.
kernel-transposed: Rows and columns of your kernel are exchanged: u goes with the height, v with the width.
stride-dilation-swapped: Stride and dilation have changed places. Stride is the step of the whole kernel from one output
    to the next; dilation is the step from one weight to the next within the kernel.
padding-off-by-one: There is one pixel too much or too little padding on each side.
padding-ignored: `padding` makes no difference in your function.
padding-one-sided: Your padding is on two sides of the picture only, or all of it on one side. Each of the four sides
    gets `padding` pixels.
padding-doubled: There is twice as much padding as asked for: `padding` is per side.
padding-not-zero: Your padding repeats or mirrors the picture, or is not 0. It should be zeros.
padding-always-same: Your output is always as large as the picture, whatever `padding` says.
bias-ignored: `bias` makes no difference in your function.
bias-needed: `bias` may be None, and then your function stops with an error. Ask for that before you add it.
bias-repeated: The bias is added again for each input channel or each weight. It belongs to the finished sum, once.
bias-first-only: All output channels get the same bias. Each has its own.
stride-ignored: `stride` makes no difference in your function.
stride-one-axis: The stride is used along one axis only.
dilation-ignored: `dilation` makes no difference in your function.
dilation-off-by-one: The step from one weight to the next is one pixel too long or too short. `dilation` is that step,
    so 1 leaves no gap.
dilation-one-axis: The dilation is used along one axis only.
first-picture-only: Only the first picture of the batch is worked on. Every picture needs its result.
batch-summed: The pictures of a batch are added up. They have nothing to do with each other.
first-channel-only: Only the first input channel is looked at. Each output is a sum over all input channels.
channels-not-mixed: Each output channel sees a single input channel. It should add up what all of them bring.
last-channel-only: Only the last input channel counts: the sum is overwritten, not added to, in the loop over channels.
channels-averaged: You average over the input channels. Add them.
first-output-only: Only the first output channel is made, or all of them use the first kernel. Each output channel has
    its own kernel, weight[o].
only-square-kernels: Your function takes the kernel to be as wide as it is high. Read both sizes off `weight.shape`.
only-square-pictures: Your function takes the picture to be as wide as it is high. Read both sizes off `x.shape`.
last-window-lost: The output lacks its last row and column: the + 1 of the size is missing.
output-rounded-up: The size of the output is rounded up; a kernel that no longer fits is left out, so it is rounded
    down.
averaged: You divide by the number of weights. Convolution is a plain sum.
"""

WAYS = {
    "kernel-flipped": given(lambda x, w, *a: (x, w.flip(2, 3), *a)),
    "kernel-half-flipped": given(lambda x, w, *a: (x, w.flip(2), *a), lambda x, w, *a: (x, w.flip(3), *a)),
    "kernel-transposed": given(lambda x, w, *a: (x, w.transpose(2, 3), *a)),
    "stride-dilation-swapped": given(lambda x, w, b, s, p, d: (x, w, b, d, p, s)),
    "padding-off-by-one": given(lambda x, w, b, s, p, d: (x, w, b, s, p + 1, d))
    + given(*(lambda x, w, b, s, p, d, by=by: (x, w, b, s, p and p + by, d) for by in (1, -1))),
    "padding-ignored": given(lambda x, w, b, s, p, d: (x, w, b, s, 0, d)),
    "padding-one-sided": _padded(
        *(
            lambda x, p, sides=sides: F.pad(x, [p * times for times in sides])
            for sides in ((1, 0, 1, 0), (0, 1, 0, 1), (2, 0, 2, 0), (0, 2, 0, 2), (0, 0, 1, 1), (1, 1, 0, 0))
        )
    ),
    "padding-doubled": given(lambda x, w, b, s, p, d: (x, w, b, s, 2 * p, d)),
    "padding-not-zero": _padded(
        *(
            lambda x, p, mode=mode: F.pad(x, (p,) * 4, mode) if p else x
            for mode in ("replicate", "reflect", "circular")
        ),
        lambda x, p: F.pad(x, (p,) * 4, value=1.0),
    ),
    "padding-always-same": does(_same),
    "bias-ignored": given(lambda x, w, b, *a: (x, w, None, *a)),
    "bias-needed": refuses_none(2, F.conv2d),
    "bias-repeated": gives(
        _plus(lambda x, w: x.shape[1]), _plus(lambda x, w: w[0, 0].numel()), _plus(lambda x, w: w[0].numel())
    ),
    "bias-first-only": given(lambda x, w, b, *a: (x, w, None if b is None else b[:1].expand(len(b)), *a)),
    "stride-ignored": given(lambda x, w, b, s, p, d: (x, w, b, 1, p, d))
    + does(lambda x, w, b, s, p, d: _sized(x, w, b, s, p, d, 1, d)),
    "stride-one-axis": given(
        lambda x, w, b, s, p, d: (x, w, b, (s, 1), p, d), lambda x, w, b, s, p, d: (x, w, b, (1, s), p, d)
    ),
    "dilation-ignored": given(lambda x, w, b, s, p, d: (x, w, b, s, p, 1))
    + does(lambda x, w, b, s, p, d: _sized(x, w, b, s, p, d, s, 1)),
    "dilation-off-by-one": given(
        lambda x, w, b, s, p, d: (x, w, b, s, p, d + 1), lambda x, w, b, s, p, d: (x, w, b, s, p, max(d - 1, 1))
    ),
    "dilation-one-axis": given(
        lambda x, w, b, s, p, d: (x, w, b, s, p, (d, 1)), lambda x, w, b, s, p, d: (x, w, b, s, p, (1, d))
    ),
    "first-picture-only": FIRST_PICTURE,
    "batch-summed": gives(lambda r, *a: r.sum(0, keepdim=True), lambda r, *a: r.sum(0, keepdim=True).expand_as(r)),
    "first-channel-only": given(lambda x, w, *a: (x[:, :1], w[:, :1], *a)),
    "channels-not-mixed": does(_unmixed),
    "last-channel-only": given(lambda x, w, *a: (x[:, -1:], w[:, -1:], *a)),
    "channels-averaged": given(lambda x, w, *a: (x, w / x.shape[1], *a)),
    "first-output-only": gives(lambda r, *a: r[:, :1], lambda r, *a: r[:, :1].expand_as(r))
    + given(lambda x, w, b, *a: (x, w[:1].expand_as(w), b, *a)),
    "only-square-kernels": given(
        *(lambda x, w, *a, axis=axis: (x, squared(w, axis), *a) for axis in (2, 3)),
        lambda x, w, *a: (x, w[..., : min(w.shape[2:]), : min(w.shape[2:])], *a),
    ),
    "only-square-pictures": given(*(lambda x, *a, axis=axis: (squared(x, axis), *a) for axis in (2, 3))),
    "last-window-lost": gives(lambda r, *a: r[..., :-1, :-1]),
    "output-rounded-up": does(_ceil),
    "averaged": given(lambda x, w, *a: (x, w / w[0].numel(), *a), lambda x, w, *a: (x, w / w[0, 0].numel(), *a)),
}

EXERCISE = Exercise(
    "conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1)",
    TASK,
    lambda x, w, b, s, p, d: F.conv2d(x, w, b, s, p, d),
    conv_cases,
    catalogue(MESSAGES, WAYS),
    facts=conv_facts,
    number="02.1",
    marks=3,
    finished=("conv1d", "conv2d", "conv3d", "conv_transpose2d", "unfold"),
)
