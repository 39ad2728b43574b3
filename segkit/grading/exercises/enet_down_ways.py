"""`enet_down` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, stops
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, changed, exchanged, kernels_turned, replaced


def _shift(y: Tensor, bias: Tensor) -> Tensor:
    return y + bias[:, None, None]


def _prelu(y: Tensor, slope: Tensor) -> Tensor:
    return torch.where(y > 0, y, slope[:, None, None] * y)


def _project(x: Tensor, weight: Tensor) -> Tensor:
    H, W = x.shape[2:]
    return F.conv2d(F.pad(x, (0, W % 2, 0, H % 2)), weight, stride=2)


def _along_rows(y: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(y, weight[:, :, None], padding=(0, weight.shape[-1] // 2))


def _along_columns(y: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(y, weight[..., None], padding=(weight.shape[-1] // 2, 0))


def _middle(y: Tensor, across: Tensor, down: Tensor, bias: Tensor, slope: Tensor) -> Tensor:
    return _shift(_along_columns(_along_rows(y, across), down), bias)


def _past(x: Tensor, outputs: int) -> Tensor:
    pooled = F.max_pool2d(x, 2, 2, ceil_mode=True)  # N, C, h, w
    return F.pad(pooled, (0, 0, 0, 0, 0, outputs - x.shape[1]))  # N, O, h, w


def _close(main: Tensor, extension: Tensor, act: Function, slope: Tensor) -> Tensor:
    return act(main + extension, slope)


def bottleneck(
    x: Tensor, project: Tensor, across: Tensor, down: Tensor, expand: Tensor, biases: list[Tensor],
    slopes: list[Tensor], *, narrow: Function = _project, middle: Callable[..., Tensor] = _middle,
    past: Function = _past, act: Function = _prelu, close: Function = _close,
    step: Function = lambda act, y, bias, slope: act(_shift(y, bias), slope),
) -> Tensor:  # fmt: skip
    """Reference of `enet_down`, with its steps replaced.

    Args:
        x, project, across, down, expand, biases, slopes: as the task has them.
        narrow: narrow(x, project), of stride 2.
        middle: middle(y, across, down, bias, slope), both kernels and their bias.
        past: past(x, outputs), the shortcut.
        act: act(y, slope), PReLU.
        close: close(shortcut, extension, act, slope).
        step: step(act, y, bias, slope), what follows the first convolution.
    """
    y = step(act, narrow(x, project), biases[0], slopes[0])  # N, R, h, w
    y = act(middle(y, across, down, biases[1], slopes[1]), slopes[1])
    y = _shift(F.conv2d(y, expand[:, :, None, None]), biases[2])  # N, O, h, w
    return close(past(x, len(expand)), y, act, slopes[2])


_step = partial(replaced, bottleneck)


@each
def _biases(place: int) -> Ways:
    """One of the biases is never added."""
    return changed(5, lambda all_of_them: [b * (i != place) for i, b in enumerate(all_of_them)])


@each
def _slopes(change: Function) -> Ways:
    """Other slopes: change(those of the first, of the second, of the last PReLU)."""
    return changed(6, lambda slopes: list(change(*slopes)))


@each
def _kernels(change: Function) -> Ways:
    """Other kernels, both of them: change(a kernel)."""
    return does(lambda x, p, across, down, *rest: bottleneck(x, p, change(across), change(down), *rest))


def _alone(weight: Tensor) -> Tensor:
    return weight * torch.eye(len(weight), dtype=weight.dtype)[..., None]


def _unpadded(y: Tensor, across: Tensor, down: Tensor, bias: Tensor, slope: Tensor) -> Tensor:
    return _shift(F.conv2d(F.conv2d(y, across[:, :, None]), down[..., None]), bias)


def _two_zeros(y: Tensor, across: Tensor, down: Tensor, bias: Tensor, slope: Tensor) -> Tensor:
    y = F.conv2d(y, across[:, :, None], padding=(0, 2))
    return _shift(F.conv2d(y, down[..., None], padding=(2, 0)), bias)


def _edged(y: Tensor, across: Tensor, down: Tensor, bias: Tensor, slope: Tensor) -> Tensor:
    r = across.shape[-1] // 2
    y = F.conv2d(F.pad(y, (r, r, 0, 0), mode="replicate"), across[:, :, None])
    return _shift(F.conv2d(F.pad(y, (0, 0, r, r), mode="replicate"), down[..., None]), bias)


def _filled(x: Tensor, outputs: int, fill: Function) -> Tensor:
    """A pooled map that gets its further channels from fill(it, how many in all)."""
    return fill(F.max_pool2d(x, 2, 2, ceil_mode=True), outputs)


def _zeros_first(pooled: Tensor, outputs: int) -> Tensor:
    return F.pad(pooled, (0, 0, 0, 0, outputs - pooled.shape[1], 0))


def _copies(pooled: Tensor, outputs: int) -> Tensor:
    return pooled[:, torch.arange(outputs) % pooled.shape[1]]


def _of_pooled(pool: Function) -> Function:
    """The shortcut with another pooling: pool(x)."""
    return lambda x, outputs: F.pad(pool(x), (0, 0, 0, 0, 0, outputs - x.shape[1]))


def _evened(x: Tensor, **how: Any) -> Tensor:
    return F.pad(x, (0, x.shape[3] % 2, 0, x.shape[2] % 2), **how)


def _front(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(F.pad(x, (x.shape[3] % 2, 0, x.shape[2] % 2, 0)), weight, stride=2)


def _whole_windows(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, stride=2)


def _all_turned(x: Tensor, project: Tensor, across: Tensor, down: Tensor, *rest: Any) -> Tensor:
    return bottleneck(x, project.flip(2, 3), across.flip(2), down.flip(2), *rest)


WAYS = {
    "relu-for-prelu": _slopes(
        lambda *slopes: [0 * a for a in slopes], lambda a, b, c: (a, b, 0 * c), lambda a, b, c: (0 * a, 0 * b, c)
    ),
    "slopes-fixed": _slopes(
        lambda *slopes: [0 * a + 0.25 for a in slopes], lambda *slopes: [0 * a + 0.01 for a in slopes]
    ),
    "one-slope-for-all": _slopes(lambda *slopes: [a[:1].expand_as(a) for a in slopes]),
    "slopes-exchanged": _slopes(lambda a, b, c: (b, a, c)),
    "slope-on-positive-numbers": _step(
        "act", lambda y, a: torch.where(y > 0, a[:, None, None] * y, y), lambda y, a: a[:, None, None] * y
    ),
    "maximum-for-prelu": _step("act", lambda y, a: torch.maximum(y, a[:, None, None] * y)),
    "prelu-before-the-sum": _step("close", lambda main, y, act, slope: main + act(y, slope)),
    "prelu-twice": _step("close", lambda main, y, act, slope: act(main + act(y, slope), slope)),
    "last-prelu-missing": _step("close", lambda main, y, act, slope: main + y),
    "first-prelu-missing": _step("step", lambda act, y, bias, slope: _shift(y, bias)),
    "second-prelu-missing": _slopes(lambda a, b, c: (a, 0 * b + 1, c)),
    "prelu-between-the-kernels": _step(
        "middle", lambda y, a, d, bias, slope: _shift(_along_columns(_prelu(_along_rows(y, a), slope), d), bias)
    ),
    "prelu-before-bias": _step("step", lambda act, y, bias, slope: _shift(act(y, slope), bias)),
    "bias-ignored": changed(5, lambda biases: [0 * b for b in biases]) + _biases(0, 1, 2),
    "bias-with-each-kernel": _step(
        "middle", lambda y, a, d, bias, slope: _shift(_along_columns(_shift(_along_rows(y, a), bias), d), bias)
    ),
    "one-kernel-only": _step(
        "middle",
        lambda y, across, down, bias, slope: _shift(_along_rows(y, across), bias),
        lambda y, across, down, bias, slope: _shift(_along_columns(y, down), bias),
    ),
    "kernels-exchanged": _step(
        "middle", lambda y, across, down, bias, slope: _shift(_along_rows(_along_columns(y, across), down), bias)
    )
    + exchanged(2, 3),
    "order-exchanged": _step(
        "middle", lambda y, across, down, bias, slope: _shift(_along_rows(_along_columns(y, down), across), bias)
    ),
    "kernel-flipped": kernels_turned(1) + _kernels(lambda k: k.flip(2)) + does(_all_turned),
    "inputs-outputs-exchanged": _kernels(lambda k: k.transpose(0, 1)),
    "each-channel-alone": _kernels(_alone),
    "not-padded": stops(partial(bottleneck, middle=_unpadded)),
    "two-zeros-always": stops(partial(bottleneck, middle=_two_zeros)),
    "border-not-zero": _step("middle", _edged),
    "average-pooled": _step("past", _of_pooled(lambda x: F.avg_pool2d(x, 2, 2, ceil_mode=True))),
    "shortcut-not-pooled": _step("past", _of_pooled(lambda x: x[..., ::2, ::2])),
    "shortcut-missing": _step("past", lambda x, outputs: 0 * _past(x, outputs)),
    "zeros-first": _step("past", partial(_filled, fill=_zeros_first)),
    "channels-not-zero": _step("past", partial(_filled, fill=_copies))
    + stops(partial(bottleneck, past=partial(_filled, fill=lambda pooled, outputs: pooled))),
    "zeros-win": _step("past", _of_pooled(lambda x: F.max_pool2d(_evened(x), 2))),
    "rounded-down": does(partial(bottleneck, narrow=_whole_windows, past=_of_pooled(lambda x: F.max_pool2d(x, 2)))),
    "odd-sizes-disagree": stops(partial(bottleneck, narrow=_whole_windows)),
    "odd-zeros-in-front": _step("narrow", _front),
    "odd-border-repeated": _step("narrow", lambda x, w: _whole_windows(_evened(x, mode="replicate"), w)),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}  # fmt: skip
