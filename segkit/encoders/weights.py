"""Weights from elsewhere: all of them or none, every key and shape accounted for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


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
    """ImageNet weights of torchvision's classifier of that name, from its cache or from the network.

    Raises:
        OSError: they are not in the cache and cannot be fetched.
    """
    import torchvision.models

    try:
        return torchvision.models.get_model(name, weights="DEFAULT").state_dict()
    except OSError as error:
        raise OSError(
            f"could not get torchvision's weights for {name} ({error}); connect to the network once, or train from "
            "scratch"
        ) from None
