"""DFANet (Li et al. 2019): one light backbone three times, each reading what the one before has understood.

  backbone 1   conv 1/2 ── enc2 1/4 ── enc3 1/8 ── enc4 1/16 ── fc ──┐
                              │          └────┐       └────┐        ×4
  backbone 2                  └ with it ── enc2 1/8 ── enc3 1/16 ── enc4 1/32 ── fc ──┐
                                              │          └────┐        └────┐        ×4
  backbone 3                                  └ with it ── enc2 1/16 ── enc3 1/32 ── enc4 1/64 ── fc

  decoder      the three enc2, enlarged and added ── 1×1 ── + the three fc, enlarged ── score ── ×4 ── logits

  fc: attention, a gate for each channel of enc4, made from its mean; lines downwards join maps of one size

Reference: "DFANet: Deep Feature Aggregation for Real-Time Semantic Segmentation", CVPR 2019 (arXiv 1904.02216).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from segkit.checks import chosen, whole
from segkit.encoders.encoder import scaled
from segkit.encoders.xception39 import Xception39Block
from segkit.engine import engine
from segkit.heads import enlarge_from_corners
from segkit.layers import Conv2d
from segkit.layers.blocks import conv_norm_relu, score_layer
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.typed import typed

BASES = {"A": (48, 96, 192), "B": (32, 64, 128)}  # channels of enc2, enc3 and enc4
BLOCKS = (4, 6, 4)


class FCAttention(nn.Module):
    """Gates for the channels of a map from its mean, through as many numbers as ImageNet has classes: x·σ(V(W·mean)).

    Args:
        channels: of the map.
        classes: of the fully connected layer W; 1000 in the paper, where a classifier has trained it.

    Shape:
        N×channels×h×w → the same.

    Source:
        Section 3.3, "fc attention". What bounds the gates is not said there; the sigmoid is squeeze-and-excitation's,
        which the paper starts from.
    """

    @typed
    def __init__(self, channels: int, classes: int = 1000) -> None:
        super().__init__()
        whole(channels, "channels", "FCAttention", 1)
        self.fc = Conv2d(channels, whole(classes, "classes", "FCAttention", 1), 1)
        self.conv = Conv2d(classes, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return engine().gate(x, self.conv(self.fc(engine().adaptive_avg_pool2d(x, 1))))


@register("dfanet")
class DFANet(Model):
    """A cascade of light backbones, whose stages hear those of the one before, and a decoder of 1×1s.

    Args:
        num_classes: number of classes K, void not counted.
        base: "A" or "B", the paper's Xception A and B.
        width: 64 is the paper's size, 8 to 16 the course's; channels are in proportion.
        backbones: how many follow each other: 3 as in the paper, 2, or 1, where nothing is read again.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/4⌉×⌈W/4⌉, from which the logits are enlarged.

    Raises:
        ValueError: an option that is not among these; in training mode one picture of a single cell of the last map.

    Source:
        Section 3, Figure 3 and Table 1: enc2, enc3 and enc4 are 4, 6 and 4 blocks of three separable convolutions.

    Differs from the paper:
        there is no code of the authors. They print 7.8 M parameters and 3.4 G multiply-adds for A at 1024×1024; this
        network has 1,829,139 and 2.95 G with 19 classes ("B": 1,098,627 and 1.57 G; printed 4.8 M and 2.1 G). The
        multiply-adds depend on what the table leaves open, which convolution of a block strides: the first here; were
        it the last, A would have 3.74 G. The parameters cannot be reached: the layers of the table, three times, make
        0.7 M, the three attentions 1.2 M. Written as float32 they are 7.3 MB. A well-known port,
        huaifeng1993/DFANet, has in its last version 3, 6 and 3 blocks, biases, a 1×1 beside every block and not only
        where the map changes, a ReLU before each sum in place of after it, and a decoder that adds before its 1×1s.
    """

    def __init__(
        self, num_classes: int, base: str = "A", width: int = 64, backbones: int = 3, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.num_classes, width = whole(num_classes, "num_classes", "DFANet", 1), whole(width, "width", "DFANet", 1)
        self.in_channels = whole(in_channels, "in_channels", "DFANet", 1)
        count, first = whole(backbones, "backbones", "DFANet", 1, 3), scaled(8, width)
        channels = [scaled(c, width) for c in BASES[chosen(base, "base", "DFANet", BASES)]]
        self.tile_stride = 8 * 2**count
        self.conv1 = conv_norm_relu(Conv2d(self.in_channels, first, 3, 2, padding=1, bias=False))
        begun = [first, *channels[:2]]
        again = [channels[2] + channels[0], channels[0] + channels[1], channels[1] + channels[2]]
        self.stages = nn.ModuleList(
            nn.ModuleList(map(_stage, again if n else begun, channels, BLOCKS)) for n in range(count)
        )
        self.fc = nn.ModuleList(FCAttention(channels[2], scaled(1000, width)) for _ in range(count))
        between = scaled(32, width)
        self.low, self.high = (
            nn.ModuleList(conv_norm_relu(Conv2d(c, between, 1, bias=False)) for _ in range(count))
            for c in (channels[0], channels[2])
        )
        self.merge = conv_norm_relu(Conv2d(between, between, 1, bias=False))
        self.score = score_layer(Conv2d(between, self.num_classes, 1))

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        return [(self.tile_stride, self.stages[-1], "last backbone")]

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        low, high = self.cascade(x)
        H, W = low[0].shape[-2:]
        score = self.merge(_summed(self.low, low, (1, 2, 4), H, W)) + _summed(self.high, high, (4, 8, 16), H, W)
        score = self.score(score)  # N, K, H/4, W/4
        return {"logits": enlarge_from_corners(score, 4), "score": score}

    def cascade(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """What the decoder reads: enc2 of each backbone, at strides 4, 8, 16, and its gated enc4, 4 times as coarse."""
        low, high = [], []
        earlier: list[Tensor] = []  # enc2, enc3 and enc4 of the backbone before
        y = self.conv1(x)  # N, first, H/2, W/2
        for stages, gated in zip(self.stages, self.fc, strict=True):
            maps: list[Tensor] = []
            for j, stage in enumerate(stages.children()):
                if j:
                    y = torch.cat([maps[-1], earlier[j]], 1) if earlier else maps[-1]
                maps.append(stage(y))  # N, channels[j], H/s, W/s
            low.append(maps[0])
            high.append(gated(maps[-1]))
            wide = cut(enlarge_from_corners(high[-1], 4), maps[0].shape[-2], maps[0].shape[-1])
            y, earlier = torch.cat([wide, maps[0]], 1), maps  # N, channels[2] + channels[0], H/s, W/s
        return low, high


def _summed(convs: nn.ModuleList, maps: list[Tensor], factors: tuple[int, ...], height: int, width: int) -> Tensor:
    """Maps of several strides through a 1×1 each, at one size, added."""
    wide = [cut(enlarge_from_corners(f(y), n), height, width) for f, y, n in zip(convs, maps, factors, strict=False)]
    return torch.stack(wide).sum(0)


def _stage(before: int, channels: int, blocks: int) -> nn.Sequential:
    others = (Xception39Block(channels, channels) for _ in range(blocks - 1))
    return nn.Sequential(Xception39Block(before, channels, 2), *others)
