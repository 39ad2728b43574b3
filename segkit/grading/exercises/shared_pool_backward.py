"""Chapter 02: the backward pass of a max pooling whose windows tie."""

from __future__ import annotations

from functools import partial
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, numbers
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE

TASK = """The gradient of a max pooling with regard to its input x (N×C×H×W), where ties are shared. grad_output
is N×C×H_out×W_out with H_out = ⌊(H + 2·padding − kernel_size) / stride⌋ + 1. Each number of grad_output is
divided equally among all pixels of its window that hold the window's largest number; a pixel adds up what
it gets from all of its windows; padding is never among them. The result has the shape of x and the dtype
of grad_output."""


def _places(n: int, size: int, k: int, s: int, p: int) -> int:
    return (size + 2 * p - k) // s + 1


def _largest(windows: Tensor) -> Tensor:
    """1 for each tied winner: k², N, C, h, w."""
    return windows == windows.amax(0)


def shared(
    g: Tensor, x: Tensor, k: int, s: int, p: int, *, fill: Function = lambda x: -inf, win: Function = _largest,
    divide: Function = lambda hit, k: hit.sum(0), order: int = 0,
) -> Tensor:  # fmt: skip
    """Reference of `shared_pool_backward`, with its steps replaced.

    Args:
        g, x, k, s, p: as the task has them.
        fill: what the padding holds, of x.
        win: which pixels of each window get something, of the windows k², N, C, h, w.
        divide: by what a window's gradient is divided.
        order: 0 to add what comes from several windows; −1 to keep that of the last window that a pixel wins; 1 to
            write what each place of the windows sends, zeros included, over what is there.
    """
    wide = F.pad(x, (p,) * 4, value=float(fill(x)))
    h, w = g.shape[2:]
    cuts = [
        (..., slice(u, u + s * (h - 1) + 1, s), slice(v, v + s * (w - 1) + 1, s)) for u in range(k) for v in range(k)
    ]
    hit = win(torch.stack([wide[cut] for cut in cuts])).to(g.dtype)
    shares = hit * (g / divide(hit, k))
    out = torch.zeros_like(wide, dtype=g.dtype)
    for cut, share, got in list(zip(cuts, shares, hit, strict=True))[:: order or 1]:
        out[cut] = out[cut] + share if not order else share if order > 0 else torch.where(got > 0, share, out[cut])
    return out[:, :, p : p + x.shape[2], p : p + x.shape[3]]


def _call(
    seed: int, shape: Shape, k: int, s: int, p: int = 0, top: float = inf, dtype: torch.dtype = torch.float32
) -> Args:
    """A map as after a ReLU; all of it at or below `top`, where that is given."""
    x = numbers(seed, *shape).clamp(min=0) if top == inf else numbers(seed, *shape).round() + top - 2
    sides = (_places(0, n, k, s, p) for n in shape[2:])
    return numbers(seed + 50, *shape[:2], *sides, dtype=dtype), x.to(dtype), k, s, p


def _cases() -> list[Case]:
    f64 = torch.float64
    return grouped(
        ("plain", (1, (1, 1, 2, 4), 2, 2), (2, (1, 1, 4, 6), 2, 2), (3, (1, 1, 6, 6), 3, 3)),
        ("overlapping windows", (4, (1, 1, 3, 3), 2, 1), (5, (1, 1, 7, 9), 3, 2), (6, (1, 2, 6, 7), 3, 1)),
        ("padding", (7, (1, 1, 2, 2), 2, 2, 1), (8, (1, 1, 5, 6), 3, 2, 1), (9, (1, 1, 6, 5), 5, 3, 2)),
        ("negative numbers", (10, (1, 1, 2, 2), 2, 2, 1, -0.5), (11, (1, 1, 5, 6), 3, 2, 1, -2.0)),
        ("negative numbers", (12, (1, 2, 6, 6), 2, 2, 0, -1.0)),
        ("pixels that no window reaches", (13, (1, 1, 3, 5), 2, 2), (14, (1, 1, 5, 6), 2, 3)),
        ("channels", (15, (1, 2, 2, 2), 2, 2), (16, (1, 5, 4, 6), 2, 2)),
        ("batch", (17, (2, 1, 2, 2), 2, 2), (18, (3, 2, 6, 5), 3, 2, 1)),
        ("kernel of 1", (19, (1, 1, 2, 3), 1, 1), (20, (1, 2, 5, 4), 1, 2)),
        ("float64", (21, (2, 2, 6, 5), 3, 2, 1, inf, f64)),
        ("memory layout", (22, (2, 3, 6, 8), 3, 1, 1)),
        of=_call,
    )


def _facts(g: Tensor, x: Tensor, k: int, s: int, p: int) -> dict[str, bool]:
    return {
        "windows overlap": s < k,
        "padding is above 0": p > 0,
        "all numbers are negative": bool((x < 0).all()),
        "there is more than one picture in the batch": len(x) > 1,
        "there is more than one channel": x.shape[1] > 1,
        "kernel_size is 1": k == 1,
    }


def _first(windows: Tensor) -> Tensor:
    return F.one_hot(windows.argmax(0), len(windows)).movedim(-1, 0)


def _last(windows: Tensor) -> Tensor:
    return _first(windows.flip(0)).flip(0)


def _restrided(g: Tensor, x: Tensor, k: int, s: int, p: int) -> Tensor:
    """As if windows stood side by side."""
    room = F.pad(x, (0, k * g.shape[3], 0, k * g.shape[2]), value=-inf)
    return shared(g, room, k, k, p)[..., : x.shape[2], : x.shape[3]]


MESSAGES = """
first-winner-only: All of a window's gradient goes to one of the tied pixels. Here it is shared equally among them.
not-divided: Each tied pixel gets all of its window's gradient. Together they get it once.
divided-by-window: The gradient is divided by the number of pixels in the window. It is divided by the number of those
    that hold the largest number.
padding-wins: The padding takes part: after a ReLU its zeros tie with the zeros of the map, and they beat negative
    numbers. Nothing may be able to win there: minus infinity.
padding-takes-a-number: The padding holds a number that occurs in the map, so that it can tie. Only minus infinity
    never does.
padding-ignored: `padding` makes no difference in your function: windows start at −padding.
zeros-left-out: Pixels of 0 get nothing. That is ReLU's backward pass; here a window of zeros shares its gradient too.
overwritten: Where windows overlap, only what one of them sends is left. A pixel gets the sum.
whole-window: Every pixel of a window gets something. Only those with the window's largest number do.
smallest: You send the gradient to the smallest numbers.
shares-of-the-sum: A pixel that wins several windows gets the average of what they send. The chain rule adds.
stride-ignored: Windows stand `stride` apart, not `kernel_size`.
first-picture-only: Only the first picture of the batch gets a gradient.
first-channel-only: Only the first channel gets a gradient.
ones-instead: You send back 1 for each window. Each window sends its own number of grad_output.
"""

WAYS = {
    "first-winner-only": does(partial(shared, win=_first), partial(shared, win=_last)),
    "not-divided": does(partial(shared, divide=lambda hit, k: 1)),
    "divided-by-window": does(partial(shared, divide=lambda hit, k: k * k)),
    "padding-wins": does(partial(shared, fill=lambda x: 0.0)),
    "padding-takes-a-number": does(
        partial(shared, fill=lambda x: x.min()), partial(shared, fill=lambda x: -1.0)
    ),
    "padding-ignored": does(
        lambda g, x, k, s, p: shared(g, F.pad(x, (0, 2 * p, 0, 2 * p), value=-inf), k, s, 0)[
            ..., : x.shape[2], : x.shape[3]
        ]
    ),
    "zeros-left-out": gives(lambda r, g, x, *a: r * (x > 0), lambda r, g, x, *a: r * (x != 0)),
    "overwritten": does(partial(shared, order=1), partial(shared, order=-1)),
    "whole-window": does(
        partial(shared, win=torch.ones_like), partial(shared, win=torch.isfinite),
        partial(shared, win=torch.ones_like, divide=lambda hit, k: 1),
    ),
    "smallest": does(partial(shared, win=lambda windows: windows == windows.amin(0), fill=lambda x: inf)),
    "shares-of-the-sum": gives(
        lambda r, g, x, k, s, p: r / shared(torch.ones_like(g), x, k, s, p, divide=lambda hit, k: 1).clamp(min=1)
    ),
    "stride-ignored": does(_restrided),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": FIRST_CHANNEL,
    "ones-instead": given(lambda g, *a: (torch.ones_like(g), *a)),
}  # fmt: skip

EXERCISE = Exercise(
    "shared_pool_backward(grad_output, x, kernel_size, stride, padding)",
    TASK,
    shared,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="02.3",
    marks=5,
)
