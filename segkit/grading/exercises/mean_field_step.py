"""Chapter 07: one parallel update of mean-field inference."""

from __future__ import annotations

import torch

from segkit.grading.exercise import Exercise, catalogue, does, given, gives
from segkit.grading.exercises.mean_field_step_cases import step_cases, step_facts
from segkit.grading.exercises.mean_field_step_variants import (
    compatible,
    each_normalised,
    ended,
    in_turn,
    kernels,
    messages_of,
    naive,
    scored,
    step,
    weights,
)

TASK = """One parallel mean-field update of a dense CRF. q is K×H×W, the present probabilities; unary K×H×W
energies (smaller is likelier; they may be in the hundreds); kernels M×P×P with P = H·W pixels counted
row by row, kernels[m, i, j] how much pixel i hears of pixel j (as they come: with the diagonal, not
normalised, not necessarily symmetric); weights M numbers; matrix K×K, matrix[l, k] the cost of label l
beside k. Message passing and weighting: m[k, i] = Σ_m weights[m]·Σ_j kernels[m, i, j]·q[k, j];
compatibility: cost[l, i] = Σ_k matrix[l, k]·m[k, i]; unary term and normalisation: return
exp(−unary − cost) divided by its sum over the labels of each pixel, K×H×W."""

MESSAGES = """
unary-sign: The unary term has the wrong sign: it is an energy, so a small one makes a label likely.
pairwise-sign: The pairwise term has the wrong sign: it is a cost, so it lowers the score of a label.
energies-not-negated: Both terms have the wrong sign: softmax of energies prefers the worst label. softmax(−unary −
    pairwise).
unary-forgotten: The unary term is missing: what the classifier said is lost.
pairwise-forgotten: The other pixels make no difference: this is the softmax of the unary term alone.
old-q-kept: The old Q is still in the result: as a factor, a log or a mean. It sends the messages and is then replaced.
not-normalised: Your Q does not sum to 1 over the labels of a pixel: divide exp(−energy) by its sum over the labels.
energies-returned: You return energies, scores or the best label. Q is asked for: softmax over the labels.
softmax-over-space: The softmax runs over pixels. It runs over the labels, dimension 0.
overflow: With energies in the hundreds exp gives 0 or infinity, and clamping makes different energies equal. Take the
    smallest energy of each pixel off first, or use torch.softmax.
compatibility-forgotten: The compatibility makes no difference: messages are taken for costs. Which label costs how much
    beside which is in the matrix.
compatibility-transposed: The compatibility matrix is turned over, or made symmetric: matrix[l, k] is the cost of l; sum
    over k.
compatibility-diagonal: The diagonal of the compatibility matrix is left out, or is all that counts.
weights-ignored: The weights of the kernels make no difference, or count otherwise than once.
weights-in-the-kernel: Weights multiply more than their messages: the unary term, or all kernels alike.
first-kernel-only: Only one of the kernels counts, or their mean. The messages of all kernels are added.
kernel-transposed: You sum over the rows of a kernel. kernels[m, i, j] is how much pixel i hears of pixel j: sum over j.
kernel-normalised: The messages are divided by the sum of the weights. The kernels are used as they come.
itself-left-out: A pixel does not hear itself in your step. The kernels are used as they come, with their diagonal.
messages-of-unary: The messages are not made of Q: you send the unary term, its softmax, the best label or nothing new.
pixels-in-turn: A pixel hears the new opinion of those before it, or the step is made twice. All pixels move at once,
    from the old Q.
left-flat: The result is flat, or its dimensions are in another order: K×H×W.
"""

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

EXERCISE = Exercise(
    "mean_field_step(q, unary, kernels, weights, matrix)",
    TASK,
    step,
    step_cases,
    catalogue(MESSAGES, WAYS),
    facts=step_facts,
)
