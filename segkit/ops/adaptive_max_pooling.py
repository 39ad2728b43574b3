"""Max pooling over windows that share a picture out evenly: find who wins, then fetch the winners.

Finding needs no gradient, and fetching passes it on by itself: what is copied from a pixel flows back to that pixel,
and adds up where a pixel wins in several windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from segkit.ops.arguments import batched, floating, in_float32
from segkit.ops.windows import Bounds, shared_out


def adaptive_max_pool2d(
    input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Any:
    """The largest value of each of h×w windows that share the picture out evenly, as torch.nn.functional has it.

    Window u of h on an axis of H pixels goes from ⌊u·H/h⌋ to ⌈(u + 1)·H/h⌉ (`windows.bin_bounds`); neighbours may share
    a pixel where h does not divide H. Of equal values the first wins, row by row. NaN beats everything, the last one.

    Args:
        input: the maps; the batch may be empty.
        output_size: (h, w), or one number for both; None in its place keeps the input's size.
        return_indices: give (values, indices); an index is the winner's place in its plane, row·W + column, int64.

    Shape:
        N×C×H×W or C×H×W → N×C×h×w or C×h×w.

    Raises:
        TypeError: the input is not a tensor of floating-point numbers, or a size is not a whole number.
        ValueError: the shape does not fit; the message says how to fix it.
    """
    x, single = batched(input, "adaptive_max_pool2d")
    floating(x, "adaptive_max_pool2d")
    rows, columns = shared_out(x.shape[2:], output_size, "adaptive_max_pool2d")
    differentiated = (x.requires_grad and torch.is_grad_enabled()) or forward_ad._current_level >= 0
    if not (return_indices or differentiated):  # nobody asks who won
        values = _largest(_largest(x, 3, columns), 2, rows)
        return values[0] if single else values
    indices = _winners(x.detach(), rows, columns)
    values = _fetch(x, indices)
    if single:
        values, indices = values[0], indices[0]
    return (values, indices) if return_indices else values


def _winners(x: Tensor, rows: Bounds, columns: Bounds) -> Tensor:
    """Of each window the place of its largest value in the plane; N×C×h×w."""
    if not rows or not columns:
        return x.new_empty(*x.shape[:2], len(rows), len(columns), dtype=torch.int64)
    of_row = _largest(x, 3, columns)  # N, C, H, w: first the row that has the largest, then the column in this row
    row = torch.cat([_first_largest(of_row[:, :, a:b], 2) + a for a, b in rows], 2)  # N, C, h, w
    places = []
    for v, (a, b) in enumerate(columns):
        winning = x[..., a:b].gather(2, row[..., v : v + 1].expand(-1, -1, -1, b - a))  # N, C, h, b − a
        places.append(row[..., v : v + 1] * x.shape[3] + _first_largest(winning, 3) + a)
    return torch.cat(places, 3)


def _largest(x: Tensor, axis: int, bins: Bounds) -> Tensor:
    """The largest value of each bin of one axis."""
    return torch.cat(
        [x.narrow(axis, 0, 0), *(x.narrow(axis, a, b - a).amax(axis, keepdim=True) for a, b in bins)], axis
    )


def _first_largest(x: Tensor, axis: int) -> Tensor:
    """Where the largest value of one axis is: the first of equals, but the last NaN."""
    first = x.max(axis, keepdim=True).indices
    places = torch.arange(x.shape[axis], device=x.device).view(-1, *(1,) * (3 - axis))
    last_nan = torch.where(x.isnan(), places, -1).amax(axis, keepdim=True)
    return torch.where(last_nan < 0, first, last_nan)


@in_float32
def _fetch(x: Tensor, indices: Tensor) -> Tensor:
    """The values at these places of each plane; their gradients are added up in float32 for the half types."""
    return x.flatten(2).gather(2, indices.flatten(2)).view(indices.shape)
