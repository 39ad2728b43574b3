"""Interpolation: an output pixel looks up its place in the input, and takes the nearest pixel or blends four.

Where does output pixel u of h look on an axis of H pixels? If pixels are squares and the outer edges are to agree
(align_corners=False), at (u + ½)·H/h − ½; if pixels are points and the first and last are to agree
(align_corners=True), at u·(H − 1)/(h − 1). Columns and rows are treated one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from segkit.ops.arguments import IntOrPair, batched, floating, in_float32, pair

OP = "interpolate"


@in_float32
def interpolate(
    input: Tensor,
    size: IntOrPair | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Resize a batch of maps, as `torch.nn.functional.interpolate`.

    Args:
        input: the maps; the batch may be empty.
        size: (height, width) of the output, or one number for both. Either this or
        scale_factor: how many times larger; the output has ⌊factor · size⌋ pixels.
        mode: "nearest" (the pixel at ⌊u·H/h⌋, as in torch, not the one in the middle) or "bilinear".
        align_corners: for "bilinear" only; True pins the centres of the corner pixels to each other, False and None
            their outer edges.
        recompute_scale_factor: True looks up with the ratio of the sizes, False and None with scale_factor as given,
            which differs where factor · size is not whole.

    Shape:
        N×C×H×W → N×C×h×w.

    Raises:
        TypeError: the input is not a tensor of floating-point numbers, or a size is not a number.
        ValueError: settings contradict each other or do not fit; the message says how to fix it.

    Differs from torch: only pictures (N×C×H×W), only these two modes.
    """
    if isinstance(input, Tensor) and input.ndim != 4:
        raise ValueError(f"{OP} got input of shape {tuple(input.shape)}; it takes N×C×H×W (one picture: input[None])")
    x, _ = batched(input, OP)
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"{OP} got mode={mode!r}; the modes are 'nearest' and 'bilinear'")
    if mode == "nearest" and align_corners is not None:
        raise ValueError(
            f"{OP} got align_corners={align_corners} with mode='nearest'; it is for 'bilinear' only: leave it out"
        )
    if not (mode == "nearest" and x.dtype == torch.uint8):
        floating(x, OP)
    sizes, factors = _sizes(x, size, scale_factor, recompute_scale_factor)
    for axis in (3, 2):
        n, m, factor = x.shape[axis], sizes[axis - 2], factors[axis - 2]
        if mode == "nearest":
            x = x.index_select(axis, _nearest(n, m, factor).to(x.device))
        else:
            x = _blend(x, axis, _lookup(n, m, factor, bool(align_corners), x.dtype).to(x.device))
    return x


def _sizes(
    x: Tensor, size: IntOrPair | None, scale_factor: float | Sequence[float] | None, recompute: bool | None
) -> tuple[tuple[int, int], tuple[float | None, float | None]]:
    """The output's size, and the factors to look up with (None: the ratio of the sizes)."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{OP} got size={size!r} and scale_factor={scale_factor!r}; give one of the two")
    if size is not None:
        if recompute:
            raise ValueError(
                f"{OP} got recompute_scale_factor=True with a size; it is for scale_factor only: leave it out"
            )
        if isinstance(size, Sequence) and len(size) != 2:
            raise ValueError(f"{OP} got size={size!r}; give (height, width), or one number for both")
        return pair(size, "size", OP, 1), (None, None)
    given = list(scale_factor) if isinstance(scale_factor, Sequence) else [scale_factor, scale_factor]
    if len(given) != 2 or not all(isinstance(f, int | float) for f in given):
        raise ValueError(f"{OP} got scale_factor={scale_factor!r}; give one number, or two as (height, width)")
    fh, fw = (float(f) for f in given)  # type: ignore[arg-type]
    h, w = math.floor(x.shape[2] * fh), math.floor(x.shape[3] * fw)
    if h < 1 or w < 1:
        raise ValueError(f"{OP} got scale_factor={scale_factor} on {x.shape[2]}×{x.shape[3]} pixels, which leaves none")
    return (h, w), (None, None) if recompute else (fh, fw)


def _nearest(n: int, m: int, factor: float | None) -> Tensor:
    """The input pixel under the upper left corner of each output pixel."""
    if m in (n, 2 * n):  # whatever the factor says, as in torch
        return torch.arange(m) // (m // n)
    step = torch.tensor(n / m if factor is None else 1 / factor, dtype=torch.float32)  # torch counts in float32
    return (torch.arange(m) * step).floor().long().clamp(max=n - 1)  # m


def _lookup(n: int, m: int, factor: float | None, align_corners: bool, dtype: torch.dtype) -> Tensor:
    """Where each output pixel looks, in input pixels from the centre of the first."""
    places = torch.arange(m, dtype=dtype)
    if n == m:  # whatever the factor says, as in torch
        return places
    if align_corners:
        return places * ((n - 1) / (m - 1)) if m > 1 else places
    step = n / m if factor is None else 1 / factor
    return ((places + 0.5) * step - 0.5).clamp(min=0)  # beyond the first centre: its value


def _blend(x: Tensor, axis: int, places: Tensor) -> Tensor:
    """Between the two pixels beside each place, weighted by nearness."""
    n = x.shape[axis]
    left = places.floor().long().clamp(max=n - 1)
    right = (left + 1).clamp(max=n - 1)
    t = (places - left).clamp(max=1)  # beyond the last centre: its value
    t = t if axis == 3 else t[:, None]
    return x.index_select(axis, left) * (1 - t) + x.index_select(axis, right) * t
