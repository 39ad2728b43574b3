"""What treats channels one by one, as layers: torch.nn's classes, computed by the engine of the day."""

from __future__ import annotations

from torch import Tensor, nn

from segkit.engine import engine


class ChannelShuffle(nn.ChannelShuffle):
    """`torch.nn.ChannelShuffle` on `segkit.engine()`."""

    def forward(self, input: Tensor) -> Tensor:
        return engine().channel_shuffle(input, self.groups)


class PReLU(nn.PReLU):
    """`torch.nn.PReLU` (same arguments, initialisation and state_dict) on `segkit.engine()`."""

    def forward(self, input: Tensor) -> Tensor:
        return engine().prelu(input, self.weight)
