"""Outputs on fixed weights stay what they were when they were recorded: a network that is rewritten computes the same.

python -m tests.models.test_recorded     record the cases that have no row yet; a row that was deleted is made again
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.models.common import CASES, CLASSIFIERS, Case

RECORDED = Path(__file__).with_name("recorded.json")
SHOWN = 5  # values of each output, evenly spread over it


@torch.no_grad()
def with_fixed_weights(case: Case) -> nn.Module:
    """The model in float64, each tensor filled with numbers drawn from its own name: independent of how it is built."""
    model = case.build().double().eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            one_dimensional = tensor.ndim == 1
            tensor.copy_(1 + 0.1 * drawn.tanh() if one_dimensional else drawn / tensor[0].numel() ** 0.5)
    return model


@torch.no_grad()
def outputs(case: Case) -> dict[str, Any]:
    """For each output its shape, its norm and a few of its values."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, case.channels, 41, 58, generator=generator, dtype=torch.float64)
    found = {}
    for name, value in with_fixed_weights(case).outputs(x).items():
        places = torch.linspace(0, value.numel() - 1, SHOWN).long()
        found[name] = {
            "shape": list(value.shape),
            "norm": float(value.norm()),
            "values": value.flatten()[places].tolist(),
        }
    return found


@pytest.mark.parametrize("case", [*CASES, *CLASSIFIERS], ids=str)
def test_outputs_are_those_recorded(case: Case) -> None:
    recorded, found = json.loads(RECORDED.read_text(encoding="utf-8"))[str(case)], outputs(case)
    assert list(found) == list(recorded)
    for name, row in recorded.items():
        assert found[name]["shape"] == row["shape"], name
        for key in ("norm", "values"):
            torch.testing.assert_close(
                torch.tensor(found[name][key]), torch.tensor(row[key]), rtol=1e-8, atol=1e-8 * row["norm"], msg=name
            )


if __name__ == "__main__":
    rows = json.loads(RECORDED.read_text(encoding="utf-8"))
    rows |= {str(case): outputs(case) for case in [*CASES, *CLASSIFIERS] if str(case) not in rows}
    RECORDED.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
