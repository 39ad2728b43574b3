"""A chain of mixtures, and what becomes of it: FasterSeg's search in small.

  input ── mixed ── mixed ── mixed ── …        while it is searched: weights and logits learn in turn
  input ── 3×3, 12 ── zoomed, 8 ── 1×1, 8 ── …  what was found, to be trained anew

The loss of the logits is the network's own plus a share of `expected_latency(chain.logits(), chain.table(size))`.

Reference: Chen et al., "FasterSeg: Searching for Faster Real-time Semantic Segmentation", ICLR 2020 (arXiv 1912.10917),
and the authors' code, VITA-Group/FasterSeg, search/operations.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from torch import Tensor, nn

from segkit.checks import WrongKind, whole
from segkit.engine import engine
from segkit.layers import Conv2d
from segkit.layers.blocks import check_statistics, conv_norm_relu
from segkit.search.latency import Block, Term, latency_table
from segkit.search.mixed import Mixed
from segkit.typed import shown, typed


class Zoomed(nn.Module):
    """A 3×3 convolution on a map of half the size, enlarged again: twice the field for a quarter of the multiply-adds.

    Args:
        channels, out: in and out.

    Shape:
        N×channels×H×W → N×out×H×W.

    Source:
        Section 3.1, "zoomed convolution". As released, the half is rounded down, corners stay corners, and the ReLU
        comes after enlarging.
    """

    @typed
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        channels, out = whole(channels, "channels", "Zoomed", 1), whole(out, "out", "Zoomed", 1)
        self.conv, self.norm = Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.ndim != 4 or 0 in x.shape[-2:]:
            raise WrongKind(f"Zoomed got {shown(x)}; it takes maps N×C×H×W, H and W at least 1")
        H, W = x.shape[-2:]
        half = max(H // 2, 1), max(W // 2, 1)
        check_statistics(self.norm, x.shape[0] * half[0] * half[1], f"Zoomed, at {H}×{W} cells,")
        x = engine().interpolate(x, half, mode="bilinear", align_corners=True)  # N, channels, H/2, W/2
        x = self.norm(self.conv(x))  # N, out, H/2, W/2
        return engine().interpolate(x, (H, W), mode="bilinear", align_corners=True).relu()  # N, out, H, W


def _plain(size: int, channels: int, out: int) -> nn.Sequential:
    return conv_norm_relu(Conv2d(channels, out, size, padding=size // 2, bias=False))


BLOCKS: dict[str, Block] = {  # 1×1 is the paper's skip, of any width
    "1×1": partial(_plain, 1),
    "3×3": partial(_plain, 3),
    "zoomed 3×3": Zoomed,
}


class MixedChain(nn.Module):
    """Layers that follow each other, each a mixture of the same blocks and widths.

    Args:
        inputs: channels that come in.
        widths: that each layer may have, in rising order.
        layers: how many follow each other.
        blocks: by name, what makes a block of so many channels in and out, of stride 1.
        mixing, temperature: as for `Mixed`.

    Shape:
        N×inputs×H×W → N×(largest width)×H×W. What a narrow last layer leaves out is 0.

    Raises:
        TypeError, ValueError: no widths or layers, and what `Mixed` refuses.

    Differs from the paper:
        one chain at one stride, where FasterSeg also chooses a path through strides 8, 16 and 32. Of its five operators
        the two with a second convolution are left out: inside them a mask at the end leaves all channels.
    """

    @typed
    def __init__(
        self, inputs: int, widths: Sequence[int], layers: int, blocks: Mapping[str, Block] = BLOCKS,
        mixing: tuple[str, str] = ("softmax", "gumbel"), temperature: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        who = "MixedChain"
        self.inputs, count = whole(inputs, "inputs", who, 1), whole(layers, "layers", who, 1)
        self.widths = tuple(whole(width, "widths", who, 1) for width in widths)
        if not self.widths or not all(map(callable, blocks.values())):
            raise ValueError(f"{who} got widths={self.widths} and the blocks {list(blocks)}; give one width or more, "
                             "and blocks as functions of channels in and out")  # fmt: skip
        self.makers = dict(blocks)
        self.layers = nn.ModuleList(
            Mixed({name: make(self.widths[-1] if n else inputs, self.widths[-1]) for name, make in blocks.items()},
                  self.widths, mixing, temperature)
            for n in range(count)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] != self.inputs:
            raise WrongKind(f"MixedChain got {shown(x)}; it takes maps N×{self.inputs}×H×W")
        if x.numel() == self.inputs:
            for part in self.modules():
                check_statistics(part, 1, "MixedChain")
        for layer in self.layers:
            x = layer(x)  # N, largest width, H, W
        return x

    def logits(self) -> list[Tensor]:
        """Of all choices: block and width of the first layer, of the second, and so on."""
        return [logits for layer in self._mixed() for logits in (layer.block_logits, layer.width_logits)]

    def weights(self) -> list[nn.Parameter]:
        """All parameters but the logits, for an optimiser of their own."""
        chosen = set(map(id, self.logits()))
        return [p for p in self.parameters() if id(p) not in chosen]

    @typed
    def table(
        self, size: int | tuple[int, int], rounds: int = 5, device: str = "cpu",
        clock: Callable[[], float] = time.perf_counter,
    ) -> list[Term]:  # fmt: skip
        """What the latency of the chain is the sum of, measured; arguments as for `latency_table`.

        A layer's time depends on its block, the width before it and its own.
        """
        how = {"size": size, "rounds": rounds, "device": device, "clock": clock}
        first = latency_table(self.makers, [self.inputs], self.widths, **how)  # type: ignore[arg-type]
        table = [Term(first[:, 0], (0, 1))]
        if len(self.layers) > 1:
            later = latency_table(self.makers, self.widths, self.widths, **how)  # type: ignore[arg-type]
            table += [Term(later, (2 * n, 2 * n - 1, 2 * n + 1)) for n in range(1, len(self.layers))]
        return table

    def path(self) -> list[int]:
        """The most probable option of each choice, for `path_latency`."""
        return [int(logits.argmax()) for logits in self.logits()]

    def found(self) -> list[tuple[str, int]]:
        """Block and width of each layer."""
        return [(layer.names[b], self.widths[w]) for layer, (b, w) in zip(self._mixed(), self._pairs(), strict=True)]

    def cut(self) -> nn.Sequential:
        """The network that was found, with new weights; its last layer has the width that was found for it."""
        before, layers = self.inputs, []
        for name, width in self.found():
            layers.append(self.makers[name](before, width))
            before = width
        return nn.Sequential(*layers)

    def _mixed(self) -> list[Mixed]:
        return [layer for layer in self.layers if isinstance(layer, Mixed)]

    def _pairs(self) -> list[tuple[int, int]]:
        path = self.path()
        return list(zip(path[::2], path[1::2], strict=True))
