"""`mean_field_step` as it should be, and as it is often got wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Function, Ways, does, each, given, gives


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


WAYS = {
    "unary-sign": scored(lambda u, p, q: u - p),
    "pairwise-sign": scored(lambda u, p, q: -u + p),
    "energies-not-negated": scored(lambda u, p, q: u + p),
    "unary-forgotten": scored(lambda u, p, q: -p),
    "pairwise-forgotten": scored(lambda u, p, q: -u),
    "old-q-kept": scored(lambda u, p, q: q.log() - u - p, lambda u, p, q: q - u - p)
    + gives(lambda r, q, *a: (r + q) / 2, lambda r, q, *a: r * q / (r * q).sum(0), lambda r, q, *a: r * q),
    "not-normalised": ended(
        lambda e: torch.exp(-e),
        lambda e: torch.exp(-e) / torch.exp(-e).sum(),
        lambda e: torch.exp(e.amin(0) - e),
        lambda e: torch.exp(e.amin(0) - e) / torch.exp(e.amin(0) - e).sum(),
        lambda e: torch.exp(e.min() - e),
        lambda e: torch.sigmoid(-e),
    ),
    "energies-returned": ended(
        lambda e: e,
        lambda e: -e,
        lambda e: torch.log_softmax(-e, 0),
        lambda e: e.argmin(0),
        lambda e: torch.nn.functional.one_hot(e.argmin(0), len(e)).permute(2, 0, 1).to(e.dtype),
        lambda e: (1 / e) / (1 / e).sum(0),
        lambda e: e / e.sum(0),
    ),
    "softmax-over-space": ended(
        lambda e: torch.softmax(-e, 1),
        lambda e: torch.softmax(-e, 2),
        lambda e: torch.softmax(-e.flatten(1), 1).reshape(e.shape),
        lambda e: torch.softmax(-e.flatten(), 0).reshape(e.shape),
    ),
    "overflow": ended(
        naive,
        lambda e: naive(e.double()),
        lambda e: naive(e).nan_to_num(),
        lambda e: naive(e - e.min()),
        lambda e: naive(e - e.max()),
        *(lambda e, top=top: naive(e.clamp(-top, top)) for top in (20, 50, 80, 88, 100)),
        lambda e: torch.exp(-e) / (torch.exp(-e).sum(0) + 1e-8),
        lambda e: torch.exp(-e) / (torch.exp(-e).sum(0) + 1e-12),
    ),
    "compatibility-forgotten": compatible(
        lambda mu: torch.eye(len(mu), dtype=mu.dtype),
        lambda mu: -torch.eye(len(mu), dtype=mu.dtype),
        lambda mu: 1 - torch.eye(len(mu), dtype=mu.dtype),
    ),
    "compatibility-transposed": compatible(lambda mu: mu.T, lambda mu: (mu + mu.T) / 2),
    "compatibility-diagonal": compatible(lambda mu: mu - mu.diag().diag(), lambda mu: mu.diag().diag()),
    "weights-ignored": weights(
        torch.ones_like, torch.square, lambda ws: ws / ws.sum(), lambda ws: ws.softmax(0), lambda ws: 1 / ws
    ),
    "weights-in-the-kernel": given(lambda q, u, ks, ws, mu: (q, u * ws.sum(), ks, ws, mu))
    + weights(
        lambda ws: ws.sum().expand_as(ws),
        lambda ws: ws.prod().expand_as(ws),
        lambda ws: ws[:1].expand_as(ws),
        lambda ws: ws.flip(0),
    ),
    "first-kernel-only": given(
        lambda q, u, ks, ws, mu: (q, u, ks[:1], ws[:1], mu), lambda q, u, ks, ws, mu: (q, u, ks[-1:], ws[-1:], mu)
    )
    + weights(lambda ws: ws / len(ws))
    + given(lambda q, u, ks, ws, mu: (q, u, ks.prod(0, keepdim=True), ws.prod(0, keepdim=True), mu)),
    "kernel-transposed": kernels(lambda ks: ks.transpose(1, 2)),
    "kernel-normalised": does(each_normalised)
    + kernels(
        lambda ks: ks / ks.sum(2, keepdim=True).sqrt() / ks.sum(1, keepdim=True).sqrt(),
        lambda ks: ks / ks.sum(1, keepdim=True),
        lambda ks: ks / ks.shape[1],
    ),
    "itself-left-out": kernels(
        lambda ks: ks - torch.diag_embed(ks.diagonal(dim1=1, dim2=2)),
        lambda ks: ks - torch.eye(ks.shape[1], dtype=ks.dtype),
    ),
    "messages-of-unary": messages_of(
        lambda q, u: torch.softmax(-u, 0),
        lambda q, u: u,
        lambda q, u: q.log(),
        lambda q, u: torch.nn.functional.one_hot(q.argmax(0), len(q)).permute(2, 0, 1).to(q.dtype),
        lambda q, u: torch.softmax(q, 0),
    ),
    "pixels-in-turn": does(in_turn, lambda q, u, ks, ws, mu: step(step(q, u, ks, ws, mu), u, ks, ws, mu)),
    "left-flat": gives(
        lambda r, *a: r.flatten(1),
        lambda r, *a: r.flatten(1).T,
        lambda r, *a: r.permute(1, 2, 0),
        lambda r, *a: r.transpose(1, 2),
    ),
}
