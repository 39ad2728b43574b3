"""Sampling at places of one's own choice: each output pixel says where in the input it looks.

A place is a pair (x, y) from −1 to 1 across the picture, whatever its size. With align_corners=False −1 and 1 are its
outer edges, with True the centres of its first and last pixels. Between pixels the neighbours are blended; beyond the
picture there are zeros, or its border goes on, or it is mirrored.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from segkit.checks import chosen
from segkit.ops.arguments import at_widest, batched, floating, in_float32, one_type, tensor

OP = "grid_sample"
MODES, PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
FAR = 1e30  # beyond every picture, and yet a number that can be counted in pixels
_A = -0.75  # of the cubic kernel, as in torch; Keys 1981 has −0.5


@at_widest
@in_float32
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Read a batch of maps at the places in a grid, as `torch.nn.functional.grid_sample`.

    Args:
        input: the maps; the batch may be empty.
        grid: for each output pixel the place (x, y): x from −1, left, to 1, right; y from −1, top, to 1, bottom. A
            place that is no number (NaN) counts as −1; an infinite one lies very far beyond the picture.
        mode: "bilinear" (four pixels), "nearest", or "bicubic" (sixteen pixels).
        padding_mode: what lies beyond the picture: "zeros"; "border", its outermost pixels; "reflection", its mirror
            image, with the mirror on the outermost pixels' centres (align_corners) or outer edges.
        align_corners: True puts −1 and 1 on the centres of the first and last pixels; False and None on their outer
            edges.

    Shape:
        input N×C×H×W, grid N×h×w×2 → N×C×h×w.

    Raises:
        TypeError: something is not a tensor of floating-point numbers, or types are mixed.
        ValueError: shapes do not fit, or a mode that is not among these.

    Source:
        Jaderberg et al., "Spatial Transformer Networks", NeurIPS 2015 (arXiv 1506.02025), section 3.3. The cubic
        kernel: Keys 1981, with torch's a = −0.75.

    Differs from torch: only pictures (N×C×H×W); at places that are infinite or no number, torch gives NaN in some modes
    and ends the process in others. Where torch.autocast is on, float32 comes out.
    """
    check_grid_sample(input, grid, mode, padding_mode)
    corners = bool(align_corners)
    x, y = countable(grid).unbind(-1)  # N, h, w
    places = [_pixels(p, n, corners) for p, n in ((x, input.shape[3]), (y, input.shape[2]))]
    if mode == "bicubic":  # blends sixteen pixels, and asks for each by itself what stands there
        return _blend(input, places, _cubic, range(-1, 3), padding_mode, corners)
    sizes = input.shape[3], input.shape[2]
    places = [_inside(p, n, padding_mode, corners) for p, n in zip(places, sizes, strict=True)]
    if mode == "nearest":
        column, row = (p.round() for p in places)
        nothing = column.clamp(0, 0) + row.clamp(0, 0)  # so that the grid has a gradient, of zeros, as in torch
        return _read(input, column, row) + nothing[:, None]
    return _blend(input, places, _linear, range(2), "zeros", corners)


@at_widest
@in_float32
def point_sample(
    input: Tensor,
    points: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Read a batch of maps at scattered points: `grid_sample` for a list in place of a grid.

    Args:
        input: the maps; the batch may be empty.
        points: of each map the points (x, y), from 0 (left, top) to 1 (right, bottom).
        mode, padding_mode, align_corners: as in `grid_sample`.

    Shape:
        input N×C×H×W, points N×P×2 → N×C×P.

    Raises:
        TypeError, ValueError: as `grid_sample`.

    Source:
        Kirillov et al., "PointRend: Image Segmentation as Rendering", CVPR 2020 (arXiv 1912.08193), section 3.2.
    """
    return grid_sample(input, as_grid(points), mode, padding_mode, align_corners)[..., 0]


def as_grid(points: Tensor) -> Tensor:
    """Points from 0 to 1, N×P×2, as a grid from −1 to 1, N×P×1×2."""
    if tensor(points, "points", "point_sample").ndim != 3 or points.shape[-1] != 2:
        raise ValueError(f"point_sample got points of shape {tuple(points.shape)}; it takes N×P×2, with x and y last")
    return 2 * points[:, :, None] - 1


def countable(grid: Tensor) -> Tensor:
    """The grid with a number at each place."""
    far = min(FAR, torch.finfo(grid.dtype).max)
    return grid.nan_to_num(-1.0, far, -far).clamp(-far, far)


def check_grid_sample(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    """Everything fits, or a message that names what does not."""
    if isinstance(input, Tensor) and input.ndim != 4:
        raise ValueError(f"{OP} got input of shape {tuple(input.shape)}; it takes N×C×H×W (one picture: input[None])")
    x, _ = batched(input, OP)
    floating(x, OP)
    places = tensor(grid, "grid", OP)
    if places.ndim != 4 or places.shape[-1] != 2 or places.shape[0] != x.shape[0]:
        raise ValueError(
            f"{OP} got input of shape {tuple(x.shape)} and grid of shape {tuple(places.shape)}; it takes a grid "
            f"{x.shape[0]}×h×w×2, with x and y last"
        )
    one_type([x, places], OP)
    chosen(mode, "mode", OP, MODES)
    chosen(padding_mode, "padding_mode", OP, PADDINGS)


def _pixels(place: Tensor, n: int, align_corners: bool) -> Tensor:
    """From −1 … 1 to pixels: 0 is the centre of the first of n."""
    return (place + 1) * ((n - 1) / 2) if align_corners else (place + 1) * (n / 2) - 0.5


def _inside(place: Tensor, n: int, padding_mode: str, align_corners: bool) -> Tensor:
    """A place beyond the n pixels, brought to the one of theirs that stands for it; with zeros it stays where it is."""
    if padding_mode == "reflection":
        place = _mirrored(place, n, align_corners)
    if padding_mode != "zeros":  # what is brought to the border does not move with the grid: no gradient
        place = torch.where((place > 0) & (place < n - 1), place, place.detach().clamp(0, n - 1))
    return place


def _mirrored(place: Tensor, n: int, align_corners: bool) -> Tensor:
    """Folded back at either mirror, as often as it takes."""
    first, span = (0.0, n - 1) if align_corners else (-0.5, n)
    if span == 0:
        return place.clamp(0, 0)
    beyond = torch.where(place < first, first - place, place - first)  # how far from the first mirror
    turns = (beyond.detach() / span).floor()
    left = beyond - turns * span  # beyond the last mirror that was met
    return torch.where(turns % 2 == 0, left, span - left) + first


def _linear(t: Tensor) -> list[Tensor]:
    """Weights of the pixels at 0 and 1 for a place t between them."""
    return [1 - t, t]


def _cubic(t: Tensor) -> list[Tensor]:
    """Weights of the pixels at −1, 0, 1 and 2 for a place t between 0 and 1."""

    def near(d: Tensor) -> Tensor:  # up to 1 pixel away
        return ((_A + 2) * d - (_A + 3)) * d * d + 1

    def far(d: Tensor) -> Tensor:  # 1 to 2 pixels away
        return ((_A * d - 5 * _A) * d + 8 * _A) * d - 4 * _A

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def _blend(
    input: Tensor,
    places: list[Tensor],
    weights: Callable[[Tensor], list[Tensor]],
    taps: range,
    padding_mode: str,
    align_corners: bool,
) -> Tensor:
    """The weighted sum of the pixels around each place."""
    starts = [p.detach().floor() for p in places]
    across, down = (weights(p - start) for p, start in zip(places, starts, strict=True))
    found = torch.zeros((), dtype=input.dtype, device=input.device)
    for dy, v in zip(taps, down, strict=True):
        for dx, u in zip(taps, across, strict=True):
            column = _inside(starts[0] + dx, input.shape[3], padding_mode, align_corners)
            row = _inside(starts[1] + dy, input.shape[2], padding_mode, align_corners)
            found = found + _read(input, column, row) * (u * v)[:, None]
    return found


def _read(input: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """The pixels at whole places; 0 beyond the picture."""
    H, W = input.shape[2:]
    there = (column >= 0) & (column <= W - 1) & (row >= 0) & (row <= H - 1)  # N, h, w
    index = torch.where(there, row * W + column, 0.0).long()  # N, h, w
    flat = index.flatten(1)[:, None].expand(-1, input.shape[1], -1)  # N, C, h·w
    values = input.flatten(2).gather(2, flat).unflatten(2, tuple(index.shape[1:]))  # N, C, h, w
    return torch.where(there[:, None], values, 0.0)
