"""`xception_block` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, gives, stops
from segkit.grading.exercises.common import refuses_none
from segkit.grading.exercises.mechanical import changed, ignored, replaced

Convs = list[tuple[Tensor, Tensor]]  # depthwise, pointwise
Two = tuple[Tensor, Tensor]


def _point(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    return F.conv2d(x, weight[:, :, None, None], stride=stride)


def _alone(x: Tensor, kernels: Tensor, stride: int, rate: int) -> Tensor:
    return F.conv2d(x, kernels[:, None], None, stride, rate, rate, groups=len(kernels))


def _sep(x: Tensor, conv: Two, stride: int, rate: int, between: bool, alone: Function = _alone) -> Tensor:
    """A separable convolution as a block has it."""
    y = alone(x, conv[0], stride, rate)
    return _point(y.relu() if between else y, conv[1])


def _at_the_end(place: int, last: int, stride: int) -> int:
    return stride if place == last else 1


def _way_past(x: Tensor, shortcut: Tensor | None, stride: int) -> Tensor:
    return x if shortcut is None else _point(x, shortcut, stride)


def block(
    x: Tensor, convs: Convs, shortcut: Tensor | None, stride: int, rate: int, between: bool, *,
    sep: Callable[..., Tensor] = _sep, strides: Function = _at_the_end, past: Function = _way_past,
    pre: Callable[..., Tensor] = torch.relu, post: Function = lambda y: y, pool: Function = lambda y, stride: y,
    tap: Function = lambda made: made[1],
) -> Two:  # fmt: skip
    """Reference of `xception_block`, with its steps replaced.

    Args:
        x, convs, shortcut, stride, rate, between: as the task has them.
        sep: sep(x, conv, stride, rate, between).
        strides: strides(place, last place, stride), that of a convolution.
        past: past(x, shortcut, stride), what is added.
        pre, post: before and after each separable convolution.
        pool: pool(y, stride), at the end of the convolutions.
        tap: tap(what each convolution made), the low-level map.
    """
    y, made, last = x, [], len(convs) - 1
    for place, conv in enumerate(convs):
        y = post(sep(pre(y), conv, strides(place, last, stride), rate, between))
        made.append(y)
    return tap(made), pool(y, stride) + past(x, shortcut, stride)


_step = partial(replaced, block)


@each
def _arrays(change: Function) -> Ways:
    """Other arrays of each convolution: change(depthwise, pointwise)."""
    return changed(1, lambda convs: [change(*conv) for conv in convs])


def _same(x: Tensor) -> Tensor:
    return x


def _mixed_first(x: Tensor, conv: Two, stride: int, rate: int, between: bool) -> Tensor:
    """The 1×1 first, as in Inception; it can be where channels stay as many."""
    y = _point(x, conv[1])
    return _alone(y.relu() if between else y, conv[0], stride, rate)


def _with(alone: Function) -> Function:
    return partial(_sep, alone=alone)


def _mixing(x: Tensor, kernels: Tensor, stride: int, rate: int) -> Tensor:
    return _alone(x.sum(1, keepdim=True).expand_as(x), kernels, stride, rate)


def _narrow_padding(x: Tensor, kernels: Tensor, stride: int, rate: int) -> Tensor:
    return F.conv2d(x, kernels[:, None], None, stride, 1, rate, groups=len(kernels))


def _edged(x: Tensor, kernels: Tensor, stride: int, rate: int) -> Tensor:
    rows, columns = (torch.arange(-rate, n + rate).clamp(0, n - 1) for n in x.shape[2:])
    return F.conv2d(x[:, :, rows][..., columns], kernels[:, None], None, stride, 0, rate, groups=len(kernels))


def _pooled(y: Tensor, stride: int) -> Tensor:
    return F.max_pool2d(y, 3, stride, 1) if stride > 1 else y


def _averaged(x: Tensor, shortcut: Tensor | None, stride: int) -> Tensor:
    small = F.avg_pool2d(x, stride, stride, ceil_mode=True) if stride > 1 else x
    return _way_past(small, shortcut, 1)


def _post_act(*a: Any) -> Two:
    return block(*a, pre=_same, post=torch.relu)


def _one_rate(which: Function) -> Ways:
    """The rate in some of the convolutions only: which(place, last)."""

    def rated(x: Tensor, convs: Convs, shortcut: Tensor | None, stride: int, rate: int, between: bool) -> Two:
        y, made, last = x, [], len(convs) - 1
        for place, conv in enumerate(convs):
            y = _sep(y.relu(), conv, _at_the_end(place, last, stride), rate if which(place, last) else 1, between)
            made.append(y)
        return made[1], y + _way_past(x, shortcut, stride)

    return does(rated)


def _in_place(x: Tensor, convs: Convs, *rest: Any) -> Two:
    """ReLUs that change what they are given: the shortcut's input, and the low-level map if another one follows."""
    low, out = block(x, convs, *rest, past=lambda x, *how: _way_past(x.relu(), *how))
    return low.relu() if len(convs) > 2 else low, out


WAYS = {
    "shortcut-rectified": _step("past", lambda x, *how: _way_past(x.relu(), *how)) + does(_in_place),
    "shortcut-missing": _step("past", lambda x, shortcut, stride: 0 * _way_past(x, shortcut, stride))
    + _step("past", lambda x, shortcut, stride: _way_past(x * (shortcut is not None), shortcut, stride)),
    "shortcut-needed": refuses_none(2, block),
    "shortcut-weights-ignored": stops(partial(block, past=lambda x, shortcut, stride: x[:, :, ::stride, ::stride])),
    "shortcut-does-not-stride": stops(partial(block, past=lambda x, shortcut, stride: _way_past(x, shortcut, 1))),
    "shortcut-averaged": _step("past", _averaged),
    "relu-after-each-convolution": does(_post_act),
    "relu-missing": _step("pre", _same),
    "first-relu-missing": does(
        lambda x, convs, *rest: block(
            x, convs, *rest, sep=lambda y, conv, *how: _sep(x if conv is convs[0] else y, conv, *how)
        )
    ),
    "relu-after-the-sum": gives(lambda r, *a: (r[0], r[1].relu())),
    "relu-between-always": ignored(5, True),
    "relu-between-never": ignored(5, False),
    "relu-between-inverted": changed(5, lambda between: not between),
    "pointwise-first": _step("sep", _mixed_first),
    "first-convolution-strides": _step("strides", lambda place, last, stride: 1 if place else stride),
    "every-convolution-strides": stops(partial(block, strides=lambda place, last, stride: stride)),
    "pooled": does(partial(block, strides=lambda place, last, stride: 1, pool=_pooled)),
    "stride-ignored": ignored(3, 1),
    "rate-ignored": ignored(4, 1),
    "rate-in-one-convolution": _one_rate(lambda place, last: place == last) + _one_rate(lambda place, last: not place),
    "padding-not-the-rate": stops(partial(block, sep=_with(_narrow_padding))),
    "border-not-zero": _step("sep", _with(_edged)),
    "kernel-flipped": _arrays(lambda d, p: (d.flip(1, 2), p), lambda d, p: (d.mT, p)),
    "kernel-of-another-channel": _arrays(lambda d, p: (d[:1].expand_as(d), p), lambda d, p: (d.flip(0), p)),
    "channels-not-alone": _step("sep", _with(_mixing)),
    "low-rectified": gives(
        lambda r, *a: (r[0].relu(), r[1]), lambda r, x, convs, *a: (r[0].relu() if len(convs) > 2 else r[0], r[1])
    ),
    "low-from-another-convolution": _step("tap", lambda made: made[0], lambda made: made[-1]),
    "low-is-the-sum": gives(lambda r, *a: (r[1], r[1])),
    "results-exchanged": gives(lambda r, *a: r[::-1]),
    "first-picture-only": gives(
        lambda r, *a: tuple(y[:1] for y in r),
        lambda r, *a: tuple(torch.cat([y[:1], torch.zeros_like(y[1:])]) for y in r),
    ),
    "left-flat": gives(lambda r, *a: tuple(y.flatten(2) for y in r), lambda r, *a: tuple(y.mT for y in r)),
}  # fmt: skip
