"""`decode` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, gives, stops
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, for_all, kernels_turned, replaced


def _point(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight[:, :, None, None])


def _mean(early: Tensor, later: Tensor) -> Tensor:
    return (early + later) / 2


def _reduced(early: Tensor, later: Tensor, weight: Tensor, average: Function = _mean, act: Function = F.relu) -> Tensor:
    return act(_point(average(early, later), weight))


def enlarge(x: Tensor, size: Any) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)


def _joined(wide: Tensor, low: Tensor) -> Tensor:
    return torch.cat([wide, low], 1)


def _alone(x: Tensor, kernels: Tensor, padding: int = 1) -> Tensor:
    return F.conv2d(x, kernels[:, None], padding=padding, groups=len(kernels))


def decoder(
    high: Tensor, early: Tensor, later: Tensor, reduce: Tensor, depthwise: Tensor, pointwise: Tensor, score: Tensor, *,
    low: Function = _reduced, widen: Function = enlarge, join: Function = _joined, alone: Function = _alone,
    between: Function = F.relu, after: Function = F.relu, finish: Function = enlarge,
) -> Tensor:  # fmt: skip
    """Reference of `decode`, with its steps replaced.

    Args:
        high, early, later, reduce, depthwise, pointwise, score: as the task has them.
        low: low(early, later, reduce), the low-level map.
        widen: widen(high, size of the low-level map).
        join: join(wide, low).
        alone: alone(x, depthwise).
        between, after: what comes after the depthwise and the pointwise step.
        finish: finish(scores, size of the picture).
    """
    small = low(early, later, reduce)  # N, R, H, W
    x = join(widen(high, small.shape[2:]), small)  # N, C + R, H, W
    x = after(_point(between(alone(x, depthwise)), pointwise))  # N, P, H, W
    return finish(_point(x, score), [2 * n - 1 for n in early.shape[2:]])  # N, K, 2H − 1, 2W − 1


_step = partial(replaced, decoder)


@each
def _averaged(average: Function) -> Ways:
    """Something else than the mean of the two low-level maps."""
    return _step("low", partial(_reduced, average=average))


def _same(x: Tensor) -> Tensor:
    return x


def _half(x: Tensor, size: Any) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=False)


def _nearest(x: Tensor, size: Any) -> Tensor:
    return F.interpolate(x, tuple(size), mode="nearest")


def _four_times(x: Tensor, size: Any, align: bool) -> Tensor:
    large = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=align)
    return large[:, :, : size[0], : size[1]]


def _both(other: Function) -> Function:
    return partial(decoder, widen=other, finish=other)


def _late_mean(early: Tensor, later: Tensor, weight: Tensor) -> Tensor:
    return (_point(early, weight).relu() + _point(later, weight).relu()) / 2


def _edged(x: Tensor, kernels: Tensor) -> Tensor:
    return _alone(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernels, 0)


def _mixing(x: Tensor, kernels: Tensor) -> Tensor:
    return _alone(x.sum(1, keepdim=True).expand_as(x), kernels)


def _coarse(high: Tensor, early: Tensor, later: Tensor, *rest: Tensor) -> Tensor:
    """The low-level map brought to the size of the high one; decoded there."""
    size = [2 * n - 1 for n in early.shape[2:]]
    small = [x[:, :, ::4, ::4] for x in (early, later)]
    return decoder(high, *small, *rest, widen=lambda x, s: x, finish=lambda x, s: enlarge(x, size))


def _twice(x: Tensor, size: Any) -> Tensor:
    return enlarge(x, [n + 1 for n in size])


WAYS = {
    "early-only": _averaged(lambda early, later: early),
    "later-only": _averaged(lambda early, later: later),
    "not-the-mean": _averaged(torch.add, torch.maximum),
    "averaged-too-late": _step("low", _late_mean),
    "reduce-relu-missing": _step("low", partial(_reduced, act=_same)),
    "low-level-missing": _step(
        "low", lambda e, s, r: torch.zeros_like(_reduced(e, s, r))
    ),
    "high-level-missing": _step("widen", lambda x, size: 0 * enlarge(x, size)),
    "low-first": _step("join", lambda wide, low: torch.cat([low, wide], 1)),
    "decoded-coarse": does(_coarse),
    "half-pixel": does(_both(_half)),
    "half-pixel-once": _step("widen", _half) + _step("finish", _half),
    "not-bilinear": does(_both(_nearest)) + _step("widen", _nearest) + _step("finish", _nearest),
    "four-times-and-cut": _step(
        "widen", partial(_four_times, align=True), partial(_four_times, align=False)
    ),
    "between-relu-missing": _step("between", _same),
    "after-relu-missing": _step("after", _same),
    "both-relus-missing": does(partial(decoder, between=_same, after=_same)),
    "relu-on-the-scores": _step("finish", lambda x, size: enlarge(x.relu(), size)) + gives(lambda r, *a: r.relu()),
    "probabilities": gives(lambda r, *a: r.softmax(1)) + _step("finish", lambda x, size: enlarge(x.softmax(1), size)),
    "labels": gives(lambda r, *a: r.argmax(1)),
    "not-enlarged": _step("finish", lambda x, size: x),
    "twice-as-large": _step("finish", _twice, lambda x, size: _half(x, [n + 1 for n in size])),
    "not-padded": _step("alone", partial(_alone, padding=0)),
    "border-not-zero": _step("alone", _edged),
    "kernel-flipped": kernels_turned(4),
    "kernel-of-another-channel": for_all(4),
    "channels-not-alone": _step("alone", _mixing),
    "pyramid-not-enlarged": stops(partial(decoder, widen=lambda x, size: x)),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}  # fmt: skip
