"""`large_kernel` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, replaced

Pair = tuple[Tensor, Tensor]


def _column(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight[..., None], padding=(weight.shape[2] // 2, 0))


def _row(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight[:, :, None], padding=(0, weight.shape[2] // 2))


def joined(
    x: Tensor, left: Pair, right: Pair, *, column: Function = _column, row: Function = _row,
    between: Function = lambda y: y, join: Function = lambda a, b: a + b, behind: bool = False,
    second: tuple[Function, Function] | None = None,
) -> Tensor:  # fmt: skip
    """Reference of `large_kernel`, with its steps replaced.

    Args:
        x, left, right: as the task has them.
        column: column(x, weight), and row: row(x, weight).
        between: between(what the first kernel of a pair makes).
        join: join(what left gives, what right gives).
        behind: whether the right pair reads what the left one gives.
        second: what stands for row and column in the right pair.
    """
    first, then = second or (row, column)
    a = row(between(column(x, left[0])), left[1])
    b = then(between(first(a if behind else x, right[0])), right[1])
    return join(a, b)


_step = partial(replaced, joined)


@each
def _kernels(change: Function) -> Ways:
    """Other kernels, all four of them: change(a kernel)."""
    return given(lambda x, left, right: (x, tuple(map(change, left)), tuple(map(change, right))))


def _padded(padding: Function) -> Function:
    """Both kernels with other zeros: padding(k // 2, l // 2), for a column and for a row."""

    def pair(x: Tensor, left: Pair, right: Pair) -> Tensor:
        above, beside = padding(left[0].shape[2] // 2, left[1].shape[2] // 2)
        return joined(
            x, left, right,
            column=lambda x, weight: F.conv2d(x, weight[..., None], padding=(above, 0)),
            row=lambda x, weight: F.conv2d(x, weight[:, :, None], padding=(0, beside)),
        )  # fmt: skip

    return pair


def _edged(x: Tensor, weight: Tensor, high: bool) -> Tensor:
    r = weight.shape[2] // 2
    x = F.pad(x, (0, 0, r, r) if high else (r, r, 0, 0), mode="replicate")
    return F.conv2d(x, weight[..., None] if high else weight[:, :, None])


def _alone(weight: Tensor) -> Tensor:
    return weight * torch.eye(*weight.shape[:2], dtype=weight.dtype)[..., None]


WAYS = {
    "one-pair-only": _step("join", lambda a, b: a, lambda a, b: b),
    "multiplied": _step("join", torch.mul),
    "averaged": _step("join", lambda a, b: (a + b) / 2),
    "larger-of-the-two": _step("join", torch.maximum),
    "one-behind-the-other": does(
        partial(joined, behind=True, join=lambda a, b: b), partial(joined, behind=True)
    ),
    "side-by-side": _step("join", lambda a, b: torch.cat([a, b], 1)),
    "relu-between": _step("between", torch.relu),
    "relu-at-the-end": _step("join", lambda a, b: torch.relu(a + b)),
    "turned": does(partial(joined, column=_row, row=_column)),
    "right-turned": does(partial(joined, second=(_column, _row))),
    "paddings-exchanged": does(_padded(lambda k, l: (l, k))),
    "one-padding-for-both": does(_padded(lambda k, l: (k, k)), _padded(lambda k, l: (l, l))),
    "not-padded": does(_padded(lambda k, l: (0, 0))),
    "border-not-zero": does(partial(joined, column=partial(_edged, high=True), row=partial(_edged, high=False))),
    "kernel-flipped": _kernels(lambda weight: weight.flip(2)),
    "each-channel-alone": _kernels(_alone),
    "inputs-outputs-exchanged": _kernels(lambda weight: weight.transpose(0, 1)),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}  # fmt: skip
