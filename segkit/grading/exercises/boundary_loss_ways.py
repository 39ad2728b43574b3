"""`boundary_loss` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given
from segkit.grading.exercises.mechanical import changed, ignored, replaced


def _steps(down: int, right: int) -> int:
    return abs(down) + abs(right)


def _seen(labels: Tensor, down: int, right: int, outside: int) -> Tensor:
    """The label of the pixel so far away from each."""
    h, w = labels.shape[1:]
    reach = max(abs(down), abs(right))
    wide = F.pad(labels, (reach,) * 4, value=outside)
    return wide[:, reach + down : reach + down + h, reach + right : reach + right + w]


def _border(labels: Tensor, reach: int, ignore: int, *, steps: Function = _steps, void: bool = False) -> Tensor:
    """N×h×w of bools: another label within reach; `void`: void is one, too. Outside there is void."""
    found = torch.zeros_like(labels, dtype=torch.bool)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if steps(down, right) <= reach:
                other = _seen(labels, down, right, ignore)
                inside = _seen(torch.zeros_like(labels), down, right, 1) == 0
                found |= (other != labels) & (inside if void else other != ignore)
    return found & (labels != ignore)


def _mean(loss: Tensor, where: Tensor) -> Tensor:
    return torch.where(where, loss, 0.0).sum() / where.sum().clamp(min=1)


def _half_each(loss: Tensor, border: Tensor, known: Tensor) -> Tensor:
    return (_mean(loss, border & known) + _mean(loss, ~border & known)) / 2


def _cross_entropy(scores: Tensor, border: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, border.to(scores.dtype), reduction="none")


def balanced(
    scores: Tensor, labels: Tensor, reach: int, ignore_index: int, *, border: Function = _border,
    known: Function = lambda labels, ignore: labels != ignore, loss: Function = _cross_entropy,
    join: Function = _half_each,
) -> Tensor:  # fmt: skip
    """Reference of `boundary_loss`, with its steps replaced.

    Args:
        scores, labels, reach, ignore_index: as the task has them.
        border: border(labels, reach, ignore_index), N×h×w of bools.
        known: known(labels, ignore_index), the pixels that count.
        loss: loss(scores N×h×w, border), of each pixel.
        join: join(loss, border, known), one number.
    """
    at = border(labels, reach, ignore_index)
    return join(loss(scores[:, 0], at), at, known(labels, ignore_index))


_step = partial(replaced, balanced)


def _shares(loss: Tensor, border: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The share of borders, and sums of losses at borders and elsewhere, both over the number of known pixels."""
    count = known.sum().clamp(min=1)
    at, off = (torch.where(where, loss, 0.0).sum() / count for where in (border & known, ~border & known))
    return (border & known).sum() / count, at, off


def _one_mean(loss: Tensor, border: Tensor, known: Tensor) -> Tensor:
    return _mean(loss, known)


def _exchanged(loss: Tensor, border: Tensor, known: Tensor) -> Tensor:
    share, at, off = _shares(loss, border, known)
    return share * at + (1 - share) * off


def _by_the_count(loss: Tensor, border: Tensor, known: Tensor) -> Tensor:
    share, at, off = _shares(loss, border, known)
    return (1 - share) * at + share * off


def _per_picture(loss: Tensor, border: Tensor, known: Tensor) -> Tensor:
    return torch.stack([_half_each(*(x[None] for x in one)) for one in zip(loss, border, known, strict=True)]).mean()


@each
def _where_one_is_missing(otherwise: Function) -> Ways:
    """Right where there are pixels of both kinds: otherwise(loss, border, known) elsewhere."""

    def join(loss: Tensor, border: Tensor, known: Tensor) -> Tensor:
        both = (border & known).any() and (~border & known).any()
        return _half_each(loss, border, known) if both else otherwise(loss, border, known)

    return _step("join", join)


def _outside(labels: Tensor, reach: int, ignore: int) -> Tensor:
    """As if a class of its own lay around the picture."""
    wide = F.pad(labels, (reach,) * 4, value=1000)
    return _border(wide, reach, ignore)[:, reach:-reach, reach:-reach]


@each
def _logarithms(lowest: float) -> Ways:
    """Logarithms of a sigmoid, no lower than this."""

    def loss(scores: Tensor, border: Tensor) -> Tensor:
        p = scores.sigmoid()
        return -torch.where(border, p, 1 - p).log().clamp(min=lowest)

    return _step("loss", loss)


def _forward(down: int, right: int) -> int:
    return _steps(down, right) if min(down, right) >= 0 else 1000


def _straight(down: int, right: int) -> int:
    return _steps(down, right) if 0 in (down, right) else 1000


WAYS = {
    "diagonals-counted": _step("border", partial(_border, steps=lambda down, right: max(abs(down), abs(right)))),
    "reach-ignored": ignored(2, 1),
    "reach-off-by-one": changed(2, lambda reach: reach + 1),
    "straight-lines-only": _step("border", partial(_border, steps=_straight)),
    "one-sided": _step("border", partial(_border, steps=_forward)),
    "void-is-another-label": _step("border", partial(_border, void=True)),
    "void-counted": _step("known", lambda labels, ignore: torch.ones_like(labels, dtype=torch.bool)),
    "outside-is-another-label": _step("border", _outside),
    "ignore-index-fixed": given(lambda scores, labels, reach, ignore: (scores, labels, reach, 255)),
    "not-balanced": _step("join", _one_mean),
    "weights-exchanged": _step("join", _exchanged),
    "divided-by-the-count": _step("join", _by_the_count),
    "not-halved": _step("join", lambda *parts: 2 * _half_each(*parts)),
    "averaged-per-picture": _step("join", _per_picture),
    "one-kind-is-nan": _where_one_is_missing(lambda loss, border, known: loss.sum() * torch.nan),
    "one-kind-is-zero": _where_one_is_missing(lambda loss, border, known: 0 * loss.sum()),
    "one-kind-counts-whole": _where_one_is_missing(lambda *parts: 2 * _half_each(*parts)),
    "overflow": _logarithms(-torch.inf, -100.0),
    "sigmoid-twice": _step("loss", lambda scores, border: _cross_entropy(scores.sigmoid(), border)),
    "inverted": does(partial(balanced, loss=lambda scores, border: _cross_entropy(scores, ~border))),
}  # fmt: skip
