"""Atrous spatial pyramid pooling: one map read by kernels of several rates at once (DeepLab v2), later normalised and
joined by the mean of the whole picture (DeepLab v3), with separable kernels at last (DeepLab v3+).

  v2   map ──┬── 3×3 rate 6 ── … scores ──┐          v3   map ──┬── 1×1 ───────────────────────┐
             ├── 3×3 rate 12 ─ … scores ──┼── sum              ├── 3×3 rate 6 ────────────────┤
             ├── 3×3 rate 18 ─ … scores ──┤                    ├── 3×3 rate 12 ───────────────┼── side by side ── 1×1
             └── 3×3 rate 24 ─ … scores ──┘                    ├── 3×3 rate 18 ───────────────┤
                                                               └── mean ── 1×1 ── spread out ─┘
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from segkit.checks import finite, whole
from segkit.engine import engine
from segkit.layers import Conv2d
from segkit.layers.blocks import check_statistics, conv_norm_relu, norm_relu_3x3, score_layer
from segkit.typed import typed

SMALL, LARGE = (2, 4, 8, 12), (6, 12, 18, 24)  # v2's ASPP-S and ASPP-L


@typed
def rates_at(output_stride: int, rates: Sequence[int] = (6, 12, 18), written_for: int = 16) -> tuple[int, ...]:
    """The rates that read the same pixels at another output stride: doubled at 8, halved at 32.

    Args:
        output_stride: of the map that is to be read.
        rates: at the output stride that they were written for.
        written_for: that output stride.

    Raises:
        ValueError: a rate that would not be a whole number.

    Source:
        DeepLab v3 (arXiv 1706.05587), section 3.3: "the rates are doubled when output_stride = 8".
    """
    stride = whole(output_stride, "output_stride", "rates_at", 1)
    written_for = whole(written_for, "written_for", "rates_at", 1)
    rates = tuple(whole(rate, "rates", "rates_at", 1) for rate in rates)
    if any(rate * written_for % stride for rate in rates):
        fit = [s for s in (8, 16, 32) if not any(rate * written_for % s for rate in rates)]
        raise ValueError(
            f"rates_at got rates {tuple(rates)} for output stride {written_for}, which are no whole numbers at "
            f"{stride}; choose an output_stride among {fit}, or rates that can be halved"
        )
    return tuple(rate * written_for // stride for rate in rates)


class SummedASPP(nn.Module):
    """DeepLab v2's pyramid: a classifier of its own at each rate, their scores summed.

    Args:
        channels: of the map.
        num_classes: K.
        rates: of the 3×3 convolutions, in cells.
        hidden: channels of fc6 and fc7 in each branch, 1024 for the paper's VGG; None for one 3×3 convolution straight
            to the scores, as on its ResNet-101.
        dropout: after fc6 and fc7.
        batch_norm: BatchNorm after fc6 and fc7.

    Shape:
        N×channels×h×w → N×K×h×w.

    Source:
        Chen et al., "DeepLab…", PAMI 2018 (arXiv 1606.00915), section 3.2 and Figure 7.
    """

    @typed
    def __init__(
        self,
        channels: int,
        num_classes: int,
        rates: Sequence[int] = LARGE,
        hidden: int | None = None,
        dropout: float = 0.5,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        whole(channels, "channels", "SummedASPP", 1)
        whole(num_classes, "num_classes", "SummedASPP", 1)
        self.rates = tuple(whole(rate, "rates", "SummedASPP", 1) for rate in rates)
        if not self.rates:
            raise ValueError("SummedASPP got no rates; give at least one, the paper has (6, 12, 18, 24)")
        hidden = None if hidden is None else whole(hidden, "hidden", "SummedASPP", 1)
        drop, self.branches = finite(dropout, "dropout", "SummedASPP", 0, 1), nn.ModuleList()
        for rate in self.rates:
            first = Conv2d(channels, hidden or num_classes, 3, padding=rate, dilation=rate)
            if not hidden:
                self.branches.append(score_layer(first))
                continue
            fc6, fc7 = (conv_norm_relu(conv, batch_norm) for conv in (first, Conv2d(hidden, hidden, 1)))
            fc8 = score_layer(Conv2d(hidden, num_classes, 1))
            self.branches.append(nn.Sequential(*fc6, nn.Dropout(drop), *fc7, nn.Dropout(drop), fc8))

    def forward(self, x: Tensor) -> Tensor:
        return sum(branch(x) for branch in self.branches)  # type: ignore[return-value]  # N, K, h, w


class ASPP(nn.Module):
    """DeepLab v3's pyramid: a 1×1, three 3×3 at large rates, the mean of the picture; BatchNorm after each.

    Args:
        channels: of the map.
        rates: of the 3×3 convolutions, in cells: (6, 12, 18) at output stride 16, see `rates_at`; () for none.
        width: channels of each branch and of what comes out.
        image_pooling: the branch that pools the whole map.
        dropout: after the projection.
        separable: each 3×3 as an atrous separable convolution (DeepLab v3+).

    Shape:
        N×channels×h×w → N×width×h×w, any h, w ≥ 1.

    Raises:
        ValueError: one picture in training mode, with image pooling: BatchNorm would see one value.

    Source:
        Chen, Papandreou, Schroff & Adam, "Rethinking atrous convolution…" (arXiv 1706.05587), section 3.3, Figure 5.
        separable: arXiv 1802.02611, section 3.1.
    """

    @typed
    def __init__(
        self,
        channels: int,
        rates: Sequence[int] = (6, 12, 18),
        width: int = 256,
        image_pooling: bool = True,
        dropout: float = 0.1,
        separable: bool = False,
    ) -> None:
        super().__init__()
        whole(channels, "channels", "ASPP", 1)
        self.rates = tuple(whole(rate, "rates", "ASPP", 1) for rate in rates)
        self.width = width = whole(width, "width", "ASPP", 1)
        atrous = [norm_relu_3x3(channels, width, rate, separable) for rate in self.rates]
        self.branches = nn.ModuleList([conv_norm_relu(Conv2d(channels, width, 1, bias=False)), *atrous])
        self.pool = conv_norm_relu(Conv2d(channels, width, 1, bias=False)) if image_pooling else None
        joined = (len(self.branches) + bool(image_pooling)) * width
        self.project = conv_norm_relu(Conv2d(joined, width, 1, bias=False))
        self.drop = nn.Dropout(finite(dropout, "dropout", "ASPP", 0, 1))

    def forward(self, x: Tensor) -> Tensor:
        found = [branch(x) for branch in self.branches]  # N, width, h, w each
        if self.pool is not None:
            check_statistics(self.pool[1], x.shape[0], "ASPP's image pooling")
            mean = self.pool(engine().adaptive_avg_pool2d(x, 1))  # N, width, 1, 1
            found.append(mean.expand(-1, -1, *x.shape[-2:]))  # bilinear enlargement of one cell is a constant
        return self.drop(self.project(torch.cat(found, 1)))  # N, width, h, w
