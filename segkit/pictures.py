"""Pictures as people bring them: floats in 0–1 or uint8. On another scale a network would see white, black or noise."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.checks import WrongKind

_SLACK = 1e-3  # what resizing leaves by rounding


def check_unit(low: float, high: float, came: str, fix: str = "") -> None:
    """Refuse the values of a picture that is not on the scale 0–1.

    Args:
        low, high: its smallest and largest value; NaN in one of them for a picture that holds NaN.
        came: who got what, such as "Segmenter got a picture".
        fix: what to do instead of the usual.

    Raises:
        ValueError: they lie outside.
    """
    if not -_SLACK <= low <= high <= 1 + _SLACK:
        fix = fix or "divide one of 8 bits by 255 and one of 16 by 65535, and undo a mean and deviation"
        raise ValueError(f"{came} with values from {low:.4g} to {high:.4g}; it takes 0–1: {fix}")


def in_unit(image: Tensor, who: str) -> Tensor:
    """A picture as floats in 0–1: one of floats as it is, one of uint8 divided by 255.

    Args:
        image: of any shape.
        who: takes it, for messages.

    Raises:
        WrongKind: no tensor, or whole numbers whose white is not known. ValueError: floats outside 0–1.
    """
    if not isinstance(image, Tensor) or not (image.is_floating_point() or image.dtype == torch.uint8):
        kind = image.dtype if isinstance(image, Tensor) else type(image).__name__
        raise WrongKind(
            f"{who} got a picture of type {kind}; it takes a tensor of floats in 0–1 or of uint8 (divide one of 16 "
            "bits by 65535.0, and make a tensor of an array with torch.from_numpy)"
        )
    if image.dtype == torch.uint8:
        return image.float() / 255
    if image.numel():
        low, high = (float(bound) for bound in image.detach().aminmax())  # NaN shows in both
        check_unit(low, high, f"{who} got a picture")
    return image
