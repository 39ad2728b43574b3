"""A device that is not the CPU, on any machine: what would fail on a GPU because it mixes devices fails here too.

    with OtherDevice():
        answer = network.to(THERE)(pictures.to(THERE)).cpu()

Its tensors compute on the CPU, but say that they live elsewhere, and meet a tensor of the CPU only to be copied (a
number without dimensions may meet them, as in torch). What the kernels of a GPU compute is for tests marked `gpu`.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

THERE = "lazy"  # a name that torch knows, and that none of its builds has kernels for
aten = torch.ops.aten
COPIES = (aten._to_copy.default, aten.copy_.default)


class Elsewhere(Tensor):
    """A tensor that says it lives elsewhere; `inner` holds its numbers."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> Elsewhere:
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        out = Tensor._make_wrapper_subclass(cls, inner.shape, device=THERE, **layout)  # type: ignore[attr-defined]
        out.inner = inner
        return out

    @classmethod
    def __torch_dispatch__(cls, function: Any, *_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{function} outside of `with OtherDevice()`")


class OtherDevice(TorchDispatchMode):
    """Inside, THERE is a device like any other."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        there = [t for t in tensors if isinstance(t, Elsewhere)]
        here = [t for t in tensors if t.ndim and not isinstance(t, Elsewhere)]
        if there and here and function not in COPIES:
            shapes = [tuple(t.shape) for t in here]
            raise RuntimeError(f"{function}: a tensor of the other device meets tensors {shapes} of the CPU")
        stays = bool(there)
        if kwargs.get("device") is not None:
            stays = torch.device(kwargs["device"]).type == THERE
            kwargs["device"] = "cpu" if stays else kwargs["device"]  # "meta" stays meta
        args, kwargs = tree_map(_inner, (args, kwargs))
        out = function(*args, **kwargs)
        known = {id(t.inner): t for t in there}  # what is changed in place stays the same tensor
        return tree_map(lambda t: known.get(id(t), Elsewhere(t)) if isinstance(t, Tensor) else t, out) if stays else out


def _inner(value: Any) -> Any:
    return value.inner if isinstance(value, Elsewhere) else value


@pytest.fixture
def other_device(monkeypatch: pytest.MonkeyPatch) -> Any:
    """THERE is a device while a test runs, also for modules that move, for clocks, and for autocast, which lacks it."""
    autocast = torch.autocast

    def where_there_is_one(device: str, *args: Any, **kwargs: Any) -> Any:
        return contextlib.nullcontext() if device == THERE else autocast(device, *args, **kwargs)

    monkeypatch.setattr(torch, "autocast", where_there_is_one)
    finish = torch.accelerator.synchronize
    here = torch.device(THERE)  # has nothing to wait for
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda d: None if torch.device(d) == here else finish(d))
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # a moved parameter is a new tensor
    lift = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(…, device=…) is a copy that the mode sees
    yield
    torch._C._set_only_lift_cpu_tensors(lift)
    torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
