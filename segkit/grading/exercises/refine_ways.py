"""`refine` as it should be, and as it is often got wrong."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, gives
from segkit.grading.exercises.mechanical import changed, ignored, replaced

Two = tuple[Tensor, Tensor]  # mean, variance
Three = tuple[Tensor, Tensor, Tensor]  # the map, the running mean, the running variance
EPS = 1e-5


DIMS = (0, 2, 3)


def _seen(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def _mixed(seen: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("oc,nchw->nohw", weight, seen)


def _statistics(y: Tensor, mean: Tensor, variance: Tensor, training: bool) -> Two:
    """By which the numbers are normalised."""
    return (y.mean(DIMS), y.var(DIMS, correction=0)) if training else (mean, variance)


def _updated(y: Tensor, mean: Tensor, variance: Tensor, training: bool) -> Two:
    new = y.mean(DIMS), y.var(DIMS)
    return (_moved(mean, new[0]), _moved(variance, new[1])) if training else (mean, variance)


def _moved(old: Tensor, new: Tensor, share: float = 0.1) -> Tensor:
    return (1 - share) * old + share * new


def _channels(numbers: Tensor) -> Tensor:
    """C numbers as C×1×1; what has more dimensions as it is."""
    return numbers[:, None, None] if numbers.ndim == 1 else numbers


def _normed(y: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return (y - mean) / (variance + EPS).sqrt()


def _affine(y: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return y * scale + shift


def refined(
    x: Tensor, weight: Tensor, norm: Sequence[Tensor], training: bool, *, seen: Function = _seen,
    mixed: Function = _mixed, statistics: Function = _statistics, updated: Function = _updated,
    normed: Function = _normed, affine: Function = _affine, opened: Function = torch.sigmoid,
    applied: Function = lambda x, gates: x * gates,
) -> Three:  # fmt: skip
    """Reference of `refine`, with its steps replaced.

    Args:
        x, weight, norm, training: as the task has them.
        seen: seen(x), what describes a picture, N×C×1×1.
        mixed: mixed(what describes it, weight).
        statistics: statistics(numbers, running mean, running variance, training), by which they are normalised.
        updated: updated(the same), the running mean and variance afterwards.
        normed: normed(numbers, mean, variance).
        affine: affine(normalised numbers, scale, shift).
        opened: opened(what comes out), the gates.
        applied: applied(x, gates).
    """
    mean, variance, scale, shift = norm
    y = mixed(seen(x), weight)  # N, C, 1, 1
    z = normed(y, *map(_channels, statistics(y, mean, variance, training)))
    gates = opened(affine(z, _channels(scale), _channels(shift)))
    return applied(x, gates), *updated(y, mean, variance, training)


_step = partial(replaced, refined)


@each
def _updates(change: Function) -> Ways:
    """Other running statistics in training: change(old, those of the batch)."""
    return _step(
        "updated",
        lambda y, *old: tuple(map(change, old[:2], (y.mean(DIMS), y.var(DIMS)))) if old[2] else old[:2],
    )


def _biased_update(y: Tensor, mean: Tensor, variance: Tensor, training: bool) -> Two:
    new = y.mean(DIMS), y.var(DIMS, correction=0)
    return (_moved(mean, new[0]), _moved(variance, new[1])) if training else (mean, variance)


def _unbiased(y: Tensor, mean: Tensor, variance: Tensor, training: bool) -> Two:
    return (y.mean(DIMS), y.var(DIMS)) if training else (mean, variance)


def _after_the_update(y: Tensor, mean: Tensor, variance: Tensor, training: bool) -> Two:
    return _updated(y, mean, variance, training)


def _over_channels(y: Tensor, mean: Tensor, variance: Tensor, training: bool) -> Two:
    return (y.mean(1, True), y.var(1, correction=0, keepdim=True)) if training else (mean, variance)


def _norm_first(x: Tensor, weight: Tensor, norm: Sequence[Tensor], training: bool) -> Three:
    """BatchNorm of the means, and then the 1×1."""
    mean, variance, scale, shift = norm
    y = _seen(x)
    z = _normed(y, *map(_channels, _statistics(y, mean, variance, training)))
    gates = _mixed(_affine(z, _channels(scale), _channels(shift)), weight).sigmoid()
    return x * gates, *_updated(y, mean, variance, training)


def _norm(change: Function) -> Ways:
    """Other numbers of the BatchNorm: change(mean, variance, scale, shift)."""
    return changed(2, lambda norm: change(*norm))


def _other_epsilon(epsilon: float) -> Function:
    return lambda y, mean, variance: (y - mean) / (variance + epsilon).sqrt()


WAYS = {
    "each-cell-alone": _step("seen", lambda x: x),
    "averaged-last": does(partial(refined, seen=lambda x: x, opened=lambda y: _seen(y).sigmoid())),
    "gates-averaged": does(partial(refined, seen=lambda x: x, opened=lambda y: _seen(y.sigmoid()))),
    "largest-of-the-map": _step("seen", lambda x: x.amax((2, 3), keepdim=True)),
    "sum-of-the-map": _step("seen", lambda x: x.sum((2, 3), keepdim=True)),
    "mean-over-channels": _step("seen", lambda x: x.mean((1, 2, 3), keepdim=True).expand(-1, x.shape[1], -1, -1)),
    "weight-transposed": changed(1, lambda weight: weight.T),
    "norm-missing": _step("normed", lambda y, mean, variance: y),
    "norm-before-the-1x1": does(_norm_first),
    "training-ignored": ignored(3, False),
    "training-always": ignored(3, True),
    "running-numbers-in-training": _step("statistics", lambda y, mean, variance, training: (mean, variance)),
    "batch-in-evaluation": _step("statistics", lambda y, mean, variance, _: _statistics(y, mean, variance, True)),
    "normalised-by-the-updated": _step("statistics", _after_the_update),
    "norm-over-channels": _step("statistics", _over_channels),
    "variance-unbiased": _step("statistics", _unbiased),
    "running-variance-biased": _step("updated", _biased_update),
    "momentum-inverted": _updates(partial(_moved, share=0.9)),
    "running-numbers-replaced": _updates(lambda old, new: new),
    "running-numbers-kept": _updates(lambda old, new: old),
    "moved-in-evaluation": _step("updated", lambda y, mean, variance, training: _updated(y, mean, variance, True)),
    "deviation-for-variance": gives(lambda r, *a: (r[0], r[1], r[2].sqrt())),
    "root-missing": _step("normed", lambda y, mean, variance: (y - mean) / (variance + EPS)),
    "epsilon-of-another-size": _step("normed", _other_epsilon(0.0), _other_epsilon(1e-3)),
    "mean-not-subtracted": _step("normed", lambda y, mean, variance: y / (variance + EPS).sqrt()),
    "scale-shift-ignored": _norm(lambda mean, variance, scale, shift: (mean, variance, 0 * scale + 1, 0 * shift))
    + _norm(lambda mean, variance, scale, shift: (mean, variance, 0 * scale + 1, shift))
    + _norm(lambda mean, variance, scale, shift: (mean, variance, scale, 0 * shift)),
    "scale-shift-exchanged": _norm(lambda mean, variance, scale, shift: (mean, variance, shift, scale)),
    "sigmoid-missing": _step("opened", lambda y: y),
    "tanh-for-sigmoid": _step("opened", torch.tanh),
    "softmax-for-sigmoid": _step("opened", lambda y: y.softmax(1)),
    "relu-before-the-sigmoid": _step("opened", lambda y: y.relu().sigmoid()),
    "one-plus-gate": _step("applied", lambda x, gates: x + x * gates),
    "gate-added": _step("applied", lambda x, gates: x + gates),
    "gates-inverted": _step("applied", lambda x, gates: x * (1 - gates)),
    "gates-returned": _step("applied", lambda x, gates: gates, lambda x, gates: gates.flatten(1)),
    "results-exchanged": gives(lambda r, *a: (r[0], r[2], r[1]), lambda r, *a: (*r[1:], r[0])),
}  # fmt: skip
