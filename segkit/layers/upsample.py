"""Going back up, as layers without parameters: torch.nn's classes, computed by the engine of the day."""

from __future__ import annotations

from torch import Tensor, nn

from segkit.engine import engine


class Upsample(nn.Upsample):
    """`torch.nn.Upsample` on `segkit.engine()`."""

    def forward(self, input: Tensor) -> Tensor:
        return engine().interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )


class PixelShuffle(nn.PixelShuffle):
    """`torch.nn.PixelShuffle` on `segkit.engine()`."""

    def forward(self, input: Tensor) -> Tensor:
        return engine().pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(nn.PixelUnshuffle):
    """`torch.nn.PixelUnshuffle` on `segkit.engine()`."""

    def forward(self, input: Tensor) -> Tensor:
        return engine().pixel_unshuffle(input, self.downscale_factor)
