"""ESNet (Wang et al. 2019): encoder and decoder alike, of kernels that are a column and a row.

  stride  encoder                                  decoder
  2       down, 16   3 × FCU, k = 3                up, 16   2 × FCU, k = 3 ── 2×2, ×2 ── logits
  4       down, 64   2 × FCU, k = 5                up, 64   2 × FCU, k = 5
  8       down, 128  3 × PFCU ─────────────────────┘

  FCU     k×1, 1×k ── k×1, 1×k ──────────── + input
  PFCU                ┌─ 3×1, 1×3, rate 2 ─┐
          3×1, 1×3 ───┼─ 3×1, 1×3, rate 5 ─┼ + input
                      └─ 3×1, 1×3, rate 9 ─┘

Reference: "ESNet: An Efficient Symmetric Network for Real-time Semantic Segmentation", PRCV 2019 (arXiv 1906.09826),
and the authors' network, xiaoyufenfei/ESNet, model/ESNet.py.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.layers import Conv2d, ConvTranspose2d
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.models.enet_blocks import EPS, Initial

RATES = (2, 5, 9)


def column_and_row(channels: int, kernel: int, rate: int = 1) -> nn.Sequential:
    """A k×1 convolution, ReLU, and a 1×k one, both with biases; the size stays."""
    reach = kernel // 2 * rate
    return nn.Sequential(
        Conv2d(channels, channels, (kernel, 1), padding=(reach, 0), dilation=(rate, 1)),
        nn.ReLU(inplace=True),
        Conv2d(channels, channels, (1, kernel), padding=(0, reach), dilation=(1, rate)),
    )


class FCU(nn.Module):
    """Factorized convolution unit: two k×k kernels, each as a column and a row, beside the input.

    Args:
        channels: in and out.
        kernel: k.
        dropout: probability of dropping a map before the sum.

    Shape:
        N×channels×H×W → the same.

    Source:
        The paper's section 3.
    """

    def __init__(self, channels: int, kernel: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.unit = nn.Sequential(
            column_and_row(channels, kernel),
            nn.BatchNorm2d(channels, EPS),
            nn.ReLU(inplace=True),
            column_and_row(channels, kernel),
            nn.BatchNorm2d(channels, EPS),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.unit(x))


class PFCU(nn.Module):
    """Parallel factorized convolution unit: a column and a row, then three such pairs of rates 2, 5 and 9 side by side.

    Args:
        channels: in and out.
        dropout: probability of dropping a map of a branch before the sum.

    Shape:
        N×channels×H×W → the same.

    Source:
        The paper's section 3. As released, one BatchNorm serves all three branches; in training each has its own
        mean and variance, and the running ones are moved three times.
    """

    def __init__(self, channels: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.first = nn.Sequential(column_and_row(channels, 3), nn.BatchNorm2d(channels, EPS), nn.ReLU(inplace=True))
        self.branches = nn.ModuleList(column_and_row(channels, 3, rate) for rate in RATES)
        self.norm, self.dropout = nn.BatchNorm2d(channels, EPS), nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        for branch in self.branches:
            x = x + self.dropout(self.norm(branch(y)))
        return F.relu(x)


@register("esnet")
class ESNet(Model):
    """ESNet.

    Args:
        num_classes: number of classes K, void not counted.
        width: channels at stride 2; strides 4 and 8 have 4 and 8 times as many. 16 is the paper's size, 4 to 8 the
            course's.
        dropout: probability of dropping a map in each branch of a PFCU; a tenth of it in the encoder's FCUs. 0 for a
            network without this regularisation.
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score_8" N×K×⌈H/8⌉×⌈W/8⌉, the scores of the encoder alone.

    Raises:
        ValueError: an option that is not among these.

    Source:
        The paper's section 3. 1,661,522 parameters with 19 classes, 2,451 of them the encoder's own scores; 24.1 G
        multiply-adds on 512×1024 pixels.

    Differs from the paper:
        as released, going down is a convolution beside a pooling, as ENet begins, and one BatchNorm serves the three
        branches of a PFCU. The released network uses the encoder's own scores only to train the encoder by itself; here
        they come along. Poolings round up, and transposed convolutions are cut, so that any size fits.
    """

    def __init__(self, num_classes: int, width: int = 16, dropout: float = 0.3, in_channels: int = 3) -> None:
        super().__init__()
        self.num_classes = whole(num_classes, "num_classes", "ESNet", 1)
        self.in_channels, width = whole(in_channels, "in_channels", "ESNet", 1), whole(width, "width", "ESNet", 1)
        drop = finite(dropout, "dropout", "ESNet", 0, 1)
        self.down2 = Initial(self.in_channels, width, "relu", 2)
        two = self.down2.channels
        four, eight = 4 * two, 8 * two
        self.stage2 = nn.Sequential(*(FCU(two, 3, drop / 10) for _ in range(3)))
        self.down4, self.stage4 = Initial(two, four, "relu", 2), _fcus(four, 5, drop / 10)
        self.down8, self.stage8 = Initial(four, eight, "relu", 2), nn.Sequential(*(PFCU(eight, drop) for _ in range(3)))
        self.score8 = Conv2d(eight, self.num_classes, 1)
        self.up4, self.back4 = _up(eight, four), _fcus(four, 5)
        self.up2, self.back2 = _up(four, two), _fcus(two, 3)
        self.last = ConvTranspose2d(two, self.num_classes, 2, 2)

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        return [(8, self.stage8, "encoder")]

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        two = self.stage2(self.down2(x))  # N, width, H/2, W/2
        four = self.stage4(self.down4(two))  # N, 4·width, H/4, W/4
        x = self.stage8(self.down8(four))  # N, 8·width, H/8, W/8
        score8 = self.score8(x)  # N, K, H/8, W/8
        x = self.back4(cut(self.up4(x), four.shape[-2], four.shape[-1]))  # N, 4·width, H/4, W/4
        x = self.back2(cut(self.up2(x), two.shape[-2], two.shape[-1]))  # N, width, H/2, W/2
        return {"logits": self.last(x), "score_8": score8}


def _fcus(channels: int, kernel: int, dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(FCU(channels, kernel, dropout), FCU(channels, kernel, dropout))


def _up(channels: int, out: int) -> nn.Sequential:
    conv = ConvTranspose2d(channels, out, 3, 2, padding=1, output_padding=1)
    return nn.Sequential(conv, nn.BatchNorm2d(out, EPS), nn.ReLU(inplace=True))
