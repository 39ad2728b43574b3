"""`l2_fusion` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, stops
from segkit.grading.exercises.mechanical import changed, exchanged, replaced


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)


def _scaled(x: Tensor, scale: Tensor) -> Tensor:
    return x * scale[:, None, None]


def _blocks(context: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = (torch.arange(big) * small // big for big, small in zip(size, context.shape[2:], strict=True))
    return context[:, :, rows][:, :, :, columns]


def _one_after_the_other(local: Tensor, context: Tensor) -> Tensor:
    return torch.cat([local, context], 1)


def fuse(
    local: Tensor, context: Tensor, scale_local: Tensor, scale_context: Tensor, *, unit: Function = _unit,
    scaled: Function = _scaled, enlarge: Function = _blocks, join: Function = _one_after_the_other,
) -> Tensor:  # fmt: skip
    """Reference of `l2_fusion`, with its steps replaced.

    Args:
        local, context, scale_local, scale_context: as the task has them.
        unit: unit(map), its vectors brought to length 1.
        scaled: scaled(map, scale).
        enlarge: enlarge(context, (H, W)).
        join: join(local, context).
    """
    fine, coarse = scaled(unit(local), scale_local), scaled(unit(context), scale_context)
    return join(fine, enlarge(coarse, (local.shape[2], local.shape[3])))


_units, _enlarge, _join = (partial(replaced, fuse, step) for step in ("unit", "enlarge", "join"))


@each
def _divided(norm: Function) -> Ways:
    """Divided by norm(map), which keeps its dimensions."""
    return _units(lambda x: x / norm(x))


@each
def _scales(change: Function) -> Ways:
    """Other scales: change(scale of local, scale of context)."""
    return given(lambda local, context, a, b: (local, context, *change(a, b)))


def _length(x: Tensor, dim: int | tuple[int, ...] = 1) -> Tensor:
    return x.square().sum(dim, keepdim=True).sqrt()


def _safe(norm: Tensor) -> Tensor:
    return norm.clamp(min=1e-12)


def _together(local: Tensor, context: Tensor, a: Tensor, b: Tensor) -> Tensor:
    both = torch.cat([local, _blocks(context, (local.shape[2], local.shape[3]))], 1)
    return _scaled(_unit(both), torch.cat([a, b]))


def _scaled_first(local: Tensor, context: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return fuse(_scaled(local, a), _scaled(context, b), torch.ones_like(a), torch.ones_like(b))


def _filled(x: Tensor) -> Tensor:
    return torch.where((x == 0).all(1, keepdim=True), torch.ones_like(x), _unit(x))


def _one_map(local: Tensor, context: Tensor, a: Tensor, b: Tensor, which: int) -> Tensor:
    """Only one of the two maps normalised: 0 the local one, 1 the context."""
    first, second = (_unit(local), context) if which == 0 else (local, _unit(context))
    return fuse(first, second, a, b, unit=lambda x: x)


def _tiled(context: Tensor, size: tuple[int, int], axes: tuple[int, ...] = (0, 1)) -> Tensor:
    """Laid out again and again along some axes."""
    rows, columns = (
        torch.arange(big) % small if axis in axes else torch.arange(big) * small // big
        for axis, (big, small) in enumerate(zip(size, context.shape[2:], strict=True))
    )
    return context[:, :, rows][:, :, :, columns]


def _repeated(context: Tensor, size: tuple[int, int]) -> Tensor:
    if any(big % small for big, small in zip(size, context.shape[2:], strict=True)):
        raise ValueError("the sizes do not divide")
    return _blocks(context, size)


def _standard(x: Tensor) -> Tensor:
    centred = x - x.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()


WAYS = {
    "zero-vector-nan": _divided(_length),
    "zero-vector-filled": _units(_filled),
    "epsilon-too-large": _divided(
        *(lambda x, e=e: _length(x) + e for e in (1e-6, 1e-5, 1e-4)),
        *(lambda x, e=e: (x.square().sum(1, keepdim=True) + e).sqrt() for e in (1e-8, 1e-6, 1e-5)),
        lambda x: _length(x).clamp(min=1e-2),
    ),
    "norm-over-space": _divided(*(lambda x, dims=dims: _safe(_length(x, dims)) for dims in ((2, 3), 2, 3))),
    "norm-over-all": _divided(lambda x: _safe(_length(x, (1, 2, 3))), lambda x: _safe(x.norm())),
    "norm-over-batch": _divided(lambda x: _safe(_length(x, 0))),
    "fused-before-norm": does(_together),
    "square-root-missing": _divided(lambda x: x.square().sum(1, keepdim=True).clamp(min=1e-12)),
    "norm-one": _divided(lambda x: _safe(x.abs().sum(1, keepdim=True)), lambda x: _safe(x.abs().amax(1, keepdim=True))),
    "mean-square": _divided(lambda x: _safe(x.square().mean(1, keepdim=True).sqrt())),
    "standardised": _units(_standard),
    "not-normalised": _units(lambda x: x),
    "local-only": does(partial(_one_map, which=0)),
    "context-only": does(partial(_one_map, which=1)),
    "scaled-before-norm": does(_scaled_first),
    "scales-ignored": _scales(lambda a, b: (torch.ones_like(a), torch.ones_like(b)))
    + changed(2, torch.ones_like) + changed(3, torch.ones_like),
    "scales-exchanged": exchanged(2, 3),
    "one-scale-for-all": _scales(
        lambda a, b: (a[:1].expand_as(a), b[:1].expand_as(b)),
        lambda a, b: (a.mean().expand_as(a), b.mean().expand_as(b)),
    ),
    "scales-divide": _scales(lambda a, b: (1 / a, 1 / b)),
    "scales-per-column": replaced(fuse, "scaled", lambda x, scale: x * scale),
    "context-first": _join(lambda local, context: torch.cat([context, local], 1)),
    "interleaved": _join(lambda local, context: torch.stack([local, context], 2).flatten(1, 2)),
    "added": _join(lambda local, context: local + context),
    "one-map-only": _join(lambda local, context: local, lambda local, context: context),
    "tiled": _enlarge(_tiled, partial(_tiled, axes=(0,)), partial(_tiled, axes=(1,))),
    "interpolated": _enlarge(
        lambda x, size: F.interpolate(x, size, mode="bilinear", align_corners=False),
        lambda x, size: F.interpolate(x, size, mode="bilinear", align_corners=True),
        lambda x, size: F.interpolate(x, size, mode="nearest-exact"),
    ),
    "sizes-must-divide": stops(partial(fuse, enlarge=_repeated)),
    "one-context-for-all": _enlarge(lambda x, size: x.mean((2, 3), keepdim=True).expand(-1, -1, *size))
    + changed(1, lambda context: context.mean((2, 3), keepdim=True)),
    "corner-of-context": _enlarge(lambda x, size: x[:, :, :1, :1].expand(-1, -1, *size)),
    "height-for-width": changed(1, lambda context: context.mT),
}  # fmt: skip
