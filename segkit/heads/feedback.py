"""Feedback unrolled: the same layers again, each time with what they said the last time beside the picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.ops.arguments import check_shape
from segkit.typed import typed


class Feedback(nn.Module):
    """T passes of one network: hₜ = step(x beside hₜ₋₁), with h₀ = 0.

    Args:
        step: from N×(C + channels)×H×W to N×channels×H×W; its weights are the same in every pass.
        channels: of what goes back, such as class scores.
        times: T; with 1 it is the network alone.

    Shape:
        N×C×H×W → N×channels×H×W. The field grows with every pass as if the layers stood there once more; the number of
        weights does not grow.

    Raises:
        ValueError: what step gives has another shape.

    Source:
        "Loopy" top-down networks of the CVPR workshops 2014; Pinheiro & Collobert, ICML 2014 (arXiv 1306.2795), where
        class scores go back.
    """

    @typed
    def __init__(self, step: nn.Module, channels: int, times: int = 2) -> None:
        super().__init__()
        self.step, self.channels = step, whole(channels, "channels", "Feedback", 1)
        self.times = whole(times, "times", "Feedback", 1)

    def forward(self, x: Tensor) -> Tensor:
        check_shape(x, "Feedback")
        wanted = (*x.shape[:-3], self.channels, *x.shape[-2:])
        said = x.new_zeros(wanted)  # N, channels, H, W
        for _ in range(self.times):
            said = self.step(torch.cat([x, said], -3))  # N, channels, H, W
            if tuple(said.shape) != wanted:
                raise ValueError(f"Feedback got {tuple(said.shape)} from its step for a map of {tuple(x.shape)}; it "
                                 f"takes {wanted}, to go back beside the map")  # fmt: skip
        return said
