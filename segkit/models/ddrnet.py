"""DDRNet (Pan, Hong et al. 2022): one trunk parts into two branches, which tell each other what they see.

  picture ── /2 ── /4 layer1 ── /8 layer2 ──┬── fine, 1/8 ──────╳───────╳── 1×1, 3×3, 1×1 ── + ── head ── ×8 ── logits
                                            │                   │ └ aux │                    │
                                            └── coarse ── 1/16 ─╳─ 1/32 ╳── 1/64 ── DAPPM ───┘

  ╳: an exchange: the coarse map joins the fine one through a 1×1, the fine one the coarse one through 3×3s of stride 2

Reference: "Deep Dual-Resolution Networks for Real-Time and Accurate Semantic Segmentation of Traffic Scenes", IEEE
T-ITS 2022 (arXiv 2101.06085), and the authors' network, ydhongHIT/DDRNet, segmentation.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import chosen, whole
from segkit.encoders.encoder import scaled
from segkit.engine import engine
from segkit.heads import enlarge_from_corners
from segkit.layers import Conv2d
from segkit.layers.blocks import check_statistics, conv_norm_relu, score_layer
from segkit.layers.borders import cut
from segkit.models.base import Model, register
from segkit.typed import typed

# channels of the first layer and of the head; blocks of layer1, of layer2, of each part of layer3, and of layer4
BASES = {"23-slim": (32, 64, 2, 2, (2,), 2), "23": (64, 128, 2, 2, (2,), 2), "39": (64, 256, 3, 4, (3, 3), 3)}


class Residual(nn.Module):
    """Two 3×3 convolutions, or 1×1, 3×3, 1×1, added to their input, and no ReLU after the sum: exchanges come first.

    Args:
        before: channels of the input.
        channels: of the first convolutions.
        stride: of the first 3×3, and of the shortcut.
        bottleneck: 1×1, 3×3 and 1×1, the last with twice the channels.

    Shape:
        N×before×H×W → N×channels×⌈H/stride⌉×⌈W/stride⌉, with a bottleneck twice as many channels.
    """

    def __init__(self, before: int, channels: int, stride: int = 1, bottleneck: bool = False) -> None:
        super().__init__()
        out = 2 * channels if bottleneck else channels
        first = _conv(before, channels, 1) if bottleneck else _conv(before, channels, 3, stride)
        second = _conv(channels, channels, 3, stride if bottleneck else 1)
        last = [*second, *_conv(channels, out, 1)[:-1]] if bottleneck else second[:-1]
        self.body = nn.Sequential(*first, *last)
        same = before == out and stride == 1
        self.shortcut = nn.Identity() if same else _conv(before, out, 1, stride)[:-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class Exchange(nn.Module):
    """Bilateral fusion: each of two maps gets what the other one knows.

    Args:
        fine, coarse: channels of the two maps.
        steps: how many times the coarse one was halved beyond the fine one.

    Shape:
        N×fine×h×w and N×coarse×⌈h/2^steps⌉×⌈w/2^steps⌉ → maps of the same shapes, before any ReLU.

    Source:
        Section III B, Figure 4 and equation 1.
    """

    @typed
    def __init__(self, fine: int, coarse: int, steps: int) -> None:
        super().__init__()
        self.factor = 2 ** whole(steps, "steps", "Exchange", 1)
        self.compression = _conv(whole(coarse, "coarse", "Exchange", 1), whole(fine, "fine", "Exchange", 1), 1)[:-1]
        sizes = [fine, *(max(1, coarse // 2**i) for i in range(steps - 1, -1, -1))]
        self.down = nn.Sequential(*(layer for a, b in pairwise(sizes) for layer in _conv(a, b, 3, 2)))[:-1]

    def forward(self, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        wide = enlarge_from_corners(self.compression(F.relu(coarse)), self.factor)  # N, fine, ≥ h, ≥ w
        return fine + cut(wide, fine.shape[-2], fine.shape[-1]), coarse + self.down(F.relu(fine))


class DAPPM(nn.Module):
    """Deep aggregation pyramid pooling: means over ever larger windows, each added to the result for the one before.

    Args:
        channels: of the map.
        between: of each of the five scales.
        out: of what comes out.

    Shape:
        N×channels×h×w → N×out×h×w.

    Raises:
        ValueError: a number below 1; in training mode, one picture, which has a single mean.

    Source:
        Section III C, Figure 5 and equation 2; BatchNorm and ReLU stand before each convolution, as in the authors'
        code, and zeros around the map count in the means, as there.
    """

    @typed
    def __init__(self, channels: int, between: int, out: int) -> None:
        super().__init__()
        for number, name in ((channels, "channels"), (between, "between"), (out, "out")):
            whole(number, name, "DAPPM", 1)
        self.scales = nn.ModuleList(_norm_relu_conv(channels, between, 1) for _ in range(5))
        self.process = nn.ModuleList(_norm_relu_conv(between, between, 3) for _ in range(4))
        self.compression, self.shortcut = _norm_relu_conv(5 * between, out, 1), _norm_relu_conv(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.scales[0](x)]  # N, between, h, w
        for i, process in enumerate(self.process, start=1):
            found.append(process(self._mean(x, i) + found[-1]))
        return self.compression(torch.cat(found, 1)) + self.shortcut(x)  # N, out, h, w

    def _mean(self, x: Tensor, i: int) -> Tensor:
        """The i-th scale: windows of 5, 9 and 17 cells, every 2, 4 and 8 cells, and the whole map."""
        step, scale = 2**i, self.scales[i]
        if i == len(self.process):
            mean = engine().adaptive_avg_pool2d(x, 1)  # N, channels, 1, 1
        else:
            mean = engine().avg_pool2d(x, 2 * step + 1, step, step)  # N, channels, ⌈h/step⌉, ⌈w/step⌉
        check_statistics(scale[0], mean.shape[0] * mean.shape[2] * mean.shape[3], "DAPPM")  # type: ignore[index]
        y = scale(mean)  # N, between, …
        if i == len(self.process):
            return y.expand(-1, -1, x.shape[-2], x.shape[-1])
        return cut(enlarge_from_corners(y, step), x.shape[-2], x.shape[-1])


@register("ddrnet")
class DDRNet(Model):
    """Two branches, at strides 8 and up to 64, with exchanges between them.

    Args:
        num_classes: number of classes K, void not counted.
        base: "23-slim", "23" or "39", as in the paper: 5,695,987, 20,148,947 and 32,360,275 parameters with 19 classes
            and without the auxiliary head.
        width: 64 is the paper's size, 8 to 16 the course's; channels are in proportion (the first layer has half of it
            in "23-slim").
        exchange: False: the branches keep to themselves until the sum before the scores, two networks behind one trunk.
        aux: a second head on the fine branch, before its last stage, for the auxiliary loss (weight 0.4 in the paper).
        in_channels: channels of the picture.

    Shape:
        N×C×H×W → N×K×H×W, any H, W ≥ 1 (a program of torch.export: more than 512, where no map of DAPPM has a single
        row or column). By name: "score", from which the logits are enlarged; with aux, "aux"; both N×K×⌈H/8⌉×⌈W/8⌉.

    Raises:
        ValueError: an option that is not among these; in training mode a single picture, for DAPPM's mean of all of it.

    Source:
        Sections III A to III D, Figure 4 and Table I.

    Differs from the paper:
        maps are enlarged with each cell where it stands: cell i of stride s over pixel s·i. The authors interpolate
        with half-pixel centres, up to half a coarse cell further in.
    """

    tile_stride = 64

    def __init__(
        self,
        num_classes: int,
        base: str = "23-slim",
        width: int = 64,
        exchange: bool = True,
        aux: bool = True,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        first, hidden, *blocks, third, last = BASES[chosen(base, "base", "DDRNet", BASES)]
        self.num_classes, width = whole(num_classes, "num_classes", "DDRNet", 1), whole(width, "width", "DDRNet", 1)
        self.in_channels = whole(in_channels, "in_channels", "DDRNet", 1)
        p, between, hidden = scaled(first, width), scaled(128, width), scaled(hidden, width)
        stem = _conv(self.in_channels, p, 3, 2, bias=True), _conv(p, p, 3, 2, bias=True)
        self.conv1 = nn.Sequential(*stem[0], *stem[1])
        self.layer1, self.layer2 = _stage(p, p, blocks[0]), _stage(p, 2 * p, blocks[1], 2)
        plan = [*((count, 4 * p, 1 if i else 2, 1) for i, count in enumerate(third)), (last, 8 * p, 2, 2)]
        before = [2 * p, *(channels for _, channels, _, _ in plan)]
        self.coarse = nn.ModuleList(_stage(b, c, n, s) for b, (n, c, s, _) in zip(before, plan, strict=False))
        self.fine = nn.ModuleList(_stage(2 * p, 2 * p, n) for n, *_ in plan)
        steps = [steps for *_, steps in plan] if exchange else []
        self.exchanges = nn.ModuleList(Exchange(2 * p, c, s) for s, (_, c, *_) in zip(steps, plan, strict=False))
        self.fine_last, self.coarse_last = Residual(2 * p, 2 * p, 1, True), Residual(8 * p, 8 * p, 2, True)
        self.context = DAPPM(16 * p, between, 4 * p)
        self.aux = _head(2 * p, hidden, self.num_classes) if aux else None
        self.head = _head(4 * p, hidden, self.num_classes)

    def _coarsest(self) -> list[tuple[int, nn.Module, str]]:
        return [(64, self.coarse_last, "coarse branch")]

    def compute(self, x: Tensor) -> dict[str, Tensor]:
        x = self.layer1(self.conv1(x))  # N, p, H/4, W/4
        fine = coarse = self.layer2(F.relu(x))  # N, 2p, H/8, W/8
        half = fine
        for i, (deepen, keep) in enumerate(zip(self.coarse, self.fine, strict=True)):
            half = fine if i == len(self.fine) - 1 else half  # before the last stage
            coarse, fine = deepen(F.relu(coarse)), keep(F.relu(fine))  # N, 4p or 8p, H/16 or H/32, …; N, 2p, H/8, W/8
            if self.exchanges:
                fine, coarse = self.exchanges[i](fine, coarse)
        fine = self.fine_last(F.relu(fine))  # N, 4p, H/8, W/8
        context = self.context(self.coarse_last(F.relu(coarse)))  # N, 4p, H/64, W/64
        score = self.head(fine + cut(enlarge_from_corners(context, 8), fine.shape[-2], fine.shape[-1]))
        found = {"logits": enlarge_from_corners(score, 8), "score": score}  # N, K, H, W and N, K, H/8, W/8
        return found if self.aux is None else {**found, "aux": self.aux(half)}


def _conv(before: int, channels: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Sequential:
    return conv_norm_relu(Conv2d(before, channels, kernel, stride, padding=kernel // 2, bias=bias))


def _norm_relu_conv(before: int, channels: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(before), nn.ReLU(inplace=True), _conv(before, channels, kernel)[0])


def _stage(before: int, channels: int, blocks: int, stride: int = 1) -> nn.Sequential:
    """Blocks with a ReLU between them, and none at the end."""
    layers: list[nn.Module] = [Residual(before, channels, stride)]
    for _ in range(blocks - 1):
        layers += [nn.ReLU(), Residual(channels, channels)]
    return nn.Sequential(*layers)


def _head(before: int, hidden: int, num_classes: int) -> nn.Sequential:
    """BatchNorm, ReLU and a 3×3; BatchNorm, ReLU and the scores."""
    score = score_layer(Conv2d(hidden, num_classes, 1))
    layers = [*_norm_relu_conv(before, hidden, 3), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True), score]
    return nn.Sequential(*layers)
