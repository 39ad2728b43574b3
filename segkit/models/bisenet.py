"""BiSeNet (Yu et al. 2018): a path that keeps where things are, and a path that finds out what they are.

  picture ── spatial path: 7×7, 3×3, 3×3, each of stride 2, 1×1 ──────────────── 1/8 ──┐
     └ context path: ResNet or Xception ── 1/16 ── ARM ── + ── ×2, 3×3 ── 1/8 ── FFM ── 3×3 ── score ── ×8 ── logits
                                       └── 1/32 ── ARM ── + ── ×2, 3×3 ┘  └ score_16     └ score_8
                                                 mean ────┘

  ARM: attention refinement, a gate for each channel, made from the mean of the map
  FFM: feature fusion, both paths side by side, mixed by a 1×1, and gated likewise

Reference: "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation", ECCV 2018 (arXiv 1808.00897),
and the authors' networks, TorchSeg, model/bisenet.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.encoders.encoder import Encoder
from segkit.encoders.xception39 import Xception39Encoder
from segkit.engine import engine
from segkit.heads import FCNHead, enlarge_from_corners
from segkit.layers import Conv2d
from segkit.layers.blocks import check_statistics, conv_norm_relu, norm_relu_3x3
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.models.fcn_resnet import resnet_for
from segkit.typed import typed


class AttentionRefinement(nn.Module):
    """A 3×3, and then a gate for each channel: x·σ(BN(W·mean(x))).

    Args:
        before: channels of the input.
        channels: of the output.
        attention: False: the gates stay open.

    Shape:
        N×before×h×w → N×channels×h×w.

    Raises:
        ValueError: a number below 1; in training mode, one picture, which has a single mean.

    Source:
        Section 3.2 and Figure 2 (b); the 3×3 is the authors' code.
    """

    @typed
    def __init__(self, before: int, channels: int, attention: bool = True) -> None:
        super().__init__()
        before, channels = (whole(n, "before, channels", "AttentionRefinement", 1) for n in (before, channels))
        self.conv = norm_relu_3x3(before, channels)
        self.gate = conv_norm_relu(Conv2d(channels, channels, 1, bias=False))[:-1] if attention else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)  # N, channels, h, w
        if self.gate is None:
            return x
        check_statistics(self.gate[1], x.shape[0], "AttentionRefinement")
        return engine().gate(x, self.gate(engine().adaptive_avg_pool2d(x, 1)))


class FeatureFusion(nn.Module):
    """Maps of different kinds side by side, f = 1×1 of them with BatchNorm and ReLU; then f + f·σ(W₂ ReLU(W₁ mean(f))).

    Args:
        before: channels of all maps together.
        channels: of the output.
        attention: False: f alone.

    Shape:
        maps N×…×h×w → N×channels×h×w.

    Source:
        Section 3.3 and Figure 2 (c).
    """

    @typed
    def __init__(self, before: int, channels: int, attention: bool = True) -> None:
        super().__init__()
        before, channels = (whole(n, "before, channels", "FeatureFusion", 1) for n in (before, channels))
        self.mix = conv_norm_relu(Conv2d(before, channels, 1, bias=False))
        self.gate: nn.Sequential | None = None
        if attention:
            first = conv_norm_relu(Conv2d(channels, channels, 1, bias=False), norm=False)
            self.gate = nn.Sequential(*first, Conv2d(channels, channels, 1, bias=False))

    def forward(self, *maps: Tensor) -> Tensor:
        x = self.mix(torch.cat(maps, 1))  # N, channels, h, w
        if self.gate is None:
            return x
        return x + engine().gate(x, self.gate(engine().adaptive_avg_pool2d(x, 1)))


@register("bisenet")
class BiSeNet(Model):
    """A shallow path of stride 8 beside a deep one, fused with gates.

    Args:
        num_classes: number of classes K, void not counted.
        encoder: "resnet18" or "xception39" as in the paper; or resnet34, 50, 101, 152. With 19 classes, without the
            auxiliary heads, 12,894,163 and 1,541,963 parameters.
        width: channels of the ResNet's first layer and of the spatial path; 64 is the paper's size, 8 to 16 the
            course's.
        spatial: False: without the spatial path; the context path is then all that is fused.
        attention: False: the gates of both kinds of block stay open.
        aux: scores from the context path at stride 16 and 8, for auxiliary losses (weight 1 in the paper).
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1. By name: "score" N×K×⌈H/8⌉×⌈W/8⌉, from which the logits are enlarged; with aux,
        "score_16" N×K×⌈H/16⌉×⌈W/16⌉ and "score_8" N×K×⌈H/8⌉×⌈W/8⌉.

    Raises:
        ValueError: an option that is not among these; in training mode a single picture, for the mean of all of it.

    Source:
        Sections 3.1 to 3.4, Figure 2 (a). Built is what the authors released as "speed" (R18.speed and X39.speed, for
        pictures of 768×1536).

    Differs from the paper:
        as the released code: a 3×3 stands in each attention refinement and behind each enlargement, a fourth layer, a
        1×1, ends the spatial path, and "score_16" is read where the map of stride 32 has been added. The authors
        enlarge with corners aligned, which is ours at 32k + 1 pixels.
    """

    def __init__(
        self,
        num_classes: int,
        encoder: str = "resnet18",
        width: int = 64,
        spatial: bool = True,
        attention: bool = True,
        aux: bool = True,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.num_classes, width = whole(num_classes, "num_classes", "BiSeNet", 1), whole(width, "width", "BiSeNet", 1)
        self.encoder = _context_path(encoder, in_channels, width)
        self.in_channels = self.encoder.in_channels
        *_, third, last = self.encoder.channels
        between = 2 * width
        self.spatial = _spatial_path(self.in_channels, width) if spatial else None
        self.mean = conv_norm_relu(Conv2d(last, between, 1, bias=False))
        self.arms = nn.ModuleList(AttentionRefinement(n, between, attention) for n in (last, third))
        self.refines = nn.ModuleList(norm_relu_3x3(between, between) for _ in range(2))
        self.fusion = FeatureFusion((2 if spatial else 1) * between, 2 * between, attention)
        self.head = FCNHead(2 * between, self.num_classes, width, 0.0)
        guides = (FCNHead(between, self.num_classes, between, 0.0) for _ in range(2 if aux else 0))
        self.guides = nn.ModuleList(guides)

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        *_, fine, third, last = self.encoder(x)  # N, channels[i], H/8, W/8; H/16, W/16; H/32, W/32
        check_statistics(self.mean[1], x.shape[0], "BiSeNet")
        y = self.mean(engine().adaptive_avg_pool2d(last, 1))  # N, between, 1, 1
        steps = []
        for arm, refine, given, finer in zip(self.arms, self.refines, (last, third), (third, fine), strict=True):
            y = cut(enlarge_from_corners(arm(given) + y, 2), finer.shape[-2], finer.shape[-1])
            y = refine(y)  # N, between, H/16, W/16, and then H/8, W/8
            steps.append(y)
        score = self.head(self.fusion(*([] if self.spatial is None else [self.spatial(x)]), y))  # N, K, H/8, W/8
        found = {"logits": enlarge_from_corners(score, 8), "score": score}
        names = zip(("score_16", "score_8"), self.guides, steps, strict=False)
        return {**found, **{name: guide(step) for name, guide, step in names}}


def _context_path(encoder: str, in_channels: int, width: int) -> Encoder:
    if encoder == "xception39":
        return Xception39Encoder(width, in_channels)
    if not str(encoder).startswith("resnet"):
        raise ValueError(f"BiSeNet got encoder={encoder!r}; it takes 'xception39', or resnet18, 34, 50, 101 or 152")
    return resnet_for("BiSeNet", encoder, in_channels, 32, width)


def _spatial_path(in_channels: int, width: int) -> nn.Sequential:
    """Three convolutions that stride, and a 1×1 to twice the width."""
    first = Conv2d(in_channels, width, 7, 2, padding=3, bias=False)
    others = [Conv2d(a, b, 3, 2, padding=1, bias=False) for a, b in pairwise([width] * 3)]
    convs = first, *others, Conv2d(width, 2 * width, 1, bias=False)
    return nn.Sequential(*(layer for conv in convs for layer in conv_norm_relu(conv)))
