"""The whole state of a training run in one safetensors file, so that a resumed run ends at the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segkit.files import read_safetensors, write_safetensors
from segkit.models import load_exactly


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: nn.Module | None = None,
    scaler: torch.amp.GradScaler | None = None,
    **header: Any,
) -> Path:
    """Write model, optimizer, averaged model, gradient scaler and random state; complete or not at all.

    Args:
        path: where to.
        model, optimizer, ema, scaler: what to record.
        **header: JSON values: step, history, configuration, …
    """
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    if ema is not None:
        tensors |= {f"ema.{k}": v for k, v in ema.state_dict().items()}
    state = optimizer.state_dict()
    scalars: dict[str, Any] = {}
    for index, slots in state["state"].items():
        for slot, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{slot}"] = value
            else:
                scalars[f"{index}.{slot}"] = value
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors |= {f"random.cuda.{i}": s for i, s in enumerate(torch.cuda.get_rng_state_all())}
    own = {"optimizer": {"groups": state["param_groups"], "scalars": scalars}}
    own["scaler"] = scaler.state_dict() if scaler is not None else {}
    return write_safetensors(tensors, path, {"kind": "checkpoint", **own, **header})


def load_checkpoint(
    path: str | Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: nn.Module | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> dict[str, Any]:
    """Put everything back as it was when `save_checkpoint` ran.

    Returns:
        the header: step, history, configuration, …

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a checkpoint, cut short, or of another model or optimizer; nothing is loaded then.
    """
    header, tensors = read_checkpoint(path)
    part = _parts(tensors)
    if ema is not None and "ema" not in part:
        raise ValueError(f"{path} has no averaged weights, and this run needs them; resume with ema=None")
    groups = header["optimizer"]["groups"]
    if [len(g["params"]) for g in groups] != [len(g["params"]) for g in optimizer.param_groups]:
        raise ValueError(
            f"{path} was written with other parameter groups; resume with the configuration it started with"
        )
    load_exactly(model, part["model"])
    if ema is not None:
        load_exactly(ema, part["ema"])
    slots: dict[int, dict[str, Any]] = {}
    for key, value in {**part.get("optimizer", {}), **header["optimizer"]["scalars"]}.items():
        index, slot = key.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    optimizer.load_state_dict({"state": slots, "param_groups": groups})
    if scaler is not None and header["scaler"]:
        scaler.load_state_dict(header["scaler"])
    torch.set_rng_state(part["random"]["cpu"])
    if torch.cuda.is_available():
        states = [v for k, v in sorted(part["random"].items()) if k.startswith("cuda.")]
        if len(states) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(states)
    return header


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a checkpoint, loaded nowhere yet; errors as `load_checkpoint`."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}; start without resuming")
    try:
        header, tensors = read_safetensors(path)
    except ValueError as error:
        raise ValueError(f"{path} is not a complete checkpoint ({error}); delete it and start again") from None
    if header.get("kind") != "checkpoint":
        raise ValueError(f"{path} holds no training state; it may be a file of weights, which --init takes")
    return header, tensors


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Where two descriptions of a run (JSON) differ, each as "name before → now"; dictionaries entry by entry."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys, prefix = sorted(before.keys() | now.keys()), f"{name}." if name else ""
        return [d for k in keys for d in differences(before.get(k, "nothing"), now.get(k, "nothing"), prefix + k)]
    before, now = json.loads(json.dumps([before, now]))
    return [] if before == now else [f"{name} {str(before)[:60]} → {str(now)[:60]}"]


def _parts(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        part, name = key.split(".", 1)
        parts.setdefault(part, {})[name] = value
    return parts
