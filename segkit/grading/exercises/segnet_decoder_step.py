"""Chapter 05: one step of SegNet's decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives, stops
from segkit.grading.exercises.case_tensors import Args, Shape, distinct, grouped, normal, numbers
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE, refuses_none
from segkit.grading.exercises.moved_numbers import COPIED, DOUBLED, MIXED_UP, unpool

TASK = """One step of SegNet's decoder. x is N×C×h×w; indices has its shape and says where the encoder's 2×2
pooling found each maximum, counted row by row in each plane of output_size = (H, W). Put every number
of x at its index and 0 everywhere else (N×C×H×W); convolve with weight (C_out×C×3×3, padding 1 of
zeros, stride 1) and add bias (C_out numbers or None); take the ReLU. H is 2h or 2h + 1, W likewise.
x may hold negative numbers. The result is N×C_out×H×W with the dtype of x."""

Size = tuple[int, int]


def _finish(u: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    return F.conv2d(u, w, b, padding=1).relu()


def step(x: Tensor, i: Tensor, z: Size, w: Tensor, b: Tensor | None) -> Tensor:
    """Reference of `segnet_decoder_step`."""
    return _finish(unpool(x, i, z), w, b)


@each
def _indexed(change: Function) -> Ways:
    """Other indices: change(indices, output_size)."""
    return given(lambda x, i, z, w, b: (x, change(i, z), z, w, b))


def _corners(i: Tensor, z: Size) -> Tensor:
    """The upper left place of each window."""
    rows, columns = (2 * torch.arange(n) for n in i.shape[2:])
    return (rows[:, None] * z[1] + columns).expand_as(i)


@each
def _with(up: Function) -> Ways:
    """Another way up, then the right convolution."""
    return does(lambda x, i, z, w, b: _finish(up(x, i, z), w, b))


@each
def _then(finish: Function) -> Ways:
    """The right way up, then another convolution."""
    return does(lambda x, i, z, w, b: finish(unpool(x, i, z), w, b))


@each
def _ended(activation: Function) -> Ways:
    """The right convolution, then another activation."""
    return _then(lambda u, w, b: activation(F.conv2d(u, w, b, padding=1)))


@each
def _padded(mode: str) -> Ways:
    return _then(lambda u, w, b: F.conv2d(F.pad(u, (1, 1, 1, 1), mode=mode), w, b).relu())


def _only_even(x: Tensor, i: Tensor, z: Size, w: Tensor, b: Tensor | None) -> Tensor:
    if tuple(z) != (2 * x.shape[2], 2 * x.shape[3]):
        raise IndexError
    return step(x, i, z, w, b)


def _per_tap(u: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """The bias comes with every input channel."""
    r = F.conv2d(u, w, None, padding=1)
    return (r if b is None else r + w.shape[1] * b[:, None, None]).relu()


def _call(seed: int, shape: Shape, out: int = 1, bias: bool = False, dtype: torch.dtype = torch.float32) -> Args:
    big = normal(seed, *shape, dtype=dtype) if dtype == torch.float64 else distinct(seed, *shape, dtype=dtype)
    _, i = F.max_pool2d(big, 2, 2, return_indices=True)
    x, weight = numbers(seed + 1, *i.shape, dtype=dtype), numbers(seed + 2, out, shape[1], 3, 3, dtype=dtype)
    return x, i, shape[2:], weight, numbers(seed + 3, out, dtype=dtype) if bias else None


def step_cases() -> list[Case]:
    return grouped(
        ("plain", (1, (1, 1, 2, 4)), (5, (1, 1, 4, 6)), (9, (1, 1, 6, 4))),
        ("odd sizes", (13, (1, 1, 5, 7)), (17, (1, 1, 7, 4)), (21, (1, 1, 4, 5))),
        ("channels", (25, (1, 3, 4, 6)), (29, (1, 2, 4, 4), 3), (33, (1, 3, 6, 4), 3)),
        ("batch", (37, (3, 1, 4, 6)), (41, (2, 2, 6, 4), 2)),
        ("bias", (45, (1, 1, 4, 6), 1, True), (49, (1, 2, 4, 4), 3, True)),
        ("float64", (53, (2, 2, 4, 6), 3, True, torch.float64)),
        ("memory layout", (57, (2, 3, 4, 6), 3, True)),
        ("everything together", (61, (2, 3, 7, 5), 4, True), (65, (3, 4, 5, 9), 2, True)),
        of=_call,
    )


def step_facts(x: Tensor, i: Tensor, z: tuple[int, int], w: Tensor, b: Tensor | None) -> dict[str, bool]:
    return {
        "the output is not twice as large": tuple(z) != (2 * x.shape[2], 2 * x.shape[3]),
        "there is a bias": b is not None,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one input channel": x.shape[1] > 1,
        "there is more than one output channel": w.shape[0] > 1,
    }


MESSAGES = """
relu-forgotten: Negative numbers come through: the ReLU at the end is missing.
relu-too-early: The ReLU works on x, before the convolution. It belongs after the convolution and its bias, and there
    only.
other-activation: The activation is not a ReLU, which gives 0 for negative numbers and leaves the others alone.
bias-ignored: `bias` makes no difference in your function.
bias-needed: `bias` may be None, and then your function stops with an error. Ask for that before you add it.
bias-after-relu: The bias is added after the ReLU. It belongs to the convolution: first add it, then cut off what is
    negative.
bias-per-channel: You add the bias once for each input channel. Add it to the sum over the channels.
padding-missing: Your result is too small: a 3×3 convolution needs a border of one zero to keep the size.
padding-too-wide: Your result is too large: one row of zeros on each side keeps the size.
padding-not-zero: The border is not made of zeros: you repeat, mirror or wrap around what is at the edge.
border-empty: The outermost rows and columns stay empty: you convolve without padding and put zeros around the result.
    The zeros go around the input.
kernel-flipped: The kernel is turned by 180°. In a network's convolution weight[o, c, 0, 0] meets the neighbour at the
    upper left.
kernel-transposed: Rows and columns of the kernel have changed places: weight[o, c, u, v] belongs to row u, column v.
weight-order: Input and output channels of `weight` have changed places: it is C_out×C×3×3.
transposed-convolution: This is a transposed convolution. Unpooling has done the enlarging; what follows is an ordinary
    convolution.
convolved-first: You convolve the small map and unpool afterwards. Unpooling leaves three of four places empty; the
    convolution after it fills them.
not-convolved: The map is only unpooled; the convolution is missing.
bed-of-nails: Every number goes to the top left of its window. The indices say where the encoder found it.
copied-to-window: Every number fills its whole window, or the map is interpolated. Each number goes to one place.
size-swapped: Height and width of `output_size` are exchanged: it is (H, W).
index-column-major: Indices are read column by column. They count row by row: row = index // W, column = index % W.
index-off-by-one: Every number lands one place away from where it belongs. Indices start at 0.
planes-mixed-up: Channels or pictures land in the same plane. An index counts within its own plane: keep N and C apart.
channels-not-summed: Not every input channel reaches the output, or you take their mean. Each output channel is the sum
    over all input channels.
averaged: The sum over the kernel is divided by 9. A convolution only adds.
first-picture-only: Only the first picture of the batch is worked on.
first-output-only: Only the first output channel is made.
always-doubled: The map is always made twice as large as x. Where pooling left out a last row, H is 2h + 1:
    `output_size` says how large, and how long the rows are that the indices count.
"""

WAYS = {
    "relu-forgotten": _ended(lambda r: r),
    "relu-too-early": _then(
        lambda u, w, b: F.conv2d(u.relu(), w, b, padding=1), lambda u, w, b: F.conv2d(u.relu(), w, b, padding=1).relu()
    ),
    "other-activation": _ended(
        torch.abs, F.leaky_relu, torch.sigmoid, torch.tanh, F.elu, F.gelu, F.softplus, lambda r: r.clamp(max=0)
    ),
    "bias-ignored": given(lambda x, i, z, w, b: (x, i, z, w, None)),
    "bias-needed": refuses_none(4, step),
    "bias-after-relu": _then(lambda u, w, b: _finish(u, w, None) + (0 if b is None else b[:, None, None])),
    "bias-per-channel": _then(_per_tap),
    "padding-missing": _then(lambda u, w, b: F.conv2d(u, w, b).relu()),
    "padding-too-wide": _then(lambda u, w, b: F.conv2d(u, w, b, padding=2).relu()),
    "padding-not-zero": _padded("replicate", "reflect", "circular"),
    "border-empty": _then(lambda u, w, b: F.pad(F.conv2d(u, w, b).relu(), (1, 1, 1, 1))),
    "kernel-flipped": given(lambda x, i, z, w, b: (x, i, z, w.flip(2, 3), b)),
    "kernel-transposed": given(lambda x, i, z, w, b: (x, i, z, w.transpose(2, 3), b)),
    "weight-order": given(lambda x, i, z, w, b: (x, i, z, w.transpose(0, 1), b)),
    "transposed-convolution": _then(lambda u, w, b: F.conv_transpose2d(u, w, b, padding=1).relu()),
    "convolved-first": does(lambda x, i, z, w, b: unpool(_finish(x, w, b), i, z)),
    "not-convolved": _then(lambda u, w, b: u, lambda u, w, b: u.relu()),
    "bed-of-nails": _indexed(_corners),
    "copied-to-window": _with(
        *COPIED,
        lambda x, i, z: F.interpolate(x, scale_factor=2, mode="bilinear"),
        *(
            lambda x, i, z, c=c: F.interpolate(x, size=tuple(z), mode="bilinear", align_corners=c)
            for c in (False, True)
        ),
    ),
    "size-swapped": given(lambda x, i, z, w, b: (x, i, (z[1], z[0]), w, b)),
    "index-column-major": _indexed(lambda i, z: (i % z[0]) * z[1] + i // z[0]),
    "index-off-by-one": _indexed(lambda i, z: (i - 1) % (z[0] * z[1]), lambda i, z: (i + 1) % (z[0] * z[1])),
    "planes-mixed-up": _with(*MIXED_UP) + _indexed(lambda i, z: i[:, :1].expand_as(i), lambda i, z: i[:1].expand_as(i)),
    "channels-not-summed": given(
        lambda x, i, z, w, b: (x[:, :1], i[:, :1], z, w[:, :1], b),
        lambda x, i, z, w, b: (x[:, -1:], i[:, -1:], z, w[:, -1:], b),
        lambda x, i, z, w, b: (x, i, z, w / w.shape[1], b),
    ),
    "averaged": given(lambda x, i, z, w, b: (x, i, z, w / 9, b)) + gives(lambda r, *a: r / 9),
    "first-picture-only": FIRST_PICTURE,
    "first-output-only": FIRST_CHANNEL,
    "always-doubled": _with(*DOUBLED) + stops(_only_even),
}

EXERCISE = Exercise(
    "segnet_decoder_step(x, indices, output_size, weight, bias)",
    TASK,
    step,
    step_cases,
    catalogue(MESSAGES, WAYS),
    facts=step_facts,
    number="05.1",
    marks=7,
    finished=("max_unpool2d",),
)
