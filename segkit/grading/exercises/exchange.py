"""Chapter 14: two resolutions hear each other."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, numbers
from segkit.grading.exercises.exchange_ways import WAYS, exchanged

TASK = """DDRNet's bilateral fusion, with its BatchNorms folded into the convolutions, and with a switch for each
direction. fine is N×F×h×w and coarse N×C×h'×w'; neither has been through a ReLU yet. coarse was made of a map like
fine by halving it s times, and rounding up each time.
Up: (weight, bias), F×C and F, a 1×1 convolution. It reads the ReLU of coarse, and what it gives is enlarged to h×w by
bilinear interpolation, with cells as squares whose outer edges meet (as `interpolate` does it unless told otherwise).
The result is added to fine.
Down: a list of s pairs (weight, bias), 3×3 convolutions of stride 2 with one row of zeros on each side. The first reads
the ReLU of fine, each later one the ReLU of what the one before it gives. What the last one gives is added to coarse.
Both hear the other map as it was before. No ReLU follows the sums: the next blocks begin with one.
up or down may be None: nothing goes that way, and the map that would have heard comes back as it was.
Return (fine, coarse), N×F×h×w and N×C×h'×w', with the dtype they had. You may call torch's conv2d and interpolate."""


def _call(
    seed: int, channels: tuple[int, ...], size: Shape, *, n: int = 1, up: bool = True, down: bool = True,
    biased: bool = False, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    """Channels of the fine map, of what lies between, and of the coarse one."""
    F, *_, C = channels
    steps = len(channels) - 1
    small = tuple(-(-side // 2**steps) for side in size)
    rise = numbers(seed + 2, F, C, dtype=dtype), biased * numbers(seed + 3, F, dtype=dtype)
    fall = [
        (numbers(seed + 4 + 2 * i, b, a, 3, 3, dtype=dtype), biased * numbers(seed + 5 + 2 * i, b, dtype=dtype))
        for i, (a, b) in enumerate(pairwise(channels))
    ]
    maps = numbers(seed, n, F, *size, dtype=dtype), numbers(seed + 1, n, C, *small, dtype=dtype)
    return *maps, rise if up else None, fall if down else None


def _cases() -> list[Case]:
    call = _call
    return grouped(
        ("plain", call(1, (1, 2), (2, 4)), call(11, (2, 3), (4, 4)), call(21, (2, 4), (4, 6))),
        ("odd sizes", call(31, (1, 2), (3, 3)), call(41, (2, 3), (5, 7)), call(51, (2, 2), (1, 5))),
        ("halved twice", call(61, (1, 2, 3), (4, 4)), call(71, (2, 3, 4), (8, 4)), call(81, (2, 1, 2), (7, 5))),
        ("halved three times", call(91, (1, 2, 2, 3), (8, 16)), call(101, (2, 2, 3, 3), (9, 11))),
        ("biases", call(111, (1, 2), (4, 4), biased=True), call(121, (2, 3, 4), (6, 8), biased=True)),
        ("fine hears nothing", call(131, (1, 2), (4, 4), up=False), call(141, (2, 3, 3), (5, 5), up=False)),
        ("coarse hears nothing", call(151, (1, 2), (4, 4), down=False), call(161, (2, 3), (5, 5), down=False)),
        ("batch", call(171, (1, 2), (4, 4), n=2), call(181, (2, 3, 4), (8, 4), n=3)),
        ("float64", call(191, (2, 3, 4), (7, 9), n=2, biased=True, dtype=torch.float64)),
        ("memory layout", call(211, (2, 3, 4), (8, 6), n=2)),
        ("everything together", call(231, (3, 2, 4), (9, 6), n=2, biased=True)),
        of=lambda *args: args,
    )


def _facts(fine: Tensor, coarse: Tensor, up: tuple | None, down: list | None) -> dict[str, bool]:  # type: ignore[type-arg]
    layers = [layer for layer in ([up] if up else []) + (down or [])]
    return {
        "fine hears nothing": up is None,
        "coarse hears nothing": down is None,
        "down has more than one convolution": down is not None and len(down) > 1,
        "the height or width of fine is odd": fine.shape[2] % 2 + fine.shape[3] % 2 > 0,
        "the biases are not 0": any(bool(bias.any()) for _, bias in layers),
        "there is more than one picture in the batch": len(fine) > 1,
    }


MESSAGES = """
one-after-the-other: One of your maps hears the other after that has heard it, and so hears itself. Keep both as they
    were: work out what goes up and what goes down first, and add then.
relu-after-the-sum: A ReLU follows your sums, or one of them. Return the sums as they are: the next blocks begin with a
    ReLU, and their shortcuts want the negative numbers as well.
not-rectified: What goes up, or what goes down, or both, is made of the map as it is. A ReLU belongs before the first
    convolution of each way.
rectified-maps-kept: You add to the ReLU of a map (did it write into the map?). The ReLU is only for the convolutions;
    what they give is added to the map as it came.
relu-behind-the-1x1: A ReLU follows your 1×1. What goes up is added as it is.
relu-behind-the-last: A ReLU follows your last 3×3. What goes down is added as it is.
relu-between-missing: Between the convolutions that go down there is no ReLU. Each later one reads the ReLU of what the
    one before it gives.
corners-aligned: You enlarge with the corner cells on each other (`align_corners=True`), as the chapter does. Here cells
    are squares whose outer edges meet.
nearest-for-bilinear: You enlarge by repeating the nearest cell. Interpolate bilinearly.
factor-for-size: You enlarge by a whole number. Sizes were rounded up on the way down: give `interpolate` the size of
    fine, `size=fine.shape[2:]`.
not-padded: Your 3×3s have no zeros around the map, so what goes down is too small for coarse.
border-not-zero: You repeat the border of the map for the 3×3s. Put zeros there.
kernel-flipped: Your 3×3 kernels are turned by 180°, or have their rows and columns exchanged.
bias-ignored: The bias of the 1×1 makes no difference, or those of the 3×3s, or none does.
one-hears-nothing: Only one of your maps hears the other. Unless up or down is None, both do.
silence-stops: Your function stops where up or down is None. Then nothing goes that way, and the map comes back as it
    was.
not-added: You return what a map hears, without the map. Add the two.
multiplied: You multiply a map by what it hears. Add.
averaged: You take the mean of a map and what it hears. Add, and do not halve.
results-exchanged: Your results have changed places: fine comes first.
first-picture-only: Only the first picture of the batch is worked on.
"""

EXERCISE = Exercise(
    "exchange(fine, coarse, up, down)",
    TASK,
    exchanged,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("float", "float"),
    facts=_facts,
    number="14.2",
    marks=5,
    finished=("Exchange",),
)
