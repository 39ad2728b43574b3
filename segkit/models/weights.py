"""Weights to and from disk: safetensors with a JSON header, and torchvision's classifiers, every key accounted for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from segkit.files import write_safetensors


def save(model: nn.Module, path: str | Path, half: bool = False, **header: Any) -> Path:
    """Write a model made by `create` with its configuration; complete or not at all.

    Args:
        model: from `segkit.models.create`.
        path: where to; usually ends in .safetensors.
        half: store floating-point tensors as float16, at half the size.
        **header: what else to record, JSON only: classes, metrics, commit, …

    Raises:
        ValueError: the model does not know how it was made.
    """
    if not isinstance(getattr(model, "config", None), dict):
        raise ValueError("save got a model without .config; make it with segkit.models.create(name, num_classes=…)")
    tensors = {}
    for key, value in model.state_dict().items():
        value = value.detach().cpu().contiguous()
        tensors[key] = value.half() if half and value.is_floating_point() else value
    return write_safetensors(tensors, path, {"config": model.config, **header})


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside torch.compile's, DistributedDataParallel's or AveragedModel's wrapping; itself where none is."""
    while isinstance(inner := getattr(model, "_orig_mod", getattr(model, "module", None)), nn.Module):
        model = inner
    return model


def read_header(path: str | Path) -> dict[str, Any]:
    """The JSON header of a weights file: config, and whatever `save` was given.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a segkit weights file, or it is cut short.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no weights file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a complete safetensors file ({error}); make or download it again") from None
    if "segkit" not in metadata:
        raise ValueError(f"{path} holds tensors but no segkit header; it was not written by segkit.models.save")
    return json.loads(metadata["segkit"])


def load(path: str | Path, device: torch.device | str = "cpu") -> nn.Module:
    """Rebuild the model that `save` wrote, in evaluation mode, in float32.

    Raises:
        FileNotFoundError, ValueError: as `read_header`; also where keys or shapes do not fit the configuration.
    """
    from segkit.models import create

    header = read_header(path)
    config = dict(header["config"])
    model = create(config.pop("name"), **config)
    with safe_open(path, framework="pt", device=str(device)) as file:
        state = {key: file.get_tensor(key) for key in file.keys()}
    load_exactly(model, state)
    return model.to(device).eval()


def load_exactly(model: nn.Module, state: dict[str, Tensor], dropped: tuple[str, ...] = ()) -> None:
    """Copy weights into a model; refuse unless both sides name the same tensors of the same shapes.

    Args:
        model: what to fill.
        state: name → tensor; another floating-point type is converted.
        dropped: names on either side that are known to have no partner.

    Raises:
        ValueError: a key or shape that only one side has; nothing is copied then.
    """
    own = model.state_dict()
    missing = sorted(set(own) - set(state) - set(dropped))
    extra = sorted(set(state) - set(own) - set(dropped))
    shapes = [
        f"{key}: file {tuple(state[key].shape)}, model {tuple(own[key].shape)}"
        for key in own.keys() & state.keys()
        if state[key].shape != own[key].shape and key not in dropped
    ]
    if missing or extra or shapes:
        raise ValueError(
            "the weights do not fit the model, so none were loaded: "
            f"{len(missing)} missing {missing[:4]}, {len(extra)} unknown {extra[:4]}, {len(shapes)} of another shape "
            f"{sorted(shapes)[:4]}; create the model with the configuration the weights were made for"
        )
    with torch.no_grad():
        for key in own.keys() & state.keys() - set(dropped):
            own[key].copy_(state[key])


def load_torchvision(model: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """Fill a classifier, an encoder, or a model that stands on one, with torchvision's weights.

    Args:
        model: a classifier (VGG, AlexNet, ResNet), which takes every tensor; an encoder of the same kind, or a model
            with `.encoder` (SegNet, DUCHDC), which take the convolutions; where the model has fc6 and fc7 (FCN,
            Dilated), these take the first two fully connected layers, or, where they are smaller (DeepLabV1), rows,
            columns and channels at even distances of them. Width 64; depth and BatchNorm as in the weights.
        state: `torchvision.models.vgg16(weights=…).state_dict()` or the like.

    Returns:
        the names in `state` that have no place in the model, all of them in the classifier's head.

    Raises:
        ValueError: keys or shapes do not fit; nothing is copied then.
    """
    if hasattr(model, "fc6"):
        return _load_with_fc(model, state)
    target: Any = getattr(model, "encoder", model)
    heads = tuple(f"{name}." for name in ("fc", "classifier") if not hasattr(target, name))
    left = [key for key in state if heads and key.startswith(heads)]
    load_exactly(target, {key: value for key, value in state.items() if key not in left})
    return left


def _load_with_fc(model: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """The encoder's convolutions, and the first two fully connected layers as fc6 and fc7."""
    linear = sorted(
        {key.rsplit(".", 1)[0] for key in state if key.startswith("classifier.")}, key=lambda k: int(k[11:])
    )
    if len(linear) != 3:
        raise ValueError(f"expected a VGG or AlexNet with three fully connected layers, got {len(linear)}: {linear}")
    renamed = {}
    for key, value in state.items():
        layer, part = key.rsplit(".", 1)
        if layer in linear[:2]:
            name = ("fc6", "fc7")[linear.index(layer)]
            if hasattr(model, "from_classifier"):
                value = model.from_classifier(f"{name}.{part}", value)  # type: ignore[operator]
            own = getattr(model, name).weight.shape
            renamed[f"{name}.{part}"] = (
                value.reshape(own) if part == "weight" and value.numel() == own.numel() else value
            )
        elif layer.startswith("features."):
            renamed[f"encoder.{key}"] = value
    taken = ("encoder.", "fc6.", "fc7.")  # all else is what the paper adds to the classifier
    load_exactly(model, renamed, dropped=tuple(k for k in model.state_dict() if not k.startswith(taken)))
    return [key for key in state if key.startswith(linear[2] + ".")]
