"""Chapter 10: separable convolution over time, several kernels for each channel, and nothing seen before it happens."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, numbers
from segkit.grading.exercises.separable_conv1d_ways import WAYS, separable

TASK = """A separable convolution over time that never looks ahead. x is N×C×T, T samples of C channels. Depthwise step:
depthwise is C×M×k, M kernels for each channel; each is slid over its own channel alone. Its last weight
lies on the present sample, the one before it `dilation` samples earlier, and so on; before the first
sample there are zeros. It is computed at the samples 0, stride, 2·stride, … Pointwise step: pointwise is
O×C×M; output channel o is the sum over c and m of pointwise[o, c, m] times what kernel m of channel c
gave, plus bias[o]. Nothing stands between the steps or after them. The result is N×O×⌈T/stride⌉, with
the dtype of x."""


def _call(
    seed: int, x: tuple[int, ...], made: tuple[int, int], k: int = 3, stride: int = 1, dilation: int = 1,
    dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """x as T, C×T or N×C×T; made is (M, O)."""
    N, C, T = (1, 1, *x)[-3:]
    multiplier, outputs = made
    return (
        numbers(seed, N, C, T, dtype=dtype),
        numbers(seed + 1, C, multiplier, k, dtype=dtype),
        numbers(seed + 2, outputs, C, multiplier, dtype=dtype),
        numbers(seed + 3, outputs, dtype=dtype),
        stride,
        dilation,
    )


def _cases() -> list[Case]:
    return grouped(
        ("plain", (1, (2, 5), (1, 2)), (5, (1, 6), (1, 2)), (9, (3, 4), (1, 1))),
        ("several kernels a channel", (13, (1, 5), (2, 1)), (17, (2, 4), (2, 2)), (21, (3, 5), (2, 2))),
        ("several kernels a channel", (25, (2, 6), (3, 1))),
        ("stride", (29, (2, 6), (1, 2), 3, 2), (33, (1, 7), (1, 2), 3, 3), (37, (2, 7), (1, 1), 3, 2)),
        ("dilation", (41, (2, 7), (1, 1), 3, 1, 2), (45, (1, 8), (1, 2), 3, 1, 3)),
        ("stride and dilation", (49, (2, 9), (1, 1), 3, 2, 3), (53, (1, 10), (1, 2), 3, 3, 2)),
        ("other kernels", (57, (2, 5), (1, 2), 2), (61, (1, 6), (1, 1), 4), (65, (2, 4), (1, 2), 1)),
        ("other kernels", (69, (2, 8), (1, 1), 5), (73, (1, 7), (1, 1), 2, 1, 3)),
        ("short signals", (77, (2, 2), (1, 1)), (81, (1, 1), (1, 2), 4), (85, (2, 3), (1, 2), 3, 1, 4)),
        ("batch", (89, (2, 2, 4), (1, 2)), (93, (3, 1, 5), (1, 1), 3, 2)),
        ("float64", (97, (2, 2, 6), (2, 3), 3, 2, 2, torch.float64)),
        ("memory layout", (101, (2, 3, 6), (2, 2), 3, 2, 1)),
        ("everything together", (105, (2, 3, 11), (2, 4), 4, 3, 2)),
        of=_call,
    )


def _facts(
    x: Tensor, depthwise: Tensor, pointwise: Tensor, bias: Tensor, stride: int, dilation: int
) -> dict[str, bool]:
    k = depthwise.shape[2]
    return {
        "a channel has more than one kernel": depthwise.shape[1] > 1,
        "stride is above 1": stride > 1,
        "stride does not divide the number of samples": x.shape[2] % stride > 0,
        "dilation is above 1": dilation > 1,
        "the kernel does not have three weights": k != 3,
        "the kernel has an even number of weights": k % 2 == 0,
        "the signal is shorter than the kernel reaches": x.shape[2] <= (k - 1) * dilation,
        "there is more than one channel": x.shape[1] > 1,
        "more than one channel comes out": len(pointwise) > 1,
        "there is more than one signal in the batch": len(x) > 1,
    }


MESSAGES = """
looks-ahead: Your kernel sees samples that come later. Its last weight lies on the present sample: put all
    (k − 1)·dilation zeros before the first sample and none after the last.
end-not-cut: Your result is longer than the signal. `padding=` pads both ends. Pad the front alone, or cut off the end,
    which looks into the future.
not-padded: Your result starts only where the whole kernel fits, so it is too short. Before the first sample there are
    (k − 1)·dilation zeros.
padding-without-dilation: You pad k − 1 zeros whatever the dilation. The kernel reaches (k − 1)·dilation samples back.
border-not-zero: Before its beginning you go on with the first sample. There are zeros.
kernel-flipped: The kernels run backwards in time. The last weight, depthwise[c, m, k − 1], lies on the present sample.
stride-ignored: The stride makes no difference.
dilation-ignored: The dilation makes no difference: the weights of a kernel lie `dilation` samples apart.
stride-dilation-swapped: Stride and dilation have changed places. The stride is the step from one result to the next,
    the dilation that from one weight to the next.
stride-starts-late: With a stride above 1 you keep the wrong samples. The first result is that at sample 0.
multiplier-ignored: Only the first kernel of each channel counts. All M of them go into the sum, each with its own
    pointwise weight.
multiplier-summed: The M results of a channel are added, or averaged, before the pointwise step. Each of the C·M has a
    weight of its own.
multiplier-order: Kernels and pointwise weights do not fit together. The C·M results stand channel after channel,
    index c·M + m: have you reshaped where a permute was needed, or a permuted copy?
one-kernel-for-all: All channels use the kernels of the first, or all kernels are the first one. depthwise[c] is for
    channel c alone.
channels-not-alone: In your depthwise step a kernel sees the sum of all channels. Each sees its own: `groups=C`.
pointwise-missing: The results of the depthwise step are added up as they are. Each has its weight in `pointwise`.
channels-not-mixed: An output channel reads a single input channel. The pointwise step sums over all C of them.
bias-ignored: The bias makes no difference.
relu-between: There is a ReLU between the two steps. Here nothing stands there, as in Xception.
relu-at-the-end: There is a ReLU at the end. Here nothing comes after the sum.
first-signal-only: Only the first signal of the batch is worked on.
time-elsewhere: The dimensions of the result are flat, in another order, or run backwards: N×O×⌈T/stride⌉.
"""

EXERCISE = Exercise(
    "separable_conv1d(x, depthwise, pointwise, bias, stride, dilation)",
    TASK,
    separable,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="10.1",
    marks=4,
    finished=("conv1d", "conv2d", "separable_conv2d"),
)
