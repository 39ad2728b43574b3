"""Encoders: a picture → its feature maps, one per stride; `create("resnet50", output_stride=16)` makes one by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import Tensor

from segkit.checks import whole
from segkit.encoders.alexnet import AlexNet, AlexNetEncoder
from segkit.encoders.classifier import Classifier
from segkit.encoders.densenet import DENSENETS, DenseNetEncoder
from segkit.encoders.dilation import dilate_strides, dilate_strides_, set_rates
from segkit.encoders.encoder import Encoder
from segkit.encoders.mobilenet_v1 import MobileNetV1Encoder
from segkit.encoders.mobilenet_v2 import MobileNetV2, MobileNetV2Encoder
from segkit.encoders.resnest import RESNESTS, ResNeStEncoder
from segkit.encoders.resnet import BLOCKS as RESNETS
from segkit.encoders.resnet import ResNet, ResNetEncoder
from segkit.encoders.shufflenet import ShuffleNetEncoder
from segkit.encoders.vgg import BLOCKS as VGGS
from segkit.encoders.vgg import VGG, VGGEncoder
from segkit.encoders.weights import imagenet, load_body
from segkit.encoders.xception import Xception65Encoder, XceptionEncoder

_ENCODERS: dict[str, Any] = {  # under torchvision's names, where it has them
    "alexnet": AlexNetEncoder,
    **{f"vgg{depth}": partial(VGGEncoder, depth) for depth in VGGS},
    **{f"vgg{depth}_bn": partial(VGGEncoder, depth, batch_norm=True) for depth in VGGS},
    **{f"resnet{depth}": partial(ResNetEncoder, depth) for depth in RESNETS},
    **{f"densenet{depth}": partial(DenseNetEncoder, depth) for depth in DENSENETS},
    **{f"resnest{depth}": partial(ResNeStEncoder, depth) for depth in RESNESTS},
    "mobilenet_v1": MobileNetV1Encoder,
    "mobilenet_v2": MobileNetV2Encoder,
    "shufflenet": ShuffleNetEncoder,
    "xception": XceptionEncoder,
    "xception65": Xception65Encoder,
}
_OWN = (
    "mobilenet_v1",
    "shufflenet",
    "xception",
    "xception65",
    *(f"resnest{d}" for d in RESNESTS),
)  # torchvision has none

__all__ = [
    "VGG", "AlexNet", "AlexNetEncoder", "Classifier", "DenseNetEncoder", "Encoder", "MobileNetV1Encoder",
    "MobileNetV2", "MobileNetV2Encoder", "ResNeStEncoder", "ResNet", "ResNetEncoder", "ShuffleNetEncoder",
    "VGGEncoder", "Xception65Encoder", "XceptionEncoder", "available", "create", "dilate_strides",
    "dilate_strides_", "set_rates", "with_batch_norm",
]  # fmt: skip


def available() -> list[str]:
    """Names that `create` knows."""
    return sorted(_ENCODERS)


def with_batch_norm(name: str, batch_norm: bool) -> str:
    """The name of a VGG with or without BatchNorm as a model's `batch_norm` says; other encoders keep theirs.

    Raises:
        ValueError: a name that says "_bn" where batch_norm says no.
    """
    if str(name).endswith("_bn") and not batch_norm:
        raise ValueError(f"encoder={name!r} has BatchNorm and batch_norm=False says it has none; change one of them")
    return f"{name}_bn" if batch_norm and f"{name}_bn" in _ENCODERS else name


def create(
    name: str,
    in_channels: int = 3,
    output_stride: int = 32,
    width: int = 64,
    weights: str | Mapping[str, Tensor] | None = None,
    **options: Any,
) -> Encoder:
    """An encoder by name.

    Args:
        name: one of `available()`: torchvision's names of the classifiers, where it has them.
        in_channels: channels of the picture.
        output_stride: no map is coarser than this; strides beyond it turn into dilation.
        width: 64 is the paper's size, 8 to 16 the course's; channels are in proportion. In VGG and ResNet it is the
            number of channels of the first layer.
        weights: "imagenet" for torchvision's (from its cache or from the network) made to take pictures in 0–1, a
            state dict of torchvision's classifier as it is, or None to start at random.
        **options: whatever else this encoder takes.

    Shape:
        of the encoder: N×in_channels×H×W → its maps, fine to coarse (`Encoder`).

    Raises:
        ValueError: an unknown name, choices that this encoder does not have, weights that do not fit, or "imagenet"
            where torchvision has none.
        OSError: ImageNet weights are not in the cache and cannot be fetched.
    """
    if not isinstance(name, str) or name not in _ENCODERS:
        kin = [known for known in _ENCODERS if known.rstrip("0123456789") == str(name).rstrip("0123456789")]
        near = difflib.get_close_matches(str(name), kin or _ENCODERS, 1)  # another depth before another network
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"there is no encoder={name!r}{hint}; segkit.encoders.available() gives {', '.join(available())}"
        )
    build, own = _ENCODERS[name], inspect.signature(_ENCODERS[name]).parameters
    fixed = getattr(build, "keywords", {})
    if unknown := [option for option in options if option not in own or option in fixed]:
        known = [option for option in own if option not in (*fixed, "in_channels", "output_stride", "width")]
        raise ValueError(f"{name} takes no option {', '.join(unknown)}; it takes {', '.join(known) or 'none'}")
    output_stride = whole(output_stride, "output_stride", name, 1)
    encoder = build(in_channels=in_channels, output_stride=output_stride, width=width, **options)
    if weights is not None:
        if weights != "imagenet" if isinstance(weights, str) else not isinstance(weights, Mapping):
            raise ValueError(f"encoders.create got weights={weights!r}; it takes 'imagenet', a state dict or None")
        if isinstance(weights, str) and name in _OWN:
            raise ValueError(
                f"encoders.create got weights='imagenet' for {name}; torchvision has none: give a state dict"
            )
        load_body(encoder, imagenet(encoder.torchvision or name) if isinstance(weights, str) else weights)
    return encoder
