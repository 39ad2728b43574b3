"""What operations give where tensors have a shape but no values: on torch's "meta" device, and as its FakeTensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_NORMS = {"aten::native_batch_norm": 5, "aten::_native_batch_norm_legit_no_training": 0}  # which argument: training


def shaped(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an operation gives; where it has no values, at once what torch cannot say or takes long to.

    That is unpooling, whose shape torch reads from values, and BatchNorm, which torch takes apart into some twenty
    operations: half of the time of a network with many layers.
    """
    name = func._schema.name
    if name == "aten::max_unpool2d":
        return args[0].new_empty((*args[0].shape[:-2], *args[2]))
    if name in _NORMS and args[0].dtype in (torch.float32, torch.float64) and _is_bare(args[0]):
        x, training = args[0], _NORMS[name]
        kept = x.shape[1] if x.is_meta or (training and args[training]) else 0  # as torch: the mean, and 1 / deviation
        return torch.empty_like(x), x.new_empty(kept), x.new_empty(kept)
    return func(*args, **kwargs)


def _is_bare(t: Tensor) -> bool:
    return t.untyped_storage().device.type == "meta"


class ShapesOnly(TorchDispatchMode):
    """Lets a network run on tensors that have a shape but no values, unpooling included."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return shaped(func, args, kwargs or {})
