"""The whole state of a training run in one safetensors file, so that a resumed run ends at the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from segkit.files import read_safetensors, write_safetensors
from segkit.kinds import CHECKPOINT, WEIGHTS, another, what_is
from segkit.models import load_exactly
from segkit.training import processes
from segkit.training.strategy import cut_like, full

_WANTED = "the checkpoint of a training run; move it away, and start without resuming"


def save_checkpoint(
    path: str | Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    ema: nn.Module | None = None,
    scaler: torch.amp.GradScaler | None = None,
    **header: Any,
) -> Path:
    """Write model, optimizer, averaged model, gradient scaler and random state; complete or not at all.

    Several processes must all call this; process 0 writes, with whole tensors where each holds a piece of them.

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
    tensors = {key: full(value) for key, value in tensors.items()}
    if processes.rank() > 0:
        return Path(path)
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
    for module, name in ((model, "model"), *([(ema, "ema")] if ema is not None else [])):
        load_exactly(module, cut_like(part[name], module.state_dict()))
    slots: dict[int, dict[str, Any]] = {}
    for key, value in {**part.get("optimizer", {}), **header["optimizer"]["scalars"]}.items():
        index, slot = key.split(".", 1)
        slots.setdefault(int(index), {})[slot] = value
    for index, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
        if index in slots:
            slots[index] = cut_like(slots[index], dict.fromkeys(slots[index], p))
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
        if Path(path).exists():
            raise ValueError(f"{path} {what_is(path)}, not {_WANTED}")
        raise FileNotFoundError(f"there is no checkpoint {path}; start without resuming")
    try:
        header, tensors = read_safetensors(path)
    except ValueError as error:
        if found := another(path, WEIGHTS, CHECKPOINT):
            raise ValueError(f"{path} {found}, not {_WANTED}") from None
        raise ValueError(f"{path} is not a complete checkpoint ({error}); delete it and start again") from None
    if header.get("kind") != "checkpoint":
        raise ValueError(f"{path} {what_is(path)}, not {_WANTED} (weights to start from go to --init)")
    return header, tensors


def read_run(path: str | Path) -> dict[str, Any]:
    """Which run a checkpoint is of: its recipe, model, data and what else has to stay as it was.

    Raises:
        FileNotFoundError, ValueError: as `load_checkpoint`; also where an old version of segkit did not record that.
    """
    run = read_checkpoint(path)[0].get("run")
    if not isinstance(run, dict):
        raise ValueError(
            f"{path} was written by a segkit from before recipes, and does not say all that decides its weights; "
            "finish the run with the version that began it, or start a new run elsewhere"
        )
    return run


def tensor_bytes(model: nn.Module) -> int:
    """Bytes of a model's weights and buffers."""
    return sum(t.numel() * t.element_size() for t in model.state_dict().values())


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of what an optimizer remembers from its first step on: AdamW two means a weight, SGD one with momentum."""
    total = 0
    for group in optimizer.param_groups:
        kept = 2 if "betas" in group else int(group.get("momentum", 0) > 0)
        total += kept * sum(p.numel() * p.element_size() for p in group["params"])
    return total


def _parts(tensors: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        part, name = key.split(".", 1)
        parts.setdefault(part, {})[name] = value
    return parts
