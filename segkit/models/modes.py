"""A network in evaluation for a while, and then each of its modules as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_evaluation(network: nn.Module) -> Iterator[None]:
    """The network in evaluation; afterwards, whatever happened, each module has its own mode back.

    Args:
        network: any module. Its modules may be in different modes, as where BatchNorm is frozen.
    """
    back = _modes(network)
    try:
        network.eval()
        yield
    finally:
        back()


@contextmanager
def modes_back_on_error(network: nn.Module) -> Iterator[None]:
    """Where an error or Ctrl-C ends what is done meanwhile, each module has its own mode back; else it stays."""
    back = _modes(network)
    try:
        yield
    except BaseException:
        back()
        raise


def _modes(network: nn.Module) -> Callable[[], None]:
    """What gives each module the mode back that it has now."""
    modes = [(module, module.training) for module in network.modules()]

    def back() -> None:
        for module, training in modes:
            module.training = training

    return back
