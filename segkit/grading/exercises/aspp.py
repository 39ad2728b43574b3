"""Chapter 09: atrous spatial pyramid pooling with image pooling, from plain arrays of weights."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.aspp_ways import WAYS, pyramid
from segkit.grading.exercises.case_tensors import Args, grouped, numbers

TASK = """DeepLab v3's ASPP, with each BatchNorm folded into its convolution. x is N×C×h×w, of any size. point is
K×C, the weights of the 1×1 branch; dilated R×K×C×3×3, a kernel for each of the R dilations in rates;
pooled K×C, the weights of the 1×1 of the image-pooling branch; bias (R + 2)×K, a row for each branch.
Branches, in this order: the 1×1; the R dilated convolutions (stride 1, zero padding equal to the rate,
whether the kernel fits into the map or not); image pooling, the mean of each picture's channels over
all of its cells, then its 1×1, the same vector at every cell. Each branch adds its row of bias and ends
in ReLU. Return them as channels, one branch after the other, N×((R + 2)·K)×h×w, with the dtype of x."""


def _call(
    seed: int, x: tuple[int, ...], rates: list[int], outputs: int = 1, dtype: torch.dtype = torch.float32
) -> Args:
    picture = numbers(seed, *(1, 1, *x)[-4:], dtype=dtype)
    channels = picture.shape[1]
    point, pooled = (numbers(seed + i, outputs, channels, dtype=dtype) for i in (1, 2))
    dilated = numbers(seed + 3, len(rates), outputs, channels, 3, 3, dtype=dtype)
    bias = numbers(seed + 4, len(rates) + 2, outputs, dtype=dtype)
    bias[-1] = bias[-1].abs() + 0.25  # so that image pooling seldom gives nothing but 0
    return picture, point, dilated, pooled, bias, rates


def _cases() -> list[Case]:
    return grouped(
        ("plain", (1, (3, 4), [1, 2]), (6, (4, 3), [2, 1]), (11, (5, 6), [1, 3]), (16, (3, 3), [1])),
        ("three rates", (21, (5, 5), [1, 2, 3]), (26, (6, 5), [1, 4, 2])),
        ("channels", (31, (1, 2, 3, 3), [1, 2], 2), (36, (1, 3, 3, 4), [2, 1], 2)),
        ("batch", (46, (2, 1, 3, 3), [1, 2]), (51, (3, 2, 3, 4), [2, 3], 2)),
        ("rates larger than the map", (56, (4, 2), [6, 3]), (66, (1, 2, 3, 5), [4, 2], 2)),
        ("one cell", (71, (1, 1), [1, 2]), (76, (1, 3, 1, 1), [6], 2)),
        ("float64", (81, (2, 2, 4, 3), [1, 2], 2, torch.float64)),
        ("memory layout", (86, (2, 2, 4, 5), [1, 2], 2)),
        ("everything together", (91, (2, 3, 5, 6), [2, 4, 6], 4)),
        of=_call,
    )


def _facts(
    x: Tensor, point: Tensor, dilated: Tensor, pooled: Tensor, bias: Tensor, rates: list[int]
) -> dict[str, bool]:
    h, w = x.shape[2:]
    return {
        "there is more than one rate": len(rates) > 1,
        "there are more than two rates": len(rates) > 2,
        "a rate is at least as large as a side of the map": max(rates) >= min(h, w),
        "there is more than one picture in the batch": len(x) > 1,
        "there is more than one channel": x.shape[1] > 1,
        "a branch has more than one channel": len(point) > 1,
        "the map is a single cell": h * w == 1,
        "the map is not square": h != w,
    }


MESSAGES = """
pooled-too-late: The last branch averages after ReLU. The picture is averaged first; its 1×1, bias and ReLU see one
    vector.
pooling-missing: The last branch does not average: it is a second 1×1 at each cell. Take the mean over all cells first.
pooling-not-broadcast: The last branch is a single cell, and the others are h×w. Its vector belongs at every cell:
    `.expand(-1, -1, h, w)`.
pooled-over-the-batch: The mean runs over the pictures of the batch as well. Each picture has a mean of its own,
    dimensions 2 and 3.
not-the-mean: Image pooling takes something else than the mean over all cells of the picture (a maximum, a sum, or the
    mean along one axis).
branch-missing: A branch is missing: one 1×1, one for each rate, and image pooling.
branches-in-another-order: The branches come in another order: the 1×1, the dilated ones in the order of rates, image
    pooling last. The next layer's weights count on it.
interleaved: The channels of the branches take turns. All channels of one branch come before those of the next.
summed: The branches are added, as in DeepLab v2. Version 3 keeps them all, one after the other as channels.
not-concatenated: The branches are put together along the wrong dimension. Channels are dimension 1.
relu-forgotten: No branch ends in ReLU.
relu-missing-in-a-branch: One kind of branch lacks its ReLU. All of them have it, image pooling too.
relu-before-bias: ReLU comes before the bias is added. It is the last step of a branch.
bias-ignored: The bias makes no difference. It is what BatchNorm has left behind.
bias-missing-in-a-branch: One kind of branch lacks its bias. Each has a row, image pooling too.
bias-of-another-branch: A branch adds the bias of another. Row 0 is the 1×1's, row i + 1 that of rate i, the last row
    image pooling's.
not-padded: The dilated branches do not keep the size of the map. A 3×3 kernel at rate r reaches r cells to each side:
    pad r zeros, not 1 and not none.
border-not-zero: The border of the map is repeated, mirrored or joined to the opposite one. Zeros lie around the map.
rates-ignored: The rates make no difference: the weights of a dilated kernel lie `rate` cells apart.
rate-of-another-branch: A kernel is used with another rate than its own: dilated[i] goes with rates[i].
kernel-of-another-branch: All rates use the same kernel: dilated[i] goes with rates[i].
large-rate-changed: You treat a rate specially that is as large as the map. It needs no special case: zeros are padded,
    and whichever weights still meet the map count.
kernel-flipped: The kernels' rows and columns come in reverse order. A layer of a network multiplies
    dilated[i, :, :, 0, 0] with the upper left.
first-channel-only: Only the first channel of x counts: sum over all C of them.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×((R + 2)·K)×h×w.
"""

EXERCISE = Exercise(
    "aspp(x, point, dilated, pooled, bias, rates)",
    TASK,
    pyramid,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="09.1",
    marks=6,
    finished=("ASPP",),
)
