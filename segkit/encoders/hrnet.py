"""HRNet (Wang et al. 2019): branches of four resolutions side by side, which tell each other what they see.

  stage      1        2          3              4
  stride 4   ────┬────────┬──╳──────┬──╳──╳──────┬──╳──╳──╳──    ╳: an exchange: every branch gets the sum of all
  stride 8       └────────┼──╳──────┼──╳──╳──────┼──╳──╳──╳──
  stride 16               └─────────┼──╳──╳──────┼──╳──╳──╳──
  stride 32                         └────────────┴──╳──╳──╳──

The finest map is never given up, and so never has to be won back. Names are the authors' (`stage3.1.fuse_layers.0.2`).

Reference: "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020 (arXiv 1908.07919).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from segkit.checks import whole
from segkit.encoders.encoder import Encoder, init_relu_, picture_size, scaled
from segkit.encoders.resnet import BasicBlock, Bottleneck
from segkit.layers import Conv2d
from segkit.layers.enlarge import enlarge_from_corners

BASES = (18, 32, 48)  # channels of the finest branch in the paper's networks
MODULES, BLOCKS = (1, 4, 3), 4  # modules in stages 2 to 4; basic blocks of each branch of a module


def _step(before: int, channels: int, stride: int, relu: bool = True) -> nn.Sequential:
    conv = Conv2d(before, channels, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), *([nn.ReLU(inplace=True)] if relu else []))


def _way(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """From one branch to another: a 1×1 towards a finer one, enlarged afterwards; 3×3s of stride 2 downwards."""
    if source == target:
        return nn.Identity()
    if source > target:
        conv = Conv2d(channels[source], channels[target], 1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(channels[target]))
    steps = target - source
    sizes = [*[channels[source]] * steps, channels[target]]
    return nn.Sequential(*(_step(a, b, 2, relu=i < steps - 1) for i, (a, b) in enumerate(pairwise(sizes))))


class HighResolutionModule(nn.Module):
    """Branches of basic blocks side by side, and then an exchange.

    Args:
        channels: of each branch, finest first; each branch has twice the stride of the one before.
        blocks: basic blocks of each branch.
        exchange: False: every branch keeps to itself.

    Shape:
        a list of maps N×channels[i]×⌈H/2ⁱ⌉×⌈W/2ⁱ⌉ → maps of the same shapes.

    Source:
        Section 3.2 and Figure 3: y(r) = ReLU(Σₛ T(s→r) x(s)).
    """

    def __init__(self, channels: Sequence[int], blocks: int = BLOCKS, exchange: bool = True) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(c, c) for _ in range(blocks))) for c in channels)
        count = range(len(channels) if exchange else 0)
        ways = (nn.ModuleList(_way(channels, source, target) for source in count) for target in count)
        self.fuse_layers = nn.ModuleList(ways)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        if not self.fuse_layers:
            return maps
        return [self._gathered(maps, target) for target in range(len(maps))]

    def _gathered(self, maps: list[Tensor], target: int) -> Tensor:
        H, W = maps[target].shape[-2:]
        total: Tensor | None = None
        ways: Any = self.fuse_layers[target]
        for source, way in enumerate(ways):
            found = way(maps[source])
            if source > target:
                found = enlarge_from_corners(found, 2 ** (source - target))[..., :H, :W]  # N, channels[target], H, W
            total = found if total is None else total + found
        assert total is not None
        return self.relu(total)


class HRNetEncoder(Encoder):
    """The convolutional part of HRNetV2: a picture → four maps, all at the end of it, at strides 4, 8, 16 and 32.

    Args:
        base: 18, 32 or 48: channels of the finest branch at the paper's size; each coarser one has twice as many.
        width: 64 is the paper's size; channels are in proportion.
        output_stride: 32; the coarsest branch has no other.
        in_channels: channels of the picture.
        modules: of stages 2, 3 and 4; an exchange ends each.
        exchange: False: the branches keep to themselves once they have begun.

    Shape:
        N×C×H×W → four maps N×channels[i]×⌈H/strides[i]⌉×⌈W/strides[i]⌉. Any H, W ≥ 1. Cell (i, j) of stride s has its
        centre on pixel (s·i, s·j).

    Raises:
        ValueError: an option that is not among these.

    Source:
        Wang et al., TPAMI 2020 (arXiv 1908.07919), section 3 and Figure 2.

    Differs from the paper:
        maps are enlarged with each cell where it stands, which is the authors' align_corners at 32k + 1 pixels.
    """

    corner_aligned = True
    normalised = True  # type: ignore[assignment]

    def __init__(
        self,
        base: int = 48,
        width: int = 64,
        output_stride: int = 32,
        in_channels: int = 3,
        modules: Sequence[int] = MODULES,
        exchange: bool = True,
    ) -> None:
        super().__init__(in_channels, width, "HRNet")
        if isinstance(base, bool) or base not in BASES:
            raise ValueError(f"HRNet got base={base!r}; the paper's networks have {', '.join(map(str, BASES))}")
        if isinstance(output_stride, bool) or output_stride != 32:
            raise ValueError(
                f"HRNet got output_stride={output_stride!r}; its maps have strides 4, 8, 16 and 32 at once"
            )
        counts = [whole(count, "modules", "HRNet", 1) for count in modules]
        if len(counts) != 3:
            raise ValueError(f"HRNet got modules={tuple(modules)}; give three numbers, for stages 2, 3 and 4")
        first, finest = scaled(64, self.width), scaled(base, self.width)
        self.channels, self.strides = tuple(finest * 2**i for i in range(4)), (4, 8, 16, 32)
        self.conv1, self.bn1 = Conv2d(self.in_channels, first, 3, 2, padding=1, bias=False), nn.BatchNorm2d(first)
        self.conv2, self.bn2 = Conv2d(first, first, 3, 2, padding=1, bias=False), nn.BatchNorm2d(first)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Bottleneck(first, first), *(Bottleneck(4 * first, first) for _ in range(3)))
        self.transition1 = nn.ModuleList([_step(4 * first, finest, 1), _first_of(4 * first, 2 * finest)])
        for number, count in enumerate(counts, start=2):
            branches = self.channels[:number]
            if number > 2:  # the branches before stay as they are
                begun = _first_of(branches[-2], branches[-1])
                self.add_module(f"transition{number - 1}", nn.ModuleList([*[nn.Identity()] * (number - 1), begun]))
            stage = (HighResolutionModule(branches, exchange=exchange) for _ in range(count))
            self.add_module(f"stage{number}", nn.Sequential(*stage))
        init_relu_(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        picture_size(x, "HRNet", self.in_channels)
        x = self.relu(self.bn1(self.conv1(x)))  # N, first, H/2, W/2
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))  # N, 4·first, H/4, W/4
        maps = [x, x]
        for number in (1, 2, 3):
            transition = self.get_submodule(f"transition{number}")
            given = maps if number == 1 else [*maps, maps[-1]]
            maps = [change(m) for change, m in zip(transition, given, strict=True)]  # type: ignore[call-overload]
            maps = self.get_submodule(f"stage{number + 1}")(maps)  # N, channels[i], H/strides[i], W/strides[i]
        return maps

    def joined(self, maps: Sequence[Tensor]) -> Tensor:
        """All maps at the size of the finest, one behind the other.

        Shape:
            as they come from `forward` → N×sum(channels)×⌈H/4⌉×⌈W/4⌉.
        """
        H, W = maps[0].shape[-2:]
        steps = [stride // self.strides[0] for stride in self.strides]
        wide = [enlarge_from_corners(m, s)[..., :H, :W] for m, s in zip(maps[1:], steps[1:], strict=True)]
        return torch.cat([maps[0], *wide], 1)


def _first_of(before: int, channels: int) -> nn.Sequential:
    """The first layer of a new branch, within one more container, as the authors' names have it."""
    return nn.Sequential(_step(before, channels, 2))
