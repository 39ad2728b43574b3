"""Models by name: `create("fcn8s", num_classes=12, width=16)`; one file per paper."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from segkit.models.deeplab_v1 import DeepLabV1
from segkit.models.dilated import ContextModule, Dilated
from segkit.models.duc_hdc import DUCHDC
from segkit.models.enet import ENet
from segkit.models.fcn import FCN, convolutionalise, fuse_skip, linear_to_conv
from segkit.models.segnet import SegNet
from segkit.models.unet import UNet
from segkit.models.weights import load, load_exactly, load_torchvision, read_header, save, unwrapped

_MODELS: dict[str, Callable[..., nn.Module]] = {
    "deeplab_v1": DeepLabV1,
    "deeplab_v1_msc": partial(DeepLabV1, msc=True),
    "dilated": Dilated,
    "dilated_frontend": partial(Dilated, context=False),
    "duc_hdc": DUCHDC,
    "enet": ENet,
    "fcn32s": partial(FCN, stride=32),
    "fcn16s": partial(FCN, stride=16),
    "fcn8s": partial(FCN, stride=8),
    "segnet": SegNet,
    "unet": UNet,
}

__all__ = [
    "DUCHDC", "FCN", "ContextModule", "DeepLabV1", "Dilated", "ENet", "SegNet", "UNet", "available",
    "convolutionalise", "create", "fuse_skip", "linear_to_conv", "load", "load_exactly", "load_torchvision", "options",
    "read_header", "save", "unwrapped",
]  # fmt: skip


def available() -> list[str]:
    """Names that `create` knows."""
    return sorted(_MODELS)


def options(name: str) -> dict[str, Any]:
    """The options that a model takes besides num_classes, with their defaults."""
    if name not in _MODELS:
        raise ValueError(f"there is no model {name!r}; segkit.models.available() gives {', '.join(available())}")
    build = _MODELS[name]
    fixed = build.keywords if isinstance(build, partial) else {}
    taken = {"num_classes", *fixed}
    return {p.name: p.default for p in inspect.signature(build).parameters.values() if p.name not in taken}


def create(name: str, num_classes: int, **choices: Any) -> nn.Module:
    """Build a model by name; it remembers how it was made in `model.config`, and `save` writes that down.

    Args:
        name: one of `available()`.
        num_classes: number of classes, void not counted.
        **choices: the model's own options (`options(name)`), `width` among them: 64 is the paper's size.

    Shape:
        of the model: N×3×H×W → N×num_classes×H×W.

    Raises:
        ValueError: an unknown name, or an option that this model does not take.
    """
    known = options(name)
    unknown = sorted(set(choices) - set(known))
    if unknown:
        raise ValueError(f"{name} takes no option {', '.join(unknown)}; it takes {', '.join(known)}")
    model = _MODELS[name](num_classes=num_classes, **choices)
    model.config = {"name": name, "num_classes": num_classes, **choices}  # type: ignore[assignment]
    return model
