"""OCRNet (Yuan et al. 2020): K regions, one for each class, and every cell hears the regions it belongs to.

  ResNet ── layer3 ── 3×3 ── 1×1 ── aux: a first guess, whose K score maps are the soft regions
                                     │
         ── layer4 ── 3×3 ──┬── gather: what each region looks like ── attention: cells hear regions ──┬── 1×1 ── score
                            └──────────────────────────────────────────────────────────────────────────┘

Reference: "Object-Contextual Representations for Semantic Segmentation", ECCV 2020 (arXiv 1909.11065).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.engine import engine
from segkit.heads import FCNHead
from segkit.heads.attention import as_map, as_rows
from segkit.layers import Conv2d
from segkit.layers.blocks import check_statistics, conv_norm_relu, score_layer
from segkit.models.base import register
from segkit.models.on_resnet import OnResNet
from segkit.ops.attention import softmax
from segkit.typed import typed


def gather(cells: Tensor, scores: Tensor) -> Tensor:
    """What each region looks like: the mean of the cells, weighted by softmax over cells of the region's scores.

    Args:
        cells: the map.
        scores: of each region; large where the region is.

    Shape:
        cells N×C×h×w, scores N×K×h×w → N×C×K×1.

    Source:
        Section 3.2, equation 2; the softmax over cells is the authors' code.
    """
    shares = softmax(scores.flatten(2))  # N, K, h·w
    return (shares @ as_rows(cells)).mT[..., None]  # N, C, K, 1


class RegionContext(nn.Module):
    """Cells hear regions: attention whose queries are cells, and whose keys and values are regions.

    Args:
        channels: of cells and regions.
        hidden: channels of query, key and value.

    Shape:
        cells N×C×h×w, regions N×C×K×1 → N×C×h×w.

    Source:
        Section 3.2, equations 3 and 4; section 3.3 for the transforms.
    """

    @typed
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        whole(channels, "channels", "RegionContext", 1)
        whole(hidden, "hidden", "RegionContext", 1)

        def steps(*sizes: int) -> nn.Sequential:
            return nn.Sequential(*(conv_norm_relu(Conv2d(a, b, 1, bias=False)) for a, b in pairwise(sizes)))

        self.query, self.key = steps(channels, hidden, hidden), steps(channels, hidden, hidden)
        self.value, self.out = steps(channels, hidden), steps(hidden, channels)

    def forward(self, cells: Tensor, regions: Tensor) -> Tensor:
        check_statistics(self.key[0][1], regions.shape[0] * regions.shape[2], "RegionContext, of one region,")  # type: ignore[index]
        query, key, value = (as_rows(part) for part in (self.query(cells), self.key(regions), self.value(regions)))
        return self.out(as_map(engine().attend(query, key, value), cells))  # N, C, h, w


class Regions(nn.Module):
    """What OCRNet and OCRHead share: the parts from a map and a first guess to scores, and their order."""

    def add_parts(self, channels: int, hidden: int, num_classes: int, dropout: float, bias: bool = False) -> None:
        self.before = conv_norm_relu(Conv2d(channels, hidden, 3, padding=1, bias=bias))
        self.context = RegionContext(hidden, max(1, hidden // 2))
        self.fuse = conv_norm_relu(Conv2d(2 * hidden, hidden, 1, bias=False))
        self.drop = nn.Dropout2d(dropout)
        self.score = score_layer(Conv2d(hidden, num_classes, 1))

    def heard(self, x: Tensor, guess: Tensor) -> tuple[Tensor, Tensor]:
        """Cells that have heard their regions, and their scores."""
        cells = self.before(x)  # N, hidden, h, w
        regions = gather(cells, guess)  # N, hidden, K, 1
        cells = self.drop(self.fuse(torch.cat([self.context(cells, regions), cells], 1)))
        return cells, self.score(cells)


class OCRHead(Regions):
    """From a map and a first guess of the regions to cells that have heard their regions, and to scores.

    Args:
        channels: of the map.
        hidden: of the cells.
        num_classes: K.
        dropout: probability of dropping a channel before the scores.
        bias: of the first convolution, as in the authors' HRNet.

    Shape:
        x N×channels×h×w, guess N×K×h×w → cells N×hidden×h×w, scores N×K×h×w.

    Source:
        Section 3.3.
    """

    @typed
    def __init__(self, channels: int, hidden: int, num_classes: int, dropout: float = 0.05, bias: bool = False) -> None:
        super().__init__()
        self.add_parts(channels, hidden, num_classes, dropout, bias)

    def forward(self, x: Tensor, guess: Tensor) -> tuple[Tensor, Tensor]:
        return self.heard(x, guess)


@register("ocrnet")
class OCRNet(OnResNet, Regions):
    """A ResNet at stride 8, a first guess of the regions, and object-contextual representations.

    Args:
        num_classes: number of classes K, void not counted; there are as many regions.
        encoder: "resnet101" as in the paper; or resnet18, 34, 50, 152.
        width: channels of the first layer; 64 is the paper's size, 8 to 16 the course's.
        output_stride: 8 as in the paper, or 16 or 32.
        dropout: probability of dropping a value before the scores.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" and "aux", the first guess, which needs a loss of its own (0.4
        in the paper) for the regions to be regions; both N×K×⌈H/d⌉×⌈W/d⌉ with d = output_stride, which is 8 or 16.

    Raises:
        ValueError: an option that is not among these; one cell in training mode.

    Source:
        Sections 3.2 and 3.3, Figure 3.

    Differs from the paper:
        convolutions before a BatchNorm have no bias; the authors' have one, which the BatchNorm takes away again. At
        output_stride=32 layer3 is twice as fine as layer4: the guess is then read at every second cell.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet101",
        width: int = 64,
        output_stride: int = 8,
        dropout: float = 0.05,
        in_channels: int = 3,
    ) -> None:
        super().__init__(num_classes, encoder, width, output_stride, False, dropout, in_channels)
        self.guess = FCNHead(self.third, self.num_classes, self.hidden, dropout)
        self.add_parts(self.last, self.hidden, self.num_classes, self.dropout)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *_, third, last = self.encoder(x)  # N, channels[i], H/d, W/d
        guess = self.guess(third)  # N, K, H/d, W/d
        step = self.encoder.strides[-1] // self.encoder.strides[-2]
        _, score = self.heard(last, guess[..., ::step, ::step])  # N, K, H/d, W/d
        return self.answer(x, third, score, aux=guess)
