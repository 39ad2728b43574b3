"""A network in evaluation for a while, and then each of its modules as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_evaluation(network: nn.Module) -> Iterator[None]:
    """The network in evaluation; afterwards, whatever happened, each module has its own mode back.

    Args:
        network: any module. Its modules may be in different modes, as where BatchNorm is frozen.
    """
    modes = [(module, module.training) for module in network.modules()]
    try:
        network.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training
