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
    """Fill a classifier or an FCN with torchvision's weights for VGG or AlexNet.

    Args:
        model: VGG or AlexNet, which take every tensor; or an FCN of the same encoder and width 64, which takes
            the convolutions and turns the first two fully connected layers into fc6 and fc7; or a SegNet of width 64,
            which takes the convolutions of a VGG with BatchNorm (vgg16_bn).
        state: `torchvision.models.vgg16(weights=…).state_dict()` or the like.

    Returns:
        the names in `state` that have no place in the model: FCN has no use for the 1000-class layer, SegNet for
        none of the fully connected ones.

    Raises:
        ValueError: keys or shapes do not fit; nothing is copied then.
    """
    if hasattr(model, "decoders"):
        convolutions = {f"encoder.{key}": value for key, value in state.items() if key.startswith("features.")}
        new = tuple(key for key in model.state_dict() if key.startswith("decoders."))  # what SegNet adds
        load_exactly(model, convolutions, dropped=new)
        return [key for key in state if not key.startswith("features.")]
    if not hasattr(model, "fc6"):
        load_exactly(model, state)
        return []
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
            own = getattr(model, name).weight.shape
            renamed[f"{name}.{part}"] = (
                value.reshape(own) if part == "weight" and value.numel() == own.numel() else value
            )
        elif layer.startswith("features."):
            renamed[f"encoder.{key}"] = value
    new = ("score", "upscore", "fc6_norm", "fc7_norm")  # the layers that FCN adds to the classifier
    load_exactly(model, renamed, dropped=tuple(k for k in model.state_dict() if k.startswith(new)))
    return [key for key in state if key.startswith(linear[2] + ".")]
