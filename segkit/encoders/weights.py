"""Weights from elsewhere: all of them or none, every key and shape accounted for."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from segkit.typed import typed

_PATIENCE = 15.0  # seconds of silence that count as no network


@typed
def load_exactly(model: nn.Module, state: Mapping[str, Tensor], dropped: tuple[str, ...] = ()) -> None:
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


def load_body(target: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Fill a classifier, or an encoder without the classifier's head, with torchvision's weights.

    What an encoder has beyond the classifier (`Encoder.added`) stays as it is.

    Returns:
        the names in `state` that have no place in the target, all of them in the head or in `Encoder.left_out`.

    Raises:
        ValueError: as `load_exactly`.
    """
    heads = tuple(f"{name}." for name in ("fc", "classifier") if not hasattr(target, name))
    heads += tuple(getattr(target, "left_out", ()))
    left = [key for key in state if heads and key.startswith(heads)]
    added = tuple(getattr(target, "added", ()))
    own = tuple(key for key in target.state_dict() if added and key.startswith(added))
    load_exactly(target, {key: value for key, value in state.items() if key not in left}, dropped=own)
    return left


def imagenet(name: str) -> dict[str, Tensor]:
    """ImageNet weights of torchvision's classifier of that name, from its cache or the network, for pictures in 0–1.

    Raises:
        OSError: they are not in the cache and cannot be fetched; says where a copy may be put.
    """
    from torchvision.models import get_model, get_model_weights

    published: Any = get_model_weights(name).DEFAULT  # type: ignore[attr-defined]
    patience = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(
            _PATIENCE
        )  # torch.hub has none of its own, and a dead network would hold it for minutes
        state = get_model(name, weights=published).state_dict()
    except OSError as error:
        file, folder = Path(urlsplit(published.url).path).name, Path(torch.hub.get_dir()) / "checkpoints"
        raise OSError(
            f"could not get torchvision's weights for {name} ({error}). Connect to the network and repeat the command; "
            f"or put {file} into {folder}; or train from scratch, without --pretrained"
        ) from None
    finally:
        socket.setdefaulttimeout(patience)
    prepared = published.transforms()
    return for_unit_pictures(state, prepared.mean, prepared.std)


def for_unit_pictures(
    state: Mapping[str, Tensor], mean: Sequence[float], deviation: Sequence[float]
) -> dict[str, Tensor]:
    """Weights that were learned on (picture − mean) / deviation, for pictures in 0–1 as segkit's data sets give them.

    The first convolution takes over the division, and its bias, or the running mean of the BatchNorm after it, the
    subtraction. Only what that convolution pads with is another colour then: black where it was the mean.

    Args:
        state: of a classifier, name → tensor, in the order of its layers.
        mean, deviation: of each channel.
    """
    names = list(state)
    first = next(name for name in names if state[name].ndim == 4)
    after = names[names.index(first) + 1 :]
    bias = first.removesuffix("weight") + "bias"
    held, sign = (bias, -1) if bias in state else (next(n for n in after if n.endswith("running_mean")), 1)
    shift, scale = (torch.tensor(numbers, dtype=torch.float64)[:, None, None] for numbers in (mean, deviation))
    kernels = state[first].double() / scale  # O, C, k, k
    moved = state[held].double() + sign * (kernels * shift).sum((1, 2, 3))  # O
    return {**state, first: kernels.to(state[first].dtype), held: moved.to(state[held].dtype)}
