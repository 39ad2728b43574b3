"""The kernels of a picture: one of places alone, one of places and colours, each a normalised lattice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from segkit.checks import chosen
from segkit.crf.features import Numbers, bilateral_features, deviations, position_features
from segkit.crf.lattice import NORMALIZATIONS, PermutohedralLattice

_KEPT = 4  # sizes of pictures whose spatial lattice is kept


class PixelKernels:
    """Makes the lattices of pictures; that of the places is made once for all pictures of a size.

    Args:
        gaussian_sxy: standard deviation of the kernel of places, pixels; one number or (across, down).
        bilateral_sxy: that of the places in the kernel of places and colours.
        bilateral_srgb: that of the colours, on the scale of 0–255 for RGB; one number or one a channel.
        picture_max: the value of white in RGB pictures of floating-point numbers: 255 or 1. Where it is 1, pictures of
            one channel are taken for gray on the same scale.
        normalization: "none", "before", "after" or "symmetric"; see PermutohedralLattice.normalized.
        names: what the first three are called where they come from, for messages.
    """

    def __init__(
        self, gaussian_sxy: Numbers, bilateral_sxy: Numbers, bilateral_srgb: Numbers, picture_max: float,
        normalization: str, names: Sequence[str] = ("gaussian_sxy", "bilateral_sxy", "bilateral_srgb"),
    ) -> None:  # fmt: skip
        self.names = names
        self.gaussian_sxy = deviations(gaussian_sxy, names[0], across_down=True)
        self.bilateral_sxy = deviations(bilateral_sxy, names[1], across_down=True)
        self.bilateral_srgb = deviations(bilateral_srgb, names[2])
        if not isinstance(picture_max, int | float) or picture_max not in (1, 255):
            raise ValueError(f"got picture_max={picture_max!r}; pictures are 0–255 (picture_max=255) or 0–1 (1)")
        chosen(normalization, "normalization", "a dense CRF", NORMALIZATIONS)
        self.picture_max, self.normalization = picture_max, normalization
        self._spatial: dict[tuple[Any, ...], PermutohedralLattice] = {}

    def __str__(self) -> str:
        widths = zip(self.names, (self.gaussian_sxy, self.bilateral_sxy, self.bilateral_srgb), strict=True)
        return ", ".join([f"{name}={width}" for name, width in widths] + [f"normalization={self.normalization!r}"])

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_spatial": {}}  # copies and files make their own

    def spatial(self, height: int, width: int, like: Tensor) -> PermutohedralLattice:
        """The kernel of places for pictures of this size, in the type and on the device of `like`."""
        key = (height, width, self.gaussian_sxy, self.normalization, like.dtype, like.device)
        lattice = self._spatial.pop(key, None)
        if lattice is None:
            features = position_features(height, width, self.gaussian_sxy, like)
            lattice = self.lattice(features, f"{self.names[0]}={self.gaussian_sxy}")
        self._spatial[key] = lattice  # the last used stands last
        if len(self._spatial) > _KEPT:
            del self._spatial[next(iter(self._spatial))]
        return lattice

    def bilateral(self, picture: Tensor) -> PermutohedralLattice:
        """The kernel of places and colours of one picture C×H×W that `colours` has looked at."""
        features = bilateral_features(picture, self.bilateral_sxy, self.bilateral_srgb)
        spread = f"{self.names[1]}={self.bilateral_sxy} and {self.names[2]}={self.bilateral_srgb}"
        return self.lattice(features, spread)

    def lattice(self, features: Tensor, what: str = "features") -> PermutohedralLattice:
        """A normalised lattice of any features N×d; `what` they come from, for messages."""
        try:
            return PermutohedralLattice(features).normalized(self.normalization)
        except ValueError as error:
            raise ValueError(f"with {what}: {error}") from None

    def colours(self, pictures: Any, like: Tensor) -> Tensor:
        """Pictures checked, RGB on the scale of 0–255, in the type and on the device of `like` (N×K×H×W).

        Raises:
            TypeError, ValueError: no tensor, another size or number of pictures, NaN, or values outside the scale.
        """
        if not isinstance(pictures, Tensor) or pictures.is_complex() or pictures.dtype == torch.bool:
            kind = pictures.dtype if isinstance(pictures, Tensor) else type(pictures).__name__
            raise TypeError(f"got pictures of type {kind}; they are a tensor N×C×H×W of real numbers")
        N, _, H, W = like.shape
        if pictures.ndim != 4 or (pictures.shape[0], *pictures.shape[2:]) != (N, H, W) or pictures.shape[1] == 0:
            raise ValueError(
                f"got pictures {tuple(pictures.shape)} for scores {tuple(like.shape)}; they are N×C×H×W with the same "
                f"N, H, W, here {N}×C×{H}×{W} (resize the scores to the pictures first)"
            )
        channels = pictures.shape[1]
        spread = self.bilateral_srgb
        if isinstance(spread, Sequence) and len(spread) != channels:
            raise ValueError(f"got pictures of {channels} channels and {self.names[2]}={spread}; give one for each")
        values = pictures.detach().to(like.device, like.dtype)
        low, high = (float(bound) for bound in values.aminmax())  # NaN and infinity show here
        if not math.isfinite(low + high):
            raise ValueError("got pictures with NaN or infinite values; fix them before they meet the CRF")
        white = self.picture_max if pictures.is_floating_point() else 255
        self._not_flat(pictures, white, low, high)
        return self._rgb(values, white, low, high) if channels == 3 or (channels == 1 and white == 1) else values

    def _not_flat(self, pictures: Tensor, white: float, low: float, high: float) -> None:
        """Refuse pictures in 0–1 that are taken as 0–255: one step of 255 is no edge, and the CRF would paint over."""
        spread = self.bilateral_srgb
        own_scale = pictures.shape[1] != 3 and (min(spread) if isinstance(spread, Sequence) else spread) < 1
        if white == 1 or low < 0 or not 0 < high <= 1 + 1e-3 or own_scale:
            return
        floating, one = pictures.is_floating_point(), pictures.shape[1] != 3
        scale = f" or give {self.names[2]} on the scale of the picture," if one else ""
        known = "say picture_max=1," if floating else "whole numbers are always 0–255:"
        raise ValueError(
            f"got {'' if one else 'RGB '}pictures with values from {low:g} to {high:g}, which look like 0–1, and as "
            f"0–255 are black all over; {known}{scale} or multiply them by 255"
        )

    def _rgb(self, values: Tensor, white: float, low: float, high: float) -> Tensor:
        slack = 1e-3 * white  # what resizing leaves by rounding
        if low < -slack or high > white + slack:
            raise ValueError(
                f"got pictures with values from {low:g} to {high:g}; with picture_max={white} they are 0–{white}: undo "
                "a normalisation by mean and deviation, clamp; channels that are no colours go into extra=[(features, "
                "compatibility)], with bilateral_compat=0"
            )
        return values * (255 / white) if white != 255 else values
