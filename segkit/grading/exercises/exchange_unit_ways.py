"""`exchange_unit` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, stops
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, replaced

Size = Sequence[int]


def _down(x: Tensor, weights: list[Tensor], *, between: Function = F.relu, stride: int = 2, padding: int = 1) -> Tensor:
    for i, weight in enumerate(weights):
        x = F.conv2d(between(x) if i else x, weight, stride=stride, padding=padding)
    return x


def _repeat(x: Tensor, times: int, size: Size) -> Tensor:
    return x.repeat_interleave(times, 2).repeat_interleave(times, 3)[..., : size[0], : size[1]]


def heard(
    maps: list[Tensor], ways: list[list[Tensor]], target: int, *, down: Function = _down, up: Function = _repeat,
    after: Function = lambda found, away: found, add: Function = lambda parts: sum(parts[1:], parts[0]),
    last: Function = F.relu,
) -> Tensor:  # fmt: skip
    """Reference of `exchange_unit`, with its steps replaced.

    Args:
        maps, ways, target: as the task has them.
        down: down(map, weights), from a finer branch.
        up: up(map, times, size), from a coarser one.
        after: after(what a branch tells, how far below the target it is), before the sum.
        add: add(all parts).
        last: last(the sum).
    """
    size = maps[target].shape[2:]
    parts = []
    for b, x in enumerate(maps):
        if b < target:
            found = down(x, ways[b])
        elif b > target:
            found = up(F.conv2d(x, ways[b][0]), 2 ** (b - target), size)
        else:
            found = x
        parts.append(after(found, b - target))
    return last(add(parts))


_step = partial(replaced, heard)


def _without(drops: Function) -> Function:
    """Some branches do not count: drops(how far below the target)."""
    return lambda found, away: 0 * found if drops(away) else found


def _rectified(where: Function) -> Function:
    return lambda found, away: F.relu(found) if where(away) else found


def _shrunk_at_the_end(x: Tensor, weights: list[Tensor]) -> Tensor:
    step = 2 ** len(weights)
    return _down(x, weights, stride=1)[..., ::step, ::step]


def _shrunk_before(x: Tensor, weights: list[Tensor]) -> Tensor:
    step = 2 ** len(weights)
    return _down(x[..., ::step, ::step], weights, stride=1)


def _bilinear(x: Tensor, times: int, size: Size) -> Tensor:
    return F.interpolate(x, scale_factor=times, mode="bilinear")[..., : size[0], : size[1]]


def _to_fit(mode: str, align_corners: bool | None = None) -> Function:
    return lambda x, times, size: F.interpolate(x, tuple(size), mode=mode, align_corners=align_corners)


def _zeros_between(x: Tensor, times: int, size: Size) -> Tensor:
    wide = x.new_zeros(*x.shape[:2], times * x.shape[2], times * x.shape[3])
    wide[..., ::times, ::times] = x
    return wide[..., : size[0], : size[1]]


def _tiled(x: Tensor, times: int, size: Size) -> Tensor:
    return x.repeat(1, 1, times, times)[..., : size[0], : size[1]]


def _cut_at_the_start(x: Tensor, times: int, size: Size) -> Tensor:
    return x.repeat_interleave(times, 2).repeat_interleave(times, 3)[..., -size[0] :, -size[1] :]


WAYS = {
    "itself-missing": _step("after", _without(lambda away: away == 0)),
    "finer-missing": _step("after", _without(lambda away: away < 0)),
    "coarser-missing": _step("after", _without(lambda away: away > 0)),
    "neighbours-only": _step("after", _without(lambda away: abs(away) > 1)),
    "averaged": _step("add", lambda parts: sum(parts[1:], parts[0]) / len(parts)),
    "relu-at-the-end-missing": _step("last", lambda x: x),
    "each-part-rectified": _step(
        "after", _rectified(lambda away: away), _rectified(lambda away: away < 0), _rectified(lambda away: away > 0),
        _rectified(lambda away: True),
    ),
    "itself-rectified": _step("after", _rectified(lambda away: away == 0)),
    "relu-between-missing": _step("down", partial(_down, between=lambda x: x)),
    "shrunk-at-the-end": _step("down", _shrunk_at_the_end),
    "shrunk-before": _step("down", _shrunk_before),
    "not-padded": stops(partial(heard, down=partial(_down, padding=0))),
    "bilinear": _step("up", _bilinear, _to_fit("bilinear"), _to_fit("bilinear", align_corners=True)),
    "zeros-between": _step("up", _zeros_between),
    "repeated-as-a-whole": _step("up", _tiled),
    "stretched-to-fit": _step("up", _to_fit("nearest")),
    "cut-at-the-start": _step("up", _cut_at_the_start),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}  # fmt: skip
