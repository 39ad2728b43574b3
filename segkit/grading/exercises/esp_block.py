"""Chapter 14: ESPNet's block, where it keeps the size of a map and where it halves it."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, numbers
from segkit.grading.exercises.esp_block_ways import WAYS, pyramid

TASK = """ESPNet's efficient spatial pyramid, in use (nothing is trained), for any rates, and with stride 1 or 2.
x is N×C×H×W. reduce, R×C×k×k with k = 1 or 3, brings it down to R channels, at the given stride, with k // 2 zeros on
each side: h×w cells, h = ⌈H/stride⌉. Then each branch reads these R channels: branches is a list of 3×3 kernels,
O_b×R×3×3, and rates, one for each, are their dilations; zeros around the map keep its size. No convolution has a bias.
Fusion goes by the rates, from small to large. The branch of the smallest rate stays alone, and so far the second
smallest is as it is. From the third on, each adds to its own map the *sum* that the one before it has come to. The
branches may come in any order, and all rates differ. All but the smallest have equally many channels.
Join the maps in the order in which the branches came: O channels. Add x where stride is 1 and C = O, and only there.
BatchNorm with norm = (mean, variance, scale, shift), O numbers each: subtract the mean, divide by
√(variance + 0.001), multiply by the scale, add the shift. Last comes a PReLU: y > 0 stays, other y are multiplied by
the slope of their channel, one of O slopes.
Return N×O×h×w with the dtype of x. You may call torch's conv2d."""


def _call(
    seed: int, channels: int, inner: int, outs: Shape, rates: Shape, size: Shape, stride: int = 1, *, n: int = 1,
    small: bool = False, normed: bool = False, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """`normed`: all four tensors of the BatchNorm do something; `small`: variances at which what is added counts."""
    kernel, total = (1, 1) if stride == 1 else (3, 3), sum(outs)
    mean, variance, scale, shift = (numbers(seed + 1 + i, total, dtype=dtype) for i in range(4))
    variance = variance.abs() / 64 if small else 16 * variance.abs()
    plain = 0 * mean, 0 * variance + 16, 0 * scale + 1, 0 * shift
    return (
        numbers(seed, n, channels, *size, dtype=dtype),
        numbers(seed + 5, inner, channels, *kernel, dtype=dtype),
        [numbers(seed + 6 + i, out, inner, 3, 3, dtype=dtype) for i, out in enumerate(outs)],
        list(rates),
        stride,
        [mean, variance, scale, shift] if normed else [plain[0], variance if small else plain[1], *plain[2:]],
        numbers(seed + 20, total, dtype=dtype),
    )


def _cases() -> list[Case]:
    call = _call
    three, five = (1, 2, 4), (1, 2, 4, 8, 16)
    return grouped(
        ("plain", call(1, 3, 1, (1, 1, 1), three, (2, 2)), call(31, 4, 1, (2, 1, 1), three, (4, 5))),
        ("plain", call(61, 6, 2, (2, 2, 2), three, (6, 6))),
        ("other rates", call(91, 3, 1, (1, 1, 1), (1, 3, 5), (4, 6)), call(121, 4, 2, (2, 2), (1, 2), (3, 4))),
        ("other rates", call(151, 5, 1, (1, 1, 1, 1, 1), five, (9, 18)), call(181, 2, 2, (3,), (2,), (4, 4))),
        ("the order of the branches", call(211, 3, 1, (1, 1, 1), (4, 1, 2), (4, 5))),
        ("the order of the branches", call(241, 5, 1, (1, 1, 2, 1), (8, 2, 1, 4), (6, 9))),
        ("other channels", call(271, 2, 1, (1, 1, 1), three, (3, 4)), call(301, 5, 2, (3, 2, 2), three, (4, 4))),
        ("stride", call(331, 3, 1, (1, 1, 1), three, (4, 4), 2), call(361, 2, 2, (3, 2, 2), three, (5, 7), 2)),
        ("stride", call(391, 4, 1, (1, 1, 1, 1), (2, 1, 4, 8), (6, 3), 2)),
        ("norm", call(421, 3, 1, (1, 1, 1), three, (2, 3), normed=True)),
        ("norm", call(451, 4, 2, (2, 2), (1, 2), (3, 3), small=True)),
        ("norm", call(481, 3, 1, (1, 1, 1), three, (4, 4), small=True)),
        ("batch", call(511, 3, 1, (1, 1, 1), (2, 1, 4), (2, 3), n=2)),
        ("batch", call(541, 2, 1, (2, 1, 1), three, (4, 3), 2, n=3, normed=True)),
        ("float64", call(571, 6, 2, (2, 2, 2), (4, 2, 1), (5, 6), n=2, normed=True, dtype=torch.float64)),
        ("memory layout", call(601, 6, 2, (2, 2, 2), three, (6, 4), 2, n=2)),
        ("everything together", call(631, 10, 2, (2, 2, 2, 2, 2), (16, 1, 8, 2, 4), (9, 7), n=2, normed=True)),
        ("everything together", call(661, 3, 2, (2, 3, 2), (4, 1, 2), (7, 9), 2, n=2, normed=True)),
        of=lambda *args, **options: args,
    )  # fmt: skip


def _facts(
    x: Tensor, reduce: Tensor, branches: list[Tensor], rates: list[int], stride: int, norm: list[Tensor], slopes: Tensor
) -> dict[str, bool]:
    return {
        "stride is 2": stride == 2,
        "the input has as many channels as the result": x.shape[1] == len(slopes),
        "the branches come in another order than their rates": rates != sorted(rates),
        "there are more than two branches": len(rates) > 2,
        "the branches have different numbers of channels": len({len(one) for one in branches}) > 1,
        "scale and shift are not 1 and 0": bool((norm[2] != 1).any() or norm[3].any()),
        "the variance is small": bool(norm[1].max() < 0.1),
        "the map is not square": x.shape[2] != x.shape[3],
        "there is more than one picture in the batch": len(x) > 1,
    }


MESSAGES = """
fusion-missing: Your branches are joined as they are. From the third smallest rate on, each first adds the sum that the
    one before it has come to.
fusion-from-the-smallest: The map of the smallest rate is added to the next one. It stays alone: the sums begin at the
    second smallest.
fusion-of-neighbours: Each of your branches adds what the one before it has seen by itself. Add its *sum*, so that what
    a small rate has seen reaches all the larger ones.
fusion-backwards: Your sums go from the largest rate to the smallest. Small rates fill the holes of large ones: go from
    small to large.
fusion-in-the-order-given: Your sums go through the branches in the order in which they come. Go by the rates, from
    small to large.
joined-by-rate: You join the maps in the order of their rates. Join them in the order in which the branches came.
branches-in-a-chain: Each of your branches reads what the one before it gives. All of them read the R reduced channels.
sums-before-the-3x3: You add what the one before gives to what a branch reads. All branches read the R reduced channels
    as they are, and their results are added.
rates-sorted-alone: You sort the rates and not the kernels, so kernels meet the rates of others. Keep each rate with its
    kernel: sort the places.
rates-ignored: The rates make no difference: your 3×3s read neighbouring cells. Each has its rate for dilation.
padding-of-one: Your 3×3s have one row of zeros on each side, whatever their rate, and their maps come out in different
    sizes. A kernel of rate r needs r rows of zeros.
border-not-zero: You repeat the border of the map for the 3×3s. Put zeros there.
kernel-flipped: Your 3×3 kernels are turned by 180°, or have their rows and columns exchanged.
stride-ignored: `stride` makes no difference, and your map is too large. reduce takes every second cell at stride 2.
stride-in-the-branches: Your branches take the stride. reduce takes it, so that the branches work on the small map.
reduced-without-zeros: Your reduce has no zeros around the map where its kernel is 3×3, so cells are lost at the border.
    It needs k // 2 on each side.
input-missing: x is never added. Where stride is 1 and C = O it belongs to the joined maps.
input-always-added: You add x, or every second cell of it, where the stride is 2 or the channels differ. There the
    joined maps go on alone.
input-added-late: You add x after the BatchNorm, or after the PReLU. It is added to the joined maps, before both.
norm-missing: Your BatchNorm makes no difference.
norm-of-the-map: Your BatchNorm takes mean and variance of the map itself. In use it takes those that are given.
epsilon-of-another-size: What you add to the variance is not 0.001, or you add nothing. ESPNet's authors use 0.001, and
    where a variance is small that counts.
epsilon-outside-the-root: You add 0.001 to the square root of the variance. Add it to the variance.
root-missing: You divide by variance + 0.001. Divide by its square root.
mean-not-subtracted: Your BatchNorm does not subtract the mean.
scale-shift-ignored: The scale of the BatchNorm makes no difference, or its shift, or both.
scale-shift-exchanged: Scale and shift have changed places: norm is mean, variance, scale, shift.
prelu-missing: Your result is what the BatchNorm gives. A PReLU follows.
relu-for-prelu: What is below 0 becomes 0. A PReLU multiplies it by the slope of its channel.
one-slope-for-all: The first slope serves all channels. Each has its own.
maximum-for-prelu: You take the larger of y and slope·y. That is a PReLU only for slopes between 0 and 1; ask whether
    y is above 0.
prelu-before-the-norm: Your PReLU stands before the BatchNorm. It comes after it.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×O×h×w.
"""

EXERCISE = Exercise(
    "esp_block(x, reduce, branches, rates, stride, norm, slopes)",
    TASK,
    pyramid,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="14.1",
    marks=5,
    finished=("ESP", "batch_norm", "prelu", "PReLU", "BatchNorm2d"),
)
