"""Chapter 02: max pooling with indices, and its backward pass."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, does, given, gives, mistake, register
from segkit.grading.exercises.made import distinct, noncontiguous, normal, quarters
from segkit.grading.values import ANY

# max_pool2d --------------------------------------------------------------------------------------------------------


def pool(x: Tensor, k: int, s: int, p: int) -> tuple[Tensor, Tensor]:
    """Reference of `max_pool2d`."""
    return F.max_pool2d(x, k, s, p, return_indices=True)


def _pool_cases() -> list[Case]:
    below = distinct(7, 1, 1, 6, 7, top=-0.25)
    return [
        Case((distinct(1, 1, 1, 2, 4), 2, 2, 0), "plain"),
        Case((distinct(2, 1, 1, 4, 4), 2, 2, 0), "plain"),
        Case((distinct(3, 1, 1, 6, 8), 2, 2, 0), "plain"),
        Case((distinct(4, 1, 3, 4, 6), 2, 2, 0), "channels"),
        Case((distinct(5, 2, 1, 4, 6), 2, 2, 0), "batch"),
        Case((distinct(6, 3, 2, 6, 4), 2, 2, 0), "batch"),
        Case((below[..., :4, :6].contiguous(), 2, 2, 0), "negative numbers"),
        Case((distinct(8, 1, 1, 5, 7), 2, 2, 0), "odd sizes"),
        Case((distinct(9, 1, 1, 8, 7), 3, 3, 0), "odd sizes"),
        Case((distinct(10, 1, 1, 5, 7), 3, 2, 0), "overlapping windows"),
        Case((distinct(11, 1, 1, 4, 5), 3, 1, 0), "overlapping windows"),
        Case((distinct(12, 1, 1, 7, 9), 2, 3, 0), "windows apart"),
        Case((distinct(13, 1, 1, 5, 7), 3, 2, 1), "padding"),
        Case((below, 3, 2, 1), "padding"),
        Case((distinct(14, 2, 2, 6, 5, top=-0.25), 4, 2, 2), "padding"),
        Case((normal(15, 2, 2, 5, 6, dtype=torch.float64), 3, 2, 1), "float64"),
        Case((noncontiguous(distinct(16, 2, 3, 6, 7)), 2, 2, 0), "memory layout"),
    ]


def _pool_facts(x: Tensor, k: int, s: int, p: int) -> dict[str, bool]:
    return {
        "padding is above 0": p > 0,
        "the windows overlap": s < k,
        "there are gaps between the windows": s > k,
        "stride and kernel_size differ": s != k,
        "there is more than one picture in the batch": x.shape[0] > 1,
        "there is more than one channel": x.shape[1] > 1,
        "all numbers are negative": bool((x < 0).all()),
        "the windows do not cover the picture evenly": any((n + 2 * p - k) % s > 0 for n in x.shape[2:]),
        "the picture is not square": x.shape[2] != x.shape[3],
    }


def _yx(indices: Tensor, width: int) -> tuple[Tensor, Tensor]:
    return indices // width, indices % width


def _per_window(r: Any, x: Tensor, k: int, s: int, p: int) -> tuple[Tensor, Tensor]:
    y, z = _yx(r[1], x.shape[3])
    i = torch.arange(r[0].shape[2])[:, None] * s - p
    j = torch.arange(r[0].shape[3]) * s - p
    return r[0], (y - i) * k + (z - j)


def _shifted(r: Any, x: Tensor, whole: bool, batch: bool) -> tuple[Tensor, Tensor]:
    n, c, h, w = x.shape
    plane = torch.arange(n)[:, None] * (c if whole else 1) * batch + torch.arange(c) * whole
    return r[0], r[1] + plane[:, :, None, None] * h * w


def _output_plane(r: Any, x: Tensor, k: int, s: int, p: int) -> tuple[Tensor, Tensor]:
    _, _, h, w = r[0].shape
    return r[0], torch.arange(h * w).reshape(h, w).expand_as(r[1])


def _zero_padded(x: Tensor, k: int, s: int, p: int) -> tuple[Tensor, Any]:
    values = F.max_pool2d(F.pad(x, (p, p, p, p)), k, s)
    return values, ANY if p else pool(x, k, s, p)[1]


def _padded_with(x: Tensor, k: int, s: int, p: int, fill: float) -> tuple[Tensor, Tensor]:
    """Pooling after padding by hand, which allows any padding; indices in the plane without padding."""
    values, at = F.max_pool2d(F.pad(x, (p, p, p, p), value=fill), k, s, return_indices=True)
    wide = x.shape[3] + 2 * p
    return values, (at // wide - p) * x.shape[3] + at % wide - p


def _part(r: Any, cut: Any) -> tuple[Tensor, Tensor]:
    return cut(r[0]), cut(r[1])


register(Exercise(
    name="max_pool2d",
    signature="max_pool2d(x, kernel_size, stride, padding)",
    text=(
        "The largest number of each window, and where it stood: return (values, indices), both N×C×H_out×W_out. x is N×C×H×W; kernel_size,\n"
        "stride and padding are whole numbers; H_out = ⌊(H + 2·padding − kernel_size) / stride⌋ + 1. Padding never wins, also where all numbers are\n"
        "negative. An index counts positions within its own H×W plane, row by row: row · W + column, in x as it came, without padding."
    ),
    reference=pool,
    cases=_pool_cases,
    kinds=("float", "integer"),
    facts=_pool_facts,
    mistakes=(
        mistake("zero-padding", "The padding is 0, and 0 wins against negative numbers. Pad with something that can never be the largest.", does(_zero_padded)),
        mistake("index-per-window", "Your index counts within the window. It should say where in the whole H×W plane the number stood; a later layer knows "
                "nothing of the windows.", gives(_per_window)),
        mistake("index-over-tensor", "Your index goes on counting from one channel or picture to the next. Each H×W plane counts from 0.",
                gives(lambda r, x, *a: _shifted(r, x, True, True)), gives(lambda r, x, *a: _shifted(r, x, True, False)),
                gives(lambda r, x, *a: _shifted(r, x, False, True))),
        mistake("index-in-padded-plane", "Your index counts in the padded picture. Take the padding off row and column before you flatten them.",
                gives(lambda r, x, k, s, p: (r[0], (r[1] // x.shape[3] + p) * (x.shape[3] + 2 * p) + r[1] % x.shape[3] + p))),
        mistake("index-column-major", "Your index runs down the columns. Row by row it is row · W + column.",
                gives(lambda r, x, *a: (r[0], (r[1] % x.shape[3]) * x.shape[2] + r[1] // x.shape[3]))),
        mistake("index-times-height", "row · H + column: one row holds W numbers, so the row is multiplied by W.",
                gives(lambda r, x, *a: (r[0], (r[1] // x.shape[3]) * x.shape[2] + r[1] % x.shape[3]))),
        mistake("index-of-output", "Your index says where in the output the number stands. It should say where in the input it came from.", gives(_output_plane)),
        mistake("index-from-one", "Your indices start at 1. The first position is 0.", gives(lambda r, *a: (r[0], r[1] + 1))),
        mistake("results-exchanged", "Values and indices are in the wrong order: values first.", gives(lambda r, *a: (r[1], r[0]))),
        mistake("stride-ignored", "`stride` makes no difference: your windows always lie side by side, or always move by 1.",
                given(lambda x, k, s, p: (x, k, k, p)), given(lambda x, k, s, p: (x, k, 1, p)), given(lambda x, k, s, p: (x, k, 2, p))),
        mistake("kernel-ignored", "`kernel_size` makes no difference: your windows are always 2×2, or as large as the stride.",
                does(lambda x, k, s, p: _padded_with(x, 2, s, p, float("-inf"))), given(lambda x, k, s, p: (x, s, s, min(p, s // 2)))),
        mistake("padding-ignored", "`padding` makes no difference in your function.", given(lambda x, k, s, p: (x, k, s, 0))),
        mistake("output-rounded-up", "Windows that stick out over the edge are kept. The size is rounded down, so they are left out.",
                does(lambda x, k, s, p: F.max_pool2d(x, k, s, p, ceil_mode=True, return_indices=True))),
        mistake("last-window-lost", "The last row and column of windows are missing: the + 1 of the size.", gives(lambda r, *a: _part(r, lambda t: t[..., :-1, :-1]))),
        mistake("averaged", "This is the average of each window. The largest is asked for.",
                does(lambda x, k, s, p: (F.avg_pool2d(x, k, s, p), ANY)),
                does(lambda x, k, s, p: (F.avg_pool2d(x, k, s, p, count_include_pad=False), ANY))),
        mistake("smallest", "This is the smallest number of each window. The largest is asked for.",
                does(lambda x, k, s, p: (-F.max_pool2d(-x, k, s, p), pool(-x, k, s, p)[1])), does(lambda x, k, s, p: (-F.max_pool2d(-x, k, s, p), ANY)),
                does(lambda x, k, s, p: (-_padded_with(-x, k, s, p, float("inf"))[0], ANY)), does(lambda x, k, s, p: (-_padded_with(-x, k, s, p, 0.0)[0], ANY))),
        mistake("largest-magnitude", "The number farthest from 0 wins in your function. −3 is smaller than 1.",
                does(lambda x, k, s, p: (lambda i: (x.flatten(2).gather(2, i.flatten(2)).view_as(i), i))(pool(x.abs(), k, s, p)[1])),
                does(lambda x, k, s, p: pool(x.abs(), k, s, p))),
        mistake("first-picture-only", "Only the first picture of the batch is worked on.", gives(lambda r, *a: _part(r, lambda t: t[:1])),
                gives(lambda r, *a: _part(r, lambda t: t[:1].expand_as(t))),
                gives(lambda r, *a: _part(r, lambda t: torch.cat([t[:1], torch.zeros_like(t[1:])])))),
        mistake("first-channel-only", "Only the first channel is worked on. Every channel is pooled by itself.", gives(lambda r, *a: _part(r, lambda t: t[:, :1])),
                gives(lambda r, *a: _part(r, lambda t: t[:, :1].expand_as(t)))),
        mistake("channels-pooled", "The largest is taken over the channels too. Every channel is pooled by itself.",
                gives(lambda r, *a: (r[0].amax(1, keepdim=True), ANY)), gives(lambda r, *a: (r[0].amax(1, keepdim=True).expand_as(r[0]), ANY))),
    ),
))  # fmt: skip


# max_pool2d_backward -----------------------------------------------------------------------------------------------


def backward(grad: Tensor, indices: Tensor, size: tuple[int, ...]) -> Tensor:
    """Reference of `max_pool2d_backward`."""
    n, c, h, w = size
    return grad.new_zeros(n, c, h * w).scatter_add(2, indices.flatten(2), grad.flatten(2)).reshape(n, c, h, w)


def _gradient_case(seed: int, size: tuple[int, ...], k: int, s: int, p: int, group: str, dtype: torch.dtype = torch.float32) -> Case:
    _, indices = pool(distinct(seed, *size), k, s, p)
    make = normal if dtype == torch.float64 else quarters
    return Case((make(seed + 1, *indices.shape, dtype=dtype), indices, size), group)


def _gradient_cases() -> list[Case]:
    grad, indices, size = _gradient_case(11, (2, 2, 6, 8), 2, 2, 0, "").args
    return [
        _gradient_case(1, (1, 1, 2, 4), 2, 2, 0, "plain"),
        _gradient_case(2, (1, 1, 4, 6), 2, 2, 0, "plain"),
        _gradient_case(3, (1, 1, 5, 7), 2, 2, 0, "odd sizes"),
        _gradient_case(4, (1, 3, 4, 6), 2, 2, 0, "channels"),
        _gradient_case(5, (3, 1, 6, 4), 2, 2, 0, "batch"),
        _gradient_case(6, (2, 3, 5, 6), 2, 2, 0, "batch"),
        _gradient_case(7, (1, 1, 3, 4), 2, 1, 0, "overlapping windows"),
        _gradient_case(8, (2, 2, 7, 9), 3, 2, 1, "overlapping windows"),
        _gradient_case(9, (1, 2, 6, 7), 3, 1, 1, "overlapping windows"),
        _gradient_case(10, (2, 2, 6, 5), 3, 2, 0, "float64", torch.float64),
        Case((noncontiguous(grad), noncontiguous(indices), size), "memory layout"),
    ]


def _gradient_facts(grad: Tensor, indices: Tensor, size: tuple[int, ...]) -> dict[str, bool]:
    return {
        "a pixel has won in more than one window": bool((backward(torch.ones_like(grad), indices, size) > 1).any()),
        "there is more than one picture in the batch": size[0] > 1,
        "there is more than one channel": size[1] > 1,
        "the height or width is odd": size[2] % 2 == 1 or size[3] % 2 == 1,
    }


def _overwrite(grad: Tensor, indices: Tensor, size: tuple[int, ...], first: bool) -> Tensor:
    n, c, h, w = size
    out = grad.new_zeros(n * c, h * w)
    flat_g, flat_i = grad.reshape(n * c, -1), indices.reshape(n * c, -1)
    order = range(flat_i.shape[1])
    for j in reversed(order) if first else order:
        out[torch.arange(n * c), flat_i[:, j]] = flat_g[:, j]
    return out.reshape(n, c, h, w)


def _one_plane(grad: Tensor, indices: Tensor, size: tuple[int, ...], per_picture: bool) -> Tensor:
    n, c, h, w = size
    if per_picture:
        out = grad.new_zeros(n, c * h * w)
        return out.scatter_add(1, indices.flatten(1), grad.flatten(1)).reshape(size)
    return grad.new_zeros(n * c * h * w).scatter_add(0, indices.flatten(), grad.flatten()).reshape(size)


def _largest(grad: Tensor, indices: Tensor, size: tuple[int, ...]) -> Tensor:
    n, c, h, w = size
    out = grad.new_zeros(n, c, h * w)
    return out.scatter_reduce(2, indices.flatten(2), grad.flatten(2), "amax", include_self=False).reshape(size)


def _counted(grad: Tensor, indices: Tensor, size: tuple[int, ...]) -> Tensor:
    return backward(torch.ones_like(grad), indices, size)


register(Exercise(
    name="max_pool2d_backward",
    signature="max_pool2d_backward(grad_output, indices, input_size)",
    text=(
        "Send the gradient of a max pooling back to its input. grad_output and indices are N×C×H_out×W_out, the indices those of `max_pool2d`;\n"
        "input_size is (N, C, H, W). Each number of grad_output goes to the pixel that won its window; a pixel that won several windows gets their sum,\n"
        "and all the others get 0. The result is N×C×H×W with the dtype of grad_output."
    ),
    reference=backward,
    cases=_gradient_cases,
    facts=_gradient_facts,
    mistakes=(
        mistake("overwritten", "Where one pixel won several windows, only one of their gradients is left: the later overwrites the earlier. They have to be added; "
                "`out[index] = …` and `out[index] += …` do not add repeated indices.",
                does(lambda g, i, z: _overwrite(g, i, z, False)), does(lambda g, i, z: _overwrite(g, i, z, True)), does(_largest)),
        mistake("averaged-overlaps", "Where one pixel won several windows, you average their gradients. The chain rule adds.",
                gives(lambda r, g, i, z: r / _counted(g, i, z).clamp(min=1))),
        mistake("planes-mixed-up", "The gradients of different channels or pictures land in the same plane. An index counts within its own plane: keep N and C apart.",
                does(lambda g, i, z: _one_plane(g, i, z, True)), does(lambda g, i, z: _one_plane(g, i, z, False))),
        mistake("ones-instead", "You mark the winners with 1. They get the gradient of their window.", does(lambda g, i, z: _counted(g, i, z)),
                does(lambda g, i, z: _counted(g, i, z).clamp(max=1))),
        mistake("whole-window", "Every pixel of a window gets its gradient. Only the winner had any influence on the output.",
                does(lambda g, i, z: F.interpolate(g, size=z[2:], mode="nearest")),
                does(lambda g, i, z: F.interpolate(g, size=z[2:], mode="nearest") / 4),
                does(lambda g, i, z: F.pad(g.repeat_interleave(2, 2).repeat_interleave(2, 3), (0, z[3] - 2 * g.shape[3], 0, z[2] - 2 * g.shape[2])))),
        mistake("index-column-major", "Indices are read column by column. They count row by row: row = index // W, column = index % W.",
                does(lambda g, i, z: backward(g, (i % z[2]) * z[3] + i // z[2], z)),
                does(lambda g, i, z: backward(g, i, (z[0], z[1], z[3], z[2])).transpose(2, 3))),
        mistake("divided-by-height", "Row and column are got with H. One row holds W numbers: row = index // W, column = index % W.",
                does(lambda g, i, z: backward(g, (i // z[2]) * z[3] + i % z[2], z))),
        mistake("left-flat", "The result is still flat: give it the shape N×C×H×W at the end.", gives(lambda r, *a: r.flatten(2)), gives(lambda r, *a: r.flatten(1)),
                gives(lambda r, *a: r.flatten())),
        mistake("first-picture-only", "Only the first picture of the batch gets a gradient.", gives(lambda r, *a: r[:1]),
                gives(lambda r, *a: torch.cat([r[:1], torch.zeros_like(r[1:])])), gives(lambda r, *a: r[:1].expand_as(r))),
        mistake("first-channel-only", "Only the first channel gets a gradient.", gives(lambda r, *a: r[:, :1]), gives(lambda r, *a: r[:, :1].expand_as(r)),
                gives(lambda r, *a: torch.cat([r[:, :1], torch.zeros_like(r[:, 1:])], 1))),
        mistake("window-corner", "The gradient goes to the first pixel of each window. It belongs to the winner, which the index names.",
                does(lambda g, i, z: (lambda o: (o[..., : 2 * g.shape[2] : 2, : 2 * g.shape[3] : 2].copy_(g), o)[1])(g.new_zeros(z)))),
        mistake("index-off-by-one", "Every gradient lands one pixel away from where it belongs. Indices start at 0.",
                does(lambda g, i, z: backward(g, (i - 1) % (z[2] * z[3]), z)), does(lambda g, i, z: backward(g, (i + 1) % (z[2] * z[3]), z))),
        mistake("sign-changed", "Every gradient has the wrong sign.", gives(lambda r, *a: -r)),
        mistake("scaled-by-window", "The gradient is divided by the size of the window, as for average pooling. The winner gets all of it.", gives(lambda r, *a: r / 4)),
    ),
))  # fmt: skip
