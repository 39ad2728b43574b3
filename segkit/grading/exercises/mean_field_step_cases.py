"""What `mean_field_step` is tried on, and what each case is about."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.grading.exercise import Case
from segkit.grading.exercises.bilateral_filter_variants import kernel
from segkit.grading.exercises.case_tensors import noncontiguous, normal, quarters


def _case(
    seed: int,
    k: int,
    h: int,
    w: int,
    group: str,
    count: int = 1,
    scale: float = 1.0,
    potts: bool = False,
    one_sided: bool = False,
    dtype: torch.dtype = torch.float32,
    loose: bool = False,
) -> Case:
    q = torch.softmax(normal(seed, k, h, w, dtype=dtype), 0)
    unary = quarters(seed + 1, k, h, w, dtype=dtype) * scale
    picture = 4 * quarters(seed + 2, 3, h, w)
    widths = ((1.5, 9.0), (0.8, 1e6), (3.0, 5.0))[:count]
    ks = torch.stack([kernel(picture, *width) for width in widths])  # M, P, P
    ks = ks / ks.sum(2, keepdim=True) if one_sided else ks
    ws = torch.tensor([0.75, 1.5, 0.5][:count], dtype=dtype)
    mu = 1 - torch.eye(k, dtype=dtype) if potts else normal(seed + 3, k, k, dtype=dtype)
    args = (q, unary, ks.to(dtype), ws, mu)
    return Case(tuple(noncontiguous(a) if a.ndim > 1 else a for a in args) if loose else args, group)


def step_cases() -> list[Case]:
    return [
        _case(1, 2, 1, 2, "plain", potts=True),
        _case(5, 2, 2, 3, "plain", potts=True),
        _case(9, 3, 3, 2, "plain", potts=True),
        _case(13, 2, 2, 2, "any compatibility"),
        _case(17, 3, 2, 3, "any compatibility"),
        _case(21, 4, 3, 3, "any compatibility"),
        _case(25, 2, 2, 3, "several kernels", 2, potts=True),
        _case(29, 3, 3, 4, "several kernels", 3, potts=True),
        _case(33, 3, 2, 3, "one-sided kernels", potts=True, one_sided=True),
        _case(37, 2, 3, 4, "one-sided kernels", 2, one_sided=True),
        _case(41, 3, 2, 2, "large energies", scale=200.0, potts=True),
        _case(45, 2, 2, 3, "large energies", 2, scale=500.0, potts=True),
        _case(49, 3, 1, 1, "one pixel"),
        _case(53, 3, 3, 2, "float64", 2, dtype=torch.float64),
        _case(57, 3, 3, 4, "memory layout", 2, loose=True),
    ]


def step_facts(q: Tensor, unary: Tensor, ks: Tensor, ws: Tensor, mu: Tensor) -> dict[str, bool]:
    return {
        "there is more than one kernel": len(ks) > 1,
        "the compatibility is not Potts'": not torch.equal(mu, 1 - torch.eye(len(mu), dtype=mu.dtype)),
        "the kernels are not symmetric": not torch.allclose(ks, ks.transpose(1, 2), atol=1e-6),
        "the energies are in the hundreds": bool(unary.abs().max() > 50),
        "there are more than two labels": len(q) > 2,
        "there is a single pixel": q[0].numel() == 1,
    }
