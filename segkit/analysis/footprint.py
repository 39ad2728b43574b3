"""The pixels that can reach a unit at all, found with gradients alone: what theory has to agree with."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from segkit.analysis.effective import checked_position, input_gradient, named_row
from segkit.analysis.receptive import receptive_field
from segkit.analysis.running import Model, Size, as_network, picture_shape
from segkit.analysis.table import Table
from segkit.typed import typed


@typed
def gradient_footprint(
    model: Model,
    input_size: Size,
    layer: str | None = None,
    position: tuple[int, int] | None = None,
    *,
    table: Table | None = None,
) -> Tensor:
    """The pixels that can move a unit, found without any theory: where the gradient is not zero.

    All weights are made positive, so that nothing cancels and no ReLU closes; max pooling is made to average its window
    and unpooling to fill it, since any place of it may be the largest. Places that the picture chooses, by a flow or as
    its most uncertain points, may be any.

    Args:
        model, input_size, layer, position, table: as for `effective_field`.

    Returns:
        bool H×W. Its bounding box is `receptive_field(model, input_size)[layer].box(*position)`.
    """
    network = as_network(model)
    shape = picture_shape(network, input_size)
    row = named_row(network, table or receptive_field(network, shape[1:]), layer)
    position = checked_position(row, position)
    # so faint that no ReLU6 or hard sigmoid saturates, however many branches add up
    picture = 1e-20 * (1 + torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    weights = _positive(network)
    with _Open():
        gradient = input_gradient(network, picture, layer, row, position, None, weights)
    return gradient.abs().sum((0, 1)) > 0


def _positive(network: nn.Module) -> dict[str, Tensor]:
    """Every weight near 1 / fan-in, no biases, nothing to be less than; BatchNorm passes its input through."""
    new: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(0)
    for name, p in [*network.named_parameters(), *network.named_buffers()]:
        if p.is_floating_point():
            end = name.rpartition(".")[2]
            fan = p[0].numel() if p.ndim > 1 else 1
            size = 0.0 if end in ("running_mean", "bias", "codewords") else 1.0 / fan
            spread = 0.5 + torch.rand(p.shape, generator=generator, dtype=torch.float64)  # alike ones cancel
            new[name] = spread.mul_(size).to(p.device)
    return new


class _Open(TorchFunctionMode):
    """Max pooling lets every value of its window through, unpooling fills its window; a choice may fall anywhere."""

    chosen = False  # whether there are indices that remember what they were chosen from

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name == "grid_sample":
            return _anywhere(*args[:2])
        if self.chosen and any(hasattr(t, "_segkit_origin") for t in tree_leaves((args, kwargs))):
            return _of_a_choice(name, func, args, kwargs)
        if name == "topk":
            self.chosen = True
            return _chosen(func(*args, **kwargs), *args, **kwargs)
        if name in ("max_pool2d", "max_pool2d_with_indices"):
            return _window_mean(name, *args, **kwargs)
        if name == "max_unpool2d":
            return _filled(*args, **kwargs)
        if name == "adaptive_max_pool2d":
            return F.adaptive_avg_pool2d(*args[:2])
        if name == "group_norm":
            return _with_its_group(*args[:2])
        if name in ("amax", "amin"):
            return torch.mean(*args, **kwargs)
        return func(*args, **kwargs)


def _with_its_group(x: Tensor, num_groups: int, *_: Any) -> Tensor:
    """What group_norm reads, but nothing negative, which a ReLU would close: each value with the mean of its group."""
    mean = x.unflatten(1, (num_groups, -1)).flatten(2).mean(2)  # N, groups
    mean = mean.repeat_interleave(x.shape[1] // num_groups, 1)  # N, C
    return x + mean.view(*x.shape[:2], *[1] * (x.ndim - 2))


def _anywhere(x: Tensor, grid: Tensor) -> Tensor:
    """What grid_sample returns, as if each place had read the whole map; and what the grid was made from."""
    return x.mean((2, 3), keepdim=True) + _origin(grid).sum(-1)[:, None]


def _origin(t: Tensor) -> Tensor:
    """Zeros of the tensor's shape, with the gradient of what it was made or chosen from."""
    return getattr(t, "_segkit_origin", t - t.detach())


def _chosen(found: Any, x: Tensor, k: int, dim: int = -1, *_: Any, **__: Any) -> Any:
    """topk's answer; its indices remember what they were chosen from."""
    found.indices._segkit_origin = (x - x.detach()).mean(dim, keepdim=True).expand(found.indices.shape)
    return found


def _of_a_choice(name: str, func: Any, args: Any, kwargs: Any) -> Any:
    """What is read or written at chosen places: all of the dimension. Places made from chosen ones are chosen too."""
    if name == "gather":
        x, dim, index = args
        return x.mean(dim, keepdim=True).expand(index.shape) + _origin(index)
    if name == "scatter":
        x, dim, index, source = args
        return x + source.mean(dim, keepdim=True) + _origin(index).mean(dim, keepdim=True)
    made = func(*args, **kwargs)
    if isinstance(made, Tensor):
        if name == "__getitem__" and not hasattr(args[0], "_segkit_origin"):  # looked up in a table
            made._segkit_origin = _origin(args[1])  # type: ignore[attr-defined]
        else:
            origins = tree_map(lambda v: getattr(v, "_segkit_origin", v), (args, kwargs))
            made._segkit_origin = func(*origins[0], **origins[1])  # type: ignore[attr-defined]
    return made


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _window_mean(
    name: str,
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """What max_pool2d returns, with the sum of each window over its size in place of the maximum."""
    pooled, indices = F.max_pool2d_with_indices(x.detach(), kernel_size, stride, padding, dilation, ceil_mode)
    kernel, pad, gap = _pair(kernel_size), _pair(padding), _pair(dilation)
    step = _pair(stride) if stride else kernel
    C, (H, W) = x.shape[-3], pooled.shape[-2:]
    beyond = [
        max((n - 1) * s + (k - 1) * d + 1 - p - size, 0)
        for n, s, k, d, p, size in zip((H, W), step, kernel, gap, pad, x.shape[-2:], strict=True)
    ]
    wide = F.pad(x, (pad[1], beyond[1], pad[0], beyond[0]))
    ones = torch.full((C, 1, *kernel), 1 / (kernel[0] * kernel[1]), dtype=x.dtype, device=x.device)
    mean = F.conv2d(wide, ones, None, step, 0, gap, C)[..., :H, :W]
    return (mean, indices) if return_indices or name == "max_pool2d_with_indices" else mean


def _filled(
    x: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """What max_unpool2d returns, with each value at every place of its window."""
    H, W = F.max_unpool2d(x.detach(), indices, kernel_size, stride, padding, output_size).shape[-2:]
    kernel, pad = _pair(kernel_size), _pair(padding)
    ones = torch.ones((x.shape[-3], 1, *kernel), dtype=x.dtype, device=x.device)
    full = F.conv_transpose2d(x, ones, None, _pair(stride) if stride else kernel, groups=x.shape[-3])
    full = full[..., pad[0] : pad[0] + H, pad[1] : pad[1] + W]
    return F.pad(full, (0, W - full.shape[-1], 0, H - full.shape[-2]))
