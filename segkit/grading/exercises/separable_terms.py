"""Chapter 10: how many columns times rows a kernel needs, and whether they pay."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, catalogue, does, gives
from segkit.grading.exercises.case_tensors import Args, grouped, normal
from segkit.grading.exercises.mechanical import ignored, replaced
from segkit.grading.observers import rows

TASK = """kernels is a stack N×kh×kw. A kernel is replaced by a sum of r products, each of a column (kh×1) and a row
(1×kw), that comes as close to it as r such products can. Its error is the root of the sum of squared
differences, and may be at most `tolerance` (above 0, below 1) times the root of the sum of the kernel's own
squares. Return two rows of N whole numbers: the smallest r of each kernel (0 for a kernel of zeros), and the
multiply-adds for one cell of its cheaper form: r columns and r rows, or the kernel as it is."""

Values = np.ndarray  # singular values of a kernel, the largest first


def values_of(kernels: Tensor) -> Values:
    return torch.linalg.svdvals(kernels.double()).numpy()


def _needed(values: Values, tolerance: float) -> int:
    """The smallest r whose remaining singular values are within the tolerance."""
    rest = [np.sqrt(np.square(values[r:]).sum()) for r in range(len(values) + 1)]
    return next(r for r, error in enumerate(rest) if error <= tolerance * rest[0])


def _cheaper(r: int, kh: int, kw: int) -> int:
    return min(r * (kh + kw), kh * kw)


def terms(
    kernels: Tensor, tolerance: float, *, needed: Callable[..., Any] = _needed, products: Callable[..., Any] = _cheaper
) -> tuple[list[int], list[int]]:
    """Reference of `separable_terms`; needed(singular values, tolerance), products(r, kh, kw)."""
    kh, kw = kernels.shape[1:]
    counts = [needed(values, tolerance) for values in values_of(kernels)]
    return counts, [products(r, kh, kw) for r in counts]


def made(seed: int, kh: int, kw: int, *values: float) -> Tensor:
    """A kernel with these singular values."""
    left = torch.linalg.qr(normal(seed, kh, len(values), dtype=torch.float64))[0]
    right = torch.linalg.qr(normal(seed + 1, kw, len(values), dtype=torch.float64))[0]
    return (left * torch.tensor(values, dtype=torch.float64)) @ right.mT


def _stack(*kernels: Any, dtype: torch.dtype = torch.float32, times: float = 1.0) -> Tensor:
    return torch.stack([torch.as_tensor(kernel, dtype=torch.float64) * times for kernel in kernels]).to(dtype)


SOBEL, LAPLACE, LINE, BOX, NONE = (
    [[1, 0, -1], [2, 0, -2], [1, 0, -1]], [[0, 1, 0], [1, -4, 1], [0, 1, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 1, 1], [1, 1, 1], [1, 1, 1]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
)  # fmt: skip


def _cases() -> list[Case]:
    many = [made(seed, 7, 7, *(5 * 0.55**i for i in range(7))) for seed in (40, 50, 60)]
    wide = [made(seed, 3, 7, 3.0, second, 0.4) for seed, second in ((70, 0.2), (80, 2.5))]

    def call(kernels: Tensor, tolerance: float) -> Args:
        return kernels, tolerance

    return grouped(
        ("exact", (_stack(SOBEL), 0.01), (_stack(LAPLACE), 0.01), (_stack(BOX), 0.01), (_stack(LINE), 0.01)),
        ("within a tolerance", (_stack(LAPLACE), 0.3), (_stack(made(1, 3, 3, 3, 1.2, 0.9)), 0.35)),
        ("within a tolerance", (_stack(made(3, 5, 5, 4, 1, 1, 1, 0.5)), 0.4), (_stack(made(5, 3, 3, 3, 1, 0.2)), 0.15)),
        ("within a tolerance", (_stack(made(7, 5, 5, 2, 1.5, 1, 0.8, 0.6)), 0.5)),
        ("within a tolerance", (_stack(made(9, 3, 3, 2, 1, 1)), 0.5)),
        ("several kernels", (_stack(SOBEL, LAPLACE, LINE), 0.01), (_stack(LINE, BOX, LAPLACE, SOBEL), 0.6)),
        ("scale", (_stack(LAPLACE, made(11, 3, 3, 2, 1, 0.1), times=100), 0.2)),
        ("scale", (_stack(SOBEL, LAPLACE, made(13, 3, 3, 1, 0.5, 0.2), times=0.001), 0.1)),
        ("large kernels", (_stack(*many), 0.5), (_stack(*many), 0.1), (_stack(*many), 0.02)),
        ("not square", (_stack(*wide), 0.25), (_stack(*(kernel.mT for kernel in wide)), 0.1)),
        ("not square", (_stack([[1, 2, 3]]), 0.1)),
        ("a kernel of zeros", (_stack(NONE), 0.1), (_stack(SOBEL, NONE, LAPLACE), 0.05)),
        ("float64", (_stack(LAPLACE, made(15, 3, 3, 3, 2, 1), dtype=torch.float64), 0.3)),
        ("memory layout", (_stack(*wide), 0.1), (_stack(*many), 0.25)),
        of=call,
    )  # fmt: skip


def _facts(kernels: Tensor, tolerance: float) -> dict[str, bool]:
    counts, _ = terms(kernels, tolerance)
    exact, _ = terms(kernels, 1e-5)
    kh, kw = kernels.shape[1:]
    return {
        "a kernel needs more than one term": max(counts) > 1,
        "the tolerance lets a term go": counts != exact,
        "a kernel is all zeros": min(counts) == 0,
        "columns and rows are not cheaper than a kernel": any(r * (kh + kw) > kh * kw for r in counts),
        "there is more than one kernel": len(kernels) > 1,
        "the kernels are not square": kh != kw,
        "the kernels are larger than 3×3": max(kh, kw) > 3,
    }


_counted, _paid = (partial(replaced, terms, step) for step in ("needed", "products"))


def _first(fits: Function) -> Function:
    """The smallest r for which fits(values, r, tolerance)."""
    return lambda values, tolerance: next((r for r in range(len(values)) if fits(values, r, tolerance)), len(values))


def _entries(kernels: Tensor, tolerance: float) -> Any:
    """Errors by the largest entry in place of the root of the squares."""
    counts = []
    for kernel in kernels.double():
        left, values, right = torch.linalg.svd(kernel, full_matrices=False)
        parts = [(left[:, :r] * values[:r]) @ right[:r] for r in range(len(values) + 1)]
        fine = [bool((kernel - part).abs().max() <= tolerance * kernel.abs().max()) for part in parts]
        counts.append(fine.index(True) if any(fine) else len(values))
    return counts, [_cheaper(r, *kernels.shape[1:]) for r in counts]


def _together(count: Function) -> Function:
    """One number of terms for the whole stack."""

    def all_alike(kernels: Tensor, tolerance: float) -> Any:
        r = int(count(terms(kernels, tolerance)[0]))
        return [r] * len(kernels), [_cheaper(r, *kernels.shape[1:])] * len(kernels)

    return all_alike


MESSAGES = """
squares-compared: You compare squares with the tolerance: the share of the energy that is lost. The tolerance is for its
    root, so square it.
share-kept: You ask how much is kept. The tolerance says how much may be lost.
sum-of-values: You add up singular values. It is their squares that add up to the squared error.
each-value-alone: You compare singular values with the tolerance one at a time, as `matrix_rank` does. All that are left
    out together make the error: the root of the sum of their squares.
tolerance-ignored: Your number is the exact rank, whatever the tolerance.
tolerance-absolute: The tolerance is taken as a length of its own. It is a share of the kernel's length, so a kernel ten
    times as large needs the same number of terms.
largest-entry: You compare the largest entries. The error is the root of the sum of all squared differences.
one-term-too-many: You give one term more than is needed. Which error is left after r terms: does your sum begin with
    singular value r?
one-term-too-few: You give one term less than is needed.
yes-or-no: You tell rank 1 from all others. How many terms does a kernel need that is not of rank 1?
zeros-need-a-term: A kernel of zeros needs no term at all, 0. Is there a division by its length in your code?
one-for-all: All kernels of the stack get the same number. Each has its own.
never-whole: Where columns and rows cost more than the kernel as it is, you still count them. The cheaper form is asked
    for.
always-whole: You always count the kernel as it is. r columns and r rows cost r·(kh + kw).
square-assumed: You count as if a column were as long as a row. A kernel may be kh×kw.
column-times-row: You count kh·kw for a column and a row. Slid one after the other they cost kh + kw.
terms-not-counted: The products of one column and one row are there, but there are r of each.
saved-not-spent: You give what is saved. What is left to do is asked for.
results-exchanged: The two rows have changed places: terms first, then multiply-adds.
"""

WAYS = {
    "squares-compared": _counted(_first(lambda s, r, tol: np.square(s[r:]).sum() <= tol * np.square(s).sum())),
    "share-kept": _counted(
        _first(lambda s, r, tol: np.sqrt(np.square(s[:r]).sum()) >= tol * np.sqrt(np.square(s).sum())),
        _first(lambda s, r, tol: np.square(s[:r]).sum() >= tol * np.square(s).sum()),
    ),
    "sum-of-values": _counted(_first(lambda s, r, tol: s[r:].sum() <= tol * s.sum())),
    "each-value-alone": _counted(
        lambda s, tol: int((s > tol * s[0]).sum()),
        lambda s, tol: int((s > tol * np.sqrt(np.square(s).sum())).sum()),
    ),
    "tolerance-ignored": ignored(1, 1e-5),
    "tolerance-absolute": _counted(
        _first(lambda s, r, tol: np.sqrt(np.square(s[r:]).sum()) <= tol),
        lambda s, tol: int((s > tol).sum()),
    ),
    "largest-entry": does(_entries),
    "one-term-too-many": _counted(
        lambda s, tol: _needed(s, tol) + 1, lambda s, tol: min(_needed(s, tol) + 1, len(s))
    ),
    "one-term-too-few": _counted(lambda s, tol: _needed(s, tol) - 1, lambda s, tol: max(_needed(s, tol) - 1, 0)),
    "yes-or-no": _counted(
        lambda s, tol: _needed(s, tol) if _needed(s, tol) < 2 else len(s),
        lambda s, tol: min(_needed(s, tol), 2),
    ),
    "zeros-need-a-term": _counted(
        lambda s, tol: max(_needed(s, tol), 1), lambda s, tol: _needed(s, tol) if s[0] > 0 else len(s)
    ),
    "one-for-all": does(_together(max), _together(lambda counts: counts[0])),
    "never-whole": _paid(lambda r, kh, kw: r * (kh + kw)),
    "always-whole": _paid(lambda r, kh, kw: kh * kw, lambda r, kh, kw: kh * kw if r else 0),
    "square-assumed": _paid(
        lambda r, kh, kw: min(2 * r * kh, kh * kw), lambda r, kh, kw: min(2 * r * kw, kh * kw)
    ),
    "column-times-row": _paid(lambda r, kh, kw: r * kh * kw),
    "terms-not-counted": _paid(lambda r, kh, kw: min(kh + kw, kh * kw) if r else 0),
    "saved-not-spent": _paid(lambda r, kh, kw: kh * kw - _cheaper(r, kh, kw)),
    "results-exchanged": gives(lambda r, *a: r[::-1]),
}  # fmt: skip

EXERCISE = Exercise(
    "separable_terms(kernels, tolerance)",
    TASK,
    terms,
    _cases,
    catalogue(MESSAGES, WAYS),
    kinds=("integer", "integer"),
    observe=rows,
    facts=_facts,
    number="10.3",
    marks=4,
)
