"""CPN's prior (Yu et al. 2020): whether two cells are of one class is itself learned, and then says who is heard.

map ──┬── 1×1 to a score for every cell of the map ── sigmoid ── P: i and j are of one class
      └── P·values: its own kind    (1 − P)·values: all others        side by side with the map
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import pair, whole
from segkit.heads.attention import as_map, as_rows
from segkit.layers import Conv2d
from segkit.typed import typed


class ContextPrior(nn.Module):
    """Sums over the cells of one's own class and over those of others, each divided by the number of all cells.

    Which cells are of one class is told by a matrix that has a loss of its own. There is no softmax: what `attend`
    makes from products is given here, or learned, number by number.

    Args:
        channels: of the map.
        size: (height, width) of the map in cells: the matrix has a column for each, so no other size will do.

    Attributes:
        out_channels: of what comes out: 3·channels.

    Shape:
        N×channels×h×w, and for `prior` N×(h·w)×(h·w) → N×3·channels×h×w: the map, its own kind, the others; and the
        scores N×(h·w)×(h·w) that were used, whose sigmoid is the matrix, for `affinity_loss`.

    Raises:
        ValueError: a map of another size.

    Source:
        Yu et al., "Context Prior for Scene Segmentation", CVPR 2020 (arXiv 2004.01547), sections 3.1 and 3.3. Sums are
        divided by all h·w cells, as in the authors' code. The aggregation before it would be a head of its own.
    """

    @typed
    def __init__(self, channels: int, size: int | tuple[int, int]) -> None:
        super().__init__()
        self.size = pair(size, "size", "ContextPrior", 1)
        self.out_channels = 3 * whole(channels, "channels", "ContextPrior", 1)
        self.prior = Conv2d(channels, self.size[0] * self.size[1], 1)

    def forward(self, x: Tensor, prior: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if tuple(x.shape[-2:]) != self.size or x.ndim != 4:
            raise ValueError(f"ContextPrior got a map of shape {tuple(x.shape)}; it was made for {self.size[0]}×"
                             f"{self.size[1]} cells: give N×C×{self.size[0]}×{self.size[1]}")  # fmt: skip
        scores = as_rows(self.prior(x)) if prior is None else prior  # N, h·w, h·w
        own = as_map(torch.sigmoid(scores) @ as_rows(x), x) / scores.shape[-1]  # N, channels, h, w
        return torch.cat([x, own, x.mean((2, 3), keepdim=True) - own], 1), scores
