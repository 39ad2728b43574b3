"""`mean_field_step` as it should be, and as it is often got wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given


def passed(q: Tensor, ks: Tensor, ws: Tensor) -> Tensor:
    """Σ_m w_m Σ_j k_m(i, j) q(l, j), K×H×W."""
    return torch.einsum("m,mij,lj->li", ws, ks, q.flatten(1)).reshape(q.shape)


def pairwise(q: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> Tensor:
    """The expected cost of each label beside all other pixels."""
    return torch.tensordot(mu, passed(q, ks, ws), 1)


def step(q: Tensor, unary: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> Tensor:
    """Reference of `mean_field_step`."""
    return torch.softmax(-unary - pairwise(q, ks, ws, mu), 0)


@each
def scored(scores: Function) -> Ways:
    """Softmax of other scores: scores(unary, pairwise, q)."""
    return does(lambda q, u, ks, ws, mu: torch.softmax(scores(u, pairwise(q, ks, ws, mu), q), 0))


@each
def ended(end: Function) -> Ways:
    """The right energies, and another end than softmax."""
    return does(lambda q, u, ks, ws, mu: end(u + pairwise(q, ks, ws, mu)))


@each
def kernels(change: Function) -> Ways:
    return given(lambda q, u, ks, ws, mu: (q, u, change(ks), ws, mu))


@each
def weights(change: Function) -> Ways:
    return given(lambda q, u, ks, ws, mu: (q, u, ks, change(ws), mu))


@each
def compatible(change: Function) -> Ways:
    return given(lambda q, u, ks, ws, mu: (q, u, ks, ws, change(mu)))


@each
def messages_of(change: Function) -> Ways:
    """Messages sent by something else than q."""
    return does(lambda q, u, ks, ws, mu: step(change(q, u), u, ks, ws, mu))


def naive(energy: Tensor) -> Tensor:
    e = torch.exp(-energy)
    return e / e.sum(0)


def in_turn(q: Tensor, u: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> Tensor:
    """Pixel after pixel, each hearing the new opinion of those before it."""
    q, flat = q.flatten(1).clone(), u.flatten(1)
    for i in range(q.shape[1]):
        heard = torch.einsum("m,mj,lj->l", ws, ks[:, i], q)
        q[:, i] = torch.softmax(-flat[:, i] - mu @ heard, 0)
    return q.reshape(u.shape)


def each_normalised(q: Tensor, u: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> Tensor:
    heard = sum(
        w * passed(q, k[None], w.new_ones(1)) / k.sum(1).reshape(q.shape[1:]) for k, w in zip(ks, ws, strict=True)
    )
    return torch.softmax(-u - torch.tensordot(mu, heard, 1), 0)  # type: ignore[arg-type]
