"""A transposed convolution that starts as bilinear interpolation: the kernel, and the initialisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.typed import typed


@typed
def bilinear_kernel(
    channels: int, stride: int, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> Tensor:
    """The weight that makes a transposed convolution of this stride interpolate each channel bilinearly.

    The kernel is a tent of size k = 2·stride − stride mod 2. With `padding=stride // 2` the output is exactly `stride`
    times as large, and equals `interpolate(mode="bilinear", align_corners=False)` except near the border, where the
    transposed convolution finds zeros outside the map and interpolation repeats the border.

    Args:
        channels: number of channels C; each is interpolated by itself.
        stride: how many times larger the output is, 1 or more.
        dtype: of the weight; torch's default type where None.
        device: of the weight.

    Shape:
        C×C×k×k, zero except on the diagonal of the first two.

    Raises:
        ValueError: fewer than 1 channel, or a stride below 1.

    Source:
        Long, Shelhamer & Darrell, CVPR 2015, sections 3.3, 4.2, 4.3 (inner layers start so, the last stays so).
    """
    channels, stride = (
        whole(number, name, "bilinear_kernel", 1) for name, number in (("channels", channels), ("stride", stride))
    )
    k = 2 * stride - stride % 2
    centre = (k - 1) / 2  # odd kernels peak on a pixel, even ones between two
    tent = 1 - (torch.arange(k, dtype=torch.float64) - centre).abs() / stride  # k
    weight = torch.zeros(channels, channels, k, k, dtype=torch.float64)
    weight.diagonal().copy_((tent[:, None] * tent[None, :])[..., None])  # k, k, C: the diagonal is a view
    return weight.to(device=device, dtype=dtype or torch.get_default_dtype())


@torch.no_grad()
@typed
def init_bilinear_(layer: nn.ConvTranspose2d) -> nn.ConvTranspose2d:
    """Fill the weight of a transposed convolution with the bilinear kernel of its stride, its bias with zeros.

    Args:
        layer: as many channels out as in (any `groups`), one stride for both axes, kernel_size 2·stride − stride mod 2.

    Returns:
        The same layer.

    Raises:
        ValueError: the layer cannot be a bilinear interpolation; the message names the argument to fix.
    """
    s, k = layer.stride[0], layer.kernel_size
    size = 2 * s - s % 2
    if layer.stride != (s, s) or k != (size, size):
        raise ValueError(
            f"init_bilinear_ got stride {layer.stride} and kernel_size {k}; bilinear interpolation needs one stride s "
            f"for both axes and kernel_size 2·s − s mod 2, here {size}"
        )
    if layer.in_channels != layer.out_channels:
        raise ValueError(
            f"init_bilinear_ got {layer.in_channels} channels in and {layer.out_channels} out; "
            "interpolation keeps their number"
        )
    per_group = layer.in_channels // layer.groups
    layer.weight.copy_(bilinear_kernel(per_group, s, torch.float64).repeat(layer.groups, 1, 1, 1))
    if layer.bias is not None:
        layer.bias.zero_()
    return layer
