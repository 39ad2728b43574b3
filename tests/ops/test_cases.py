"""How operators are compared: a NaN of the input is no change of it, and a change is found."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from segkit import native, ops
from tests.ops.cases import agree


def test_nan_is_as_good_an_input_as_any() -> None:
    x = torch.arange(32.0).view(1, 2, 4, 4)
    x[0, 1, 2, 2] = float("nan")
    agree("avg_pool2d", x, kernel_size=2)


def test_an_operator_that_writes_into_its_input_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def prelu(input: Tensor, weight: Tensor) -> Tensor:
        answer = native.prelu(input, weight)
        input.data[0, 0, 0, 0] += 1
        return answer

    monkeypatch.setattr(ops, "prelu", prelu)
    with pytest.raises(AssertionError, match="wrote into its input"):
        agree("prelu", torch.randn(1, 2, 4, 4), torch.rand(2))
