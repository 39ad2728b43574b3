"""Shuffles, which compute nothing and only move: channels among groups, or into pixels r times as close, and back."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from segkit.ops.arguments import whole


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deal the channels of each group out over all groups, as `torch.nn.functional.channel_shuffle`.

    Written down with a row for each group, the channels are read column by column. A grouped convolution sees its own
    group alone; after a shuffle the next one sees some channels of every group:

        groups = 3     1 2 3 4 | 5 6 7 8 | 9 10 11 12     →     1 5 9 2 | 6 10 3 7 | 11 4 8 12

    Args:
        input: the maps; their channels are the second dimension.
        groups: g, the blocks that the channels come in.

    Shape:
        N×C×… with three dimensions at least → the same; output[:, i·g + j] = input[:, j·(C/g) + i].

    Raises:
        TypeError: the input is not a tensor, or groups is not a whole number.
        ValueError: the groups do not divide the channels, or there are fewer than three dimensions.

    Source:
        Zhang, Zhou, Lin & Sun, "ShuffleNet", CVPR 2018 (arXiv 1707.01083), Figure 1c.
    """
    groups = whole(groups, "groups", "channel_shuffle", 1)
    C = _shape(input, "channel_shuffle")[1]
    if C % groups:
        raise ValueError(f"channel_shuffle got {C} channels and groups={groups}; the channels are a multiple of groups")
    return input.unflatten(1, (groups, C // groups)).transpose(1, 2).flatten(1, 2)  # N, C, …


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Lay the r² channels of a block out as r×r pixels, as `torch.nn.functional.pixel_shuffle`.

    Args:
        input: the maps.
        upscale_factor: r, how many times higher and wider the output is.

    Shape:
        …×(C·r²)×H×W → …×C×(H·r)×(W·r); output[c, u·r + i, v·r + j] = input[c·r² + i·r + j, u, v].

    Raises:
        TypeError: the input is not a tensor, or the factor is not a whole number.
        ValueError: r² does not divide the number of channels, or there are fewer than three dimensions.

    Source:
        Shi et al., CVPR 2016, equation 4.
    """
    r = whole(upscale_factor, "upscale_factor", "pixel_shuffle", 1)
    *batch, C, H, W = _shape(input, "pixel_shuffle")
    if C % r**2:
        raise ValueError(
            f"pixel_shuffle got {C} channels and upscale_factor={r}; the channels are a multiple of {r}² = {r**2}"
        )
    x = input.reshape(*batch, C // r**2, r, r, H, W)
    x = x.movedim((-4, -3), (-3, -1))  # …, C, H, r, W, r
    return x.reshape(*batch, C // r**2, H * r, W * r).contiguous()


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Stack the r×r pixels of each block as r² channels, as `torch.nn.functional.pixel_unshuffle`: the way back.

    Args:
        input: the maps.
        downscale_factor: r, how many times lower and narrower the output is.

    Shape:
        …×C×(H·r)×(W·r) → …×(C·r²)×H×W; output[c·r² + i·r + j, u, v] = input[c, u·r + i, v·r + j].

    Raises:
        TypeError: the input is not a tensor, or the factor is not a whole number.
        ValueError: r does not divide height and width, or there are fewer than three dimensions.
    """
    r = whole(downscale_factor, "downscale_factor", "pixel_unshuffle", 1)
    *batch, C, H, W = _shape(input, "pixel_unshuffle")
    if H % r or W % r:
        raise ValueError(
            f"pixel_unshuffle got {H}×{W} pixels and downscale_factor={r}; both are multiples of {r}: pad first"
        )
    x = input.reshape(*batch, C, H // r, r, W // r, r)
    x = x.movedim((-3, -1), (-4, -3))  # …, C, r, r, H, W
    return x.reshape(*batch, C * r**2, H // r, W // r).contiguous()


def _shape(input: Any, op: str) -> tuple[int, ...]:
    if not isinstance(input, Tensor):
        raise TypeError(f"{op} got input of type {type(input).__name__}; it takes a torch.Tensor")
    if input.ndim < 3:
        raise ValueError(f"{op} got input of shape {tuple(input.shape)}; it takes channels, height and width at least")
    return tuple(input.shape)
