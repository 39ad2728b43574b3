"""From stride to dilation: a finer map from the same weights, every old filter response still in it.

Take the stride off one layer and its map becomes `stride` times as fine; the old map is every stride-th value of it.
The layers behind must then step over the values between: their kernels are dilated by the strides taken off before.

  stride 2 :  a . b . c      conv, stride 2          →  conv, stride 1           a x b x c
              └───┼───┘      3×3 on the coarse map   →  3×3, dilation 2          └───┼───┘      same taps, same answer

A layer whose own stride is taken off still reads the map of its predecessor: it is dilated by the strides taken off
*before* it, not by its own. Many re-implementations get this wrong in the first block of a stage.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.engine import engine, use_engine
from segkit.layers import AvgPool2d, MaxPool2d
from segkit.typed import typed

PROBE = 256  # pixels; the picture from which the stride of each layer is read, never computed (a batch of none)
Window = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d


class DenseMaxPool2d(MaxPool2d):
    """A max pooling without its stride: as many values out as in, the window's cells `dilation` apart.

    Beyond the border lies −∞, which never wins, so that the windows which `ceil_mode` lets hang over the edge hold the
    same maximum as before.

    Shape:
        N×C×H×W → N×C×H×W; output (i, j) looks at rows i − padding + t·dilation for t < kernel_size.
    """

    def forward(self, input: Tensor) -> Tensor:
        input = _padded(self, input, -torch.inf)  # N, C, H + …, W + …
        return engine().max_pool2d(input, self.kernel_size, 1, 0, self.dilation)  # N, C, H, W


class DenseAvgPool2d(AvgPool2d):
    """An average pooling without its stride: as many values out as in, the window's cells `dilation` apart.

    Beyond the border lie zeros, which count. No engine has an average pooling with holes: it is the depthwise
    convolution whose weights are all 1/(kh·kw).

    Shape:
        N×C×H×W → N×C×H×W; output (i, j) looks at rows i − padding + t·dilation for t < kernel_size.
    """

    def __init__(self, kernel_size: tuple[int, int], padding: tuple[int, int], dilation: tuple[int, int]) -> None:
        super().__init__(kernel_size, 1, padding)
        self.dilation = dilation

    def forward(self, input: Tensor) -> Tensor:
        C, (kh, kw) = input.shape[1], _pair(self.kernel_size)
        mean = input.new_full((C, 1, kh, kw), 1 / (kh * kw))
        return engine().conv2d(_padded(self, input, 0.0), mean, None, 1, 0, self.dilation, C)  # N, C, H, W


@typed
def dilate_strides(encoder: nn.Module, output_stride: int) -> nn.Module:
    """A copy of an encoder whose maps are no coarser than `output_stride`, with the same weights.

    Args:
        encoder: a ResNetEncoder, a VGGEncoder, or any module from pictures to maps, made of convolutions and poolings
            that divide 256×256 pixels evenly. It stays as it is.
        output_stride: pixels of the picture from one cell of the last map to the next, 1, 2, 4, …

    Returns:
        The copy, with `strides` brought up to date where the encoder has them. In evaluation mode its map of stride s,
        sampled at every (s_old / s)-th row and column from the first, *is* the old map:
        - segkit's encoders: at every size, the border included, because each stride that was taken off had made
          ⌈h/stride⌉ cells of h, and then a tap falls outside the fine map exactly where it did outside the coarse.
        - A pooling that rounds down (torchvision's VGG) drops the last row of an odd map, and the layers behind saw
          zeros in its place; the fine map keeps it. The sampled map then has a row or column more, and its old cells
          differ within reach of the bottom and right border, in VGG-11 at 248 pixels the last row and column of 7,
          by about 12 % of their norm (random weights). Where the sizes divide, nothing differs.
        - In training mode BatchNorm takes its statistics from more cells, so the two are equal only in their running
          statistics.

    Raises:
        ValueError: an output_stride that is not a power of two (one larger than the encoder's changes nothing); a layer
            that has no dilation (transposed convolution), pads by other than zeros, leaves padding out of a mean,
            returns indices.

    Source:
        Chen et al., ICLR 2015 (arXiv 1412.7062), section 3.1; Yu & Koltun, ICLR 2016, section 4 (which also removes the
        poolings themselves: see `segkit.models.dilated`).
    """
    return dilate_strides_(copy.deepcopy(encoder), output_stride)


@typed
def dilate_strides_(encoder: nn.Module, output_stride: int) -> nn.Module:
    """`dilate_strides` in place: the encoder itself is changed and returned."""
    if isinstance(output_stride, np.integer):
        output_stride = int(output_stride)
    if type(output_stride) is not int or output_stride < 1 or output_stride & (output_stride - 1):
        raise ValueError(
            f"dilate_strides got output_stride={output_stride!r}; it is a power of two: 1, 2, 4, 8, 16, 32"
        )
    if max(getattr(encoder, "strides", (output_stride + 1,))) <= output_stride:
        return encoder  # it is as fine already
    changes = []
    for name, layer, before in strides_seen(encoder):
        stride = _pair(getattr(layer, "stride", None) or layer.kernel_size)[0]  # type: ignore[arg-type]
        single = _pair(layer.kernel_size) == (1, 1)  # one tap: nothing to spread
        rate = 1 if single else max(1, before // output_stride)  # the strides that were taken off before this layer
        kept = max(1, min(stride, output_stride // before))
        if rate > 1 or kept != stride:
            _check(name, layer)
            changes.append((name, layer, rate, kept))
    for name, layer, rate, kept in changes:
        _convert(encoder, name, layer, rate, kept)
    strides: Any = getattr(encoder, "strides", None)
    if strides is not None:
        encoder.strides = tuple(min(stride, output_stride) for stride in strides)  # type: ignore[assignment]
    return encoder


@typed
def set_rates(blocks: Iterable[nn.Module], rates: Sequence[int]) -> None:
    """Give the 3×3 convolutions of each residual block a dilation rate of its own: hybrid dilation, multi-grid.

    Args:
        blocks: residual blocks, for example `encoder.layer4`.
        rates: one rate for each block; both 3×3 convolutions of a basic block take it.

    Raises:
        ValueError: another number of rates than of blocks, or a rate that is not a whole number from 1 up.
    """
    blocks, rates = list(blocks), list(rates)
    if not all(isinstance(block, nn.Module) for block in blocks):
        raise TypeError(f"set_rates got blocks {blocks!r:.60}; they are residual blocks, such as encoder.layer4")
    if len(blocks) != len(rates) or any(not isinstance(r, int | np.integer) or r < 1 for r in rates):
        raise ValueError(
            f"set_rates got rates {rates} for {len(blocks)} blocks; give one whole number ≥ 1 for each block"
        )
    for block, rate in zip(blocks, rates, strict=True):
        for layer in block.modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
                layer.dilation = rate, rate
                layer.padding = tuple(rate * (k // 2) for k in layer.kernel_size)


def _padded(pool: Any, x: Tensor, value: float) -> Tensor:
    """The input of a dense pooling, continued by what its windows hang over."""
    kernel, (low_y, low_x), dilation = (_pair(v) for v in (pool.kernel_size, pool.padding, pool.dilation))
    high_y, high_x = (d * (k - 1) - p for k, p, d in zip(kernel, (low_y, low_x), dilation, strict=True))
    return F.pad(x, (low_x, high_x, low_y, high_y), value=value)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def strides_seen(encoder: nn.Module) -> list[tuple[str, Window, int]]:
    """Each convolution and pooling with the stride of the map it reads, by a run on no picture at all.

    A batch of 0 has the shapes of any other and costs nothing. So has torch's "meta" device, which loads its compiler.
    """
    seen: dict[str, tuple[nn.Module, int]] = {}
    windows = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.ConvTranspose2d, nn.FractionalMaxPool2d, nn.LPPool2d)

    def hook(name: str, layer: nn.Module):  # type: ignore[no-untyped-def]
        def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            height, width = inputs[0].shape[-2:]
            if height != width or PROBE % height:
                raise ValueError(
                    f"dilate_strides: layer {name} reads a map of {height}×{width} when the picture has {PROBE}×{PROBE}"
                    " pixels, which is not a whole stride; pad the layers before it so that each only divides the size"
                )
            if seen.setdefault(name, (layer, PROBE // height))[1] != PROBE // height:
                raise ValueError(f"dilate_strides: layer {name} reads maps of two strides; give each its own layer")

        return layer.register_forward_pre_hook(note)

    handles = [hook(name, layer) for name, layer in encoder.named_modules() if isinstance(layer, windows)]
    first = next((m for m in encoder.modules() if isinstance(m, nn.Conv2d)), None)
    if first is None:
        raise ValueError(
            f"dilate_strides got a {type(encoder).__name__} without a convolution; there is no stride to find"
        )
    state: dict[str, Tensor] = {name: weight for name, weight in encoder.named_parameters() if weight.is_meta}
    state |= encoder.named_buffers()  # BatchNorm would count what it saw

    def blank(like: Tensor, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=like.dtype, device="cpu" if like.is_meta else like.device)

    probe = blank(first.weight, 0, first.in_channels, PROBE, PROBE)
    try:
        with torch.no_grad(), use_engine("native"):
            torch.func.functional_call(encoder, {name: blank(t, *t.shape) for name, t in state.items()}, (probe,))
    finally:
        for handle in handles:
            handle.remove()
    return [(name, layer, before) for name, (layer, before) in seen.items()]  # type: ignore[misc]


def _check(name: str, layer: nn.Module) -> None:
    """Only what has a dilation and a border that scales with it can be converted."""
    if not isinstance(layer, Window):
        raise ValueError(f"dilate_strides: layer {name} is a {type(layer).__name__}, which has no dilation; replace it")
    if len(set(_pair(layer.stride))) > 1:
        raise ValueError(f"dilate_strides: layer {name} has strides {layer.stride}; both axes need the same")
    if isinstance(layer, nn.Conv2d) and (isinstance(layer.padding, str) or layer.padding_mode != "zeros"):
        raise ValueError(
            f"dilate_strides: layer {name} pads by {layer.padding!r}, {layer.padding_mode}; "
            "write the padding as numbers, with zeros"
        )
    if isinstance(layer, nn.AvgPool2d) and (layer.ceil_mode or not layer.count_include_pad or layer.divisor_override):
        raise ValueError(
            f"dilate_strides: layer {name} divides by a number that changes at the border; leave ceil_mode, "
            "count_include_pad and divisor_override as they are by default"
        )
    if isinstance(layer, nn.MaxPool2d) and layer.return_indices:
        raise ValueError(f"dilate_strides: layer {name} returns indices, which name cells of the coarse map")


def _convert(encoder: nn.Module, name: str, layer: Window, rate: int, stride: int) -> None:
    """Dilate one layer by `rate`, and give it what is left of its stride."""
    settings = layer.padding, getattr(layer, "dilation", 1)
    padding, dilation = (tuple(rate * v for v in _pair(value)) for value in settings)  # type: ignore[arg-type]
    if isinstance(layer, nn.Conv2d):
        layer.stride, layer.padding, layer.dilation = (stride, stride), padding, dilation  # type: ignore[assignment]
        return
    if stride != 1:
        raise ValueError(
            f"dilate_strides: pooling {name} would keep stride {stride} of {layer.stride}; take all or none"
        )
    kernel = _pair(layer.kernel_size)
    dense: nn.Module
    if isinstance(layer, nn.AvgPool2d):
        dense = DenseAvgPool2d(kernel, padding, dilation)  # type: ignore[arg-type]
    else:
        dense = DenseMaxPool2d(kernel, 1, padding, dilation)  # type: ignore[arg-type]
    kept = nn.Identity() if kernel == (1, 1) else dense  # a pooling that only left cells out
    parent, _, attribute = name.rpartition(".")
    setattr(encoder.get_submodule(parent), attribute, kept.train(layer.training))
