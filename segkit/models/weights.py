"""Weights to and from disk: safetensors with a JSON header, and torchvision's classifiers, every key accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from segkit.encoders.weights import load_body, load_exactly
from segkit.files import write_safetensors
from segkit.heads import FullyConnectedHead
from segkit.models.base import Model, create, unwrapped


def save(model: nn.Module, path: str | Path, half: bool = False, **header: Any) -> Path:
    """Write a model with its configuration; complete or not at all.

    Args:
        model: a `Model`, also compiled or wrapped for several devices.
        path: where to; usually ends in .safetensors.
        half: store floating-point tensors as float16, at half the size.
        **header: what else to record, JSON only: classes, metrics, commit, …

    Raises:
        ValueError: the model does not know how it was made, or its class has no name that `load` could look up.
    """
    model = unwrapped(model)
    config = getattr(model, "config", None)
    if not isinstance(config, dict) or config.get("name") is None:
        raise ValueError(
            f"save got a {type(model).__name__}, a model without a registered name; make it with "
            "segkit.models.create(name, num_classes=…), or give its class a name with @segkit.models.register(name)"
        )
    tensors = {}
    for key, value in model.state_dict().items():
        value = value.detach().cpu().contiguous()
        tensors[key] = value.half() if half and value.is_floating_point() else value
    return write_safetensors(tensors, path, {"config": config, **header})


def read_header(path: str | Path) -> dict[str, Any]:
    """The JSON header of a weights file: config, and whatever `save` was given.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a segkit weights file, or it is cut short.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no weights file {path}; `segkit train` makes one")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a complete safetensors file ({error}); make or download it again") from None
    if "segkit" not in metadata:
        raise ValueError(f"{path} holds tensors but no segkit header; it was not written by segkit.models.save")
    return json.loads(metadata["segkit"])


def load(path: str | Path, device: torch.device | str = "cpu") -> Model:
    """Rebuild the model that `save` wrote, in evaluation mode, in float32.

    Raises:
        FileNotFoundError, ValueError: as `read_header`; also where keys or shapes do not fit the configuration.
    """
    config = dict(read_header(path)["config"])
    model = create(config.pop("name"), **config)
    with safe_open(path, framework="pt", device=str(device)) as file:
        state = {key: file.get_tensor(key) for key in file.keys()}
    load_exactly(model, state)
    return model.to(device).eval()


def load_torchvision(model: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """Fill a classifier, an encoder, or a model that stands on one, with torchvision's weights.

    Args:
        model: a classifier (VGG, AlexNet, ResNet), which takes every tensor; an encoder of the same kind, or a model
            with `.encoder`, which take the convolutions; where the model has fc6 and fc7 (FCN, Dilated), these take the
            first two fully connected layers, or, where they are smaller (DeepLab), evenly spaced rows, columns and
            channels of them. Width 64; depth and BatchNorm as in the weights.
        state: `torchvision.models.vgg16(weights=…).state_dict()` or the like.

    Returns:
        the names in `state` that have no place in the model, all of them in the classifier's head.

    Raises:
        ValueError: keys or shapes do not fit; nothing is copied then.
    """
    model = unwrapped(model)
    if isinstance(model, FullyConnectedHead) and model.fully_connected_layers():
        return model.load_classifier(state)
    body = getattr(model, "encoder", model)
    return load_body(body if isinstance(body, nn.Module) else model, state)
