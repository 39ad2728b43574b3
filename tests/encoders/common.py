"""What tests of encoders share: networks as after training, two maps compared, weights carried into other code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

SIZES = [(64, 64), (97, 130), (33, 31), (1, 1)]
N = TypeVar("N", bound=nn.Module)


def lively(network: N) -> N:
    """BatchNorm as after training: statistics and weights that are not 0 and 1."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.normal_(0, 0.2)
    return network.eval()


def furthest(coarse: Sequence[Tensor], fine: Sequence[Tensor], old: Sequence[int], new: Sequence[int]) -> float:
    """The largest difference between each old map and the new one sampled on the old grid, relative to the old map."""
    found = 0.0
    for a, b, s, t in zip(coarse, fine, old, new, strict=True):
        sampled = b[..., :: s // t, :: s // t]
        assert sampled.shape == a.shape
        found = max(found, float((sampled - a).abs().max() / a.abs().max()))
    return found


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def transplant(ours: nn.Module, others: nn.Module) -> None:
    """Copy our weights into another network of the same form, layer by layer in the order of their registration."""
    kinds = nn.Conv2d | nn.BatchNorm2d | nn.Linear
    pairs = [[m for m in net.modules() if isinstance(m, kinds)] for net in (ours, others)]
    for a, b in zip(*pairs, strict=True):
        b.load_state_dict(a.state_dict())


def assert_same_in_train_and_eval(
    ours: nn.Module, others: nn.Module, sizes: Sequence[tuple[int, int]], tolerance: float = 1e-4
) -> None:
    """The same output for the same pictures; in training the statistics of the batch are used, and kept alike."""
    for training in (False, True):
        ours.train(training), others.train(training)
        for size in sizes:
            x = torch.randn(2, 3, *size)
            with torch.no_grad():
                expected, found = others(x), ours(x)
            top = float(expected.abs().max())
            assert top > 0.01
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance * top)
    for a, b in zip(ours.buffers(), others.buffers(), strict=True):
        torch.testing.assert_close(a.float(), b.float(), rtol=1e-3, atol=1e-4)
