"""L2 normalisation over the channels, with a learned scale each: what lets maps of unlike magnitude meet."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import finite, whole


class L2Norm(nn.Module):
    """Give the vector at each cell length 1, then multiply each channel by a scale that is learned.

    Args:
        channels: of the map.
        scale: what each channel's scale starts at.
        eps: lengths below this count as this, so that a vector of zeros stays zeros.

    Shape:
        N×channels×h×w → the same.

    Raises:
        ValueError: a map with other channels.

    Source:
        Liu, Rabinovich & Berg, "ParseNet: Looking Wider to See Better" (arXiv 1506.04579), section 3.3, equations 1–4.
        Ports of the authors' code start the scale at 10.
    """

    def __init__(self, channels: int, scale: float = 10.0, eps: float = 1e-10) -> None:
        super().__init__()
        self.channels = whole(channels, "channels", "L2Norm", 1)
        self.eps = finite(eps, "eps", "L2Norm", 0)
        self.weight = nn.Parameter(torch.full((self.channels,), finite(scale, "scale", "L2Norm")))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise ValueError(
                f"L2Norm got a map of shape {tuple(x.shape)}; it was made for N×{self.channels}×h×w: "
                "give L2Norm the channels of the map"
            )
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # squares of half precision overflow at 256
        length = wide.square().sum(1, keepdim=True).clamp_min(self.eps**2).sqrt()  # N, 1, h, w
        return (wide / length * self.weight[:, None, None]).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps:g}"
