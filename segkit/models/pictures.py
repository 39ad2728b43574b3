"""The door of every model: what is not a batch of pictures is sent away with the mend."""

from __future__ import annotations

from torch import Tensor


def picture_size(x: Tensor, model: str, channels: int = 3) -> tuple[int, int]:
    """Height and width of a batch of pictures.

    Args:
        x: what the model was given.
        model: its name, for the message.
        channels: how many the model takes.

    Shape:
        N×channels×H×W, H and W ≥ 1.

    Raises:
        ValueError: another shape. TypeError: not of a floating-point type.
    """
    if x.ndim != 4 or x.shape[1] != channels or 0 in x.shape[-2:]:
        raise ValueError(
            f"{model} got a tensor of shape {tuple(x.shape)}; it takes N×{channels}×H×W, H and W at least 1 (one "
            "picture: x[None]; other channels: in_channels=…, where the model has it)"
        )
    if not x.is_floating_point():
        raise TypeError(f"{model} got a tensor of type {x.dtype}; it takes floating-point pictures (x.float() / 255)")
    return x.shape[-2], x.shape[-1]
