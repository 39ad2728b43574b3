"""`exchange` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, gives, stops
from segkit.grading.exercises.common import refuses_none
from segkit.grading.exercises.mechanical import changed, replaced

Layer = tuple[Tensor, Tensor]  # weight, bias
Two = tuple[Tensor, Tensor]  # fine, coarse


def _point(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, weight[:, :, None, None], bias)


def _strided(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, weight, bias, 2, 1)


def _enlarged(x: Tensor, size: Sequence[int], steps: int) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=False)


def _upwards(coarse: Tensor, up: Layer, size: Sequence[int], steps: int, enlarge: Function) -> Tensor:
    return enlarge(_point(coarse, *up), size, steps)


def _downwards(fine: Tensor, down: list[Layer], conv: Function = _strided, between: Function = torch.relu) -> Tensor:
    for place, (weight, bias) in enumerate(down):
        fine = conv(between(fine) if place else fine, weight, bias)
    return fine


def _join(own: Tensor, other: Tensor) -> Tensor:
    return own + other


def _meet(fine: Tensor, coarse: Tensor, rise: Function, fall: Function, join: Function) -> Two:
    """Both hear the other as it was; None where one hears nothing."""
    risen, fallen = rise(coarse), fall(fine)
    return fine if risen is None else join(fine, risen), coarse if fallen is None else join(coarse, fallen)


def exchanged(
    fine: Tensor, coarse: Tensor, up: Layer | None, down: list[Layer] | None, *, read_coarse: Function = torch.relu,
    read_fine: Function = torch.relu, upwards: Function = _upwards, enlarge: Function = _enlarged,
    downwards: Function = _downwards, join: Function = _join, meet: Function = _meet,
) -> Two:  # fmt: skip
    """Reference of `exchange`, with its steps replaced.

    Args:
        fine, coarse, up, down: as the task has them.
        read_coarse, read_fine: what is done to a map before the other one hears it.
        upwards: upwards(coarse, up, size, how often it was halved, enlarge).
        enlarge: enlarge(a map, size, how often it was halved).
        downwards: downwards(fine, down).
        join: join(a map, what it hears).
        meet: meet(fine, coarse, rise, fall, join), both maps afterwards.
    """
    steps = next(s for s in range(1, 9) if -(-fine.shape[2] // 2**s) <= coarse.shape[2])

    def rise(x: Tensor) -> Tensor | None:
        return None if up is None else upwards(read_coarse(x), up, fine.shape[2:], steps, enlarge)

    def fall(x: Tensor) -> Tensor | None:
        return None if down is None else downwards(read_fine(x), down)

    return meet(fine, coarse, rise, fall, join)


_step = partial(replaced, exchanged)


def _fine_first(fine: Tensor, coarse: Tensor, rise: Function, fall: Function, join: Function) -> Two:
    """The coarse map hears the fine one after it has heard itself."""
    risen = rise(coarse)
    fine = fine if risen is None else join(fine, risen)
    fallen = fall(fine)
    return fine, coarse if fallen is None else join(coarse, fallen)


def _coarse_first(fine: Tensor, coarse: Tensor, rise: Function, fall: Function, join: Function) -> Two:
    fallen = fall(fine)
    coarse = coarse if fallen is None else join(coarse, fallen)
    risen = rise(coarse)
    return fine if risen is None else join(fine, risen), coarse


def _rectified_first(fine: Tensor, coarse: Tensor, rise: Function, fall: Function, join: Function) -> Two:
    return _meet(fine.relu(), coarse.relu(), rise, fall, join)


def _cut(x: Tensor, size: Sequence[int], steps: int) -> Tensor:
    """Enlarged by a whole number, and what is too much cut off."""
    return F.interpolate(x, scale_factor=2**steps, mode="bilinear")[..., : size[0], : size[1]]


def _from_corners(x: Tensor, size: Sequence[int], steps: int) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)


def _edged(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight, bias, 2)


def _unchanged(x: Tensor) -> Tensor:
    return x


def _in_place(fine: Tensor, coarse: Tensor, up: Layer | None, down: list[Layer] | None) -> Two:
    """ReLUs that write into the maps, which are then added."""
    return exchanged(fine.relu() if down else fine, coarse.relu() if up else coarse, up, down)


@each
def _up(change: Function) -> Ways:
    """Another 1×1: change(weight, bias)."""
    return changed(2, lambda up: up and change(*up))


@each
def _down(change: Function) -> Ways:
    """Other 3×3s: change(weight, bias)."""
    return changed(3, lambda down: down and [change(*one) for one in down])


def _no_bias(weight: Tensor, bias: Tensor) -> Layer:
    return weight, 0 * bias


def _refuses_any(*args: Any) -> Two:
    return [][0] if any(one is None for one in args) else exchanged(*args)


def _deaf(place: int) -> Ways:
    """One of the two maps comes back as it was."""
    return changed(place, lambda _: None)


WAYS = {
    "one-after-the-other": _step("meet", _fine_first, _coarse_first),
    "relu-after-the-sum": gives(
        lambda r, *a: (r[0].relu(), r[1].relu()), lambda r, *a: (r[0].relu(), r[1]), lambda r, *a: (r[0], r[1].relu())
    ),
    "not-rectified": does(partial(exchanged, read_coarse=_unchanged, read_fine=_unchanged))
    + _step("read_coarse", _unchanged)
    + _step("read_fine", _unchanged),
    "rectified-maps-kept": _step("meet", _rectified_first) + does(_in_place)
    + changed(0, torch.relu)
    + changed(1, torch.relu),
    "relu-behind-the-1x1": _step(
        "upwards", lambda x, up, size, steps, enlarge: enlarge(_point(x, *up).relu(), size, steps)
    ),
    "relu-behind-the-last": _step("downwards", lambda x, down: _downwards(x, down).relu()),
    "relu-between-missing": _step("downwards", partial(_downwards, between=_unchanged)),
    "corners-aligned": _step("enlarge", _from_corners),
    "nearest-for-bilinear": _step("enlarge", lambda x, size, steps: F.interpolate(x, tuple(size), mode="nearest")),
    "factor-for-size": _step("enlarge", _cut)
    + stops(partial(exchanged, enlarge=lambda x, size, steps: F.interpolate(x, scale_factor=2**steps, mode="bilinear")))
    + stops(partial(exchanged, enlarge=lambda x, size, steps: F.interpolate(x, scale_factor=2, mode="bilinear"))),
    "not-padded": stops(partial(exchanged, downwards=partial(_downwards, conv=partial(F.conv2d, stride=2)))),
    "border-not-zero": _step("downwards", partial(_downwards, conv=_edged)),
    "kernel-flipped": _down(lambda w, b: (w.flip(2, 3), b), lambda w, b: (w.mT, b)),
    "bias-ignored": _up(_no_bias)
    + _down(_no_bias)
    + does(lambda fine, coarse, up, down: exchanged(
        fine, coarse, up and _no_bias(*up), down and [_no_bias(*one) for one in down]
    )),
    "one-hears-nothing": _deaf(2) + _deaf(3),
    "silence-stops": refuses_none(2, exchanged)
    + refuses_none(3, exchanged)
    + stops(_refuses_any),
    "not-added": _step("join", lambda own, other: other),
    "multiplied": _step("join", torch.mul),
    "averaged": _step("join", lambda own, other: (own + other) / 2),
    "results-exchanged": gives(lambda r, *a: r[::-1]),
    "first-picture-only": gives(
        lambda r, *a: tuple(x[:1] for x in r), lambda r, *a: tuple(x[:1].expand_as(x) for x in r)
    ),
}  # fmt: skip
