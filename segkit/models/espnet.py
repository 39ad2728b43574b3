"""ESPNet (Mehta et al. 2018): blocks that look at five distances at once, and add up what they see before joining it.

  ESP block    ┌─ 3×3, rate 1 ────────────────────┐
  1×1, to a    ├─ 3×3, rate 2 ──┬─────────────────┤
  fifth of the ├─ 3×3, rate 4 ──+──┬──────────────┤ joined ── + input ── BatchNorm, PReLU
  channels ────├─ 3×3, rate 8 ─────+──┬───────────┤
               └─ 3×3, rate 16 ───────+───────────┘          the sums: hierarchical feature fusion (HFF)

  stride   1        2                4                      8                          4             2        1
  network  picture ─ 3×3 s2 ────┬─── ESP s2, 2 × ESP ──┬─── ESP s2, 8 × ESP ─ score ─ ×2 ┬ ESP ─ ×2 ┬ 3×3 ─ ×2 ─ logits
                                │                      └──────── score ───────────────────┘          │
                                └────────────────────────────────────────────────────────────────────┘

Reference: "ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation", ECCV 2018 (arXiv
1803.06815), and the authors' network, sacmehta/ESPNet, train/Model.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.layers import AvgPool2d, Conv2d, ConvTranspose2d
from segkit.layers.blocks import conv_norm_prelu, norm_prelu
from segkit.layers.borders import cut
from segkit.models.base import Model, register

EPS = 1e-3  # of every BatchNorm, as released
RATES = (1, 2, 4, 8, 16)


class ESP(nn.Module):
    """Efficient spatial pyramid: reduce, split over five rates, transform, merge.

    Five 3×3 kernels of rates 1 to 16 span 33×33 cells and read 41 of them: the middle, and eight at each rate. Fusion
    does not change what the block reads, but what each of its maps reads: without it 9 cells, holes between them; with
    it 9, 9, 17, 25 and 33, of which the finer fill the holes of the coarser.

    Args:
        channels, out: in and out. Each branch has a fifth of `out`, the first of them what is left over; below 5
            channels there are as many branches as channels.
        stride: 1: a 1×1 reduces, and the input is added where it has as many channels. 2: a 3×3 of stride 2 reduces.
        hff: add each branch to the one of twice its rate, from rate 2 on. Rate 1 stands alone, as released.

    Shape:
        N×channels×H×W → N×out×⌈H/stride⌉×⌈W/stride⌉.

    Source:
        Section 3.1, Figure 1. With 128 channels 32,384 parameters, BatchNorm and slopes included; a plain 3×3
        has 147,456.
    """

    def __init__(self, channels: int, out: int, stride: int = 1, hff: bool = True) -> None:
        super().__init__()
        rates = RATES[:out]
        inner = out // len(rates)
        first = out - (len(rates) - 1) * inner
        self.hff, self.residual = hff, stride == 1 and channels == out
        kernel = 1 if stride == 1 else 3
        self.reduce = Conv2d(channels, inner, kernel, stride, padding=kernel // 2, bias=False)
        self.branches = nn.ModuleList(
            Conv2d(inner, first if rate == 1 else inner, 3, padding=rate, dilation=rate, bias=False) for rate in rates
        )
        self.act = norm_prelu(out, EPS)

    def forward(self, x: Tensor) -> Tensor:
        few = self.reduce(x)  # N, inner, H/stride, W/stride
        seen = [branch(few) for branch in self.branches]
        for i in range(2, len(seen) if self.hff else 0):
            seen[i] = seen[i] + seen[i - 1]
        merged = torch.cat(seen, 1)  # N, out, H/stride, W/stride
        return self.act(merged + x if self.residual else merged)


@register("espnet")
class ESPNet(Model):
    """ESPNet: an encoder of ESP blocks, the picture handed in again at each stride, and a decoder of K maps.

    Args:
        num_classes: number of classes K, void not counted.
        width: channels of the first convolution; stride 4 has 4 and stride 8 has 8 times as many. 16 is the paper's
            size, 4 to 8 the course's.
        blocks: how many ESP blocks follow the first of stride 4 and of stride 8; the paper's α₂ and α₃, which are 2 and
            3, 5 or 8.
        hff: hierarchical feature fusion; False: each ESP block joins what its branches see without adding.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score_8" N×K×⌈H/8⌉×⌈W/8⌉, the scores of the encoder alone, which is
        the paper's ESPNet-C.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Section 3 and the released network. With 20 classes, as in the authors' training on Cityscapes (its 19, and one
        for the rest), 365,109 parameters; 4.78 G multiply-adds on 512×1024 pixels.

    Differs from the paper:
        it trains the encoder first, with labels at stride 8, and then all; here all is trained at once ("score_8" as an
        auxiliary output does both). As in the released network, the map of stride 2 goes into the last 3×3 as it is,
        where the drawing of the decoder has a 1×1 to K maps before it. Transposed convolutions are cut to the finer
        map, so that any size fits.
    """

    def __init__(
        self, num_classes: int, width: int = 16, blocks: Sequence[int] = (2, 8), hff: bool = True, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.num_classes = K = whole(num_classes, "num_classes", "ESPNet", 1)
        self.in_channels, width = whole(in_channels, "in_channels", "ESPNet", 1), whole(width, "width", "ESPNet", 1)
        counts = [whole(count, "blocks", "ESPNet", 1) for count in blocks]
        if len(counts) != 2:
            raise ValueError(f"ESPNet got blocks={tuple(blocks)}; give two numbers, for strides 4 and 8")
        first, four, eight = width + self.in_channels, 8 * width + self.in_channels, 16 * width  # channels, joined
        self.down1 = conv_norm_prelu(Conv2d(self.in_channels, width, 3, 2, padding=1, bias=False), EPS)
        self.shrink, self.act1 = AvgPool2d(3, 2, padding=1), norm_prelu(first, EPS)
        self.down2 = ESP(first, 4 * width, 2, hff)
        self.level2 = nn.Sequential(*(ESP(4 * width, 4 * width, hff=hff) for _ in range(counts[0])))
        self.act2 = norm_prelu(four, EPS)
        self.down3 = ESP(four, 8 * width, 2, hff)
        self.level3 = nn.Sequential(*(ESP(8 * width, 8 * width, hff=hff) for _ in range(counts[1])))
        self.act3 = norm_prelu(eight, EPS)
        self.score8, self.score4 = Conv2d(eight, K, 1, bias=False), Conv2d(four, K, 1, bias=False)
        self.up8 = nn.Sequential(nn.BatchNorm2d(K, EPS), _twice(K))
        self.up4 = nn.Sequential(norm_prelu(2 * K, EPS), ESP(2 * K, K, hff=hff), _twice(K), norm_prelu(K, EPS))
        self.up2 = nn.Sequential(conv_norm_prelu(Conv2d(first + K, K, 3, padding=1, bias=False), EPS), _twice(K))

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        return [(8, self.act3, "level 3")]

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        half = self.shrink(x)  # N, C, H/2, W/2
        quarter = self.shrink(half)  # N, C, H/4, W/4
        two = self.act1(torch.cat([self.down1(x), half], 1))  # N, width + C, H/2, W/2
        begun = self.down2(two)  # N, 4·width, H/4, W/4
        four = self.act2(torch.cat([self.level2(begun), begun, quarter], 1))  # N, 8·width + C, H/4, W/4
        begun = self.down3(four)  # N, 8·width, H/8, W/8
        score8 = self.score8(self.act3(torch.cat([begun, self.level3(begun)], 1)))  # N, K, H/8, W/8
        score4 = self.score4(four)  # N, K, H/4, W/4
        x = self.up4(torch.cat([score4, _like(self.up8(score8), score4)], 1))  # N, K, H/2, W/2
        x = self.up2(torch.cat([_like(x, two), two], 1))  # N, K, H, W
        return {"logits": x, "score_8": score8}


def _twice(channels: int) -> ConvTranspose2d:
    return ConvTranspose2d(channels, channels, 2, 2, bias=False)


def _like(x: Tensor, finer: Tensor) -> Tensor:
    return cut(x, finer.shape[-2], finer.shape[-1])
