"""How one step of training is shared by several processes: each sees a part of the batch, all make the same step."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from segkit.checks import chosen
from segkit.data import Batch
from segkit.training import processes
from segkit.training.synchronised import synchronise

STRATEGIES = ("ddp", "fsdp")
CUTS = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 7)  # fully_shard of 2.6 fails on a processor
Loss = Callable[[nn.Module, Batch], Tensor]


class Shared(nn.Module):
    """A network and its loss as one module whose forward gives the scalar.

    DistributedDataParallel then sees which parameters the loss needs: those of an output that no loss looks at get no
    gradient, as in one process, and whatever a loss of one's own does with the network is its own affair.
    """

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self.idle = nn.Parameter(torch.zeros((), device=next(model.parameters()).device))  # torch warns if none is

    def forward(self, part: Batch) -> Tensor:
        return self.loss(self.model, part)


def check_strategy(strategy: str) -> None:
    """Refuse an unknown strategy, or "fsdp" where there is nothing to cut or nothing to cut with."""
    chosen(strategy, "strategy", "Trainer", STRATEGIES)
    if strategy == "fsdp" and processes.count() == 1:
        raise ValueError("strategy='fsdp' cuts a network into pieces for several processes; start them with torchrun")
    if strategy == "fsdp" and not CUTS:
        raise ValueError(f"strategy='fsdp' needs torch 2.7 or newer; this is {torch.__version__}: take 'ddp'")


def agree(model: nn.Module) -> None:
    """The weights of process 0 in every process, and BatchNorm over all.

    Raises:
        ValueError: somebody has distributed the network already.
    """
    if any(isinstance(module, DistributedDataParallel) for module in model.modules()):
        raise ValueError("the model is distributed already; give the Trainer the model itself, which it distributes")
    synchronise(model)
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, 0)


def share(model: nn.Module, loss: Loss) -> nn.Module:
    """The network and its loss, with a copy of the weights in each process, and gradients that are their mean."""
    return DistributedDataParallel(Shared(model, loss), find_unused_parameters=True, broadcast_buffers=False)


def shard(model: nn.Module, loss: Loss, *networks: nn.Module) -> nn.Module:
    """The network and its loss, with a piece of every weight in each process, gathered while the network runs.

    Args:
        model, loss: as for `share`.
        *networks: that inside the model, and its average; they are cut, in place.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for network in networks:
        device = next(network.parameters()).device
        network.to(memory_format=torch.contiguous_format)  # pieces are cut from contiguous weights only
        fully_shard(network, mesh=init_device_mesh(device.type, (processes.count(),)))
    return Shared(model, loss)


def full(tensor: Tensor) -> Tensor:
    """A tensor of which each process may hold a piece; all must ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def local(tensor: Tensor) -> Tensor:
    """The piece that this process holds, or all of it."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def cut_like(tensors: dict[str, Any], models: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors from a file, cut as the namesakes are that they will be copied to."""
    found = dict(tensors)
    for name, value in tensors.items():
        model: Any = models.get(name)
        if hasattr(model, "device_mesh") and isinstance(value, Tensor) and value.shape == model.shape:
            from torch.distributed.tensor import distribute_tensor

            found[name] = distribute_tensor(value.to(model.device), model.device_mesh, model.placements)
    return found


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
