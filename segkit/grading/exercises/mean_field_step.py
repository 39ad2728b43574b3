"""Chapter 07: one parallel update of mean-field inference."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives
from segkit.grading.exercises.bilateral_filter import kernel
from segkit.grading.exercises.case_tensors import Args, grouped, normal, quarters
from segkit.grading.exercises.mechanical import LEFT_FLAT, changed

TASK = """One parallel mean-field update of a dense CRF. q is K×H×W, the present probabilities; unary K×H×W
energies (smaller is likelier; they may be in the hundreds); kernels M×P×P with P = H·W pixels counted
row by row, kernels[m, i, j] how much pixel i hears of pixel j (as they come: with the diagonal, not
normalised, not necessarily symmetric); weights M numbers; matrix K×K, matrix[l, k] the cost of label l
beside k. Message passing and weighting: m[k, i] = Σ_m weights[m]·Σ_j kernels[m, i, j]·q[k, j];
compatibility: cost[l, i] = Σ_k matrix[l, k]·m[k, i]; unary term and normalisation: return
exp(−unary − cost) divided by its sum over the labels of each pixel, K×H×W."""


def _passed(q: Tensor, ks: Tensor, ws: Tensor) -> Tensor:
    """Σ_m w_m Σ_j k_m(i, j) q(l, j), K×H×W."""
    return torch.einsum("m,mij,lj->li", ws, ks, q.flatten(1)).reshape(q.shape)


def _pairwise(q: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> Tensor:
    """The expected cost of each label beside all other pixels."""
    return torch.tensordot(mu, _passed(q, ks, ws), 1)


def step(q: Tensor, unary: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> Tensor:
    """Reference of `mean_field_step`."""
    return torch.softmax(-unary - _pairwise(q, ks, ws, mu), 0)


@each
def _scored(scores: Function) -> Ways:
    """Softmax of other scores: scores(unary, pairwise, q)."""
    return does(lambda q, u, ks, ws, mu: torch.softmax(scores(u, _pairwise(q, ks, ws, mu), q), 0))


@each
def _ended(end: Function) -> Ways:
    """The right energies, and another end than softmax."""
    return does(lambda q, u, ks, ws, mu: end(u + _pairwise(q, ks, ws, mu)))


_kernels, _weights, _compatible = (partial(changed, place) for place in (2, 3, 4))


@each
def _messages_of(change: Function) -> Ways:
    """Messages sent by something else than q."""
    return does(lambda q, u, ks, ws, mu: step(change(q, u), u, ks, ws, mu))


def _naive(energy: Tensor) -> Tensor:
    e = torch.exp(-energy)
    return e / e.sum(0)


def _in_turn(q: Tensor, u: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> Tensor:
    """Pixel after pixel, each hearing the new opinion of those before it."""
    q, flat = q.flatten(1).clone(), u.flatten(1)
    for i in range(q.shape[1]):
        heard = torch.einsum("m,mj,lj->l", ws, ks[:, i], q)
        q[:, i] = torch.softmax(-flat[:, i] - mu @ heard, 0)
    return q.reshape(u.shape)


def _each_normalised(q: Tensor, u: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> Tensor:
    heard = sum(
        w * _passed(q, k[None], w.new_ones(1)) / k.sum(1).reshape(q.shape[1:]) for k, w in zip(ks, ws, strict=True)
    )
    return torch.softmax(-u - torch.tensordot(mu, heard, 1), 0)  # type: ignore[arg-type]


def _call(
    seed: int, k: int, h: int, w: int, count: int = 1, *, scale: float = 1.0, potts: bool = False,
    one_sided: bool = False, dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    q = torch.softmax(normal(seed, k, h, w, dtype=dtype), 0)
    unary = quarters(seed + 1, k, h, w, dtype=dtype) * scale
    picture = 4 * quarters(seed + 2, 3, h, w)
    widths = ((1.5, 9.0), (0.8, 1e6), (3.0, 5.0))[:count]
    ks = torch.stack([kernel(picture, *width) for width in widths])  # M, P, P
    ks = ks / ks.sum(2, keepdim=True) if one_sided else ks
    ws = torch.tensor([0.75, 1.5, 0.5][:count], dtype=dtype)
    mu = 1 - torch.eye(k, dtype=dtype) if potts else normal(seed + 3, k, k, dtype=dtype)
    return q, unary, ks.to(dtype), ws, mu


def step_cases() -> list[Case]:
    potts = partial(_call, potts=True)
    return grouped(
        ("plain", potts(1, 2, 1, 2), potts(5, 2, 2, 3), potts(9, 3, 3, 2)),
        ("any compatibility", _call(13, 2, 2, 2), _call(17, 3, 2, 3), _call(21, 4, 3, 3)),
        ("several kernels", potts(25, 2, 2, 3, 2), potts(29, 3, 3, 4, 3)),
        ("one-sided kernels", potts(33, 3, 2, 3, one_sided=True), _call(37, 2, 3, 4, 2, one_sided=True)),
        ("large energies", potts(41, 3, 2, 2, scale=200.0), potts(45, 2, 2, 3, 2, scale=500.0)),
        ("one pixel", _call(49, 3, 1, 1)),
        ("float64", _call(53, 3, 3, 2, 2, dtype=torch.float64)),
        ("memory layout", _call(57, 3, 3, 4, 2)),
    )


def step_facts(q: Tensor, unary: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> dict[str, bool]:
    return {
        "there is more than one kernel": len(ks) > 1,
        "the compatibility is not Potts'": not torch.equal(mu, 1 - torch.eye(len(mu), dtype=mu.dtype)),
        "the kernels are not symmetric": not torch.allclose(ks, ks.transpose(1, 2), atol=1e-6),
        "the energies are in the hundreds": bool(unary.abs().max() > 50),
        "there are more than two labels": len(q) > 2,
        "there is a single pixel": q[0].numel() == 1,
    }


MESSAGES = """
unary-sign: The unary term has the wrong sign: it is an energy, so a small one makes a label likely.
pairwise-sign: The pairwise term has the wrong sign: it is a cost, so it lowers the score of a label.
energies-not-negated: Both terms have the wrong sign: softmax of energies prefers the worst label. softmax(−unary −
    pairwise).
unary-forgotten: The unary term is missing: what the classifier said is lost.
pairwise-forgotten: The other pixels make no difference: this is the softmax of the unary term alone.
old-q-kept: The old Q is still in the result, as a factor or in a mean. It sends the messages and is then replaced.
not-normalised: Your Q does not sum to 1 over the labels of a pixel: divide exp(−energy) by its sum over the labels.
energies-returned: You return energies, scores or the best label. Q is asked for: softmax over the labels.
softmax-over-space: The softmax runs over pixels. It runs over the labels, dimension 0.
overflow: With energies in the hundreds exp gives 0 or infinity, and clamping makes different energies equal. Subtract
    the smallest energy of each pixel first, or use torch.softmax.
compatibility-forgotten: The compatibility makes no difference: you take messages for costs. The matrix says what each
    label costs beside each other one.
compatibility-transposed: The compatibility matrix is transposed, or made symmetric: matrix[l, k] is the cost of label
    l, and the sum runs over k.
compatibility-diagonal: The diagonal of the compatibility matrix is left out, or is all that counts.
weights-ignored: The weights of the kernels make no difference, or count otherwise than once.
weights-in-the-kernel: Weights multiply more than their messages: the unary term, or all kernels alike.
first-kernel-only: Only one of the kernels counts, or their mean. The messages of all kernels are added.
kernel-transposed: You sum over the rows of a kernel. kernels[m, i, j] is how much pixel i hears of pixel j: sum over j.
kernel-normalised: The messages are divided by the sum of the weights. The kernels are used as they come.
itself-left-out: A pixel does not hear itself in your step. The kernels are used as they come, with their diagonal.
messages-of-unary: The messages are not made of Q: you send the unary term, its softmax, or only the best label.
pixels-in-turn: A pixel hears the new opinion of those before it, or the step is made twice. All pixels move at once,
    from the old Q.
left-flat: The result is flat, or its dimensions are in another order: K×H×W.
"""

WAYS = {
    "unary-sign": _scored(lambda u, p, q: u - p),
    "pairwise-sign": _scored(lambda u, p, q: -u + p),
    "energies-not-negated": _scored(lambda u, p, q: u + p),
    "unary-forgotten": _scored(lambda u, p, q: -p),
    "pairwise-forgotten": _scored(lambda u, p, q: -u),
    "old-q-kept": _scored(lambda u, p, q: q.log() - u - p) + gives(lambda r, q, *a: (r + q) / 2),
    "not-normalised": _ended(
        lambda e: torch.exp(-e),
        lambda e: torch.exp(-e) / torch.exp(-e).sum(),
        lambda e: torch.exp(e.amin(0) - e),
    ),
    "energies-returned": _ended(lambda e: e, lambda e: -e, lambda e: torch.log_softmax(-e, 0), lambda e: e.argmin(0)),
    "softmax-over-space": _ended(
        lambda e: torch.softmax(-e, 1),
        lambda e: torch.softmax(-e, 2),
        lambda e: torch.softmax(-e.flatten(1), 1).reshape(e.shape),
    ),
    "overflow": _ended(
        _naive,
        lambda e: _naive(e.double()),
        lambda e: _naive(e).nan_to_num(),
        lambda e: _naive(e - e.min()),
        lambda e: _naive(e.clamp(-50, 50)),
    ),
    "compatibility-forgotten": _compatible(
        lambda mu: torch.eye(len(mu), dtype=mu.dtype),
        lambda mu: -torch.eye(len(mu), dtype=mu.dtype),
    ),
    "compatibility-transposed": _compatible(lambda mu: mu.T, lambda mu: (mu + mu.T) / 2),
    "compatibility-diagonal": _compatible(lambda mu: mu - mu.diag().diag(), lambda mu: mu.diag().diag()),
    "weights-ignored": _weights(torch.ones_like, torch.square, lambda ws: ws / ws.sum()),
    "weights-in-the-kernel": given(lambda q, u, ks, ws, mu: (q, u * ws.sum(), ks, ws, mu))
    + _weights(lambda ws: ws.sum().expand_as(ws)),
    "first-kernel-only": given(
        lambda q, u, ks, ws, mu: (q, u, ks[:1], ws[:1], mu), lambda q, u, ks, ws, mu: (q, u, ks[-1:], ws[-1:], mu)
    )
    + _weights(lambda ws: ws / len(ws)),
    "kernel-transposed": _kernels(lambda ks: ks.mT),
    "kernel-normalised": does(_each_normalised)
    + _kernels(
        lambda ks: ks / ks.sum(2, keepdim=True).sqrt() / ks.sum(1, keepdim=True).sqrt(),
        lambda ks: ks / ks.sum(1, keepdim=True),
        lambda ks: ks / ks.shape[1],
    ),
    "itself-left-out": _kernels(
        lambda ks: ks - torch.diag_embed(ks.diagonal(dim1=1, dim2=2)),
        lambda ks: ks - torch.eye(ks.shape[1], dtype=ks.dtype),
    ),
    "messages-of-unary": _messages_of(
        lambda q, u: torch.softmax(-u, 0),
        lambda q, u: u,
        lambda q, u: torch.nn.functional.one_hot(q.argmax(0), len(q)).permute(2, 0, 1).to(q.dtype),
    ),
    "pixels-in-turn": does(_in_turn, lambda q, u, ks, ws, mu: step(step(q, u, ks, ws, mu), u, ks, ws, mu)),
    "left-flat": LEFT_FLAT,
}

EXERCISE = Exercise(
    "mean_field_step(q, unary, kernels, weights, matrix)",
    TASK,
    step,
    step_cases,
    catalogue(MESSAGES, WAYS),
    facts=step_facts,
    number="07.3",
    marks=8,
    finished=("DenseCRF", "mean_field", "message_passing"),
)
