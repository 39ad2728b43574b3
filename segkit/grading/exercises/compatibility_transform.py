"""Chapter 07: what labels cost each other."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, Ways, catalogue, does, each, given, gives, stops
from segkit.grading.exercises.case_tensors import Args, grouped, numbers
from segkit.grading.exercises.mechanical import LEFT_FLAT, changed

TASK = """The second half of a mean-field step. messages is K×H×W: what the other pixels say for each label.
matrix is K×K, matrix[l, k] the cost of label l beside label k (not necessarily symmetric, any sign).
Return K×H×W with the dtype of messages, out[l, i] = Σ_k matrix[l, k]·messages[k, i]. Where matrix is a
number w instead, it is Potts' model: w for two different labels, 0 for the same."""

Matrix = Tensor | float


def full(m: Tensor, matrix: Matrix) -> Tensor:
    """The K×K costs, Potts' written out."""
    if isinstance(matrix, Tensor):
        return matrix
    return matrix * (1 - torch.eye(len(m), dtype=m.dtype))


def transform(m: Tensor, matrix: Matrix) -> Tensor:
    """Reference of `compatibility_transform`."""
    return torch.tensordot(full(m, matrix), m, 1)


def _call(seed: int, k: int, h: int, w: int, matrix: float | str = "any", dtype: torch.dtype = torch.float32) -> Args:
    m = numbers(seed, k, h, w, dtype=dtype)
    if not isinstance(matrix, str):
        return m, matrix
    costs = numbers(seed + 1, k, k, dtype=dtype)
    return m, costs + costs.T if matrix == "symmetric" else costs


def _cases() -> list[Case]:
    return grouped(
        ("plain", (1, 2, 1, 2, "symmetric"), (3, 2, 2, 3, "symmetric"), (5, 3, 3, 2, "symmetric")),
        ("any matrix", (7, 2, 2, 2), (9, 3, 2, 3), (11, 4, 4, 4), (13, 5, 3, 2)),
        ("Potts", (15, 2, 1, 3, 1.0), (17, 3, 2, 2, 3.0), (19, 4, 3, 2, 0.5), (21, 3, 3, 3, 10)),
        ("one label", (23, 1, 2, 3), (25, 1, 2, 3, 4.0)),
        ("float64", (27, 3, 2, 4, "any", torch.float64), (29, 3, 2, 4, 2.5, torch.float64)),
        ("memory layout", (31, 3, 3, 4)),
        of=_call,
    )


def _facts(m: Tensor, matrix: Matrix) -> dict[str, bool]:
    tensor = isinstance(matrix, Tensor)
    return {
        "`matrix` is a number": not tensor,
        "`matrix` is a tensor": tensor,
        "the matrix is not symmetric": isinstance(matrix, Tensor) and not torch.equal(matrix, matrix.T),
        "there are more than two labels": len(m) > 2,
        "there is a single label": len(m) == 1,
    }


@each
def _potts(costs: Function) -> Ways:
    """Another reading of the number: costs(w, eye, ones) is K×K."""

    def read(m: Tensor, matrix: Matrix) -> tuple[Tensor, Matrix]:
        if isinstance(matrix, Tensor):
            return m, matrix
        eye = torch.eye(len(m), dtype=m.dtype)
        return m, costs(matrix, eye, torch.ones_like(eye))

    return given(read)


@each
def _matrix(change: Function) -> Ways:
    """Another matrix, written out where it is Potts'."""
    return given(lambda m, matrix: (m, change(full(m, matrix))))


def _without_numbers(m: Tensor, matrix: Matrix) -> Tensor:
    return transform(m, matrix) if isinstance(matrix, Tensor) else [][0]


MESSAGES = """
transposed: The matrix is transposed: matrix[l, k] is the cost of label l, its row, and the sum runs over k.
made-symmetric: The matrix is made symmetric. It is used as it comes.
diagonal-only: Each label meets only itself. Its cost is a sum over all labels of the others.
diagonal-forgotten: A label is never compared with itself. The diagonal of the matrix counts as well.
potts-as-reward: With a number you reward the same label, −w·messages. That differs from Potts' cost by the same for all
    labels of a pixel and gives the same Q; asked for is the cost itself, w for each other label.
potts-sign: With a number the sign is wrong: w is a cost, so a positive w gives positive numbers for positive messages.
potts-same-label: With a number the same label costs w and different ones nothing: it is the other way round.
potts-everywhere: With a number every label costs w, the same one too. Potts' model has 0 for two labels that agree.
potts-diagonal: The diagonal of your Potts matrix is not 0.
number-ignored: The number w makes no difference: every pair of different labels costs 1.
number-breaks: Your function stops where matrix is a number: ask `isinstance(matrix, torch.Tensor)`, and build Potts'
    matrix.
number-multiplied: With a number you give w·(1 − messages). It stands for a whole matrix: w times the sum of the
    messages of all other labels.
matrix-ignored: A matrix makes no difference in your function: it always applies Potts' model, or nothing at all.
sign: The sign is wrong: costs come as they are, to be subtracted later.
averaged: The sum is divided: by the number of labels, or by the sum of the costs.
softmax-added: You normalise at the end. That comes later, when the unary term is there.
added-to-messages: The messages themselves are still in the result: the costs are added to them, or taken off.
row-sums: The costs of a label are added up before they meet the messages. Each cost goes with the message of its own
    label.
label-of-the-largest: Only the strongest label of each pixel counts. All K messages do.
left-flat: The result is flat, or its dimensions are in another order: K×H×W.
space-mixed: The matrix works on the rows or columns of the picture. It works on the labels, dimension 0.
"""

WAYS = {
    "transposed": _matrix(lambda c: c.T),
    "made-symmetric": _matrix(lambda c: (c + c.T) / 2),
    "diagonal-only": _matrix(lambda c: c.diag().diag()),
    "diagonal-forgotten": _matrix(lambda c: c - c.diag().diag()),
    "potts-as-reward": _potts(lambda w, eye, ones: -w * eye),
    "potts-sign": _potts(lambda w, eye, ones: w * (eye - ones)),
    "potts-same-label": _potts(lambda w, eye, ones: w * eye),
    "potts-everywhere": _potts(lambda w, eye, ones: w * ones),
    "potts-diagonal": _potts(lambda w, eye, ones: w * (ones - eye) + eye, lambda w, eye, ones: w - eye),
    "number-ignored": _potts(lambda w, eye, ones: ones - eye),
    "number-breaks": stops(_without_numbers),
    "number-multiplied": does(lambda m, c: transform(m, c) if isinstance(c, Tensor) else c * (1 - m)),
    "matrix-ignored": changed(1, lambda c: 1.0 if isinstance(c, Tensor) else c) + does(lambda m, c: m),
    "sign": gives(lambda r, *a: -r),
    "averaged": gives(lambda r, *a: r / len(r)) + _matrix(lambda c: c / c.sum(1, keepdim=True)),
    "softmax-added": gives(lambda r, *a: r.softmax(0), lambda r, *a: (-r).softmax(0), lambda r, *a: r / r.sum(0)),
    "added-to-messages": gives(lambda r, m, c: r + m, lambda r, m, c: m - r),
    "row-sums": does(
        lambda m, c: full(m, c).sum(1)[:, None, None] * m, lambda m, c: full(m, c).sum(0)[:, None, None] * m
    ),
    "label-of-the-largest": does(
        lambda m, c: full(m, c)[:, m.argmax(0)], lambda m, c: full(m, c)[:, m.argmax(0)] * m.amax(0)
    ),
    "left-flat": LEFT_FLAT,
    "space-mixed": does(lambda m, c: full(m, c) @ m, lambda m, c: m @ full(m, c)),
}

EXERCISE = Exercise(
    "compatibility_transform(messages, matrix)",
    TASK,
    transform,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="07.2",
    marks=5,
    finished=("message_passing",),
)
