"""Mean-field inference: the label of each pixel against the average opinion of all pixels like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from segkit.checks import whole
from segkit.crf.lattice import PermutohedralLattice
from segkit.crf.rows import side_by_side
from segkit.typed import shown, typed

BLOCK = 2**20  # numbers that are worked on at a time: 4 MB


class Filter(Protocol):
    """Anything with `filter(values)`, N×K → N×K: a PermutohedralLattice or a BruteForceFilter."""

    def filter(self, values: Tensor) -> Tensor:
        """The weighted sums over all points."""


Term = tuple[Filter, Tensor]  # a kernel and its compatibility


class Trace(NamedTuple):
    """What inference lowers, before the first step and after each: two tensors of iterations + 1 numbers a picture.

    energy: E_Q[E(x)] = Σ_i Σ_l Q_i(l)·ψ_i(l) + ½ Σ_ij Σ_ll' Q_i(l) μ(l, l') k_ij Q_j(l').
    kl: the same plus Σ_i Σ_l Q_i(l)·log Q_i(l): KL(Q‖P) but for the constant log Z. This is what inference lowers; near
        the end it may pay for entropy with a little energy.

    Both keep the terms j = i, as the steps do, where the label of a pixel is expected to cost ½ Σ_l Q_i(l) μ(l, l) k_ii
    and not what stands here: the names are exact for a kernel without these terms, and near where a pixel has many
    neighbours; on a picture of one pixel they mislead.
    """

    energy: Tensor
    kl: Tensor


def mean_field(
    logits: Tensor, terms: Sequence[Term], iterations: int, trace: bool = False
) -> tuple[Tensor, Trace | None]:
    """Parallel mean-field updates from Q = softmax(logits).

    Each step is Q_i(l) ← softmax_l(logits_i(l) − Σ_m Σ_l' μ_m(l, l') Σ_j k_m(i, j) Q_j(l')): filter, apply the
    compatibility, add the unary term, normalise. All pixels move at once, which is not bound to lower KL at every step
    (it is when they move in turn); with attractive compatibilities and usual weights it does, to about a millionth
    near the end, because the lattice blurs its axes in a fixed order and its K is not quite symmetric.

    Args:
        logits: minus the unary energies.
        terms: for each kernel its filter and its compatibility μ as `compatibility` gives it: one number (μ = that
            times the identity), K numbers (the diagonal of μ) or K×K.
        iterations: number of steps, 0 or more.
        trace: also give energy and KL at each step; costs one more filtering.

    Shape:
        N×K → N×K, for N pixels of one picture; Trace of tensors of iterations + 1.

    Source: Krähenbühl & Koltun 2011, algorithm 1. Differs from the paper: as in its authors' code the sum over j keeps
        the term j = i.
    """
    if not isinstance(logits, Tensor) or logits.ndim != 2 or not logits.is_floating_point():
        raise TypeError(f"mean_field got logits={shown(logits)}; they are floating-point numbers N×K")
    if 0 in logits.shape:
        raise ValueError(f"mean_field got logits of shape {tuple(logits.shape)}; they are N×K, each at least 1")
    if not isinstance(terms, Sequence):
        raise TypeError(f"mean_field got terms={shown(terms)}; it takes pairs of a filter and a compatibility")
    iterations = whole(iterations, "iterations", "mean_field", 0)
    terms = [(kernel, _fitting(kernel, mu, logits)) for kernel, mu in terms]
    wanted = torch.is_grad_enabled() and any(t.requires_grad for t in (logits, *(mu for _, mu in terms)))
    lattices = [(lattice, mu) for lattice, mu in terms if isinstance(lattice, PermutohedralLattice)]
    if len(lattices) == len(terms) and not trace and not wanted:
        return _in_blocks(logits, lattices, iterations), None
    x = logits  # N, K: Q = softmax(x)
    seen: list[tuple[Tensor, Tensor]] = []
    for _ in range(iterations):
        updated = message_passing(logits, torch.softmax(x, dim=1), terms)
        if trace:
            seen.append(_energy_and_kl(logits, x, updated))
        x = updated
    q = torch.softmax(x, dim=1)
    if not trace:
        return q, None
    seen.append(_energy_and_kl(logits, x, message_passing(logits, q, terms)))
    return q, Trace(*(torch.stack(numbers) for numbers in zip(*seen, strict=True)))


def _fitting(kernel: Filter, mu: Tensor, logits: Tensor) -> Tensor:
    """A compatibility in the type of the logits, if it and its kernel can go with them."""
    if not isinstance(mu, Tensor):
        raise TypeError(f"got a compatibility of type {type(mu).__name__}; `compatibility` makes a tensor of it")
    if isinstance(kernel, PermutohedralLattice) and kernel.points != len(logits):
        raise ValueError(f"got logits {tuple(logits.shape)} and a lattice of {kernel.points} points")
    return mu.to(logits)


@typed
def message_passing(logits: Tensor, q: Tensor, terms: Sequence[Term]) -> Tensor:
    """Logits less the expected energy with all other pixels. Shape: N×K."""
    if logits.ndim != 2 or q.shape != logits.shape:
        raise ValueError(f"message_passing got logits {tuple(logits.shape)} and q {tuple(q.shape)}; both are N×K")
    for lattice, mu in terms:
        logits = _less_message(logits, lattice.filter(q), mu)
    return logits


def _less_message(logits: Tensor, filtered: Tensor, mu: Tensor) -> Tensor:
    """Logits − filtered·μᵀ, whichever form μ has. Shape: N×K."""
    return torch.addmm(logits, filtered, mu.t(), alpha=-1) if mu.ndim == 2 else logits.addcmul(filtered, mu, value=-1)


def _in_blocks(logits: Tensor, terms: Sequence[tuple[PermutohedralLattice, Tensor]], iterations: int) -> Tensor:
    """The same steps without gradients, in another order that costs less.

    The compatibility is applied to the lattice points, which are fewer than the pixels; the slices of all kernels are
    one matrix; and from there to the softmax it goes a block of pixels at a time, which stays in the cache.
    """
    N, K = logits.shape
    size = max(1, BLOCK // K) if logits.device.type == "cpu" else N
    blocks = [(begin, min(begin + size, N)) for begin in range(0, N, size)]
    q = torch.empty_like(logits)
    for begin, end in blocks:
        softmax_into(q[begin:end], logits[begin:end])
    if not terms:
        return q
    slices = side_by_side([lattice.slice for lattice, _ in terms])
    for _ in range(iterations):
        y = torch.cat([_less_message(q.new_zeros(()), lattice.blurred(q), mu) for lattice, mu in terms])  # all M, K
        for begin, end in blocks:
            x = slices.block(begin, end) @ y
            softmax_into(q[begin:end], x.add_(logits[begin:end]))
    return q


def softmax_into(out: Tensor, x: Tensor) -> None:
    """Softmax over the labels, in half the time where float32 can do without subtracting the largest. Shape: N×K."""
    if out.device.type == "cpu":
        torch.exp(x, out=out)
        total = out @ out.new_ones(out.shape[1])  # N
        low, high = total.aminmax()
        if 1e-30 < float(low) and float(high) < 1e30:
            out *= total.reciprocal_()[:, None]
            return
    torch.softmax(x, dim=1, out=out)


def _energy_and_kl(logits: Tensor, x: Tensor, updated: Tensor) -> tuple[Tensor, Tensor]:
    """Both for one picture and Q = softmax(x), in float64; `updated` is logits less the messages that Q sends."""
    log_q = torch.log_softmax(x.double(), dim=1)
    q = log_q.exp()
    messages = (logits - updated).double()
    energy = (q * (messages / 2 - logits)).sum()
    return energy, energy + (q * log_q).sum()  # not Q·log Q of Q itself: where that is 0, its gradient is not a number
