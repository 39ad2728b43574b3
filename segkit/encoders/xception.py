"""Xception (Chollet 2017), and the Aligned Xception-65 of DeepLab v3+: separable convolutions beside shortcuts.

  stride       2             4              8              16                        32
  Xception     32 s2, 64     2 × 128 pool   2 × 256 pool   2 × 728 pool, 8 (3 × 728)   728 1024 pool, 1536 2048
  Xception-65  32 s2, 64     3 × 128 s2     3 × 256 s2     3 × 728 s2, 16 (3 × 728)    728 1024 1024 s2, 1536 1536 2048

                 ┌── ReLU, separable ── ReLU, separable ( ── ReLU, separable) ──┐
  a block      ──┤                                                              + ──
                 └── as it is, or 1×1 where channels or stride change ──────────┘

The pooling that strides is gone in Xception-65: its last separable convolution strides, so that the stride can be taken
off and the kernel dilated (atrous separable convolution); BatchNorm stands after the depthwise step too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import chosen
from segkit.encoders.dilation import dilate_strides_
from segkit.encoders.encoder import Encoder, at_ends, check_output_stride, init_relu_, picture_size, scaled
from segkit.layers import Conv2d, MaxPool2d, SeparableConv2d

VARIANTS = ("released", "paper")


class XceptionBlock(nn.Module):
    """Separable convolutions with a ReLU before each, beside a shortcut.

    Args:
        before: channels of the input.
        channels: of each separable convolution.
        stride: of the block.
        pool: a 3×3 pooling strides, after the convolutions; else the last of them does.
        between: what comes between depthwise and pointwise step, as in `SeparableConv2d`.
        last: the block at the end of the network: no shortcut, and the ReLUs after the convolutions.
        eps: of the norms.

    Shape:
        N×before×H×W → N×channels[−1]×⌈H/stride⌉×⌈W/stride⌉.
    """

    def __init__(
        self,
        before: int,
        channels: Sequence[int],
        stride: int = 1,
        pool: bool = False,
        between: str = "",
        last: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.last, self.second_channels = last, channels[1]
        self.shortcut: nn.Module = nn.Identity()
        if not last and (before != channels[-1] or stride > 1):
            conv = Conv2d(before, channels[-1], 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(channels[-1], eps))
        end = len(channels) - 1
        settings: dict[str, Any] = {"between": between, "after": "norm relu" if last else "norm", "eps": eps}
        self.convs = nn.ModuleList(
            SeparableConv2d(c, o, 3, 1 if pool or i < end else stride, 1, **settings)
            for i, (c, o) in enumerate(zip((before, *channels), channels, strict=False))
        )
        self.pool = MaxPool2d(3, stride, padding=1) if pool and stride > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.with_second(x)[1]

    def with_second(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the second convolution makes, before any ReLU, and the output.

        Shape:
            N×before×H×W → N×channels[1]×H×W and N×channels[−1]×⌈H/stride⌉×⌈W/stride⌉.
        """
        made = [x]
        for conv in self.convs:  # a ReLU in place would rectify the shortcut too
            made.append(conv(made[-1] if self.last else F.relu(made[-1])))
        y = self.pool(made[-1])  # N, channels[-1], H/stride, W/stride
        return made[2], y if self.last else y + self.shortcut(x)


class _Blocks(Encoder):
    """What both have in common: two convolutions, three blocks that stride, a long middle, two blocks to the end."""

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def _build(
        self,
        output_stride: int,
        repeats: int,
        middle: int,
        exits: Sequence[Sequence[int]],
        pool: bool,
        between: tuple[str, str],
        eps: float = 1e-5,
    ) -> None:
        """The layers: `repeats` convolutions in a block of the entry, `middle` blocks, and those at the end.

        `between` is for all blocks but the last, and for the last.
        """
        plan = [(channels, repeats, 2) for channels in (128, 256, 728)] + [(728, 3, 1)] * middle
        sizes = [[scaled(channels, self.width)] * times for channels, times, _ in plan]
        sizes += [[scaled(channels, self.width) for channels in block] for block in exits]
        strides = [stride for *_, stride in plan] + [2, 1]
        first, before = scaled(32, self.width), scaled(64, self.width)
        self.conv1 = Conv2d(self.in_channels, first, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(first, eps)
        self.conv2 = Conv2d(first, before, 3, padding=1, bias=False)
        self.bn2, self.relu = nn.BatchNorm2d(before, eps), nn.ReLU(inplace=True)
        self.channels = before, *(block[-1] for block in (*sizes[:2], sizes[-3], sizes[-1]))
        blocks = []
        for channels, stride in zip(sizes[:-1], strides, strict=False):
            blocks.append(XceptionBlock(before, channels, stride, pool, between[0], eps=eps))
            before = channels[-1]
        blocks.append(XceptionBlock(before, sizes[-1], between=between[1], last=True, eps=eps))
        self.blocks, self.strides = nn.Sequential(*blocks), (2, 4, 8, 16, 32)
        init_relu_(self)
        dilate_strides_(self, output_stride)

    def _stem(self, x: Tensor) -> Tensor:
        picture_size(x, type(self).__name__.removesuffix("Encoder"), self.in_channels)
        x = self.relu(self.bn1(self.conv1(x)))  # N, 32, H/2, W/2
        return self.relu(self.bn2(self.conv2(x)))  # N, 64, H/2, W/2

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self._stem(x)
        ends = 0, 1, len(self.blocks) - 3, len(self.blocks) - 1
        return [x, *at_ends(self.blocks, ends, x)]  # N, channels[i], H/strides[i], W/strides[i] each

    @property
    def low_channels(self) -> int:
        return cast(XceptionBlock, self.blocks[1]).second_channels

    def with_low_level(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second, *others = self.blocks
        low, x = cast(XceptionBlock, second).with_second(first(self._stem(x)))  # N, low_channels, H/4, W/4
        for block in others:
            x = block(x)
        return low, x


class XceptionEncoder(_Blocks):
    """The convolutional part of Xception: a picture → five maps, at strides 2 to 32 or no coarser.

    Nothing stands between a depthwise and a pointwise step, and poolings stride.

    Args:
        width: 64 is the paper's size: 32 channels in the first layer, 64 in the second, 2048 in the last.
        output_stride: 32, 16 or 8. Below 32 the last strides turn into dilation (`dilate_strides`).
        in_channels: channels of the picture.
        between: what comes between depthwise and pointwise step, as in `SeparableConv2d`: "" is the paper's choice, and
            its Figure 10 shows that a ReLU there harms.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1. Cell (i, j) of stride s has its
        centre on pixel (s·i, s·j). The low-level map is what the second separable convolution of the second block
        makes, 256 channels at width 64, before any ReLU.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Chollet, "Xception…", CVPR 2017 (arXiv 1610.02357), Figure 5. Differs from the paper: the first two convolutions
        are padded (its own map of 299 pixels is 147 there, ours 150), so that every map is ⌈H/stride⌉.
    """

    def __init__(self, width: int = 64, output_stride: int = 32, in_channels: int = 3, between: str = "") -> None:
        super().__init__(in_channels, width, "Xception")
        exits = (728, 1024), (1536, 2048)
        stride = check_output_stride(output_stride, "Xception")
        self._build(stride, 2, 8, exits, True, (between, between))


class Xception65Encoder(_Blocks):
    """The modified Aligned Xception-65 of DeepLab v3+: a picture → five maps, at strides 2 to 32 or no coarser.

    Args:
        width: 64 is the paper's size: 32 channels in the first layer, 64 in the second, 2048 in the last.
        output_stride: 32, 16 or 8. Below 32 the last strides turn into dilation (`dilate_strides`).
        in_channels: channels of the picture.
        variant: "released": BatchNorm alone between depthwise and pointwise step, and BatchNorm and ReLU in the last
            block only, as in the authors' code; "paper": BatchNorm and ReLU after every depthwise step, as the text has
            it. The ReLU before each separable convolution stays; the weights are the same.

    Shape:
        N×C×H×W → five maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1. Cell (i, j) of stride s has its
        centre on pixel (s·i, s·j). The low-level map is what the second separable convolution of the second block
        makes, 256 channels at width 64, before any ReLU.

    Raises:
        ValueError: an option that is not among these.

    Source:
        Chen et al., "Encoder-decoder with atrous separable convolution…", ECCV 2018 (arXiv 1802.02611), Figure 4 and
        section 3.2; the authors' core/xception.py. BatchNorm has eps 1e-3, as there.
    """

    def __init__(
        self, width: int = 64, output_stride: int = 32, in_channels: int = 3, variant: str = "released"
    ) -> None:
        super().__init__(in_channels, width, "Xception65")
        exits = (728, 1024, 1024), (1536, 1536, 2048)
        between = "norm relu" if chosen(variant, "variant", "Xception65", VARIANTS) == "paper" else "norm"
        stride = check_output_stride(output_stride, "Xception65")
        self._build(stride, 3, 16, exits, False, (between, "norm relu"), eps=1e-3)
