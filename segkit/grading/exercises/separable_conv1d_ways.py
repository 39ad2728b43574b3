"""`separable_conv1d` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, each, gives
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import changed, exchanged, ignored, replaced


def _before(x: Tensor, reach: int) -> Tensor:
    return F.pad(x, (reach, 0))


def _alone(x: Tensor, depthwise: Tensor, stride: int, dilation: int, pad: Function = _before) -> Tensor:
    """Each channel through each of its own kernels: N×C×M×t."""
    C, M, k = depthwise.shape
    wide = pad(x, (k - 1) * dilation)
    made = F.conv1d(wide, depthwise.reshape(C * M, 1, k), stride=stride, dilation=dilation, groups=C)
    return made.unflatten(1, (C, M))


def _mixed(alone: Tensor, pointwise: Tensor) -> Tensor:
    return torch.einsum("ocm,ncmt->not", pointwise, alone)


def separable(
    x: Tensor, depthwise: Tensor, pointwise: Tensor, bias: Tensor, stride: int, dilation: int, *,
    alone: Function = _alone, mix: Function = _mixed,
) -> Tensor:  # fmt: skip
    """Reference of `separable_conv1d`, with its steps replaced.

    Args:
        x, depthwise, pointwise, bias, stride, dilation: as the task has them.
        alone: alone(x, depthwise, stride, dilation), the depthwise step.
        mix: mix(alone, pointwise), the pointwise step.
    """
    return mix(alone(x, depthwise, stride, dilation), pointwise) + bias[:, None]


_looks, _mixes = (partial(replaced, separable, step) for step in ("alone", "mix"))
_kernels, _weights = (partial(changed, place) for place in (1, 2))


@each
def _padded(pad: Function) -> Ways:
    """Other padding: pad(x, how far the kernel reaches)."""
    return _looks(partial(_alone, pad=pad))


def _by_kernel_alone(x: Tensor, depthwise: Tensor, stride: int, dilation: int) -> Tensor:
    """Padded as if the taps lay side by side."""
    return _alone(x, depthwise, stride, dilation, lambda x, reach: F.pad(x, (reach // dilation, 0)))


def _laid(x: Tensor, depthwise: Tensor, stride: int, dilation: int, before: Function) -> Tensor:
    """Kernels of which before(k) weights lie before the present sample."""
    k = depthwise.shape[2]
    sides = before(k) * dilation, (k - 1 - before(k)) * dilation
    return _alone(x, depthwise, stride, dilation, lambda x, reach: F.pad(x, sides))


def _shared(x: Tensor, *how: Any) -> Tensor:
    """Every kernel on the sum of all channels."""
    return _alone(x.sum(1, keepdim=True).expand_as(x), *how)


def _late(x: Tensor, depthwise: Tensor, stride: int, dilation: int) -> Tensor:
    """Every stride-th sample, beginning with the last of the first few."""
    return _alone(x, depthwise, 1, dilation)[..., stride - 1 :: stride]


def _first(alone: Tensor, pointwise: Tensor) -> Tensor:
    return _mixed(alone[:, :, :1], pointwise[:, :, :1])


WAYS = {
    "looks-ahead": _looks(partial(_laid, before=lambda k: k // 2), partial(_laid, before=lambda k: (k - 1) // 2))
    + _padded(
        lambda x, reach: F.pad(x, (reach // 2, reach - reach // 2)),
        lambda x, reach: F.pad(x, (reach // 2, reach // 2)),
        lambda x, reach: F.pad(x, (0, reach)),
    ),
    "end-not-cut": _padded(lambda x, reach: F.pad(x, (reach, reach))),
    "not-padded": _padded(lambda x, reach: x),
    "padding-without-dilation": _looks(_by_kernel_alone),
    "border-not-zero": _padded(lambda x, reach: F.pad(x, (reach, 0), mode="replicate")),
    "kernel-flipped": _kernels(lambda d: d.flip(2)),
    "stride-ignored": ignored(4, 1),
    "dilation-ignored": ignored(5, 1),
    "stride-dilation-swapped": exchanged(4, 5),
    "stride-starts-late": _looks(_late),
    "multiplier-ignored": _mixes(_first),
    "multiplier-summed": _mixes(
        lambda a, p: torch.einsum("oc,nct->not", p[:, :, 0], a.sum(2)),
        lambda a, p: torch.einsum("oc,nct->not", p[:, :, 0], a.mean(2)),
    ),
    "multiplier-order": _weights(
        lambda p: p.mT.reshape(p.shape), lambda p: p.reshape(len(p), p.shape[2], p.shape[1]).mT
    )
    + _kernels(lambda d: d.transpose(0, 1).reshape(d.shape)),
    "one-kernel-for-all": _kernels(lambda d: d[:1].expand_as(d), lambda d: d[:1, :1].expand_as(d)),
    "channels-not-alone": _looks(_shared),
    "pointwise-missing": _weights(torch.ones_like),
    "channels-not-mixed": _weights(
        lambda p: p * torch.eye(p.shape[0], p.shape[1], dtype=p.dtype)[:, :, None],
        lambda p: torch.cat([p[:, :1], torch.zeros_like(p[:, 1:])], 1),
    ),
    "bias-ignored": changed(3, torch.zeros_like),
    "relu-between": _looks(lambda *a: _alone(*a).relu()),
    "relu-at-the-end": gives(lambda r, *a: r.relu()),
    "first-signal-only": FIRST_PICTURE,
    "time-elsewhere": gives(lambda r, *a: r.mT, lambda r, *a: r.flatten(1), lambda r, *a: r.flip(2)),
}
