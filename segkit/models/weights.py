"""Weights to and from disk: safetensors with a JSON header, and torchvision's classifiers, every key accounted for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from segkit import files
from segkit.encoders.weights import load_body, load_exactly
from segkit.heads import FullyConnectedHead
from segkit.kinds import CHECKPOINT, WEIGHTS, another
from segkit.memory import TooLarge
from segkit.models.base import Model, create, unwrapped
from segkit.typed import typed

T = TypeVar("T")
_WANTED = "name the folder of a run, or its weights.safetensors"


def save(model: nn.Module, path: str | Path, half: bool = False, **header: Any) -> Path:
    """Write a model with its configuration; complete or not at all.

    Args:
        model: a `Model`, also compiled or wrapped for several devices.
        path: where to; usually ends in .safetensors.
        half: store floating-point tensors as float16, at half the size.
        **header: what else to record, JSON only: classes, metrics, commit, …

    Raises:
        ValueError: the model does not know how it was made, its class has no name that `load` could look up, or half
            is asked for and a value does not fit into float16.
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
        tensors[key] = _halved(value, key) if half and value.is_floating_point() else value
    return files.write_safetensors(tensors, path, {"config": config, **header})


def _halved(value: Tensor, key: str) -> Tensor:
    short = value.half()
    if (short.isinf() & value.isfinite()).any():
        largest = float(value[value.isfinite()].abs().max())
        raise ValueError(
            f"save got half=True, and {key} holds {largest:.4g}; float16 ends at 65504, so save it with half=False"
        )
    return short


def read_header(path: str | Path) -> dict[str, Any]:
    """The JSON header of a weights file: config, and whatever `save` was given.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a segkit weights file, or it is cut short.
    """
    return _checked(_read(path, files.read_header), path)


def _read(path: str | Path, read: Callable[[str | Path], T]) -> T:
    """What `read` makes of a weights file; of another kind of file, the error that names it."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no weights file {path}; `segkit train` makes one")
    try:
        return read(path)
    except ValueError:
        if found := another(path, WEIGHTS, CHECKPOINT):
            raise ValueError(f"{path} {found}; {_WANTED}") from None
        raise


def _checked(header: dict[str, Any], path: str | Path) -> dict[str, Any]:
    if header.get("kind") == "checkpoint":
        raise ValueError(
            f"{path} {CHECKPOINT}, not its weights; {_WANTED} (a run that is not finished goes on with `segkit train … "
            "--resume`)"
        )
    if not isinstance(header.get("config"), dict) or "name" not in header["config"]:
        raise ValueError(f"{path} does not say which model it belongs to; it was not written by segkit.models.save")
    return header


def load(path: str | Path, device: torch.device | str = "cpu") -> Model:
    """Rebuild the model that `save` wrote, in evaluation mode, in float32.

    Raises:
        FileNotFoundError, ValueError: as `read_header`; also where keys or shapes do not fit the configuration, or the
            file is damaged.
    """
    header, state = _read(path, files.read_safetensors)
    config = dict(_checked(header, path)["config"])
    try:
        model = create(config.pop("name"), **config)
    except (RuntimeError, TooLarge) as error:  # no memory for a network of such a size
        told = str(error).splitlines()[0]
        raise ValueError(f"{path} says {config}, a network that cannot be made here: {told}") from None
    load_exactly(model, state)
    return model.to(device).eval()


@typed
def shipped(name: str) -> Path:
    """Where the weights of a network lie that comes with the course; not where segkit is installed without it.

    Args:
        name: "lineage_fcn8s" …, a file in course/weights without its ending.

    Raises:
        FileNotFoundError: there are none of that name.
    """
    folder = Path(__file__).parents[2] / "course" / "weights"
    known = sorted(path.stem for path in folder.glob("*.safetensors"))
    if name not in known:
        whole = f"there is no folder {folder}; get the whole course, of which the package segkit is a part"
        there = f"there are {', '.join(known)}" if known else whole
        raise FileNotFoundError(f"the course has no weights {name!r}; {there}")
    return folder / f"{name}.safetensors"


@typed
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
