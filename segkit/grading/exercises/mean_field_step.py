"""Chapter 07: one parallel update of mean-field inference."""

from __future__ import annotations

import torch

from segkit.grading.exercise import Exercise, does, given, gives, mistake, register
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

_CATALOGUE = (
    mistake(
        "unary-sign",
        "The unary term has the wrong sign: it is an energy, so a small one makes a label likely.",
        scored(lambda u, p, q: u - p),
    ),
    mistake(
        "pairwise-sign",
        "The pairwise term has the wrong sign: it is a cost, so it lowers the score of a label.",
        scored(lambda u, p, q: -u + p),
    ),
    mistake(
        "energies-not-negated",
        "Both terms have the wrong sign: softmax of energies prefers the worst label. softmax(−unary − pairwise).",
        scored(lambda u, p, q: u + p),
    ),
    mistake(
        "unary-forgotten",
        "The unary term is missing: what the classifier said is lost.",
        scored(lambda u, p, q: -p),
    ),
    mistake(
        "pairwise-forgotten",
        "The other pixels make no difference: this is the softmax of the unary term alone.",
        scored(lambda u, p, q: -u),
    ),
    mistake(
        "old-q-kept",
        "The old Q is still in the result: as a factor, a log or a mean. It sends the messages and is then replaced.",
        scored(lambda u, p, q: q.log() - u - p),
        scored(lambda u, p, q: q - u - p),
        gives(lambda r, q, *a: (r + q) / 2),
        gives(lambda r, q, *a: r * q / (r * q).sum(0)),
        gives(lambda r, q, *a: r * q),
    ),
    mistake(
        "not-normalised",
        "Your Q does not sum to 1 over the labels of a pixel: divide exp(−energy) by its sum over the labels.",
        ended(lambda e: torch.exp(-e)),
        ended(lambda e: torch.exp(-e) / torch.exp(-e).sum()),
        ended(lambda e: torch.exp(e.amin(0) - e)),
        ended(lambda e: torch.exp(e.amin(0) - e) / torch.exp(e.amin(0) - e).sum()),
        ended(lambda e: torch.exp(e.min() - e)),
        ended(lambda e: torch.sigmoid(-e)),
    ),
    mistake(
        "energies-returned",
        "You return energies, scores or the best label. Q is asked for: softmax over the labels.",
        ended(lambda e: e),
        ended(lambda e: -e),
        ended(lambda e: torch.log_softmax(-e, 0)),
        ended(lambda e: e.argmin(0)),
        ended(lambda e: torch.nn.functional.one_hot(e.argmin(0), len(e)).permute(2, 0, 1).to(e.dtype)),
        ended(lambda e: (1 / e) / (1 / e).sum(0)),
        ended(lambda e: e / e.sum(0)),
    ),
    mistake(
        "softmax-over-space",
        "The softmax runs over pixels. It runs over the labels, dimension 0.",
        ended(lambda e: torch.softmax(-e, 1)),
        ended(lambda e: torch.softmax(-e, 2)),
        ended(lambda e: torch.softmax(-e.flatten(1), 1).reshape(e.shape)),
        ended(lambda e: torch.softmax(-e.flatten(), 0).reshape(e.shape)),
    ),
    mistake(
        "overflow",
        "With energies in the hundreds exp gives 0 or infinity, and clamping makes different energies equal. Take the "
        "smallest energy of each pixel off first, or use torch.softmax.",
        ended(naive),
        ended(lambda e: naive(e.double())),
        ended(lambda e: naive(e).nan_to_num()),
        ended(lambda e: naive(e - e.min())),
        ended(lambda e: naive(e - e.max())),
        *(ended(lambda e, top=top: naive(e.clamp(-top, top))) for top in (20, 50, 80, 88, 100)),
        ended(lambda e: torch.exp(-e) / (torch.exp(-e).sum(0) + 1e-8)),
        ended(lambda e: torch.exp(-e) / (torch.exp(-e).sum(0) + 1e-12)),
    ),
    mistake(
        "compatibility-forgotten",
        "The compatibility makes no difference: messages are taken for costs. Which label costs how much beside which "
        "is in the matrix.",
        compatible(lambda mu: torch.eye(len(mu), dtype=mu.dtype)),
        compatible(lambda mu: -torch.eye(len(mu), dtype=mu.dtype)),
        compatible(lambda mu: 1 - torch.eye(len(mu), dtype=mu.dtype)),
    ),
    mistake(
        "compatibility-transposed",
        "The compatibility matrix is turned over, or made symmetric: matrix[l, k] is the cost of l; sum over k.",
        compatible(lambda mu: mu.T),
        compatible(lambda mu: (mu + mu.T) / 2),
    ),
    mistake(
        "compatibility-diagonal",
        "The diagonal of the compatibility matrix is left out, or is all that counts.",
        compatible(lambda mu: mu - mu.diag().diag()),
        compatible(lambda mu: mu.diag().diag()),
    ),
    mistake(
        "weights-ignored",
        "The weights of the kernels make no difference, or count otherwise than once.",
        weights(torch.ones_like),
        weights(torch.square),
        weights(lambda ws: ws / ws.sum()),
        weights(lambda ws: ws.softmax(0)),
        weights(lambda ws: 1 / ws),
    ),
    mistake(
        "weights-in-the-kernel",
        "Weights multiply more than their messages: the unary term, or all kernels alike.",
        given(lambda q, u, ks, ws, mu: (q, u * ws.sum(), ks, ws, mu)),
        weights(lambda ws: ws.sum().expand_as(ws)),
        weights(lambda ws: ws.prod().expand_as(ws)),
        weights(lambda ws: ws[:1].expand_as(ws)),
        weights(lambda ws: ws.flip(0)),
    ),
    mistake(
        "first-kernel-only",
        "Only one of the kernels counts, or their mean. The messages of all kernels are added.",
        given(lambda q, u, ks, ws, mu: (q, u, ks[:1], ws[:1], mu)),
        given(lambda q, u, ks, ws, mu: (q, u, ks[-1:], ws[-1:], mu)),
        weights(lambda ws: ws / len(ws)),
        given(lambda q, u, ks, ws, mu: (q, u, ks.prod(0, keepdim=True), ws.prod(0, keepdim=True), mu)),
    ),
    mistake(
        "kernel-transposed",
        "You sum over the rows of a kernel. kernels[m, i, j] is how much pixel i hears of pixel j: sum over j.",
        kernels(lambda ks: ks.transpose(1, 2)),
    ),
    mistake(
        "kernel-normalised",
        "The messages are divided by the sum of the weights. The kernels are used as they come.",
        does(each_normalised),
        kernels(lambda ks: ks / ks.sum(2, keepdim=True).sqrt() / ks.sum(1, keepdim=True).sqrt()),
        kernels(lambda ks: ks / ks.sum(1, keepdim=True)),
        kernels(lambda ks: ks / ks.shape[1]),
    ),
    mistake(
        "itself-left-out",
        "A pixel does not hear itself in your step. The kernels are used as they come, with their diagonal.",
        kernels(lambda ks: ks - torch.diag_embed(ks.diagonal(dim1=1, dim2=2))),
        kernels(lambda ks: ks - torch.eye(ks.shape[1], dtype=ks.dtype)),
    ),
    mistake(
        "messages-of-unary",
        "The messages are not made of Q: you send the unary term, its softmax, the best label or nothing new.",
        messages_of(lambda q, u: torch.softmax(-u, 0)),
        messages_of(lambda q, u: u),
        messages_of(lambda q, u: q.log()),
        messages_of(lambda q, u: torch.nn.functional.one_hot(q.argmax(0), len(q)).permute(2, 0, 1).to(q.dtype)),
        messages_of(lambda q, u: torch.softmax(q, 0)),
    ),
    mistake(
        "pixels-in-turn",
        "A pixel hears the new opinion of those before it, or the step is made twice. All pixels move at once, "
        "from the old Q.",
        does(in_turn),
        does(lambda q, u, ks, ws, mu: step(step(q, u, ks, ws, mu), u, ks, ws, mu)),
    ),
    mistake(
        "left-flat",
        "The result is flat, or its dimensions are in another order: K×H×W.",
        gives(lambda r, *a: r.flatten(1)),
        gives(lambda r, *a: r.flatten(1).T),
        gives(lambda r, *a: r.permute(1, 2, 0)),
        gives(lambda r, *a: r.transpose(1, 2)),
    ),
)

register(
    Exercise(
        name="mean_field_step",
        signature="mean_field_step(q, unary, kernels, weights, matrix)",
        text=(
            "One parallel mean-field update of a dense CRF. q is K×H×W, the present probabilities; unary K×H×W\n"
            "energies (smaller is likelier; they may be in the hundreds); kernels M×P×P with P = H·W pixels counted\n"
            "row by row, kernels[m, i, j] how much pixel i hears of pixel j (as they come: with the diagonal, not\n"
            "normalised, not necessarily symmetric); weights M numbers; matrix K×K, matrix[l, k] the cost of label l\n"
            "beside k. Message passing and weighting: m[k, i] = Σ_m weights[m]·Σ_j kernels[m, i, j]·q[k, j];\n"
            "compatibility: cost[l, i] = Σ_k matrix[l, k]·m[k, i]; unary term and normalisation: return\n"
            "exp(−unary − cost) divided by its sum over the labels of each pixel, K×H×W."
        ),
        reference=step,
        cases=step_cases,
        facts=step_facts,
        mistakes=_CATALOGUE,
    )
)
