"""`encode_valid` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, given, gives
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import changed, replaced


def _squares(pixels: Tensor, away: Tensor, words: Tensor) -> Tensor:
    return away.square().sum(3)


def _softmax(scale: Tensor, squares: Tensor, keep: Tensor) -> Tensor:
    return (scale * squares).softmax(2)


def _kept(each: Tensor, keep: Tensor) -> Tensor:
    return torch.where(keep[..., None, None], each, 0.0)


def encode(
    x: Tensor, codewords: Tensor, scale: Tensor, valid: Tensor, *, squares: Function = _squares,
    shares: Function = _softmax, told: Function = lambda pixels, away: away, kept: Function = _kept,
    closed: Function = lambda total, shares, keep: total, flat: Function = lambda valid: valid.flatten(1),
) -> Tensor:  # fmt: skip
    """Reference of `encode_valid`, with its steps replaced.

    Args:
        x, codewords, scale, valid: as the task has them.
        squares: squares(pixels, differences, codewords), N×L×K.
        shares: shares(scale, squares, which pixels take part).
        told: told(pixels, differences), what is added up.
        kept: kept(what each pixel adds, which pixels take part).
        closed: closed(sums, shares, which pixels take part).
        flat: flat(valid), N×L.
    """
    pixels, keep = x.flatten(2).mT, flat(valid)  # N, L, C and N, L
    away = pixels[:, :, None] - codewords  # N, L, K, C
    a = shares(scale, squares(pixels, away, codewords), keep)[..., None]  # N, L, K, 1
    return closed(kept(a * told(pixels[:, :, None], away), keep).sum(1), a, keep)  # N, K, C


_step = partial(replaced, encode)


def _nearest(scale: Tensor, squares: Tensor, keep: Tensor) -> Tensor:
    return F.one_hot(squares.argmin(2), len(scale)).to(squares.dtype)


def _largest(scale: Tensor, squares: Tensor, keep: Tensor) -> Tensor:
    return F.one_hot((scale * squares).argmax(2), len(scale)).to(squares.dtype)


def _over_pixels(scale: Tensor, squares: Tensor, keep: Tensor) -> Tensor:
    return (scale * squares).softmax(1)


def _over_valid(scale: Tensor, squares: Tensor, keep: Tensor) -> Tensor:
    return torch.where(keep[..., None], scale * squares, -torch.inf).softmax(1)


def _underflowing(scale: Tensor, squares: Tensor, keep: Tensor) -> Tensor:
    found = (scale * squares).exp()
    return found / found.sum(2, keepdim=True)


def _zeroed(x: Tensor, words: Tensor, scale: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
    return torch.where(valid[:, None], x, 0.0), words, scale, torch.ones_like(valid)


def _multiplied(x: Tensor, words: Tensor, scale: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
    return x * valid[:, None], words, scale, torch.ones_like(valid)


def _share_of_those(total: Tensor, shares: Tensor, keep: Tensor) -> Tensor:
    return total / torch.where(keep[..., None, None], shares, 0.0).sum(1)


WAYS = {
    "scale-sign": changed(2, lambda scale: -scale),
    "scale-ignored": changed(2, lambda scale: 0 * scale - 1),
    "one-scale-for-all": changed(2, lambda scale: scale[:1].expand_as(scale)),
    "scale-outside": _step(
        "shares",
        lambda scale, squares, keep: scale * squares.softmax(2),
        lambda scale, squares, keep: scale * (-squares).softmax(2),
    ),
    "distance-not-squared": _step("squares", lambda pixels, away, words: away.square().sum(3).sqrt()),
    "mean-of-squares": _step("squares", lambda pixels, away, words: away.square().mean(3)),
    "product-for-distance": _step("squares", lambda pixels, away, words: pixels @ words.T),
    "nearest-only": _step("shares", _nearest, _largest),
    "softmax-over-pixels": _step("shares", _over_pixels, _over_valid),
    "softmax-missing": _step(
        "shares",
        lambda scale, squares, keep: scale * squares,
        lambda scale, squares, keep: (scale * squares).exp(),
    ),
    "underflows": _step("shares", _underflowing),
    "codeword-not-subtracted": _step("told", lambda pixels, away: pixels),
    "difference-reversed": gives(lambda r, *a: -r),
    "averaged": _step(
        "closed",
        lambda total, shares, keep: total / keep.sum(1)[:, None, None],
        lambda total, shares, keep: total / keep.shape[1],
    ),
    "divided-by-shares": _step("closed", _share_of_those),
    "invalid-counted": changed(3, torch.ones_like),
    "invalid-zeroed": given(_zeroed, _multiplied),
    "nan-times-zero": _step("kept", lambda each, keep: each * keep[..., None, None]),
    "valid-inverted": changed(3, lambda valid: ~valid),
    "first-mask-for-all": changed(3, lambda valid: valid[:1].expand_as(valid)),
    "mask-in-columns": _step("flat", lambda valid: valid.mT.flatten(1)),
    "batch-summed": gives(lambda r, *a: r.sum(0), lambda r, *a: r.sum(0, keepdim=True).expand_as(r)),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": gives(lambda r, *a: r.mT, lambda r, *a: r.flatten(1)),
}  # fmt: skip
