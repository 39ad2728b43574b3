"""Chapter 05: one step of SegNet's decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Exercise, does, given, gives, mistake, register, stops
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE
from segkit.grading.exercises.max_unpool2d import _blocks, _together, unpool
from segkit.grading.exercises.segnet_decoder_step_cases import step_cases, step_facts

Size = tuple[int, int]


def _finish(u: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    return F.conv2d(u, w, b, padding=1).relu()


def step(x: Tensor, i: Tensor, z: Size, w: Tensor, b: Tensor | None) -> Tensor:
    """Reference of `segnet_decoder_step`."""
    return _finish(unpool(x, i, z), w, b)


def _indexed(change):  # type: ignore[no-untyped-def]
    """Other indices: change(indices, output_size)."""
    return given(lambda x, i, z, w, b: (x, change(i, z), z, w, b))


def _corners(i: Tensor, z: Size) -> Tensor:
    """The upper left place of each window."""
    rows, columns = (2 * torch.arange(n) for n in i.shape[2:])
    return (rows[:, None] * z[1] + columns).expand_as(i)


def _with(up):  # type: ignore[no-untyped-def]
    """Another way up, then the right convolution."""
    return does(lambda x, i, z, w, b: _finish(up(x, i, z), w, b))


def _then(finish):  # type: ignore[no-untyped-def]
    """The right way up, then another convolution."""
    return does(lambda x, i, z, w, b: finish(unpool(x, i, z), w, b))


def _padded(mode: str):  # type: ignore[no-untyped-def]
    return _then(lambda u, w, b: F.conv2d(F.pad(u, (1, 1, 1, 1), mode=mode), w, b).relu())


def _doubled(x: Tensor, i: Tensor, z: Size) -> Tensor:
    return unpool(x, i, (2 * x.shape[2], 2 * x.shape[3]))


def _restrided(x: Tensor, i: Tensor, z: Size) -> Tensor:
    """Rows and columns read off rightly, on a map of 2h×2w."""
    return unpool(x, (i // z[1]) * 2 * x.shape[3] + i % z[1], (2 * x.shape[2], 2 * x.shape[3]))


def _fitted(r: Tensor, z: Size) -> Tensor:
    return F.pad(r, (0, z[1] - r.shape[3], 0, z[0] - r.shape[2]))


def _only_even(x: Tensor, i: Tensor, z: Size, w: Tensor, b: Tensor | None) -> Tensor:
    if tuple(z) != (2 * x.shape[2], 2 * x.shape[3]):
        raise IndexError
    return step(x, i, z, w, b)


def _per_tap(u: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """The bias comes with every input channel."""
    r = F.conv2d(u, w, None, padding=1)
    return (r if b is None else r + w.shape[1] * b[:, None, None]).relu()


register(
    Exercise(
        name="segnet_decoder_step",
        signature="segnet_decoder_step(x, indices, output_size, weight, bias)",
        text=(
            "One step of SegNet's decoder. x is N×C×h×w; indices has its shape and says where the encoder's 2×2\n"
            "pooling found each maximum, counted row by row in each plane of output_size = (H, W). Put every number\n"
            "of x at its index and 0 everywhere else (N×C×H×W); convolve with weight (C_out×C×3×3, padding 1 of\n"
            "zeros, stride 1) and add bias (C_out numbers or None); take the ReLU. H is 2h or 2h + 1, W likewise.\n"
            "x may hold negative numbers. The result is N×C_out×H×W with the dtype of x."
        ),
        reference=step,
        cases=step_cases,
        facts=step_facts,
        mistakes=(
            mistake(
                "relu-forgotten",
                "Negative numbers come through: the ReLU at the end is missing.",
                _then(lambda u, w, b: F.conv2d(u, w, b, padding=1)),
            ),
            mistake(
                "relu-too-early",
                "The ReLU works on x, before the convolution. It belongs behind the convolution and its bias, and "
                "there only.",
                _then(lambda u, w, b: F.conv2d(u.relu(), w, b, padding=1)),
                _then(lambda u, w, b: F.conv2d(u.relu(), w, b, padding=1).relu()),
            ),
            mistake(
                "other-activation",
                "The activation is not a ReLU: that gives 0 for negative numbers and leaves the others alone.",
                _then(lambda u, w, b: F.conv2d(u, w, b, padding=1).abs()),
                _then(lambda u, w, b: F.leaky_relu(F.conv2d(u, w, b, padding=1))),
                _then(lambda u, w, b: F.conv2d(u, w, b, padding=1).sigmoid()),
                _then(lambda u, w, b: F.conv2d(u, w, b, padding=1).tanh()),
                _then(lambda u, w, b: F.elu(F.conv2d(u, w, b, padding=1))),
                _then(lambda u, w, b: F.gelu(F.conv2d(u, w, b, padding=1))),
                _then(lambda u, w, b: F.softplus(F.conv2d(u, w, b, padding=1))),
                _then(lambda u, w, b: F.conv2d(u, w, b, padding=1).clamp(max=0)),
            ),
            mistake(
                "bias-ignored",
                "`bias` makes no difference in your function.",
                given(lambda x, i, z, w, b: (x, i, z, w, None)),
            ),
            mistake(
                "bias-after-relu",
                "The bias is added behind the ReLU. It belongs to the convolution: first add it, then cut off what "
                "is negative.",
                _then(lambda u, w, b: _finish(u, w, None) + (0 if b is None else b[:, None, None])),
            ),
            mistake(
                "bias-per-channel",
                "The bias comes with every input channel. Add it once, to the sum over the channels.",
                _then(_per_tap),
            ),
            mistake(
                "padding-missing",
                "Your result is too small: a 3×3 convolution needs a border of one zero to keep the size.",
                _then(lambda u, w, b: F.conv2d(u, w, b).relu()),
            ),
            mistake(
                "padding-too-wide",
                "Your result is too large: one row of zeros on each side keeps the size.",
                _then(lambda u, w, b: F.conv2d(u, w, b, padding=2).relu()),
            ),
            mistake(
                "padding-not-zero",
                "The border is not made of zeros: you repeat, mirror or wrap around what is at the edge.",
                _padded("replicate"),
                _padded("reflect"),
                _padded("circular"),
            ),
            mistake(
                "border-empty",
                "The outermost rows and columns stay empty: you convolve without padding and put zeros around the "
                "result. The zeros go around the input.",
                _then(lambda u, w, b: F.pad(F.conv2d(u, w, b).relu(), (1, 1, 1, 1))),
            ),
            mistake(
                "kernel-flipped",
                "The kernel is turned by 180°. In a network's convolution weight[o, c, 0, 0] meets the neighbour at "
                "the upper left.",
                given(lambda x, i, z, w, b: (x, i, z, w.flip(2, 3), b)),
            ),
            mistake(
                "kernel-transposed",
                "Rows and columns of the kernel have changed places: weight[o, c, u, v] belongs to row u, column v.",
                given(lambda x, i, z, w, b: (x, i, z, w.transpose(2, 3), b)),
            ),
            mistake(
                "weight-order",
                "Input and output channels of `weight` have changed places: it is C_out×C×3×3.",
                given(lambda x, i, z, w, b: (x, i, z, w.transpose(0, 1), b)),
            ),
            mistake(
                "transposed-convolution",
                "This is a transposed convolution. Unpooling has done the enlarging; what follows is an ordinary "
                "convolution.",
                _then(lambda u, w, b: F.conv_transpose2d(u, w, b, padding=1).relu()),
            ),
            mistake(
                "convolved-first",
                "You convolve the small map and unpool afterwards. Unpooling leaves three of four places empty; the "
                "convolution behind it fills them.",
                does(lambda x, i, z, w, b: unpool(_finish(x, w, b), i, z)),
            ),
            mistake(
                "not-convolved",
                "The map is only unpooled; the convolution is missing.",
                _then(lambda u, w, b: u),
                _then(lambda u, w, b: u.relu()),
            ),
            mistake(
                "bed-of-nails",
                "Every number goes to the top left of its window. The indices say where the encoder found it.",
                _indexed(_corners),
            ),
            mistake(
                "copied-to-window",
                "Every number fills its whole window, or the map is interpolated. Each number goes to one place.",
                _with(lambda x, i, z: F.interpolate(x, size=tuple(z), mode="nearest")),
                _with(lambda x, i, z: F.interpolate(x, scale_factor=2, mode="nearest")),
                _with(_blocks),
                _with(lambda x, i, z: F.interpolate(x, size=tuple(z), mode="bilinear", align_corners=False)),
                _with(lambda x, i, z: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)),
                _with(lambda x, i, z: F.interpolate(x, size=tuple(z), mode="bilinear", align_corners=True)),
            ),
            mistake(
                "size-swapped",
                "Height and width of `output_size` are exchanged: it is (H, W).",
                given(lambda x, i, z, w, b: (x, i, (z[1], z[0]), w, b)),
            ),
            mistake(
                "index-column-major",
                "Indices are read column by column. They count row by row: row = index // W, column = index % W.",
                _indexed(lambda i, z: (i % z[0]) * z[1] + i // z[0]),
                _with(lambda x, i, z: unpool(x, i, (z[1], z[0])).transpose(2, 3)),
            ),
            mistake(
                "index-off-by-one",
                "Every number lands one place away from where it belongs. Indices start at 0.",
                _indexed(lambda i, z: (i - 1) % (z[0] * z[1])),
                _indexed(lambda i, z: (i + 1) % (z[0] * z[1])),
            ),
            mistake(
                "planes-mixed-up",
                "Channels or pictures land in the same plane. An index counts within its own plane: keep N and C "
                "apart.",
                _with(lambda x, i, z: _together(x, i, z, 1)),
                _with(lambda x, i, z: _together(x, i, z, 0)),
                _indexed(lambda i, z: i[:, :1].expand_as(i)),
                _indexed(lambda i, z: i[:1].expand_as(i)),
            ),
            mistake(
                "channels-not-summed",
                "Not every input channel reaches the output, or you take their mean. Each output channel is the "
                "sum over all input channels.",
                given(lambda x, i, z, w, b: (x[:, :1], i[:, :1], z, w[:, :1], b)),
                given(lambda x, i, z, w, b: (x[:, -1:], i[:, -1:], z, w[:, -1:], b)),
                given(lambda x, i, z, w, b: (x, i, z, w / w.shape[1], b)),
            ),
            mistake(
                "averaged",
                "The sum over the kernel is divided by 9. A convolution only adds.",
                given(lambda x, i, z, w, b: (x, i, z, w / 9, b)),
                gives(lambda r, *a: r / 9),
            ),
            mistake("first-picture-only", "Only the first picture of the batch is worked on.", *FIRST_PICTURE),
            mistake("first-output-only", "Only the first output channel is made.", *FIRST_CHANNEL),
            mistake(
                "always-doubled",
                "The map is always made twice as large as x. Where pooling left out a last row, H is 2h + 1: "
                "`output_size` says how large, and how long the rows are that the indices count.",
                _with(_restrided),
                _with(_doubled),
                does(lambda x, i, z, w, b: _fitted(_finish(_restrided(x, i, z), w, b), z)),
                _with(lambda x, i, z: _fitted(_doubled(x, i, z), z)),
                stops(_only_even),
            ),
        ),
    )
)
