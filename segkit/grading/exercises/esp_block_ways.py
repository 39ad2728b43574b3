"""`esp_block` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, stops
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, changed, ignored, replaced

Norm = Sequence[Tensor]  # mean, variance, scale, shift
Order = list[int]  # the places of the branches, from the smallest rate to the largest
EPS = 1e-3


def _reduce(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)


def _branch(few: Tensor, weight: Tensor, rate: int, stride: int) -> Tensor:
    return F.conv2d(few, weight, padding=rate, dilation=rate)


def _look(few: Tensor, branches: list[Tensor], rates: list[int], stride: int, branch: Function) -> list[Tensor]:
    return [branch(few, weight, rate, stride) for weight, rate in zip(branches, rates, strict=True)]


def _fuse(seen: list[Tensor], order: Order) -> list[Tensor]:
    """From the second smallest rate on, each adds what stands before it."""
    sums = dict(zip(order[1:], accumulate(seen[place] for place in order[1:]), strict=True))
    return [sums.get(place, one) for place, one in enumerate(seen)]


def _join(fused: list[Tensor], order: Order) -> Tensor:
    return torch.cat(fused, 1)


def _add(joined: Tensor, x: Tensor, stride: int) -> Tensor:
    return joined + x if stride == 1 and joined.shape == x.shape else joined


def _column(numbers: Tensor) -> Tensor:
    return numbers[:, None, None]


def _norm(y: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    y = (y - _column(mean)) / _column((variance + EPS).sqrt())
    return y * _column(scale) + _column(shift)


def _prelu(y: Tensor, slopes: Tensor) -> Tensor:
    return torch.where(y > 0, y, _column(slopes) * y)


def _finish(joined: Tensor, x: Tensor, stride: int, add: Function, norm: Function, act: Function) -> Tensor:
    return act(norm(add(joined, x, stride)))


def pyramid(
    x: Tensor, reduce: Tensor, branches: list[Tensor], rates: list[int], stride: int, norm: Norm, slopes: Tensor, *,
    shrink: Function = _reduce, look: Function = _look, branch: Function = _branch, fuse: Function = _fuse,
    join: Function = _join, add: Function = _add, normed: Function = _norm, act: Function = _prelu,
    finish: Function = _finish,
) -> Tensor:  # fmt: skip
    """Reference of `esp_block`, with its steps replaced.

    Args:
        x, reduce, branches, rates, stride, norm, slopes: as the task has them.
        shrink: shrink(x, reduce, stride).
        look: look(few channels, branches, rates, stride, branch), a map for each branch.
        branch: branch(few channels, weight, rate, stride).
        fuse: fuse(the maps, order).
        join: join(the maps, order).
        add: add(joined, x, stride).
        normed: normed(y, mean, variance, scale, shift).
        act: act(y, slopes).
        finish: finish(joined, x, stride, add, norm, act), what comes after the join, in its order.
    """
    order = sorted(range(len(rates)), key=rates.__getitem__)
    seen = look(shrink(x, reduce, stride), branches, rates, stride, branch)
    joined = join(fuse(seen, order), order)
    return finish(joined, x, stride, add, lambda y: normed(y, *norm), lambda y: act(y, slopes))


_step = partial(replaced, pyramid)


def _fuse_all(seen: list[Tensor], order: Order) -> list[Tensor]:
    """The smallest rate, too, is added to the next."""
    sums = dict(zip(order, accumulate(seen[place] for place in order), strict=True))
    return [sums[place] for place in range(len(seen))]


def _fuse_neighbours(seen: list[Tensor], order: Order) -> list[Tensor]:
    """Each adds what the branch before it gave, not the sum."""
    added = {b: seen[b] + seen[a] for a, b in pairwise(order[1:])}
    return [added.get(place, one) for place, one in enumerate(seen)]


def _fuse_backwards(seen: list[Tensor], order: Order) -> list[Tensor]:
    sums = dict(zip(order[:0:-1], accumulate(seen[place] for place in order[:0:-1]), strict=True))
    return [sums.get(place, one) for place, one in enumerate(seen)]


def _chain(few: Tensor, branches: list[Tensor], rates: list[int], stride: int, branch: Function) -> list[Tensor]:
    """Each branch reads the result of the one before it."""
    found = []
    for weight, rate in zip(branches, rates, strict=True):
        few = branch(few, weight, rate, stride)
        found.append(few)
    return found


def _fed(few: Tensor, branches: list[Tensor], rates: list[int], stride: int, branch: Function) -> list[Tensor]:
    """From the third smallest rate on, each branch reads the sum of the reduced map and what the one before gave."""
    found = [few] * len(rates)
    read = few
    for number, (rate, place) in enumerate(sorted((rate, place) for place, rate in enumerate(rates))):
        found[place] = branch(read, branches[place], rate, stride)
        read = few + found[place] if number else few
    return found


def _strided_branch(few: Tensor, weight: Tensor, rate: int, stride: int) -> Tensor:
    return F.conv2d(few, weight, stride=stride, padding=rate, dilation=rate)


def _edged(few: Tensor, weight: Tensor, rate: int, stride: int) -> Tensor:
    return F.conv2d(F.pad(few, (rate,) * 4, mode="replicate"), weight, dilation=rate)


def _shrunk(joined: Tensor, x: Tensor, stride: int) -> Tensor:
    """Every second cell of x, where its channels fit."""
    return joined + x[..., ::stride, ::stride] if joined.shape[1] == x.shape[1] else joined


def _of_the_map(y: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return _norm(y, y.mean((0, 2, 3)), y.var((0, 2, 3), correction=0), scale, shift)


def _other_epsilon(epsilon: float, outside: float = 0.0) -> Function:
    def norm(y: Tensor, mean: Tensor, variance: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        deviation = (variance + epsilon).sqrt() + outside
        return (y - _column(mean)) / _column(deviation) * _column(scale) + _column(shift)

    return norm


@each
def _normed_with(change: Function) -> Ways:
    """Other numbers of the BatchNorm: change(mean, variance, scale, shift)."""
    return changed(5, lambda norm: change(*norm))


@each
def _kernels(change: Function) -> Ways:
    """Other kernels: those of the branches changed alike."""
    return changed(2, lambda branches: [change(weight) for weight in branches])


WAYS = {
    "fusion-missing": _step("fuse", lambda seen, order: seen),
    "fusion-from-the-smallest": _step("fuse", _fuse_all),
    "fusion-of-neighbours": _step("fuse", _fuse_neighbours),
    "fusion-backwards": _step("fuse", _fuse_backwards),
    "fusion-in-the-order-given": _step("fuse", lambda seen, order: _fuse(seen, list(range(len(seen))))),
    "joined-by-rate": _step("join", lambda fused, order: torch.cat([fused[place] for place in order], 1)),
    "branches-in-a-chain": _step("look", _chain),
    "sums-before-the-3x3": does(partial(pyramid, look=_fed, fuse=lambda seen, order: seen)),
    "rates-sorted-alone": changed(3, sorted),
    "rates-ignored": _step("branch", lambda few, weight, rate, stride: F.conv2d(few, weight, padding=1)),
    "padding-of-one": stops(
        partial(pyramid, branch=lambda few, weight, rate, stride: F.conv2d(few, weight, padding=1, dilation=rate))
    ),
    "border-not-zero": _step("branch", _edged),
    "kernel-flipped": _kernels(lambda weight: weight.flip(2, 3), lambda weight: weight.mT),
    "stride-ignored": _step("shrink", lambda x, weight, stride: _reduce(x, weight, 1)) + ignored(4, 1),
    "stride-in-the-branches": does(
        partial(pyramid, shrink=lambda x, weight, stride: _reduce(x, weight, 1), branch=_strided_branch)
    ),
    "reduced-without-zeros": _step("shrink", lambda x, weight, stride: F.conv2d(x, weight, stride=stride)),
    "input-missing": _step("add", lambda joined, x, stride: joined),
    "input-always-added": stops(partial(pyramid, add=lambda joined, x, stride: joined + x)) + _step("add", _shrunk),
    "input-added-late": _step(
        "finish",
        lambda joined, x, stride, add, norm, act: act(add(norm(joined), x, stride)),
        lambda joined, x, stride, add, norm, act: add(act(norm(joined)), x, stride),
    ),
    "norm-missing": _step("normed", lambda y, *norm: y),
    "norm-of-the-map": _step("normed", _of_the_map),
    "epsilon-of-another-size": _step("normed", _other_epsilon(1e-5), _other_epsilon(0.0)),
    "epsilon-outside-the-root": _step("normed", _other_epsilon(0.0, EPS)),
    "root-missing": _normed_with(
        lambda mean, variance, scale, shift: (mean, (variance + EPS).square() - EPS, scale, shift)
    ),
    "mean-not-subtracted": _normed_with(lambda mean, *rest: (0 * mean, *rest)),
    "scale-shift-ignored": _normed_with(
        lambda mean, variance, scale, shift: (mean, variance, 0 * scale + 1, 0 * shift),
        lambda mean, variance, scale, shift: (mean, variance, 0 * scale + 1, shift),
        lambda mean, variance, scale, shift: (mean, variance, scale, 0 * shift),
    ),
    "scale-shift-exchanged": _normed_with(lambda mean, variance, scale, shift: (mean, variance, shift, scale)),
    "prelu-missing": changed(6, lambda slopes: 0 * slopes + 1),
    "relu-for-prelu": changed(6, lambda slopes: 0 * slopes),
    "one-slope-for-all": changed(6, lambda slopes: slopes[:1].expand_as(slopes)),
    "maximum-for-prelu": _step("act", lambda y, slopes: torch.maximum(y, _column(slopes) * y)),
    "prelu-before-the-norm": _step(
        "finish", lambda joined, x, stride, add, norm, act: norm(act(add(joined, x, stride)))
    ),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}  # fmt: skip
