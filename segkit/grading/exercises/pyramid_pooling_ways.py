"""`pyramid_pooling` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, gives, stops
from segkit.grading.exercises.mechanical import changed, ignored, replaced


def _cut(x: Tensor, n: int, h: int, w: int) -> Tensor:
    return x[n : n + 1, :, :h, :w]


def _mean(part: Tensor, b: int) -> Tensor:
    return F.adaptive_avg_pool2d(part, b)


def _weighted(pooled: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("rc,nchw->nrhw", weight, pooled)


def _reduced(pooled: Tensor, weight: Tensor) -> Tensor:
    return _weighted(pooled, weight).relu()


def _enlarged(level: Tensor, size: tuple[int, int], align: bool) -> Tensor:
    return F.interpolate(level, size, mode="bilinear", align_corners=align)


def _joined(part: Tensor, levels: list[Tensor]) -> Tensor:
    return torch.cat([part, *levels], 1)


def pyramid(
    x: Tensor, sizes: Tensor, bins: list[int], weights: Tensor, align: bool, *, cut: Function = _cut,
    pool: Function = _mean, reduce: Function = _reduced, enlarge: Function = _enlarged, join: Function = _joined,
) -> Tensor:  # fmt: skip
    """Reference of `pyramid_pooling`, with its steps replaced.

    Args:
        x, sizes, bins, weights, align: as the task has them.
        cut: cut(x, n, h, w), what is pooled of picture n.
        pool: pool(part, b), its average over b×b bins.
        reduce: reduce(pooled, weight), R channels from C.
        enlarge: enlarge(level, (h, w), align).
        join: join(part, levels), all channels from the picture and its levels.
    """
    found = []
    for n, (h, w) in enumerate(sizes.tolist()):
        pooled = [pool(cut(x, n, h, w), b) for b in bins]
        levels = [enlarge(reduce(p, weight), (h, w), align) for p, weight in zip(pooled, weights, strict=True)]
        out = join(_cut(x, n, h, w), levels)
        found.append(F.pad(out, (0, x.shape[3] - w, 0, x.shape[2] - h)))
    return torch.cat(found)


_pool, _enlarge, _join = (partial(replaced, pyramid, step) for step in ("pool", "enlarge", "join"))


@each
def _reduce(reduce: Function, enlarge: Function = _enlarged) -> Ways:
    return does(partial(pyramid, reduce=reduce, enlarge=enlarge))


def inside(like: Tensor, sizes: Tensor) -> Tensor:
    """1 within each picture, 0 in its padding: N×1×H×W."""
    n, _, h, w = like.shape
    rows = torch.arange(h)[None] < sizes[:, :1]
    columns = torch.arange(w)[None] < sizes[:, 1:]
    return (rows[:, None, :, None] & columns[:, None, None, :]).to(like.dtype).reshape(n, 1, h, w)


def whole(x: Tensor, sizes: Tensor, bins: list[int], weights: Tensor, align: bool) -> Tensor:
    """PSPNet's module on the whole batch, padding and all."""
    return pyramid(x, torch.tensor([x.shape[2:]] * len(x)), bins, weights, align)


def _whole_masked(x: Tensor, sizes: Tensor, *rest: Any) -> Tensor:
    return whole(x, sizes, *rest) * inside(x, sizes)


def _zeros_pooled(x: Tensor, sizes: Tensor, *rest: Any) -> Tensor:
    """The padding set to 0 and pooled."""
    return whole(x * inside(x, sizes), sizes, *rest) * inside(x, sizes)


def _zeros_then_own_size(x: Tensor, sizes: Tensor, *rest: Any) -> Tensor:
    """The padding set to 0 and pooled, and the levels enlarged to each picture."""
    return pyramid(x * inside(x, sizes), sizes, *rest, cut=lambda x, n, h, w: x[n : n + 1])


def _padding_in_x(r: Tensor, x: Tensor, *rest: Any) -> Tensor:
    return torch.cat([x, r[:, x.shape[1] :]], 1)


def _cut_late(x: Tensor, sizes: Tensor, bins: list[int], weights: Tensor, align: bool) -> Tensor:
    """Levels of the picture, enlarged to the whole map and cut."""
    size = (x.shape[2], x.shape[3])

    def enlarge(level: Tensor, own: tuple[int, int], align: bool) -> Tensor:
        return _enlarged(level, size, align)[:, :, : own[0], : own[1]]

    return pyramid(x, sizes, bins, weights, align, enlarge=enlarge)


def _stretched(x: Tensor, sizes: Tensor, bins: list[int], weights: Tensor, align: bool) -> Tensor:
    """Levels of the picture, enlarged to the whole map and left there, beside x with its padding."""
    found = []
    for n, (h, w) in enumerate(sizes.tolist()):
        full = torch.tensor([x.shape[2:]])
        one = pyramid(x[n : n + 1], full, bins, weights, align, cut=lambda x, n, _h, _w, h=h, w=w: x[:, :, :h, :w])
        found.append(one)
    return torch.cat(found)


def _windows(part: Tensor, b: int, end: Function, mean: Function = torch.mean) -> Tensor:
    rows, columns = ([slice(k * n // b, end(k, n, b)) for k in range(b)] for n in part.shape[2:])
    return torch.stack([torch.stack([mean(part[:, :, r, c], (2, 3)) for c in columns], 2) for r in rows], 2)


def _equal(part: Tensor, b: int) -> Tensor:
    """Windows of ⌊n/b⌋ cells, side by side."""
    size = [n // b for n in part.shape[2:]]
    return F.avg_pool2d(part, size, size)[:, :, :b, :b]


def _upper(k: int, n: int, b: int) -> int:
    return -(-(k + 1) * n // b)


def _mixed(part: Tensor, levels: list[Tensor]) -> Tensor:
    return torch.cat([part, torch.stack(levels, 2).flatten(1, 2)], 1)


def _stops_when_small(part: Tensor, b: int) -> Tensor:
    return _mean(part, b) if min(part.shape[2:]) >= b else [][0]


WAYS = {
    "padding-averaged": does(_whole_masked, whole, partial(pyramid, cut=lambda x, n, h, w: x[n : n + 1])),
    "padding-only-in-count": does(
        _zeros_pooled, _zeros_then_own_size, lambda x, sizes, *rest: whole(x * inside(x, sizes), sizes, *rest)
    ),
    "padding-kept": does(_stretched),
    "padding-kept-in-x": gives(_padding_in_x),
    "enlarged-to-the-batch": does(_cut_late),
    "one-size-for-all": changed(1, lambda sizes: sizes[:1].expand_as(sizes), lambda sizes: sizes[-1:].expand_as(sizes)),
    "height-for-width": changed(1, lambda sizes: sizes.flip(1)),
    "summed-not-averaged": _pool(partial(_windows, end=_upper, mean=torch.sum)),
    "divided-by-equal-share": _pool(lambda part, b: _windows(part, b, _upper, torch.sum) * b * b / part[0, 0].numel()),
    "maximum-taken": _pool(F.adaptive_max_pool2d),
    "bins-end-early": _pool(partial(_windows, end=lambda k, n, b: max((k + 1) * n // b, k * n // b + 1))),
    "equal-windows": _pool(_equal, partial(_windows, end=lambda k, n, b: k * n // b + -(-n // b))),
    "small-picture-breaks": stops(partial(pyramid, pool=_stops_when_small)),
    "relu-forgotten": _reduce(_weighted),
    "relu-too-late": _reduce(_weighted, enlarge=lambda *a: _enlarged(*a).relu()),
    "relu-too-early": _reduce(lambda pooled, weight: _weighted(pooled.relu(), weight)),
    "relu-on-all": gives(lambda r, *a: r.relu()),
    "align-corners-ignored": ignored(4, False) + ignored(4, True),
    "align-corners-inverted": changed(4, lambda align: not align),
    "not-bilinear": _enlarge(
        lambda level, size, align: F.interpolate(level, size, mode="nearest"),
        lambda level, size, align: F.interpolate(level, size, mode="bicubic", align_corners=align),
    ),
    "picture-last": _join(lambda part, levels: torch.cat([*levels, part], 1)),
    "picture-missing": _join(lambda part, levels: torch.cat(levels, 1)),
    "levels-reversed": _join(lambda part, levels: _joined(part, levels[::-1])),
    "levels-missing": _join(
        lambda part, levels: _joined(part, levels[:1]),
        lambda part, levels: _joined(part, levels[-1:]),
        lambda part, levels: _joined(part, levels[-1:] * len(levels)),
    ),
    "levels-added": _join(lambda part, levels: torch.cat([part, torch.stack(levels).sum(0)], 1)),
    "interleaved": _join(_mixed),
    "weights-ignored": _reduce(lambda pooled, weight: pooled) + changed(3, torch.ones_like),
    "weights-transposed": changed(3, lambda weights: weights.mT),
    "weights-of-one-level": changed(3, lambda ws: ws[:1].expand_as(ws), lambda ws: ws[-1:].expand_as(ws)),
    "weights-by-channel": _reduce(lambda pooled, weight: (pooled * weight.diag()[:, None, None]).relu()),
    "normalised": changed(3, lambda weights: weights / weights.shape[2]),
}  # fmt: skip
