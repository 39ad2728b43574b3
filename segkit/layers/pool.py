"""Pooling and unpooling as layers: torch.nn's classes, computed by the engine of the day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from segkit.engine import engine


class MaxPool2d(nn.MaxPool2d):
    """`torch.nn.MaxPool2d` on `segkit.engine()`; with `return_indices=True` it gives (values, indices)."""

    def forward(self, input: Tensor) -> Any:
        return engine().max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class AvgPool2d(nn.AvgPool2d):
    """`torch.nn.AvgPool2d` on `segkit.engine()`."""

    def forward(self, input: Tensor) -> Tensor:
        return engine().avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """`torch.nn.AdaptiveAvgPool2d` on `segkit.engine()`."""

    def forward(self, input: Tensor) -> Tensor:
        return engine().adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    """`torch.nn.AdaptiveMaxPool2d` on `segkit.engine()`; with `return_indices=True` it gives (values, indices)."""

    def forward(self, input: Tensor) -> Any:
        return engine().adaptive_max_pool2d(input, self.output_size, self.return_indices)


class MaxUnpool2d(nn.MaxUnpool2d):
    """`torch.nn.MaxUnpool2d` on `segkit.engine()`."""

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return engine().max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)
