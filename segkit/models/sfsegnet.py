"""SFNet (Li et al. 2020; its code is called SFSegNets): coarse maps are enlarged along a flow that two levels make.

  ResNet ── 1/4 ── 1/8 ── 1/16 ── 1/32 ── pyramid ─────────────────────────────────────┐
             1×1    1×1    1×1 ── + ── warped ×2 ──────────────────────────────────────┤ (3×3 behind each sum)
              │      └──── + ── warped ×2 ─────────────────────────────────────────────┤
              └── + ── warped ×2 ──────────────────────────────────────────────────────┴── joined ── 3×3 ── score ── ×4

  warped: a flow of two numbers for each cell, made by a 3×3 of both maps, says where in the coarse map it looks

Reference: "Semantic Flow for Fast and Accurate Scene Parsing", ECCV 2020 (arXiv 2002.10120), and the authors' network,
lxtGH/SFSegNets, network/sfnet_resnet.py and network/nn/operators.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.heads import FCNHead, PyramidPooling, enlarge_from_corners
from segkit.heads.enlarge import check_maps
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3
from segkit.layers.borders import cut
from segkit.layers.places import read, wide
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for
from segkit.typed import typed


def warp(coarse: Tensor, flow: Tensor) -> Tensor:
    """Enlarge a map twice along a flow: cell X of the fine map reads the coarse one at (X + flow) / 2, bilinear.

    Args:
        coarse: the map; cell i of it stands on cell 2·i of the fine one. Its border goes on beyond it.
        flow: in cells of the fine map, first to the right, then down.

    Shape:
        coarse N×C×h×w, flow N×2×H×W → N×C×H×W. A flow of zero is plain bilinear enlargement.

    Source:
        Section 3.2, equations 2 and 3.
    """
    h, w = coarse.shape[-2:]
    H, W = flow.shape[-2:]
    flow = flow.to(wide(coarse.dtype))
    columns, rows = (torch.arange(n, dtype=flow.dtype, device=flow.device) for n in (W, H))
    x, y = columns + flow[:, 0], rows[:, None] + flow[:, 1]  # N, H, W: in cells of the fine map
    grid = torch.stack(((x + 1) / w - 1, (y + 1) / h - 1), -1)  # N, H, W, 2: place p of n is (2p + 1)/n − 1
    return read(coarse, grid, "border")


class FlowAlignment(nn.Module):
    """The paper's flow alignment module: a coarse map at the size of a fine one, moved so that the two fit.

    Args:
        channels: of both maps.
        hidden: channels of each map that the flow is made from; channels // 2 in the authors' code.

    Shape:
        fine N×channels×H×W, coarse N×channels×⌈H/2⌉×⌈W/2⌉ → the coarse one N×channels×H×W, and the flow N×2×H×W.

    Raises:
        ValueError: a number below 1, or maps of other shapes.

    Source:
        Section 3.2 and Figure 3.

    Differs from the authors' code:
        a flow of 1 moves by one cell of the fine map, as in the paper; there by (W − 1)/2W of one, so that 2W/(W − 1)
        moves by one. Beyond the map its border goes on; there it is zero. Cell i of the coarse map stands on cell 2·i;
        there the corners of both maps do, which is the same at odd sizes.
    """

    @typed
    def __init__(self, channels: int, hidden: int | None = None) -> None:
        super().__init__()
        self.channels = whole(channels, "channels", "FlowAlignment", 1)
        hidden = whole(max(1, channels // 2) if hidden is None else hidden, "hidden", "FlowAlignment", 1)
        self.coarse, self.fine = (Conv2d(channels, hidden, 1, bias=False) for _ in range(2))
        self.flow = Conv2d(2 * hidden, 2, 3, padding=1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        check_maps((fine, coarse), (self.channels, self.channels), "FlowAlignment")
        large = cut(enlarge_from_corners(self.coarse(coarse), 2), fine.shape[-2], fine.shape[-1])  # N, hidden, H, W
        flow = self.flow(torch.cat([large, self.fine(fine)], 1))  # N, 2, H, W
        return warp(coarse, flow), flow


@register("sfsegnet")
class SFSegNet(Model):
    """A ResNet, a pyramid on its last map, and a feature pyramid network whose enlargements follow a flow.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet18", "resnet50" or "resnet101" as in the paper; or resnet34, 152. With 19 classes, without the
            auxiliary heads, 12,869,715 and 31,325,139 parameters with the first two.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        flow: False: maps are enlarged where they stand, a plain feature pyramid network.
        bins: cells per side of each grid of the pyramid; () for none.
        aux: scores from each sum, for losses of their own (the authors' option fpn_dsn).
        dropout: probability of dropping a channel of the pyramid, and a value before the auxiliary scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/4⌉×⌈W/4⌉, from which the logits are enlarged; with
        flow, "flow_16", "flow_8" and "flow_4", N×2×⌈H/s⌉×⌈W/s⌉, in cells of stride s; with aux, "score_16", "score_8"
        and "score_4", N×K×⌈H/s⌉×⌈W/s⌉.

    Raises:
        ValueError: an option that is not among these; in training mode a single picture, for the pyramid's first bin.

    Source:
        Sections 3.1 to 3.3, Figures 3 and 4; the first layers are PSPNet's, as in the authors' code.

    Differs from the paper:
        as `FlowAlignment`, and all other maps are enlarged likewise, each cell where it stands. The authors' trunks
        also dilate the last 3×3 of each unit of layer3 and layer4, by 2 and 4, beside their strides; here as in the
        paper none is. The pyramid's branches end with a ReLU, as PSPNet's do; in that code they have none.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet18",
        width: int = 64,
        flow: bool = True,
        bins: Sequence[int] = (1, 2, 3, 6),
        aux: bool = True,
        dropout: float = 0.1,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.num_classes, width = whole(num_classes, "num_classes", "SFSegNet", 1), whole(width, "width", "SFSegNet", 1)
        dropout = finite(dropout, "dropout", "SFSegNet", 0, 1)
        self.encoder = resnet_for("SFSegNet", encoder, in_channels, 32, width, stem="deep")
        self.in_channels = self.encoder.in_channels
        _, *finer, last = self.encoder.channels
        between = 2 * width if last == 8 * width else 4 * width  # 128 and 256 at the paper's size
        self.pyramid = PyramidPooling(last, bins, between)
        self.reduce = conv_norm_relu(Conv2d(self.pyramid.out_channels, between, 1, bias=False))
        self.drop = nn.Dropout2d(dropout)
        self.lateral = nn.ModuleList(conv_norm_relu(Conv2d(c, between, 1)) for c in reversed(finer))
        self.align = nn.ModuleList(FlowAlignment(between) for _ in (finer if flow else ()))
        self.smooth = nn.ModuleList(norm_relu_3x3(between, between) for _ in finer)
        self.head = FCNHead(4 * between, self.num_classes, between, 0.0)
        guides = (FCNHead(between, self.num_classes, between, dropout) for _ in (finer if aux else ()))
        self.guides = nn.ModuleList(guides)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        _, *finer, last = self.encoder(x)  # N, channels[i], H/4, W/4; … H/32, W/32
        y = self.drop(self.reduce(self.pyramid(last)))  # N, between, H/32, W/32
        levels, flows, guides = [y], {}, {}
        for i, (given, lateral, smooth) in enumerate(zip(reversed(finer), self.lateral, self.smooth, strict=True)):
            fine, stride = lateral(given), 2 ** (4 - i)
            if self.align:
                y, flows[f"flow_{stride}"] = self.align[i](fine, y)
            else:
                y = cut(enlarge_from_corners(y, 2), fine.shape[-2], fine.shape[-1])
            y = fine + y  # N, between, H/stride, W/stride
            levels.append(smooth(y))
            if self.guides:
                guides[f"score_{stride}"] = self.guides[i](y)
        H, W = levels[-1].shape[-2:]
        wide = [cut(enlarge_from_corners(level, 2 ** (3 - i)), H, W) for i, level in enumerate(levels[:3])]
        score = self.head(torch.cat([levels[3], *reversed(wide)], 1))  # N, K, H/4, W/4
        return {"logits": enlarge_from_corners(score, 4), "score": score, **flows, **guides}
