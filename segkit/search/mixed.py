"""A layer that is several at once: blocks and widths, weighed by probabilities that are learned beside the weights.

         ┌─ block 1 ─┐
  input ─┼─ block 2 ─┼─ Σ pₒ · blockₒ(x) ── · P(width > channel) ── output
         └─ block 3 ─┘

Each block has the largest width. A narrower layer is its first channels, the others zero, and so Σ over widths of
probability times mask is, for channel c, the probability that the width is above c. Nothing else has to be computed.

Reference: Liu, Simonyan & Yang, "DARTS", ICLR 2019 (arXiv 1806.09055), section 2.2, for mixtures; Chen et al.,
"FasterSeg", ICLR 2020 (arXiv 1912.10917), sections 3.1 and 3.2, for widths from one kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segkit.checks import WrongKind, chosen, finite, whole
from segkit.typed import shown, typed

WAYS = ("softmax", "gumbel")


class Mixed(nn.Module):
    """A mixture of blocks and of widths, until one of each is chosen.

    Args:
        blocks: candidates by name; they take the same map and give maps of one shape.
        widths: how many channels the layer may keep, in rising order; the last is what the blocks give. () for all.
        mixing: how blocks and how widths are mixed. "softmax": all of them, by their probabilities. "gumbel": one,
            drawn by them anew each time in training, with the gradients of a soft draw (straight through); the most
            probable one in evaluation.
        temperature: of the soft draw, above 0; the lower it is, the nearer is its gradient to that of the draw, and the
            noisier.

    Attributes:
        names: of the blocks.
        block_logits, width_logits: what is learned; equal at first. The second is empty where there are no widths.

    Shape:
        what the blocks take → what they give, N×C×H×W.

    Raises:
        TypeError, ValueError: no blocks, widths that do not rise or do not end where the blocks' channels do, a way of
            mixing that is neither, a temperature of 0 or less; an input that is no map; blocks whose maps differ.

    Source:
        FasterSeg takes "softmax" for blocks and "gumbel" for widths, section 3.2. Its narrow layers are cut out of the
        wide kernel before they are computed; the values are the same, as a kernel's further channels see zeros.
    """

    kept: Tensor

    @typed
    def __init__(
        self, blocks: Mapping[str, nn.Module], widths: Sequence[int] = (),
        mixing: tuple[str, str] = ("softmax", "gumbel"), temperature: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__()
        wrong = [name for name, block in blocks.items() if not isinstance(block, nn.Module)]
        if not blocks or wrong:
            raise ValueError(f"Mixed got {f'blocks that are none: {wrong}' if wrong else 'no blocks'}; give modules by "
                             "name")  # fmt: skip
        self.names, self.blocks = tuple(blocks), nn.ModuleList(blocks.values())
        self.widths = tuple(whole(width, "widths", "Mixed", 1) for width in widths)
        if list(self.widths) != sorted(set(self.widths)):
            raise ValueError(f"Mixed got widths={self.widths}; give each once, in rising order")
        self.mixing = tuple(chosen(way, "mixing", "Mixed", WAYS) for way in mixing)
        self.temperature = finite(temperature, "temperature", "Mixed", 0)
        if not self.temperature:
            raise ValueError("Mixed got temperature=0; it is above 0, and the draw the harder the lower it is")
        self.block_logits = nn.Parameter(torch.zeros(len(self.blocks)))
        self.width_logits = nn.Parameter(torch.zeros(len(self.widths)))
        kept = torch.arange(self.widths[-1] if self.widths else 0) < torch.tensor(self.widths)[:, None]
        self.register_buffer("kept", kept, persistent=False)  # widths, C

    def forward(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor) or x.ndim != 4:
            raise WrongKind(f"Mixed got {shown(x)}; it takes maps N×C×H×W")
        maps = [block(x) for block in self.blocks]
        shapes = {name: tuple(y.shape) for name, y in zip(self.names, maps, strict=True)}
        if len(set(shapes.values())) > 1 or (self.widths and maps[0].shape[1] != self.widths[-1]):
            raise ValueError(f"Mixed got maps of shapes {shapes} and widths={self.widths}; all have one shape, with as "
                             "many channels as the largest width")  # fmt: skip
        shares = self.shares(self.block_logits, self.mixing[0])
        y = torch.einsum("o,onchw->nchw", shares, torch.stack(maps))  # N, C, H, W
        if not self.widths:
            return y
        return y * (self.shares(self.width_logits, self.mixing[1]) @ self.kept.to(y))[:, None, None]

    def shares(self, logits: Tensor, way: str) -> Tensor:
        """By how much each option counts now; they add up to 1.

        Args:
            logits: of the options.
            way: "softmax" or "gumbel".
        """
        if way == "softmax":
            return logits.softmax(0)
        if not self.training:
            return F.one_hot(logits.argmax(), len(logits)).to(logits)
        noise = -torch.empty_like(logits).exponential_().log()  # Gumbel: the largest sum is a draw from the softmax
        soft = ((logits + noise) / self.temperature).softmax(0)
        return F.one_hot(soft.argmax(), len(logits)) - soft.detach() + soft

    def found(self) -> tuple[str, int | None]:
        """The most probable block and width; None where there are no widths."""
        width = self.widths[int(self.width_logits.argmax())] if self.widths else None
        return self.names[int(self.block_logits.argmax())], width
