"""What BatchNorm gives on tensors without values is what torch works out for them, in shape and type."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from segkit.shapes import ShapesOnly


def forms(kind: str, norm: Any, given: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    with torch.no_grad():
        found = norm(*(torch.empty(t.shape, dtype=t.dtype, device="meta") if kind == "meta" else t for t in given))
    return [(tuple(t.shape), t.stride(), t.dtype, t.device.type) for t in found]


@pytest.mark.parametrize("kind", ["meta", "fake"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm(kind: str, dtype: torch.dtype, training: bool) -> None:
    x = torch.zeros(2, 3, 5, 4, dtype=dtype).to(memory_format=torch.channels_last)
    weights = [torch.ones(3, dtype=dtype) for _ in range(4)]

    def norm(x: Any, *weights: Any) -> Any:
        return torch.ops.aten.native_batch_norm(x, *weights, training, 0.1, 1e-5)

    with FakeTensorMode() as mode:
        given = tuple(mode.from_tensor(t) for t in (x, *weights))
        expected = forms(kind, norm, given)
        with ShapesOnly():
            assert forms(kind, norm, given) == expected


def test_values_are_computed_where_there_are_some() -> None:
    norm, x = torch.nn.BatchNorm2d(3).eval(), torch.randn(2, 3, 4, 5)
    with torch.no_grad(), ShapesOnly():
        torch.testing.assert_close(norm(x), x, rtol=1e-4, atol=0)
