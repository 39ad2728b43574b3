"""`attend_maps` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Function, does, given
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, changed, exchanged, ignored, replaced

Mask = Tensor | None
Size = tuple[int, int]


def _cells(x: Tensor, listening: bool) -> Tensor:
    return x.flatten(2).mT


def _split(rows: Tensor, heads: int) -> Tensor:
    return rows.unflatten(2, (heads, -1)).transpose(1, 2)


def _masked(products: Tensor, mask: Mask) -> Tensor:
    return products if mask is None else products.masked_fill(~mask, -torch.inf)


def _shares(products: Tensor, mask: Mask) -> Tensor:
    return _masked(products, mask).softmax(3).nan_to_num(0.0)


def _join(heard: Tensor) -> Tensor:
    return heard.transpose(1, 2).flatten(2)


def _as_map(rows: Tensor, size: Size) -> Tensor:
    return rows.mT.unflatten(2, size)


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Mask, *, cells: Function = _cells,
    split: Function = _split, factor: Function = lambda query, value, heads: (query.shape[1] / heads) ** -0.5,
    shares: Function = _shares, join: Function = _join, as_map: Function = _as_map,
    size: Function = lambda query, key: query.shape[2:],
) -> Tensor:  # fmt: skip
    """Reference of `attend_maps`, with its steps replaced.

    Args:
        query, key, value, heads, mask: as the task has them.
        cells: cells(a map, whether it is that of the listeners), a row for each.
        split: split(rows, heads), N×H×rows×channels.
        factor: factor(query, value, heads), of the products.
        shares: shares(products, mask).
        join: join(what the heads heard), N×L×D.
        as_map: as_map(rows, size).
        size: size(query, key), of the result.
    """
    q, k, v = (split(cells(x, x is query), heads) for x in (query, key, value))  # N, H, cells, channels
    products = factor(query, value, heads) * (q @ k.mT)  # N, H, L, S
    return as_map(join(shares(products, mask) @ v), size(query, key))


_step = partial(replaced, attend)


def _over(dim: int | tuple[int, int]) -> Function:
    """A softmax over other dimensions of N×H×L×S."""

    def shares(products: Tensor, mask: Mask) -> Tensor:
        found = _masked(products, mask)
        if isinstance(dim, int):
            return found.softmax(dim).nan_to_num(0.0)
        return found.flatten(2).softmax(2).nan_to_num(0.0).view_as(found)

    return shares


def _raw(products: Tensor, mask: Mask) -> Tensor:
    return products if mask is None else products * mask


def _loudest(products: Tensor, mask: Mask) -> Tensor:
    found = _masked(products, mask)
    first = torch.nn.functional.one_hot(found.argmax(3), found.shape[3]).to(products.dtype)
    return _raw(first, mask)


def _overflowing(products: Tensor, mask: Mask) -> Tensor:
    found = _raw(products.exp(), mask)
    total = found.sum(3, keepdim=True)
    return found / torch.where(total == 0, 1.0, total)


def _struck_out(products: Tensor, mask: Mask) -> Tensor:
    return _raw(products.softmax(3), mask)


def _zeroed(products: Tensor, mask: Mask) -> Tensor:
    return _raw(products, mask).softmax(3)


def _deaf_hear_all(products: Tensor, mask: Mask) -> Tensor:
    return (products if mask is None else products.masked_fill(~mask, -1e9)).softmax(3)


def _interleaved(rows: Tensor, heads: int) -> Tensor:
    return rows.unflatten(2, (-1, heads)).permute(0, 3, 1, 2)


def _taken_apart(heard: Tensor) -> Tensor:
    return heard.permute(0, 2, 3, 1).flatten(2)


def _reshaped(rows: Tensor, heads: int) -> Tensor:
    N, L, E = rows.shape
    return rows.reshape(N, heads, L, E // heads)


def _channels_reshaped(rows: Tensor, heads: int) -> Tensor:
    """Channels stay in front, and are then taken for cells."""
    N, L, E = rows.shape
    return rows.mT.reshape(N, heads, L, E // heads)


def _joined(heard: Tensor) -> Tensor:
    N, H, L, d = heard.shape
    return heard.reshape(N, L, H * d)


def _joined_as_channels(heard: Tensor) -> Tensor:
    N, H, L, d = heard.shape
    return heard.reshape(N, H * d, L).mT


def _columns(x: Tensor, listening: bool, *, whose: bool | None = None) -> Tensor:
    """Cells column by column; only the listeners', or only the speakers', where `whose` says so."""
    return (x.mT if whose is None or listening == whose else x).flatten(2).mT


def _written_in_columns(rows: Tensor, size: Size) -> Tensor:
    return rows.mT.unflatten(2, (size[1], size[0])).mT


WAYS = {
    "softmax-over-listeners": _step("shares", _over(2)),
    "softmax-over-heads": _step("shares", _over(1)),
    "softmax-over-all-pairs": _step("shares", _over((2, 3))),
    "softmax-missing": _step("shares", _raw),
    "loudest-only": _step("shares", _loudest),
    "overflows": _step("shares", _overflowing),
    "scale-missing": _step("factor", lambda query, value, heads: 1.0),
    "scale-of-all-channels": _step("factor", lambda query, value, heads: query.shape[1] ** -0.5),
    "root-missing": _step("factor", lambda query, value, heads: heads / query.shape[1]),
    "scale-inverted": _step("factor", lambda query, value, heads: (query.shape[1] / heads) ** 0.5),
    "scale-of-value": _step("factor", lambda query, value, heads: (value.shape[1] / heads) ** -0.5),
    "heads-ignored": ignored(3, 1)
    + does(
        lambda query, key, value, heads, mask: attend(
            query, key, value, 1, mask, factor=lambda *sizes: (query.shape[1] / heads) ** -0.5
        )
    ),
    "heads-interleaved": does(
        partial(attend, split=_interleaved), partial(attend, split=_interleaved, join=_taken_apart)
    ),
    "split-by-reshaping": does(
        partial(attend, split=_reshaped),
        partial(attend, split=_channels_reshaped, join=_joined_as_channels),
        partial(attend, split=_reshaped, join=_joined),
    ),
    "joined-by-reshaping": _step("join", _joined),
    "heads-averaged": _step("join", lambda heard: heard.mean(1)),
    "mask-ignored": ignored(4, None),
    "mask-inverted": changed(4, lambda mask: mask if mask is None else ~mask),
    "mask-after-softmax": _step("shares", _struck_out),
    "masked-with-zero": _step("shares", _zeroed),
    "mask-transposed": changed(4, lambda mask: mask if mask is None else mask.T),
    "mask-of-the-first-row": changed(4, lambda mask: mask if mask is None else mask[:1].expand_as(mask)),
    "nobody-is-nan": _step("shares", lambda products, mask: _masked(products, mask).softmax(3)),
    "nobody-hears-all": _step("shares", _deaf_hear_all),
    "columns-first": does(
        partial(attend, as_map=_written_in_columns),
        partial(attend, cells=_columns, as_map=_written_in_columns),
        partial(attend, cells=_columns),
        partial(attend, cells=partial(_columns, whose=True)),
    ),
    "query-key-exchanged": exchanged(0, 1),
    "key-for-value": given(lambda query, key, value, heads, mask: (query, key, key, heads, mask)),
    "size-of-the-speakers": _step("size", lambda query, key: key.shape[2:]),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}  # fmt: skip
