"""The device that a name means, for one process or for each of several."""

from __future__ import annotations

import torch

from segkit.training import processes
from segkit.typed import typed


@typed
def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; "auto" is a CUDA or Apple GPU where there is one, else the CPU.

    Of several processes each has a GPU of its own.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, works in there.items() if works)
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"there is no device {name!r}; choose auto, cpu, cuda, cuda:1 or mps") from None
    if not there.get(device.type, True):
        raise ValueError(f"torch finds no {device.type} device on this machine; choose auto or cpu")
    if processes.count() > 1 and (device.type not in ("cpu", "cuda") or device.index is not None):
        raise ValueError(f"several processes cannot share the device {name!r}; choose cpu, or cuda for a GPU each")
    device = processes.card() if device.type == "cuda" and device.index is None else device
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:  # cuda:7 of one, xpu without its driver, meta, which has no values
        why = str(error).partition("\n")[0]
        raise ValueError(f"torch cannot compute on the device {name!r} here ({why}); choose auto or cpu") from None
    return device
