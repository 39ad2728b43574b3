"""How one step of training is shared by several processes: each sees a part of the batch, all make the same step."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from segkit.data import Batch
from segkit.training import processes
from segkit.training.synchronised import synchronise

Loss = Callable[[nn.Module, Batch], Tensor]


class Shared(nn.Module):
    """A network and its loss as one module whose forward gives the scalar.

    DistributedDataParallel then sees which parameters the loss needs: those of an output that no loss looks at get no
    gradient, as in one process, and whatever a loss of one's own does with the network is its own affair.
    """

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, part: Batch) -> Tensor:
        return self.loss(self.model, part)


def share(model: nn.Module, loss: Loss) -> DistributedDataParallel:
    """The network in every process, with the weights of process 0 and BatchNorm over all.

    Raises:
        ValueError: somebody has distributed it already.
    """
    if any(isinstance(module, DistributedDataParallel) for module in model.modules()):
        raise ValueError("the model is distributed already; give the Trainer the model itself, which it distributes")
    synchronise(model)
    for tensor in model.state_dict().values():
        torch.distributed.broadcast(tensor, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all parameters are used is no reason to warn
        return DistributedDataParallel(Shared(model, loss), find_unused_parameters=True, broadcast_buffers=False)


def quiet_until_last(shared: nn.Module | None, last: bool) -> contextlib.AbstractContextManager[object]:
    """Gradients are summed over the processes once a step: with its last part."""
    return shared.no_sync() if isinstance(shared, DistributedDataParallel) and not last else contextlib.nullcontext()


def draw_for(seed: int, step: int) -> None:
    """Chance in this step, such as dropout's, comes from (seed, step, process), so that a checkpoint needs no more.

    In one process it comes from the state of the generator, which the checkpoint holds.
    """
    if processes.count() > 1:
        digest = hashlib.sha256(f"{seed} {step} {processes.rank()}".encode()).digest()
        torch.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
