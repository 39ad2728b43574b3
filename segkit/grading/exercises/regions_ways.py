"""`regions` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, does, given, gives
from segkit.grading.exercises.mechanical import changed, exchanged, replaced

Two = tuple[Tensor, Tensor]


def _softmax(scores: Tensor, known: Tensor) -> Tensor:
    """N×K×L: over the known cells; 0 where there is none."""
    return _hidden(scores, known).softmax(2).nan_to_num(0.0)


def _hidden(scores: Tensor, known: Tensor) -> Tensor:
    return scores.masked_fill(~known[:, None], -torch.inf)


def _form(weights: Tensor, rows: Tensor) -> Tensor:
    return weights @ rows


def _hear(rows: Tensor, found: Tensor, query: Tensor, key: Tensor, *, scale: float = 0.0, dim: int = 2) -> Tensor:
    products = (rows @ query.T) @ (found @ key.T).mT  # N, L, K
    return (products * (scale or len(query) ** -0.5)).softmax(dim) @ found


def describe(
    cells: Tensor, guess: Tensor, known: Tensor, query: Tensor, key: Tensor, *, flat: Function = lambda x: x.flatten(2),
    weights: Function = _softmax, form: Function = _form, hear: Function = _hear,
    heard: Function = lambda heard, known: heard,
    as_map: Function = lambda rows, size: rows.mT.unflatten(2, size),
) -> Two:  # fmt: skip
    """Reference of `regions`, with its steps replaced.

    Args:
        cells, guess, known, query, key: as the task has them.
        flat: flat(a map), its cells in a row.
        weights: weights(scores, known), N×K×L.
        form: form(weights, rows), the regions.
        hear: hear(rows, regions, query, key), N×L×D.
        heard: heard(what is heard, known), where some may not listen.
        as_map: as_map(rows, size).
    """
    rows = flat(cells).mT  # N, L, D
    sure = flat(known[:, None])[:, 0]  # N, L
    found = form(weights(flat(guess), sure), rows)  # N, K, D
    return found, as_map(heard(hear(rows, found, query, key), sure), cells.shape[2:])


_step = partial(replaced, describe)


def _probabilities(scores: Tensor, known: Tensor) -> Tensor:
    return scores.softmax(1) * known[:, None]


def _normalised(scores: Tensor, known: Tensor) -> Tensor:
    weights = _probabilities(scores, known)
    return (weights / weights.sum(2, keepdim=True)).nan_to_num(0.0)


def _hard(scores: Tensor, known: Tensor) -> Tensor:
    weights = F.one_hot(scores.argmax(1), scores.shape[1]).mT.to(scores.dtype) * known[:, None]
    return weights / weights.sum(2, keepdim=True).clamp(min=1)


def _best(scores: Tensor, known: Tensor) -> Tensor:
    return F.one_hot(_hidden(scores, known).argmax(2), scores.shape[2]).to(scores.dtype) * known[:, None]


def _overflowing(scores: Tensor, known: Tensor) -> Tensor:
    weights = _hidden(scores, known).exp()
    total = weights.sum(2, keepdim=True)
    return weights / torch.where(total == 0, 1.0, total)


def _large_negative(scores: Tensor, known: Tensor) -> Tensor:
    return scores.masked_fill(~known[:, None], -1e9).softmax(2)


def _over_the_batch(scores: Tensor, known: Tensor) -> Tensor:
    """K×(N·L), with the cells of all pictures in one row."""
    N, K, L = scores.shape
    found = _hidden(scores, known).transpose(0, 1).reshape(1, K, N * L).softmax(2)
    return found.nan_to_num(0.0)


def _form_together(weights: Tensor, rows: Tensor) -> Tensor:
    N, L, D = rows.shape
    return (weights @ rows.reshape(1, N * L, D)).expand(N, -1, -1)


def _hear_cells(rows: Tensor, found: Tensor, query: Tensor, key: Tensor) -> Tensor:
    return _hear(rows, rows, query, key)


def _hear_keys(rows: Tensor, found: Tensor, query: Tensor, key: Tensor) -> Tensor:
    products = (rows @ query.T) @ (found @ key.T).mT
    return (products * len(query) ** -0.5).softmax(2) @ (found @ key.T)


def _columns(x: Tensor) -> Tensor:
    return x.mT.flatten(2)


def _written_in_columns(rows: Tensor, size: tuple[int, int]) -> Tensor:
    return rows.mT.unflatten(2, (size[1], size[0])).mT


WAYS = {
    "softmax-over-classes": _step("weights", _probabilities),
    "normalised-probabilities": _step("weights", _normalised),
    "hard-guess": _step("weights", _hard),
    "best-cell-only": _step("weights", _best),
    "regions-overflow": _step("weights", _overflowing),
    "unknown-counted": changed(2, torch.ones_like),
    "unknown-as-zero": _step("weights", lambda scores, known: (scores * known[:, None]).softmax(2)),
    "unknown-struck-out-late": _step("weights", lambda scores, known: scores.softmax(2) * known[:, None]),
    "known-inverted": changed(2, lambda known: ~known),
    "unknown-hear-nothing": _step("heard", lambda heard, known: heard * known[..., None]),
    "nothing-known-nan": _step("weights", lambda scores, known: _hidden(scores, known).softmax(2)),
    "nothing-known-counted": _step("weights", _large_negative),
    "scale-missing": _step("hear", partial(_hear, scale=1.0)),
    "scale-of-channels": _step(
        "hear", lambda rows, found, query, key: _hear(rows, found, query, key, scale=rows.shape[2] ** -0.5)
    ),
    "softmax-over-listeners": _step("hear", partial(_hear, dim=1)),
    "hears-cells": _step("hear", _hear_cells),
    "query-key-exchanged": exchanged(3, 4),
    "one-projection": given(
        lambda cells, guess, known, query, key: (cells, guess, known, query, query),
        lambda cells, guess, known, query, key: (cells, guess, known, key, key),
    ),
    "projected-values": _step("hear", _hear_keys),
    "added-to-the-cells": gives(lambda r, cells, *a: (r[0], r[1] + cells)),
    "regions-of-all-pictures": does(partial(describe, weights=_over_the_batch, form=_form_together)),
    "columns-first": _step("as_map", _written_in_columns) + _step("flat", _columns),
    "regions-transposed": gives(lambda r, *a: (r[0].mT, r[1])),
    "heard-left-flat": gives(lambda r, *a: (r[0], r[1].flatten(2)), lambda r, *a: (r[0], r[1].flatten(2).mT)),
    "results-exchanged": gives(lambda r, *a: r[::-1]),
    "first-picture-only": gives(lambda r, *a: (r[0][:1], r[1][:1])),
}  # fmt: skip
