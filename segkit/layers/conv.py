"""Convolution and its transpose with parameters: torch.nn's layers, computed by the engine of the day."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.engine import engine


class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d` (same arguments, initialisation and state_dict) on `segkit.engine()`.

    Shape:
        N×C×H×W or C×H×W → the same with `out_channels` and the size of `segkit.ops.conv2d`.
    """

    def forward(self, input: Tensor) -> Tensor:
        padding: str | tuple[int, ...] = self.padding
        if self.padding_mode != "zeros":  # reflect, replicate or circular: pad first, then convolve what is there
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0, 0
        return engine().conv2d(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class ConvTranspose2d(nn.ConvTranspose2d):
    """`torch.nn.ConvTranspose2d` (same arguments, initialisation and state_dict) on `segkit.engine()`.

    Shape:
        N×C×H×W or C×H×W → the same with `out_channels` and the size of `segkit.ops.conv_transpose2d`, or `output_size`
        where that is given in the call (the layer then finds the output_padding that makes it).
    """

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        size = None if output_size is None else list(output_size)
        output_padding = self._output_padding(
            input, size, self.stride, self.padding, self.kernel_size, 2, self.dilation  # type: ignore[arg-type]
        )  # fmt: skip
        return engine().conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation
        )
