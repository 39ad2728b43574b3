"""`uncertain_points` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Function, gives, stops
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import replaced


def _probabilities(scores: Tensor) -> Tensor:
    if scores.shape[1] == 1:
        p = scores.sigmoid()
        return torch.cat([p, 1 - p], 1)
    return scores.softmax(1)


def _gap(p: Tensor) -> Tensor:
    first, second = p.topk(2, 1).values.unbind(1)
    return first - second


def _doubt(scores: Tensor) -> Tensor:
    """N×h×w, the smaller the more uncertain."""
    return _gap(_probabilities(scores))


def _select(doubt: Tensor, count: int) -> Tensor:
    return doubt.flatten(1).argsort(1)[:, :count]


def _rows_and_columns(index: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    return index // w, index % w


def _share(at: Tensor, n: int) -> Tensor:
    return (at + 0.5) / n


def chosen(
    scores: Tensor, count: int, *, doubt: Function = _doubt, select: Function = _select,
    places: Function = _rows_and_columns, share: Function = _share, sizes: Function = lambda h, w: (h, w),
) -> Tensor:  # fmt: skip
    """Reference of `uncertain_points`, with its steps replaced.

    Args:
        scores, count: as the task has them.
        doubt: doubt(scores), N×h×w, smallest where a pixel is most uncertain.
        select: select(doubt, count), the numbers of pixels, N×count.
        places: places(numbers, h, w), their rows and columns.
        share: share(rows or columns, the size), from 0 to 1.
        sizes: sizes(h, w), by which rows and columns are divided.
    """
    h, w = scores.shape[2:]
    rows, columns = places(select(doubt(scores), count), h, w)
    high, wide = sizes(h, w)
    return torch.stack([share(columns.to(scores.dtype), wide), share(rows.to(scores.dtype), high)], -1)


_step = partial(replaced, chosen)


def _beside_zero(scores: Tensor) -> Tensor:
    return torch.cat([scores, torch.zeros_like(scores)], 1) if scores.shape[1] == 1 else scores


def _entropy(scores: Tensor) -> Tensor:
    p = _probabilities(scores)
    return (p * p.log()).sum(1)


def _over_space(scores: Tensor) -> Tensor:
    p = _beside_zero(scores).flatten(2).softmax(2).view_as(_beside_zero(scores))
    return _gap(p)


def _in_order(doubt: Tensor, count: int) -> Tensor:
    return _select(doubt, count).sort(1).values


WAYS = {
    "most-certain": _step("doubt", lambda scores: -_doubt(scores)),
    "last-first": gives(lambda r, *a: r.flip(1)),
    "line-by-line": _step("select", _in_order),
    "scores-for-probabilities": _step("doubt", lambda scores: _gap(_beside_zero(scores))),
    "likeliest-alone": _step("doubt", lambda scores: _probabilities(scores).amax(1)),
    "entropy": _step("doubt", _entropy),
    "least-likely-two": _step("doubt", lambda scores: _gap(-_probabilities(scores))),
    "first-two-classes": _step(
        "doubt", lambda scores: (_probabilities(scores)[:, 0] - _probabilities(scores)[:, 1]).abs()
    ),
    "softmax-over-space": _step("doubt", _over_space),
    "one-class-breaks": stops(lambda scores, count: chosen(scores, count, doubt=lambda s: _gap(s.softmax(1)))),
    "one-class-by-itself": _step(
        "doubt", lambda scores: scores[:, 0] if scores.shape[1] == 1 else _doubt(scores)
    ),
    "corners-not-centres": _step("share", lambda at, n: at / n),
    "centres-at-the-edges": _step(
        "share", lambda at, n: at / (n - 1), lambda at, n: at / max(n - 1, 1)
    ),
    "in-pixels": _step("share", lambda at, n: at, lambda at, n: at + 0.5),
    "minus-one-to-one": _step("share", lambda at, n: 2 * _share(at, n) - 1),
    "y-first": gives(lambda r, *a: r.flip(2)),
    "column-by-column": _step("places", lambda index, h, w: (index % h, index // h)),
    "one-size-for-both": _step("sizes", lambda h, w: (h, h), lambda h, w: (w, w), lambda h, w: (w, h)),
    "first-picture-only": FIRST_PICTURE,
    "left-transposed": gives(lambda r, *a: r.mT),
}  # fmt: skip
