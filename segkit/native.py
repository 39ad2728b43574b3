"""The operators of `segkit.ops`, name for name, on torch's own kernels: fast, and the answer to compare with.

Every function here has exactly the signature of its namesake in `segkit.ops` (a test compares them), so
`segkit.use_engine("scratch" | "native")` can put one in the place of the other. Pictures without a pixel or a channel,
of which torch gives no account or a bare IndexError, are refused with the words of `segkit.ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.ops.arguments import at_widest, check_shape
from segkit.ops.attention import check_attend
from segkit.ops.encoding import check_encode
from segkit.ops.gating import check_gate
from segkit.ops.grid_sampling import as_grid, check_grid_sample, countable
from segkit.ops.masks import pool_by_masks
from segkit.ops.stitching import shifted_maps, stitched_size
from segkit.ops.sweeping import DIRECTIONS, check_sweep

IntOrPair = int | Sequence[int]
exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", lambda: False)  # torch < 2.7 cannot tell

__all__ = [
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "attend", "avg_pool2d", "bed_of_nails", "channel_shuffle", "conv2d",
    "conv_transpose2d", "encode", "gate", "grid_sample", "interpolate", "max_pool2d", "max_unpool2d", "pixel_shuffle",
    "pixel_unshuffle", "point_sample", "prelu", "separable_conv2d", "shift_and_stitch", "spatial_pyramid_pool", "sweep",
]  # fmt: skip


def _check(input: Tensor, op: str, empty_channels: bool = False) -> None:
    if isinstance(input, Tensor) and not torch.compiler.is_compiling():  # sizes may be symbols there
        check_shape(input, op, empty_channels)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Tensor:
    """`torch.nn.functional.conv2d`; see `segkit.ops.conv2d`.

    A 1×1 kernel with a stride and fewer than 16 channels is given only the pixels that it reads: torch 2.15's kernel
    for this case ends the process on some processors when it goes backward in channels-last order.
    """
    _check(input, "conv2d")
    few = weight.ndim == 4 and weight.shape[1] < 16 and weight.shape[-2:] == (1, 1)
    if few and stride not in (1, (1, 1), [1, 1]) and padding in (0, (0, 0), [0, 0], "valid"):
        steps = (stride, stride) if isinstance(stride, int) else (stride[0], stride[-1])
        input, stride = input[..., :: steps[0], :: steps[1]], 1
    return F.conv2d(input, weight, bias, stride, padding, dilation, groups)  # type: ignore[arg-type, call-overload]


def separable_conv2d(
    input: Tensor,
    depthwise_weight: Tensor,
    pointwise_weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair | str = 0,
    dilation: IntOrPair = 1,
) -> Tensor:
    """Depthwise, then 1×1, by torch's convolution; see `segkit.ops.separable_conv2d`."""
    _check(input, "separable_conv2d")
    y = conv2d(input, depthwise_weight, None, stride, padding, dilation, input.shape[-3])
    return conv2d(y, pointwise_weight, bias)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> Tensor:
    """`torch.nn.functional.conv_transpose2d`; see `segkit.ops.conv_transpose2d`."""
    _check(input, "conv_transpose2d")
    return F.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)  # type: ignore[arg-type]


def max_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`torch.nn.functional.max_pool2d`; see `segkit.ops.max_pool2d`."""
    _check(input, "max_pool2d")
    pool: Any = F.max_pool2d  # its stub knows `return_indices` only as a constant
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool2d(
    input: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """`torch.nn.functional.avg_pool2d`; see `segkit.ops.avg_pool2d`."""
    _check(input, "avg_pool2d")
    return F.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)  # type: ignore[arg-type]


def adaptive_avg_pool2d(input: Tensor, output_size: int | Sequence[int | None] | None) -> Tensor:
    """`torch.nn.functional.adaptive_avg_pool2d`; see `segkit.ops.adaptive_avg_pool2d`."""
    _check(input, "adaptive_avg_pool2d", empty_channels=True)
    if exporting():
        return pool_by_masks(input, output_size, "avg")
    return F.adaptive_avg_pool2d(input, output_size)  # type: ignore[arg-type]


def adaptive_max_pool2d(
    input: Tensor, output_size: int | Sequence[int | None] | None, return_indices: bool = False
) -> Any:
    """`torch.nn.functional.adaptive_max_pool2d`; see `segkit.ops.adaptive_max_pool2d`."""
    _check(input, "adaptive_max_pool2d")
    if exporting() and not return_indices:
        return pool_by_masks(input, output_size, "max")
    return F.adaptive_max_pool2d(input, output_size, return_indices)  # type: ignore[call-overload]


def spatial_pyramid_pool(input: Tensor, bins: Sequence[int] = (6, 3, 2, 1), mode: str = "max") -> Tensor:
    """Bins of each level, lined up, by torch's adaptive poolings; see `segkit.ops.spatial_pyramid_pool`."""
    pool: Any = {"max": adaptive_max_pool2d, "avg": adaptive_avg_pool2d}[mode]
    return torch.cat([pool(input, side).flatten(-3) for side in bins], -1)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """`torch.nn.functional.max_unpool2d`; see `segkit.ops.max_unpool2d`."""
    _check(input, "max_unpool2d")
    return F.max_unpool2d(input, indices, kernel_size, stride, padding, output_size)  # type: ignore[arg-type]


def bed_of_nails(input: Tensor, stride: IntOrPair = 2) -> Tensor:
    """Values `stride` apart with zeros between, as an unpooling to fixed places; see `segkit.ops.bed_of_nails`."""
    _check(input, "bed_of_nails")
    sh, sw = (stride, stride) if isinstance(stride, int) else (stride[0], stride[-1])
    C = input.shape[-3]
    return F.conv_transpose2d(input, input.new_ones(C, 1, 1, 1), None, (sh, sw), 0, (sh - 1, sw - 1), C)


def interpolate(
    input: Tensor,
    size: IntOrPair | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """`torch.nn.functional.interpolate`; see `segkit.ops.interpolate`."""
    if isinstance(input, Tensor) and input.ndim == 4:
        _check(input, "interpolate")
    return F.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor)  # type: ignore[arg-type]


@at_widest
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """`torch.nn.functional.grid_sample`; see `segkit.ops.grid_sample`."""
    check_grid_sample(input, grid, mode, padding_mode)  # and countable: torch 2.15 dies going back from NaN or infinity
    return F.grid_sample(input, countable(grid), mode, padding_mode, bool(align_corners))


@at_widest
def point_sample(
    input: Tensor,
    points: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """By `torch.nn.functional.grid_sample`; see `segkit.ops.point_sample`."""
    return grid_sample(input, as_grid(points), mode, padding_mode, align_corners)[..., 0]


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`torch.nn.functional.prelu`; see `segkit.ops.prelu`."""
    return F.prelu(input, weight)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """`torch.nn.functional.channel_shuffle`; see `segkit.ops.channel_shuffle`."""
    return F.channel_shuffle(input, groups)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """`torch.nn.functional.pixel_shuffle`; see `segkit.ops.pixel_shuffle`."""
    if not torch.compiler.is_compiling() and not input.numel() and input.ndim > 2 and upscale_factor > 0:
        *batch, C, H, W = input.shape  # torch's gradient of an empty batch has another shape
        r = upscale_factor
        if C % r**2 == 0:
            return input.reshape(*batch, C // r**2, H * r, W * r)
    return F.pixel_shuffle(input, upscale_factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """`torch.nn.functional.pixel_unshuffle`; see `segkit.ops.pixel_unshuffle`."""
    if not input.numel() and input.ndim > 2 and downscale_factor > 0:  # torch gives an empty picture back as it is
        *batch, C, H, W = input.shape
        r = downscale_factor
        return input.reshape(*batch, C * r * r, H // r, W // r)
    return F.pixel_unshuffle(input, downscale_factor)


def shift_and_stitch(network: Callable[[Tensor], Tensor], input: Tensor, stride: int) -> Tensor:
    """Dense scores from a network that strides, by torch's pixel shuffle; see `segkit.ops.shift_and_stitch`."""
    maps = shifted_maps(network, input if input.ndim == 4 else input[None], stride)
    H, W = stitched_size(maps)
    h, w = maps[0][0].shape[2:]  # the unshifted map is the largest
    phases = [F.pad(scores, (0, w - scores.shape[3], 0, h - scores.shape[2])) for row in maps for scores in row]
    dense = F.pixel_shuffle(torch.stack(phases, dim=2).flatten(1, 2), stride)[..., :H, :W]  # N, K, H, W
    return dense if input.ndim == 4 else dense[0]


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float | None = None, mask: Tensor | None = None) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention`; see `segkit.ops.attend`."""
    check_attend(query, key, value, scale, mask)
    if scale is not None and scale < 0:
        query, scale = -query, -scale  # ONNX takes the root of the scale
    if query.ndim != 3 or not torch.compiler.is_compiling():
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)
    q, k, v = (t[:, None] for t in (query, key, value))  # N, 1, L or S, channels: ONNX takes no fewer dimensions
    of_one_head = mask if mask is None or mask.ndim < 3 else mask[:, None]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=of_one_head, scale=scale)[:, 0]


def gate(input: Tensor, scores: Tensor, splits: int = 1) -> Tensor:
    """See `segkit.ops.gate`."""
    check_gate(input, scores, splits)
    if splits == 1:
        return input * scores.sigmoid()
    x, shares = (t.unflatten(-3, (splits, -1)) for t in (input, scores))  # …, r, C, H, W
    return (x * F.softmax(shares, -4)).sum(-4)


def encode(input: Tensor, codewords: Tensor, scale: Tensor) -> Tensor:
    """The sums as two products, ΣA·X − (ΣA)·d; see `segkit.ops.encode`."""
    pixels = check_encode(input, codewords, scale).flatten(2).mT  # N, H·W, C
    squares = torch.stack([(pixels - word).square().sum(-1) for word in codewords], -1)  # N, H·W, K
    shares = F.softmax(scale * squares, -1)
    found = shares.mT @ pixels - shares.sum(1)[..., None] * codewords  # N, K, C
    return found if input.ndim == 4 else found[0]


def sweep(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    direction: str = "down",
    cell: str = "gru",
    open: Tensor | None = None,
) -> Tensor:
    """`torch.gru_cell` or `torch.rnn_relu_cell`, line by line; see `segkit.ops.sweep`."""
    x, gates = check_sweep(input, weight_ih, weight_hh, bias_ih, bias_hh, direction, cell, open)
    axis, backwards = DIRECTIONS[direction]
    biases = [b if b is not None else weight_hh.new_zeros(len(weight_hh)) for b in (bias_ih, bias_hh)]

    def lines(maps: Tensor) -> Tensor:
        found = maps.permute(2, 0, 3, 1) if axis == -2 else maps.permute(3, 0, 2, 1)  # lines, N, L, C
        return (found.flip(0) if backwards else found).flatten(1, 2)  # lines, N·L, C

    passed = None if gates is None else lines(gates)
    step = torch.gru_cell if cell == "gru" else torch.rnn_relu_cell
    N, L = len(x), x.shape[-1 if axis == -2 else -2]
    state = x.new_zeros(N * L, weight_hh.shape[1])  # N·L, U
    steps = []
    for place, line in enumerate(lines(x)):
        state = step(line, state if passed is None else state * passed[place], weight_ih, weight_hh, *biases)
        steps.append(state)
    written = torch.stack(steps[::-1] if backwards else steps).unflatten(1, (N, L))  # lines, N, L, U
    found = written.permute(1, 3, 0, 2) if axis == -2 else written.permute(1, 3, 2, 0)  # N, U, H, W
    return (found if input.ndim == 4 else found[0]).contiguous()
