"""Chapter 02: the backward pass of max pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue, does, gives
from segkit.grading.exercises.case_tensors import Args, Shape, distinct, grouped, numbers
from segkit.grading.exercises.common import FIRST_CHANNEL, FIRST_PICTURE
from segkit.grading.exercises.max_pool2d import pool

TASK = """Send the gradient of a max pooling back to its input. grad_output and indices are N×C×H_out×W_out,
the indices those of `max_pool2d`; input_size is (N, C, H, W). Each number of grad_output goes to
the pixel that won its window; a pixel that won several windows gets their sum, and all the others
get 0. The result is N×C×H×W with the dtype of grad_output."""


def backward(grad: Tensor, indices: Tensor, size: Shape) -> Tensor:
    """Reference of `max_pool2d_backward`."""
    n, c, h, w = size
    return grad.new_zeros(n, c, h * w).scatter_add(2, indices.flatten(2), grad.flatten(2)).reshape(n, c, h, w)


def _call(seed: int, size: Shape, k: int, s: int, p: int = 0, dtype: torch.dtype = torch.float32) -> Args:
    _, indices = pool(distinct(seed, *size), k, s, p)
    return numbers(seed + 1, *indices.shape, dtype=dtype), indices, size


def _gradient_cases() -> list[Case]:
    return grouped(
        ("plain", (1, (1, 1, 2, 4), 2, 2), (2, (1, 1, 4, 6), 2, 2)),
        ("odd sizes", (3, (1, 1, 5, 7), 2, 2)),
        ("channels", (4, (1, 3, 4, 6), 2, 2)),
        ("batch", (5, (3, 1, 6, 4), 2, 2), (6, (2, 3, 5, 6), 2, 2)),
        ("overlapping windows", (7, (1, 1, 3, 4), 2, 1), (8, (2, 2, 7, 9), 3, 2, 1), (9, (1, 2, 6, 7), 3, 1, 1)),
        ("float64", (10, (2, 2, 6, 5), 3, 2, 0, torch.float64)),
        ("memory layout", (11, (2, 2, 6, 8), 2, 2)),
        of=_call,
    )


def _gradient_facts(grad: Tensor, indices: Tensor, size: Shape) -> dict[str, bool]:
    return {
        "a pixel has won in more than one window": bool((backward(torch.ones_like(grad), indices, size) > 1).any()),
        "there is more than one picture in the batch": size[0] > 1,
        "there is more than one channel": size[1] > 1,
        "the height or width is odd": size[2] % 2 == 1 or size[3] % 2 == 1,
    }


def _overwrite(grad: Tensor, indices: Tensor, size: Shape, first: bool) -> Tensor:
    n, c, h, w = size
    out = grad.new_zeros(n * c, h * w)
    flat_g, flat_i = grad.reshape(n * c, -1), indices.reshape(n * c, -1)
    order = range(flat_i.shape[1])
    for j in reversed(order) if first else order:
        out[torch.arange(n * c), flat_i[:, j]] = flat_g[:, j]
    return out.reshape(n, c, h, w)


def together(x: Tensor, indices: Tensor, size: Shape, start: int, add: bool = True) -> Tensor:
    """Planes from dimension `start` on share one count of positions."""
    out = x.new_zeros(size).flatten(start)
    put = out.scatter_add if add else out.scatter
    return put(start, indices.flatten(start), x.flatten(start)).reshape(size)


def _largest(grad: Tensor, indices: Tensor, size: Shape) -> Tensor:
    n, c, h, w = size
    out = grad.new_zeros(n, c, h * w)
    return out.scatter_reduce(2, indices.flatten(2), grad.flatten(2), "amax", include_self=False).reshape(size)


def _counted(grad: Tensor, indices: Tensor, size: Shape) -> Tensor:
    return backward(torch.ones_like(grad), indices, size)


MESSAGES = """
overwritten: Where one pixel won several windows, only one of their gradients is left: the later overwrites the earlier.
    They have to be added; `out[index] = …` and `out[index] += …` do not add repeated indices.
averaged-overlaps: Where one pixel won several windows, you average their gradients. The chain rule adds.
planes-mixed-up: The gradients of different channels or pictures land in the same plane. An index counts within its own
    plane: keep N and C apart.
ones-instead: You mark the winners with 1. They get the gradient of their window.
whole-window: Every pixel of a window gets its gradient. Only the winner had any influence on the output.
index-column-major: Indices are read column by column. They count row by row: row = index // W, column = index % W.
divided-by-height: Row and column are got with H. One row holds W numbers: row = index // W, column = index % W.
left-flat: The result is still flat: give it the shape N×C×H×W at the end.
first-picture-only: Only the first picture of the batch gets a gradient.
first-channel-only: Only the first channel gets a gradient.
window-corner: The gradient goes to the first pixel of each window. It belongs to the winner, which the index names.
index-off-by-one: Every gradient lands one pixel away from where it belongs. Indices start at 0.
sign-changed: Every gradient has the wrong sign.
scaled-by-window: The gradient is divided by the size of the window, as for average pooling. The winner gets all of it.
"""

WAYS = {
    "overwritten": does(
        lambda g, i, z: _overwrite(g, i, z, False), lambda g, i, z: _overwrite(g, i, z, True), _largest
    ),
    "averaged-overlaps": gives(lambda r, g, i, z: r / _counted(g, i, z).clamp(min=1)),
    "planes-mixed-up": does(lambda g, i, z: together(g, i, z, 1), lambda g, i, z: together(g, i, z, 0)),
    "ones-instead": does(lambda g, i, z: _counted(g, i, z), lambda g, i, z: _counted(g, i, z).clamp(max=1)),
    "whole-window": does(
        lambda g, i, z: F.interpolate(g, size=z[2:], mode="nearest"),
        lambda g, i, z: F.interpolate(g, size=z[2:], mode="nearest") / 4,
        lambda g, i, z: F.pad(
            g.repeat_interleave(2, 2).repeat_interleave(2, 3),
            (0, z[3] - 2 * g.shape[3], 0, z[2] - 2 * g.shape[2]),
        ),
    ),
    "index-column-major": does(
        lambda g, i, z: backward(g, (i % z[2]) * z[3] + i // z[2], z),
        lambda g, i, z: backward(g, i, (z[0], z[1], z[3], z[2])).transpose(2, 3),
    ),
    "divided-by-height": does(lambda g, i, z: backward(g, (i // z[2]) * z[3] + i % z[2], z)),
    "left-flat": gives(lambda r, *a: r.flatten(2), lambda r, *a: r.flatten(1), lambda r, *a: r.flatten()),
    "first-picture-only": FIRST_PICTURE,
    "first-channel-only": FIRST_CHANNEL,
    "window-corner": does(
        lambda g, i, z: (lambda o: (o[..., : 2 * g.shape[2] : 2, : 2 * g.shape[3] : 2].copy_(g), o)[1])(g.new_zeros(z))
    ),
    "index-off-by-one": does(
        lambda g, i, z: backward(g, (i - 1) % (z[2] * z[3]), z), lambda g, i, z: backward(g, (i + 1) % (z[2] * z[3]), z)
    ),
    "sign-changed": gives(lambda r, *a: -r),
    "scaled-by-window": gives(lambda r, *a: r / 4),
}

EXERCISE = Exercise(
    "max_pool2d_backward(grad_output, indices, input_size)",
    TASK,
    backward,
    _gradient_cases,
    catalogue(MESSAGES, WAYS),
    facts=_gradient_facts,
)
