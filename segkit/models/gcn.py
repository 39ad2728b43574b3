"""GCN (Peng et al. 2017): kernels as large as the map, made of columns and rows; scores refined on the way up.

  1/32 ── large kernel ── BR ── ×2 ── + ── BR ── ×2 ── + ── BR ── ×2 ── + ── BR ── ×2 ── BR ── ×2 ── BR ── logits
  1/16 ── large kernel ── BR ─────────┘                │                │
  1/8  ── large kernel ── BR ──────────────────────────┘                │
  1/4  ── large kernel ── BR ───────────────────────────────────────────┘

Reference: "Large Kernel Matters: Improve Semantic Segmentation by Global Convolutional Network", CVPR 2017 (arXiv
1703.02719).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import whole
from segkit.heads import to_size
from segkit.layers import Conv2d
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for
from segkit.typed import typed


class LargeKernel(nn.Module):
    """A k×k convolution of low rank: a column then a row, plus a row then a column; nothing in between.

    Args:
        channels, out: in and out.
        kernel_size: k, odd.

    Shape:
        N×channels×h×w → N×out×h×w.

    Raises:
        ValueError: an even kernel.

    Source:
        Section 3.1, Figure 2 B.
    """

    @typed
    def __init__(self, channels: int, out: int, kernel_size: int = 7) -> None:
        super().__init__()
        k = whole(kernel_size, "kernel_size", "LargeKernel", 1)
        if k % 2 == 0:
            raise ValueError(f"LargeKernel got kernel_size={k}; an odd one has a middle, such as {k + 1}")
        column, row = {"kernel_size": (k, 1), "padding": (k // 2, 0)}, {"kernel_size": (1, k), "padding": (0, k // 2)}
        self.left = nn.Sequential(Conv2d(channels, out, **column), Conv2d(out, out, **row))  # type: ignore[arg-type]
        self.right = nn.Sequential(Conv2d(channels, out, **row), Conv2d(out, out, **column))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.left(x) + self.right(x)


class BoundaryRefinement(nn.Module):
    """x + conv(relu(conv(x))), both 3×3, on scores.

    Source:
        Section 3.1, Figure 2 C.
    """

    @typed
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


@register("gcn")
class GCN(Model):
    """A ResNet with a large kernel on each of its last four maps, and refined scores.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet152" as in the paper; or resnet18, 34, 50, 101.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        kernel_size: of the large kernels, odd; 15 covers the last map of 512 pixels, as in the paper.
        refine: the boundary refinements; False leaves them out, as in Table 4.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/4⌉×⌈W/4⌉, before the last two enlargements.

    Raises:
        ValueError: another encoder, an even kernel; one cell in training mode.

    Source:
        Sections 3.1 and 3.2, Figure 2.

    Differs from the paper:
        scores are enlarged by interpolation, where the paper's deconvolution layers learn.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet152",
        width: int = 64,
        kernel_size: int = 15,
        refine: bool = True,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        K = self.num_classes = whole(num_classes, "num_classes", "GCN", 1)
        self.encoder = resnet_for("GCN", encoder, in_channels, 32, width)
        self.in_channels = self.encoder.in_channels
        coarse_first = self.encoder.channels[:0:-1]
        self.large = nn.ModuleList(LargeKernel(channels, K, kernel_size) for channels in coarse_first)

        def refinements(count: int) -> nn.ModuleList:
            return nn.ModuleList(BoundaryRefinement(K) if refine else nn.Identity() for _ in range(count))

        self.refine_each, self.refine_sum, self.refine_up = refinements(4), refinements(3), refinements(2)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        coarse_first = self.encoder(x)[:0:-1]  # 4 maps, N, channels[i], H/32 … H/4, W/32 … W/4
        scores = [r(k(m)) for m, k, r in zip(coarse_first, self.large, self.refine_each, strict=True)]  # N, K, …
        found = scores[0]
        for finer, refine in zip(scores[1:], self.refine_sum, strict=True):
            found = refine(cut(_doubled(found, finer), *finer.shape[-2:]) + finer)
        score = found  # N, K, H/4, W/4
        for refine in self.refine_up:
            found = refine(_doubled(found, found))
        return {"logits": found, "score": score}


def _doubled(x: Tensor, finer: Tensor) -> Tensor:
    """Twice as fine, each cell where the encoder puts it; one more row and column than the double at the end."""
    return to_size(x, 2, finer.shape[-2], finer.shape[-1])
