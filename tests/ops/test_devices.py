"""The operators compute where their input lives: here on no device at all, which has shapes only.

On a GPU `tests/course/test_gpu.py` holds the same cases against the processor, in value and gradient.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from segkit import ops
from tests.course.test_gpu import gpu_equal

CASES = [case for case in gpu_equal.OPERATORS if case[0] not in ("max_unpool2d", "shift_and_stitch")]  # look at numbers
NAMES = [f"{name} {number}" for number, (name, *_) in enumerate(CASES)]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
@pytest.mark.parametrize(("name", "tensors", "arguments"), CASES, ids=NAMES)
def test_shapes_without_numbers(
    name: str, tensors: list[Tensor], arguments: dict[str, Any], dtype: torch.dtype
) -> None:
    """On the meta device, which refuses to mix with any tensor that was made on the CPU by oversight."""
    tensors = [t.to(dtype) for t in tensors]
    leaves = [t.to("meta").requires_grad_() for t in tensors]
    told = {k: v.to(dtype) if isinstance(v, Tensor) and v.is_floating_point() else v for k, v in arguments.items()}
    there = {k: v.to("meta") if isinstance(v, Tensor) else v for k, v in told.items()}
    answer = getattr(ops, name)(*leaves, **there)
    expected = getattr(ops, name)(*tensors, **told)
    if isinstance(answer, tuple):
        answer, expected = answer[0], expected[0]
    assert answer.device.type == "meta" and answer.shape == expected.shape
    for leaf, grad in zip(leaves, torch.autograd.grad(answer.sum(), leaves), strict=True):
        assert grad.device.type == "meta" and grad.shape == leaf.shape
