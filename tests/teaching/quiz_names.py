"""What the `check` of a quiz question may call: segkit, torch, and the words and outputs of its chapter."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

import segkit
from segkit import analysis, ops
from segkit.analysis.valid_weights import valid_weights
from segkit.crf.lattice import PermutohedralLattice
from segkit.encoders import dilate_strides
from segkit.metrics import ConfusionMatrix


def t(rows: Any) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def confusion(rows: list[list[float]]) -> ConfusionMatrix:
    """A matrix with these counts, scaled to whole numbers: rows truth, columns prediction."""
    matrix = ConfusionMatrix(len(rows))
    matrix.matrix += torch.tensor([[round(100 * n) for n in row] for row in rows])
    return matrix


def field(*layers: tuple[int, int, int]) -> int:
    """Receptive field of a stack of (kernel, stride, dilation), as segkit measures it on a network."""
    stack = nn.Sequential(*[nn.Conv2d(1, 1, k, s, dilation=d) for k, s, d in layers])
    return int(analysis.receptive_field(stack, (1, 64, 64)).rows[-1].receptive_field[0])


def pooled_gradient(pool: Any) -> float:
    """What the middle, largest pixel of a 5×5 map gets; the four outputs of 3×3 at stride 2 have gradients 1 to 4."""
    x = torch.rand(1, 1, 5, 5)
    x[0, 0, 2, 2] = 2
    y = pool(x.requires_grad_(), 3, 2)
    return float(torch.autograd.grad(y, x, torch.arange(1.0, 5).view_as(y))[0][0, 0, 2, 2])


def survives_shuffling(layer: Any) -> bool:
    """Whether shuffling all pixels alike before a layer gives what shuffling them after it gives."""
    x, order = torch.randn(1, 3, 8, 8), torch.randperm(64)
    after, before = layer(x).flatten(2), layer(x.flatten(2)[..., order].view_as(x)).flatten(2)
    return before.shape[-1] == 64 and torch.allclose(before, after[..., order], atol=1e-5)


def only_own_grid(rate: int) -> bool:
    """Whether a stack of layers of this rate alone ignores all pixels off the grid of that many."""
    net = nn.Sequential(*[nn.Conv2d(1, 1, 3, padding=rate, dilation=rate) for _ in range(3)])
    one, other = torch.randn(2, 1, 1, 30, 30)
    other[..., ::rate, ::rate] = one[..., ::rate, ::rate]
    return torch.equal(net(one)[..., ::rate, ::rate], net(other)[..., ::rate, ::rate])


def converted_rates(strides: list[int], output_stride: int) -> list[int]:
    """Rates of a chain of 3×3 layers with these strides once it goes down to output_stride and no further."""
    chain = nn.Sequential(*[nn.Conv2d(1, 1, 3, s, padding=1) for s in strides])
    return [int(layer.dilation[0]) for layer in dilate_strides(chain, output_stride)]  # type: ignore[union-attr]


def simplex_corners(dimensions: int) -> int:
    """How many points of the permutohedral lattice one place in so many dimensions leads to."""
    return int(PermutohedralLattice(torch.rand(1, dimensions)).slice.columns.shape[-1])


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("*", "")).strip()


def names(notebook: Path) -> dict[str, Any]:
    """All names for the questions of one chapter."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    written = plain("\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown"))
    shown = []
    for output in (o for c in cells for o in c.get("outputs", [])):
        shown.append("".join(output.get("text", output.get("data", {}).get("text/plain", ""))))
    outputs = plain("\n".join(shown))
    return {
        "torch": torch, "F": F, "math": math, "segkit": segkit, "analysis": analysis, "ops": ops, "t": t,
        "valid_weights": valid_weights, "confusion": confusion, "field": field, "pooled_gradient": pooled_gradient,
        "only_own_grid": only_own_grid, "nn": nn, "survives_shuffling": survives_shuffling,
        "converted_rates": converted_rates, "simplex_corners": simplex_corners,
        "printed": lambda text: plain(text) in outputs, "said": lambda text: plain(text) in written,
    }  # fmt: skip
