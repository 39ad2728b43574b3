"""ESPNetv2 for segmentation (Mehta et al. 2019): four levels of EESP units, and a decoder of pyramids of five sizes.

  stride  2 ── 3×3, gate ───────────────────────────────────────────── + ── pyramid ── scores ── ×2 ── logits
  stride  4 ── 3×3, gate ─────────────────────────── + ── pyramid ── ×2
  stride  8 ── 3×3, gate ───────── + ── pyramid ── ×2
  stride 16 ── pyramid ───────── ×2

  pyramid: 1×1 to few maps, these at 2, 1.5, 1, 0.5 and 0.1 of their size, a depthwise 3×3 each, back, mixed

Reference: "ESPNetv2: A Light-weight, Power Efficient, and General Purpose Convolutional Neural Network", CVPR 2019
(arXiv 1811.11431), section 4.2, and the authors' networks, sacmehta/EdgeNets, model/segmentation/espnetv2.py.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.encoders.espnetv2 import ESPNetv2Encoder
from segkit.engine import engine
from segkit.heads import enlarge_from_corners
from segkit.layers import ChannelShuffle, Conv2d
from segkit.layers.blocks import conv_norm_prelu, norm_prelu
from segkit.layers.borders import cut
from segkit.models.base import Model, register

TENTHS = (20, 15, 10, 5, 1)  # sizes of the pyramid, in tenths of the map
LEAST = 5  # cells a side of its smallest maps


class SizePyramid(nn.Module):
    """A few maps at five sizes, each looked at by a depthwise 3×3, brought back and mixed.

    A 3×3 on the map at a tenth of its size covers 30×30 cells of it.

    Args:
        channels, out: in and out.
        inner: channels at each size.
        scores: True: the last layer gives scores, with a bias, and no BatchNorm and PReLU follow.

    Shape:
        N×channels×H×W → N×out×H×W. The sizes are ⌈H·s⌉×⌈W·s⌉, at least 5×5.

    Source:
        EfficientPyrPool of the authors' networks: larger sizes by bilinear enlargement and back by adaptive average
        pooling, smaller ones the other way round. A shuffle brings the five maps of a channel together, and a 3×3 for
        each channel joins them.
    """

    def __init__(self, channels: int, inner: int, out: int, scores: bool = False) -> None:
        super().__init__()
        self.reduce = conv_norm_prelu(Conv2d(channels, inner, 1, bias=False))
        self.looks = nn.ModuleList(Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False) for _ in TENTHS)
        together = len(TENTHS) * inner
        self.together = nn.Sequential(norm_prelu(together), ChannelShuffle(len(TENTHS)))
        self.mix = conv_norm_prelu(Conv2d(together, inner, 3, padding=1, groups=inner, bias=False))
        self.out = Conv2d(inner, out, 1, bias=scores)
        self.act = nn.Identity() if scores else norm_prelu(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)  # N, inner, H, W
        H, W = x.shape[-2], x.shape[-1]
        seen = []
        for tenths, look in zip(TENTHS, self.looks, strict=True):
            if tenths == 10:
                seen.append(look(x))  # N, inner, H, W, as all of them
                continue
            h, w = (torch.sym_max((n * tenths + 9) // 10, LEAST) for n in (H, W))
            if tenths > 10:
                y = look(engine().interpolate(x, (h, w), mode="bilinear", align_corners=True))
                seen.append(engine().adaptive_avg_pool2d(y, (H, W)))
            else:
                y = look(engine().adaptive_avg_pool2d(x, (h, w)))
                seen.append(engine().interpolate(y, (H, W), mode="bilinear", align_corners=True))
        return self.act(self.out(self.mix(self.together(torch.cat(seen, 1)))))


class GatedSkip(nn.Module):
    """A map of the encoder for the decoder: a 3×3 in groups, and a gate for each channel by the mean of the map.

    Args:
        channels, out: in and out; there are as many groups as divide both.

    Shape:
        N×channels×H×W → N×out×H×W.

    Source:
        EfficientPWConv of the authors' networks.
    """

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.gate = Conv2d(channels, out, 1, bias=False)
        groups = math.gcd(channels, out)
        self.conv = conv_norm_prelu(Conv2d(channels, out, 3, padding=1, groups=groups, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        share = self.gate(x.mean((2, 3), keepdim=True)).sigmoid()  # N, out, 1, 1
        return self.conv(x) * share


@register("espnetv2")
class ESPNetv2(Model):
    """ESPNetv2 for segmentation.

    Args:
        num_classes: number of classes K, void not counted.
        width: of the encoder: 128 is the paper's s = 2, 64 its s = 1, 8 to 16 the course's.
        decoder: the decoder has 4, 3 and 2 times as many maps at strides 16, 8 and 4, whatever the width; its pyramids
            have as many as this inside, or half as many as there are classes where that is less. 16 as released for
            PASCAL VOC and Cityscapes.
        hff: hierarchical feature fusion in the EESP units.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/2⌉×⌈W/2⌉, from which the logits are enlarged.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Section 4.2. At s = 2 with 21 classes 788,773 parameters and 0.76 G multiply-adds on 384×384 pixels; with 20,
        for Cityscapes, 2.70 G on 512×1024: the authors' 0.79 million, 0.76 G and 2.7 G.

    Differs from the paper:
        the decoder is that of the networks to which the authors trace the figures of the paper's last version; the
        segmentation code that was first released, beside the classifier, has in its place one EESP unit and a pyramid
        pooling on stride 8, then 1×1s. Maps are enlarged with each cell where it stands, which is the authors'
        align_corners at 16k + 1 pixels. Encoder: see `ESPNetv2Encoder`.
    """

    def __init__(
        self, num_classes: int, width: int = 128, decoder: int = 16, hff: bool = True, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "ESPNetv2", 1)
        self.encoder = ESPNetv2Encoder(width, in_channels, levels=4, hff=hff)
        self.in_channels = self.encoder.in_channels
        base = whole(decoder, "decoder", "ESPNetv2", 1)
        inner = max(min(self.num_classes // 2, base), 1)
        two, four, eight, sixteen = self.encoder.channels
        wide = 4 * base, 3 * base, 2 * base
        self.bottom = SizePyramid(sixteen, inner, wide[0])
        self.skips = nn.ModuleList(GatedSkip(c, out) for c, out in zip((eight, four, two), wide, strict=True))
        self.acts = nn.ModuleList(norm_prelu(c) for c in wide)
        ends = zip(wide, (*wide[1:], self.num_classes), strict=True)
        self.pyramids = nn.ModuleList(SizePyramid(c, inner, out, i == 2) for i, (c, out) in enumerate(ends))

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *finer, last = self.encoder(x)
        x = self.bottom(last)  # N, 4·base, H/16, W/16
        for part, skip, act, pyramid in zip(finer[::-1], self.skips, self.acts, self.pyramids, strict=True):
            x = cut(enlarge_from_corners(x, 2), part.shape[-2], part.shape[-1])  # N, c, H/s, W/s
            x = pyramid(act(skip(part) + x))  # N, next c, H/s, W/s
        return {"logits": enlarge_from_corners(x, 2), "score": x}
