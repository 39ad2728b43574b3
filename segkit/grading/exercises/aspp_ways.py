"""`aspp` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, stops
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, changed, kernels_turned, replaced

Branches = list[Tensor]
Call = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, list[int]]  # x, point, dilated, pooled, bias, rates


def _sum(x: Tensor, weight: Tensor, rate: int = 0, padding: int | None = None) -> Tensor:
    """A convolution as the branches have it; rate 0 is a 1×1."""
    kernel = weight if rate else weight[:, :, None, None]
    return F.conv2d(x, kernel, padding=rate if padding is None else padding, dilation=max(rate, 1))


def _mean(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def sums(
    x: Tensor, point: Tensor, dilated: Tensor, pooled: Tensor, bias: Tensor, rates: list[int],
    mean: Callable[[Tensor], Tensor] = _mean, conv: Callable[..., Tensor] = _sum,
) -> Branches:  # fmt: skip
    """What each branch computes before bias and ReLU; the last one is N×K×1×1."""
    return [
        _sum(x, point),
        *(conv(x, kernel, rate) for kernel, rate in zip(dilated, rates, strict=True)),
        _sum(mean(x), pooled),
    ]


def finished(parts: Branches, bias: Tensor, size: Any) -> Branches:
    """Bias and ReLU, and the vector of the last branch at every cell."""
    return spread([(part + b[:, None, None]).relu() for part, b in zip(parts, bias, strict=True)], size)


def spread(parts: Branches, size: Any) -> Branches:
    return [*parts[:-1], parts[-1].expand(-1, -1, *size)]


def branches(*a: Any, **how: Any) -> Branches:
    return finished(sums(*a, **how), a[4], a[0].shape[2:])


def pyramid(*a: Any, **how: Any) -> Tensor:
    """Reference of `aspp`."""
    return torch.cat(branches(*a, **how), 1)


_averaged, _convolved = (partial(replaced, pyramid, step) for step in ("mean", "conv"))


@each
def _joined(join: Function) -> Ways:
    """The right branches, put together in another way."""
    return does(lambda *a: join(branches(*a)))


@each
def _ended(end: Function) -> Ways:
    """Another end of each branch than bias and ReLU: end(sum, its bias, its place, the last place)."""

    def ended(*a: Any) -> Tensor:
        parts, size = sums(*a), a[0].shape[2:]
        ends = [end(p, b[:, None, None], i, len(parts) - 1) for i, (p, b) in enumerate(zip(parts, a[4], strict=True))]
        return torch.cat(spread(ends, size), 1)

    return does(ended)


def _late(*a: Any, relu: bool = True) -> Tensor:
    """The last branch convolved (and rectified) at each cell first, and averaged at the end."""
    x, _, _, pooled, bias, _ = a
    cells = _sum(x, pooled) + bias[-1][:, None, None]
    last = _mean(cells.relu()) if relu else cells.relu()
    return torch.cat([*branches(*a)[:-1], last.expand(-1, -1, *x.shape[2:])], 1)


def _one_corner(*a: Any) -> Tensor:
    """The last branch at the first cell, and zeros elsewhere."""
    *parts, last = branches(*a)
    corner = torch.zeros_like(last)
    corner[:, :, 0, 0] = last[:, :, 0, 0]
    return torch.cat([*parts, corner], 1)


def _left_small(*a: Any) -> Tensor:
    parts = branches(*a)
    return torch.cat([*parts[:-1], parts[-1][:, :, :1, :1]], 1)


def _padded(mode: str) -> Function:
    return lambda x, kernel, rate: F.conv2d(F.pad(x, (rate,) * 4, mode=mode), kernel, dilation=rate)


def _wrapped(x: Tensor, kernel: Tensor, rate: int) -> Tensor:
    """Joined to the opposite border, however far a rate reaches."""
    rows, columns = (torch.arange(-rate, n + rate) % n for n in x.shape[2:])
    return F.conv2d(x[:, :, rows][..., columns], kernel, dilation=rate)


def _unpadded(x: Tensor, kernel: Tensor, rate: int, padding: int) -> Tensor:
    return _sum(x, kernel, rate, padding)


def _clamped(x: Tensor, kernel: Tensor, rate: int) -> Tensor:
    return _sum(x, kernel, max(1, min(rate, min(x.shape[2:]) - 1)))


def _centre_only(x: Tensor, kernel: Tensor, rate: int) -> Tensor:
    """A kernel that does not fit between the borders counts as a 1×1."""
    return _sum(x, kernel[:, :, 1, 1]) if rate >= min(x.shape[2:]) else _sum(x, kernel, rate)


WAYS = {
    "pooled-too-late": does(_late),
    "pooling-missing": does(partial(_late, relu=False)),
    "pooling-not-broadcast": stops(_left_small) + does(_one_corner),
    "pooled-over-the-batch": _averaged(lambda x: x.mean((0, 2, 3), keepdim=True).expand(len(x), -1, 1, 1)),
    "not-the-mean": _averaged(
        lambda x: x.amax((2, 3), keepdim=True),
        lambda x: x.sum((2, 3), keepdim=True),
        lambda x: x.mean(2, keepdim=True),
        lambda x: x.mean(3, keepdim=True),
    ),
    "branch-missing": _joined(
        lambda p: torch.cat(p[:-1], 1), lambda p: torch.cat(p[1:], 1), lambda p: torch.cat(p[1:-1], 1)
    ),
    "branches-in-another-order": _joined(
        lambda p: torch.cat([p[-1], *p[:-1]], 1),
        lambda p: torch.cat([*p[1:-1], p[0], p[-1]], 1),
        lambda p: torch.cat(p[::-1], 1),
    ),
    "interleaved": _joined(lambda p: torch.stack(p, 2).flatten(1, 2)),
    "summed": _joined(lambda p: torch.stack(p).sum(0), lambda p: torch.stack(p).mean(0)),
    "not-concatenated": _joined(lambda p: torch.stack(p, 1), lambda p: torch.cat(p, 0)),
    "relu-forgotten": _ended(lambda s, b, i, last: s + b),
    "relu-missing-in-a-branch": _ended(
        lambda s, b, i, last: s + b if i == last else (s + b).relu(),
        lambda s, b, i, last: s + b if i == 0 else (s + b).relu(),
        lambda s, b, i, last: s + b if 0 < i < last else (s + b).relu(),
    ),
    "relu-before-bias": _ended(lambda s, b, i, last: s.relu() + b, lambda s, b, i, last: (s.relu() + b).relu()),
    "bias-ignored": changed(4, torch.zeros_like),
    "bias-missing-in-a-branch": _ended(
        lambda s, b, i, last: (s + b * (i != last)).relu(),
        lambda s, b, i, last: (s + b * (i != 0)).relu(),
        lambda s, b, i, last: (s + b * (i in (0, last))).relu(),
    ),
    "bias-of-another-branch": changed(
        4,
        lambda b: b[:1].expand_as(b),
        lambda b: b.roll(1, 0),
        lambda b: torch.cat([b[:1], b[1:2].expand_as(b[1:-1]), b[-1:]]),
    ),
    "not-padded": stops(
        partial(pyramid, conv=partial(_unpadded, padding=1)), partial(pyramid, conv=partial(_unpadded, padding=0))
    ),
    "border-not-zero": _convolved(_padded("replicate"), _padded("reflect"), _wrapped),
    "rates-ignored": changed(5, lambda r: [1] * len(r)),
    "rate-of-another-branch": changed(5, lambda r: r[::-1], lambda r: r[:1] * len(r), lambda r: r[-1:] * len(r)),
    "kernel-of-another-branch": changed(2, lambda d: d[:1].expand_as(d), lambda d: d[-1:].expand_as(d)),
    "large-rate-changed": _convolved(_clamped, _centre_only),
    "kernel-flipped": kernels_turned(2),
    "first-channel-only": given(lambda x, p, d, q, b, r: (x[:, :1], p[:, :1], d[:, :, :1], q[:, :1], b, r)),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}
