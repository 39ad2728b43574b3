"""Chapter 12: the bottleneck with which ENet goes down, with the two narrow kernels of its asymmetric one."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, grouped, numbers
from segkit.grading.exercises.enet_down_ways import WAYS, bottleneck

TASK = """ENet's bottleneck that halves the map, its BatchNorms folded away, with asymmetric kernels in its middle. x is
N×C×H×W; h = ⌈H/2⌉, w = ⌈W/2⌉.
The extension: a 2×2 convolution of stride 2 with project, R×C×2×2, where a row of zeros below and a column of
zeros on the right make odd sizes even; plus biases[0]; PReLU. Then a kernel k wide and 1 high, across, R×R×k, and
one 1 wide and k high, down, R×R×k, each with k // 2 zeros at both ends and nothing between them; plus biases[1];
PReLU. Then a 1×1 with expand, O×R, plus biases[2]. k is odd.
The shortcut: the largest of each 2×2 cells of x, at an odd edge of those that are there; after its C channels come
O − C channels of zeros.
The two are added, and PReLU follows. PReLU leaves positive numbers as they are and multiplies negative ones by
their channel's slope, which may be any number. slopes has those of the three PReLUs, R, R and O numbers, and biases
has as many. Return N×O×h×w, with the dtype of x."""


def _call(
    seed: int, x: tuple[int, ...], inner: int = 1, outputs: int = 0, k: int = 5, biased: bool = False,
    sloped: bool = False, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """x as H×W, C×H×W or N×C×H×W; as many outputs as channels where none are named."""
    picture = numbers(seed, *(1, 1, *x)[-4:], dtype=dtype)
    C = picture.shape[1]
    O = outputs or C
    sizes = inner, inner, O
    biases = [numbers(seed + 5 + i, n, dtype=dtype) for i, n in enumerate(sizes)]
    slopes = [numbers(seed + 8 + i, n, dtype=dtype) for i, n in enumerate(sizes)]
    return (
        picture,
        numbers(seed + 1, inner, C, 2, 2, dtype=dtype) / 2,
        numbers(seed + 2, inner, inner, k, dtype=dtype) / 2,
        numbers(seed + 3, inner, inner, k, dtype=dtype) / 2,
        numbers(seed + 4, O, inner, dtype=dtype),
        biases if biased else [torch.zeros_like(b) for b in biases],
        slopes if sloped else [torch.full_like(a, 0.25) for a in slopes],
    )


def _cases() -> list[Case]:
    return grouped(
        ("plain", (100, (2, 2)), (200, (4, 6)), (300, (2, 6, 4)), (400, (4, 4))),
        ("channels of zeros", (500, (2, 2), 1, 2), (600, (2, 4, 4), 1, 5), (700, (4, 6), 1, 3)),
        ("narrow channels", (800, (4, 4), 2), (900, (2, 4, 6), 3), (1000, (3, 6, 4), 2)),
        ("biases", (1100, (2, 4), 1, 1, 5, True), (1200, (2, 4, 4), 2, 3, 5, True), (1300, (4, 4), 2, 2, 5, True)),
        ("slopes", (1450, (2, 4), 1, 1, 5, False, True), (1500, (2, 4, 6), 2, 3, 5, False, True)),
        ("slopes", (1600, (3, 6, 4), 3, 3, 5, False, True)),
        ("odd sizes", (1700, (1, 3)), (1800, (3, 5)), (1900, (2, 5, 4), 2, 3), (2000, (1, 1)), (2100, (2, 4, 7))),
        ("kernel size", (2200, (2, 4), 1, 1, 3), (2300, (2, 6, 4), 2, 2, 7), (2400, (1, 6, 8), 2, 2, 3)),
        ("batch", (2500, (2, 1, 2, 4)), (2600, (3, 2, 4, 4), 2, 3)),
        ("float64", (2700, (2, 2, 5, 4), 3, 4, 5, True, True, torch.float64)),
        ("memory layout", (2800, (2, 2, 4, 6), 2, 3)),
        ("everything together", (2900, (2, 3, 7, 10), 3, 5, 5, True, True), (3000, (2, 4, 6, 5), 2, 8, 3, True, True)),
        of=_call,
    )  # fmt: skip


def _facts(
    x: Tensor, project: Tensor, across: Tensor, down: Tensor, expand: Tensor, biases: list[Tensor], slopes: list[Tensor]
) -> dict[str, bool]:
    return {
        "more channels come out than come in": len(expand) > x.shape[1],
        "there is more than one narrow channel": len(project) > 1,
        "the biases are not 0": any(bool(b.any()) for b in biases),
        "the slopes are not all 0.25": any(bool((a != 0.25).any()) for a in slopes),
        "the height or the width is odd": bool(x.shape[2] % 2 or x.shape[3] % 2),
        "k is not 5": across.shape[-1] != 5,
        "there is more than one channel": x.shape[1] > 1,
        "there is more than one picture in the batch": len(x) > 1,
        "the map is not square": x.shape[2] != x.shape[3],
    }


MESSAGES = """
relu-for-prelu: A ReLU stands where PReLU should: negative numbers become 0. PReLU keeps them, multiplied by the slope
    of their channel.
slopes-fixed: All your slopes are the same number, 0.25 or 0.01, whatever `slopes` says. Each channel has learned its
    own.
one-slope-for-all: All channels of a map get the slope of the first one. Each channel has its own.
slopes-exchanged: The slopes of the first two PReLUs have changed places.
slope-on-positive-numbers: Your PReLU multiplies positive numbers by the slope. It leaves those as they are; only
    negative ones are multiplied.
maximum-for-prelu: You write PReLU as the larger of y and slope · y. That is right for slopes up to 1 only; a learned
    one may be larger. Ask whether y is positive.
prelu-before-the-sum: Your last PReLU acts on the extension alone. It belongs after the sum, so that it acts on the
    shortcut as well.
prelu-twice: The last PReLU acts on the extension, and once more on the sum. Apply it once, after the sum.
last-prelu-missing: Nothing follows your sum. The last PReLU belongs there.
first-prelu-missing: A PReLU is missing after the 2×2 convolution.
second-prelu-missing: A PReLU is missing after the two narrow kernels.
prelu-between-the-kernels: There is a PReLU between the kernel along the rows and the one along the columns. Nothing
    belongs between them: together they stand for one k×k.
prelu-before-bias: After the 2×2 convolution you apply PReLU and then add the bias. Add the bias first.
bias-ignored: A bias makes no difference: one of the three is never added, or none is. Each step of the extension has
    its own.
bias-with-each-kernel: biases[1] is added after each of the two narrow kernels. Add it once, after the second.
one-kernel-only: Only one of the two narrow kernels makes a difference. `across` reads along the rows, `down` then along
    the columns.
kernels-exchanged: The two narrow kernels are turned the wrong way, or have changed places. `across` is k wide and 1
    high and comes first; `down` is 1 wide and k high.
order-exchanged: You apply `down` first and then `across`. With several channels the order matters: `across` comes
    first.
kernel-flipped: The numbers of your kernels come in reverse order, or with rows and columns exchanged. A layer of a
    network multiplies the upper left by project[r, c, 0, 0], and the leftmost by across[r, s, 0].
inputs-outputs-exchanged: In the narrow kernels, the channels that are read and those that are made have changed places.
    across[r, s] is what channel r takes from channel s.
each-channel-alone: Your narrow kernels read each channel alone. across[r, s] takes something from every channel s to
    every channel r.
not-padded: The map shrinks in the two narrow kernels, and the sum is no longer possible. Pad both ends of each row with
    k // 2 zeros, and then both ends of each column.
two-zeros-always: You always pad by two zeros. That fits a kernel of 5; for any k it is k // 2.
border-not-zero: Your narrow kernels see the border of the map repeated. Pad it with zeros instead.
average-pooled: Your shortcut takes the mean of the 2×2 cells. It should take the largest.
shortcut-not-pooled: Your shortcut takes every second cell. It should take the largest of each 2×2.
shortcut-missing: Nothing goes past the extension: there is no shortcut. Add the pooled map to it.
zeros-first: The channels of zeros come first. Put them after the C pooled ones.
channels-not-zero: What follows your C pooled channels is not zeros: you repeat them, or leave it to torch, which
    repeats a single channel and fails with several. Add O − C channels of zeros there.
zeros-win: At an odd edge, your pooling takes a zero of the border for the largest where all cells that are there are
    negative. The zeros are for the convolution; let the pooling see only the cells that are there (`ceil_mode=True`).
rounded-down: At an odd height or width the last row or column is lost. The result has ⌈H/2⌉ rows and ⌈W/2⌉ columns.
odd-sizes-disagree: At an odd height or width your two branches give maps of different sizes. The convolution needs a
    row of zeros below, or a column on the right, to reach the last cells as the pooling does.
odd-zeros-in-front: The zeros with which you make odd sizes even lie above and on the left, which moves every window by
    one. They belong below and on the right.
odd-border-repeated: At an odd height or width you repeat the last row or column for the convolution. Put zeros there.
first-picture-only: Only the first picture of the batch is worked on.
left-flat: The dimensions of the result are flat or in another order. They should be N×O×h×w.
"""

EXERCISE = Exercise(
    "enet_down(x, project, across, down, expand, biases, slopes)",
    TASK,
    bottleneck,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="12.1",
    marks=4,
)
