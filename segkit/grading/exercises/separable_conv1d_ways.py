"""`separable_conv1d` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives
from segkit.grading.exercises.common import FIRST_PICTURE


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


@each
def _looks(alone: Function) -> Ways:
    return does(partial(separable, alone=alone))


@each
def _padded(pad: Function) -> Ways:
    """Other padding: pad(x, how far the kernel reaches)."""
    return _looks(partial(_alone, pad=pad))


@each
def _mixes(mix: Function) -> Ways:
    return does(partial(separable, mix=mix))


@each
def _settings(change: Function) -> Ways:
    """Another (stride, dilation): change(stride, dilation)."""
    return given(lambda x, d, p, b, stride, dilation: (x, d, p, b, *change(stride, dilation)))


@each
def _kernels(change: Function) -> Ways:
    """Other depthwise kernels: change(them)."""
    return given(lambda x, depthwise, *rest: (x, change(depthwise), *rest))


@each
def _weights(change: Function) -> Ways:
    """Other pointwise weights: change(them)."""
    return given(lambda x, depthwise, pointwise, *rest: (x, depthwise, change(pointwise), *rest))


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


def _late(start: Function) -> Function:
    """Every stride-th sample, but from another one on: start(samples, stride)."""

    def alone(x: Tensor, depthwise: Tensor, stride: int, dilation: int) -> Tensor:
        return _alone(x, depthwise, 1, dilation)[..., start(x.shape[2], stride) :: stride]

    return alone


def _first(alone: Tensor, pointwise: Tensor) -> Tensor:
    return _mixed(alone[:, :, :1], pointwise[:, :, :1])


WAYS = {
    "looks-ahead": _looks(partial(_laid, before=lambda k: k // 2), partial(_laid, before=lambda k: (k - 1) // 2))
    + _padded(
        lambda x, reach: F.pad(x, (reach // 2, reach - reach // 2)),
        lambda x, reach: F.pad(x, (reach - reach // 2, reach // 2)),
        lambda x, reach: F.pad(x, (reach // 2, reach // 2)),
        lambda x, reach: F.pad(x, (0, reach)),
    ),
    "end-not-cut": _padded(lambda x, reach: F.pad(x, (reach, reach))),
    "not-padded": _padded(lambda x, reach: x),
    "padding-without-dilation": _looks(_by_kernel_alone),
    "border-not-zero": _padded(lambda x, reach: F.pad(x, (reach, 0), mode="replicate")),
    "kernel-flipped": _kernels(lambda d: d.flip(2)),
    "stride-ignored": _settings(lambda s, r: (1, r)),
    "dilation-ignored": _settings(lambda s, r: (s, 1)),
    "stride-dilation-swapped": _settings(lambda s, r: (r, s)),
    "stride-starts-late": _looks(_late(lambda n, s: s - 1), _late(lambda n, s: (n - 1) % s)),
    "multiplier-ignored": _mixes(_first),
    "multiplier-summed": _mixes(
        lambda a, p: torch.einsum("oc,nct->not", p[:, :, 0], a.sum(2)),
        lambda a, p: torch.einsum("oc,nct->not", p.sum(2), a.sum(2)),
        lambda a, p: torch.einsum("oc,nct->not", p[:, :, 0], a.mean(2)),
        lambda a, p: torch.einsum("oc,nct->not", p.mean(2), a.sum(2)),
    ),
    "multiplier-order": _weights(
        lambda p: p.mT.reshape(p.shape), lambda p: p.reshape(len(p), p.shape[2], p.shape[1]).mT
    )
    + _kernels(
        lambda d: d.transpose(0, 1).reshape(d.shape),
        lambda d: d.reshape(d.shape[1], d.shape[0], d.shape[2]).transpose(0, 1),
    ),
    "one-kernel-for-all": _kernels(lambda d: d[:1].expand_as(d), lambda d: d[:1, :1].expand_as(d)),
    "channels-not-alone": _looks(_shared),
    "pointwise-missing": _weights(torch.ones_like),
    "channels-not-mixed": _weights(
        lambda p: p * torch.eye(p.shape[0], p.shape[1], dtype=p.dtype)[:, :, None],
        lambda p: torch.cat([p[:, :1], torch.zeros_like(p[:, 1:])], 1),
    ),
    "bias-ignored": given(lambda x, d, p, b, s, r: (x, d, p, torch.zeros_like(b), s, r)),
    "relu-between": _looks(lambda *a: _alone(*a).relu()),
    "relu-at-the-end": gives(lambda r, *a: r.relu()),
    "first-signal-only": FIRST_PICTURE,
    "time-elsewhere": gives(lambda r, *a: r.mT, lambda r, *a: r.flatten(1), lambda r, *a: r.flip(2)),
}
