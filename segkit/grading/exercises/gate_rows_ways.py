"""`gate_rows` as it should be, and as it is often got wrong."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Function
from segkit.grading.exercises.common import FIRST_PICTURE
from segkit.grading.exercises.mechanical import LEFT_FLAT, changed, replaced


def _middle(x: Tensor, bias: Tensor) -> Tensor:
    return torch.relu(x + bias[:, None, None])


def gated(
    x: Tensor, squeeze: Tensor, expand: Tensor, biases: list[Tensor], *,
    seen: Function = lambda x: x.mean(3, keepdim=True), middle: Function = _middle, opened: Function = torch.sigmoid,
    laid: Function = lambda gates: gates, applied: Function = lambda x, gates: x * gates,
) -> Tensor:  # fmt: skip
    """Reference of `gate_rows`, with its steps replaced.

    Args:
        x, squeeze, expand, biases: as the task has them.
        seen: seen(x), what describes a row, N×C×h×1.
        middle: middle(what squeeze makes, its bias).
        opened: opened(what expand makes), the gates.
        laid: laid(gates), with the dimensions of x.
        applied: applied(x, gates).
    """
    y = middle(torch.einsum("rc,nchw->nrhw", squeeze, seen(x)), biases[0])
    y = torch.einsum("cr,nrhw->nchw", expand, y) + biases[1][:, None, None]
    return applied(x, laid(opened(y)))


_step = partial(replaced, gated)


def _silenced(*places: int) -> Function:
    """Biases of which some are 0."""
    return lambda biases: [0 * one if place in places else one for place, one in enumerate(biases)]


WAYS = {
    "mean-of-the-map": _step("seen", lambda x: x.mean((2, 3), keepdim=True)),
    "mean-of-columns": _step("seen", lambda x: x.mean(2, keepdim=True)),
    "mean-over-channels": _step(
        "seen",
        lambda x: x.mean(1, keepdim=True).expand_as(x),
        lambda x: x.mean((1, 3), keepdim=True).expand(-1, x.shape[1], -1, -1),
    ),
    "each-cell-alone": _step("seen", lambda x: x),
    "largest-of-the-row": _step("seen", lambda x: x.amax(3, keepdim=True)),
    "sum-of-the-row": _step("seen", lambda x: x.sum(3, keepdim=True)),
    "batch-averaged": _step("seen", lambda x: x.mean((0, 3), keepdim=True)),
    "relu-missing": _step("middle", lambda y, bias: y + bias[:, None, None]),
    "relu-before-the-bias": _step("middle", lambda y, bias: y.relu() + bias[:, None, None]),
    "sigmoid-inside": _step("middle", lambda y, bias: torch.sigmoid(y + bias[:, None, None])),
    "bias-ignored": changed(3, _silenced(0), _silenced(1), _silenced(0, 1)),
    "softmax-for-sigmoid": _step("opened", lambda y: y.softmax(1), lambda y: y.softmax(2)),
    "tanh-for-sigmoid": _step("opened", torch.tanh),
    "sigmoid-missing": _step("opened", lambda y: y),
    "gate-added": _step("applied", lambda x, gates: x + gates),
    "one-plus-gate": _step("applied", lambda x, gates: x + x * gates),
    "gates-inverted": _step("applied", lambda x, gates: x - x * gates),
    "gates-returned": _step(
        "applied", lambda x, gates: gates, lambda x, gates: gates[..., 0], lambda x, gates: gates.expand_as(x)
    ),
    "laid-along-columns": _step("laid", lambda gates: gates.mT),
    "first-picture-only": FIRST_PICTURE,
    "left-flat": LEFT_FLAT,
}  # fmt: skip
