"""The kernels of a picture: one of places alone, one of places and colours, each a normalised lattice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from segkit.crf.features import Numbers, bilateral_features, position_features
from segkit.crf.lattice import NORMALIZATIONS, PermutohedralLattice

_KEPT = 4  # sizes of pictures whose spatial lattice is kept


class PixelKernels:
    """Makes the lattices of pictures; that of the places is made once for all pictures of a size.

    Args:
        gaussian_sxy: standard deviation of the kernel of places, pixels; one number or (across, down).
        bilateral_sxy: that of the places in the kernel of places and colours.
        bilateral_srgb: that of the colours, on the scale of 0–255 for RGB; one number or one a channel.
        picture_max: the value of white in RGB pictures of floating-point numbers: 255 or 1.
        normalization: "none", "before", "after" or "symmetric"; see PermutohedralLattice.normalized.
    """

    def __init__(
        self, gaussian_sxy: Numbers, bilateral_sxy: Numbers, bilateral_srgb: Numbers, picture_max: float,
        normalization: str,
    ) -> None:  # fmt: skip
        self.gaussian_sxy = _positive(gaussian_sxy, "gaussian_sxy", (1, 2))
        self.bilateral_sxy = _positive(bilateral_sxy, "bilateral_sxy", (1, 2))
        self.bilateral_srgb = _positive(bilateral_srgb, "bilateral_srgb", None)
        if picture_max not in (1, 255):
            raise ValueError(f"got picture_max={picture_max!r}; pictures are 0–255 (picture_max=255) or 0–1 (1)")
        if normalization not in NORMALIZATIONS:
            raise ValueError(f"got normalization={normalization!r}; choose one of {', '.join(NORMALIZATIONS)}")
        self.picture_max, self.normalization = picture_max, normalization
        self._spatial: dict[tuple[Any, ...], PermutohedralLattice] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_spatial": {}}  # copies and files make their own

    def spatial(self, height: int, width: int, like: Tensor) -> PermutohedralLattice:
        """The kernel of places for pictures of this size, in the type and on the device of `like`."""
        key = (height, width, like.dtype, like.device)
        lattice = self._spatial.pop(key, None)
        if lattice is None:
            lattice = self.lattice(position_features(height, width, self.gaussian_sxy, like))
        self._spatial[key] = lattice  # the last used stands last
        if len(self._spatial) > _KEPT:
            del self._spatial[next(iter(self._spatial))]
        return lattice

    def bilateral(self, picture: Tensor) -> PermutohedralLattice:
        """The kernel of places and colours of one picture C×H×W that `colours` has looked at."""
        return self.lattice(bilateral_features(picture, self.bilateral_sxy, self.bilateral_srgb))

    def lattice(self, features: Tensor) -> PermutohedralLattice:
        """A normalised lattice of any features N×d."""
        return PermutohedralLattice(features).normalized(self.normalization)

    def colours(self, pictures: Any, like: Tensor) -> Tensor:
        """Pictures checked, RGB on the scale of 0–255, in the type and on the device of `like` (N×K×H×W).

        Raises:
            TypeError, ValueError: no tensor, another size or number of pictures, NaN, or values outside the scale.
        """
        if not isinstance(pictures, Tensor) or pictures.is_complex():
            raise TypeError(f"got pictures of type {type(pictures).__name__}; they are a tensor N×C×H×W of numbers")
        N, _, H, W = like.shape
        if pictures.ndim != 4 or (pictures.shape[0], *pictures.shape[2:]) != (N, H, W) or pictures.shape[1] == 0:
            raise ValueError(
                f"got pictures {tuple(pictures.shape)} for scores {tuple(like.shape)}; they are N×C×H×W with the same "
                f"N, H, W, here {N}×C×{H}×{W} (resize the scores to the pictures first)"
            )
        channels = pictures.shape[1]
        spread = self.bilateral_srgb
        if isinstance(spread, Sequence) and len(spread) != channels:
            raise ValueError(f"got pictures of {channels} channels and bilateral_srgb={spread}; give one for each")
        values = pictures.detach().to(like.device, like.dtype)
        low, high = (float(bound) for bound in values.aminmax())  # NaN and infinity show here
        if not math.isfinite(low + high):
            raise ValueError("got pictures with NaN or infinite values; mend them before they meet the CRF")
        return values if channels != 3 else self._rgb(values, pictures.dtype, low, high)

    def _rgb(self, values: Tensor, given: torch.dtype, low: float, high: float) -> Tensor:
        white = self.picture_max if given.is_floating_point else 255
        if low < 0 or high > white:
            raise ValueError(
                f"got RGB pictures with values from {low:g} to {high:g}; with picture_max={white} they are 0–{white} "
                "(undo a normalisation by mean and deviation; for channels that are no colours see bilateral_srgb)"
            )
        if white == 255 and 0 < high <= 1 and bool((values != values.round()).any()):
            raise ValueError(
                f"got RGB pictures with values from {low:g} to {high:g}, which look like 0–1, with picture_max=255; "
                "say picture_max=1, or multiply them by 255"
            )
        return values * (255 / white) if white != 255 else values


def _positive(value: Any, name: str, lengths: tuple[int, ...] | None) -> Numbers:
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not all(isinstance(v, int | float) and 0 < v < float("inf") for v in numbers):
        raise ValueError(f"got {name}={value!r}; standard deviations are numbers above 0")
    if lengths is not None and len(numbers) not in lengths:
        raise ValueError(f"got {name}={value!r}; give one number, or two as (across, down)")
    return tuple(map(float, numbers)) if isinstance(value, Sequence) else float(value)
