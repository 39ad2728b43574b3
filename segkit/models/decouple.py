"""DecoupleSegNets (Li et al. 2020): the inside of things and their edges are told apart, and each is taught by itself.

                         ┌── warped along a learned flow: body ──────────── body scores, stride 8
  picture ── … ── ASPP ──┤                                  └────────────┐
               │         └── the rest: edge ──┬── 1×1 ── edge ── + ──────┴──┬── 3×3 ── 3×3 ── score ── ×4 ── logits
               │                              │           └ edge score      │
               └── map of stride 4 ── 1×1 ────┘          the pyramid's map ─┘

The flow pulls cells of a thing together, towards its middle: what moves is smooth and of low frequency; what is left
when it is taken away is the edge.

Reference: "Improving Semantic Segmentation via Decoupled Body and Edge Supervision", ECCV 2020 (arXiv 2007.10035).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.encoders.encoder import scaled
from segkit.heads import ASPP, enlarge, enlarge_from_corners, rates_at
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, norm_relu_3x3, score_layer
from segkit.layers.borders import cut
from segkit.layers.places import read, wide
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for
from segkit.typed import typed


def moved(x: Tensor, flow: Tensor) -> Tensor:
    """Each cell takes what the map says where its flow points to; a flow of zeros moves nothing.

    Args:
        x: the map.
        flow: from each cell to where it looks, (right, down) in cells. Beyond the map's cells there are zeros.

    Shape:
        x N×C×h×w, flow N×2×h×w → N×C×h×w.

    Source:
        Section 3.2, equation 3. The authors' grid runs from −1 at the first cell to 1 at the last, which was what
        torch's `grid_sample` took it for (align_corners=True); since torch 1.3 it takes −1 and 1 for the outer edges,
        and then the same lines move the map though the flow is zero. Their unit of flow is half a cell.
    """
    h, w = x.shape[-2:]
    flow = flow.to(wide(x.dtype))
    column = torch.arange(w, device=x.device, dtype=flow.dtype) + 0.5
    row = torch.arange(h, device=x.device, dtype=flow.dtype) + 0.5
    across, down = (column + flow[:, 0]) * 2 / w - 1, (row[:, None] + flow[:, 1]) * 2 / h - 1  # N, h, w: −1 to 1
    return read(x, torch.stack([across, down], -1), "zeros")


class BodyEdge(nn.Module):
    """A map as the sum of a body, what it becomes when it is moved along a flow, and an edge, what that leaves.

    Args:
        channels: of the map.

    Shape:
        N×channels×h×w → body and edge, both of this shape; their sum is what came in.

    Source:
        Section 3.2 (flow and body), 3.3 (edge); Figure 2. The flow is read from the map beside a coarse copy of it: two
        depthwise 3×3 of stride 2, enlarged again.

    Differs from the paper:
        the depthwise convolutions are padded, so that maps of any size go.
    """

    @typed
    def __init__(self, channels: int) -> None:
        super().__init__()
        C = whole(channels, "channels", "BodyEdge", 1)
        self.down = nn.Sequential(*(conv_norm_relu(Conv2d(C, C, 3, 2, padding=1, groups=C)) for _ in range(2)))
        self.flow = Conv2d(2 * C, 2, 3, padding=1, bias=False)
        nn.init.normal_(self.flow.weight, std=0.01)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h, w = x.shape[-2:]
        coarse = cut(enlarge_from_corners(self.down(x), 4), h, w)  # N, channels, h, w
        body = moved(x, self.flow(torch.cat([x, coarse], 1)))
        return body, x - body


@register("decouple")
class DecoupleSegNet(Model):
    """DeepLab v3+ on a dilated ResNet, whose pyramid's map is taken apart into body and edge before it is decoded.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet50" or "resnet101" as in the paper, with three 3×3 as first layer; or resnet18, 34, 152.
        width: 64 is the paper's size, 8 to 16 the course's.
        output_stride: 8 as in the paper, or 16 or 32.
        dropout: probability of dropping a value after the pyramid; none in the authors' code.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/4⌉×⌈W/4⌉; "body" N×K×⌈H/d⌉×⌈W/d⌉ with
        d = output_stride, scores of the body alone; "edge" N×1×⌈H/4⌉×⌈W/4⌉, before a sigmoid, whether there is an
        edge. Each has a loss of its own: Recipe(aux={"body": 1.0, "edge": 20.0}).

    Raises:
        ValueError: an option that is not among these; in training mode one picture, where the mean is pooled.

    Source:
        Sections 3.1 to 3.4, Figure 2.

    Differs from the paper:
        the pyramid ends in BatchNorm and ReLU, where the authors' code has a bare 1×1, which is 512 parameters more:
        41,753,680 in all with ResNet-50. Cells stand where the encoder puts them. The body's loss is a plain
        cross-entropy; theirs forgives the classes on both sides of a border. The authors' edge loss takes the sigmoid
        of a sigmoid; here it takes one. Their fourth loss, on the hardest pixels where an edge was found, is left out.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet50",
        width: int = 64,
        output_stride: int = 8,
        dropout: float = 0.0,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        who = "DecoupleSegNet"
        self.num_classes = whole(num_classes, "num_classes", who, 1)
        self.encoder = resnet_for(who, encoder, in_channels, output_stride, width, stem="deep")
        self.in_channels, C = self.encoder.in_channels, scaled(256, self.encoder.width)
        few, K, rates = scaled(48, self.encoder.width), self.num_classes, rates_at(self.encoder.output_stride)
        self.pyramid = ASPP(self.encoder.channels[-1], rates, C, dropout=finite(dropout, "dropout", who, 0, 1))
        self.split = BodyEdge(C)
        self.reduce = Conv2d(self.encoder.low_channels, few, 1, bias=False)
        self.mix_edge = Conv2d(C + few, C, 1, bias=False)
        self.edge = nn.Sequential(norm_relu_3x3(C, few), score_layer(Conv2d(few, 1, 1, bias=False)))
        self.body = nn.Sequential(norm_relu_3x3(C, C), score_layer(Conv2d(C, K, 1, bias=False)))
        self.decode = nn.Sequential(norm_relu_3x3(2 * C, C), norm_relu_3x3(C, C))
        self.score = score_layer(Conv2d(C, K, 1, bias=False))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        low, last = self.encoder.with_low_level(x)  # N, low_channels, H/4, W/4 and N, channels, H/d, W/d
        x = self.pyramid(last)  # N, C, H/d, W/d
        body, edge = self.split(x)
        around, inside, outline = (self._fine(part, low) for part in (x, body, edge))  # N, C, H/4, W/4
        outline = self.mix_edge(torch.cat([outline, self.reduce(low)], 1))
        score = self.score(self.decode(torch.cat([around, outline + inside], 1)))  # N, K, H/4, W/4
        logits = enlarge(score, 4, corner_aligned=True)
        return {"logits": logits, "score": score, "body": self.body(body), "edge": self.edge(outline)}

    def _fine(self, part: Tensor, low: Tensor) -> Tensor:
        """At the size of the map of stride 4."""
        return cut(enlarge_from_corners(part, self.encoder.output_stride // 4), low.shape[-2], low.shape[-1])

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        """The flow is read from maps four times as coarse as the encoder's last."""
        return [(4 * self.encoder.output_stride, self.split, "search for a flow")]
