"""Cascade feature fusion (ICNet, Zhao et al. 2018): a coarse map that knows what joins a fine one that knows where.

coarse ── ×2 ──┬── 3×3 rate 2, BN ──┐
               └── 1×1 ── guide     + ── ReLU
fine ───────────── 1×1, BN ─────────┘
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import whole
from segkit.heads.enlarge import check_maps, enlarge_from_corners
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.layers.borders import cut
from segkit.typed import typed


class CascadeFusion(nn.Module):
    """Enlarge the coarse map twice, convolve it, and add the fine one; class scores from the enlarged map guide it.

    The 3×3 is dilated by 2: on a map that was enlarged twice it covers as much of the picture as a plain 3×3 does
    before that. In every fourth place it reads nine cells of the coarse map, elsewhere means of neighbours.

    Args:
        coarse: channels of the coarse map.
        fine: channels of the fine map.
        channels: of what comes out.
        num_classes: K, for the scores that "cascade label guidance" learns from; None for none.

    Shape:
        N×coarse×h×w and N×fine×H×W, h = ⌈H/2⌉, w = ⌈W/2⌉ → N×channels×H×W, and the guide's scores N×K×H×W or None. Cell
        i of the coarse map stands on cell 2·i of the fine one, as in a ResNet.

    Raises:
        ValueError: a number below 1.

    Source:
        Zhao, Qi, Shen, Shi & Jia, "ICNet…", ECCV 2018 (arXiv 1704.08545), the sections on cascade feature fusion and
        cascade label guidance.
    """

    @typed
    def __init__(self, coarse: int, fine: int, channels: int = 128, num_classes: int | None = None) -> None:
        super().__init__()
        coarse, fine, channels = (
            whole(number, name, "CascadeFusion", 1)
            for number, name in ((coarse, "coarse"), (fine, "fine"), (channels, "channels"))
        )
        self.channels = coarse, fine
        refine = Conv2d(coarse, channels, 3, padding=2, dilation=2, bias=False)
        project = Conv2d(fine, channels, 1, bias=False)
        self.refine, self.project = (conv_norm_relu(conv)[:-1] for conv in (refine, project))  # ReLU follows the sum
        self.guide = None
        if num_classes is not None:
            self.guide = score_layer(Conv2d(coarse, whole(num_classes, "num_classes", "CascadeFusion", 1), 1))

    def forward(self, coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor | None]:
        check_maps((coarse, fine), self.channels, "CascadeFusion")
        wide = cut(enlarge_from_corners(coarse, 2), fine.shape[-2], fine.shape[-1])  # N, coarse, H, W
        fused = F.relu(self.refine(wide) + self.project(fine))  # N, channels, H, W
        return fused, None if self.guide is None else self.guide(wide)
