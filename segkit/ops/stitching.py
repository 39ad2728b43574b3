"""Shift-and-stitch: dense scores from a network that strides, without changing the network.

A network of output stride f scores every f-th place. Shown the picture without its first row it scores other places,
each one further down; so f² shifted pictures give all places, each once, and it only remains to put them in order.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from segkit.ops.arguments import batched, whole
from segkit.typed import typed


@typed
def shift_and_stitch(network: Callable[[Tensor], Tensor], input: Tensor, stride: int) -> Tensor:
    """Run a network on all f² shifts of a picture and stitch the scores into one dense map.

    The result is exactly that of evaluating the network densely: of moving its window pixel by pixel, or of setting its
    strides to 1 and dilating what follows them (the source's filter rarefaction). That holds for networks that do not
    pad; where one pads inside, scores whose window reaches into the padding differ, since each shift moves the border.

    Args:
        network: from N×C×H×W to N×K×h×w, its score (u, v) seeing the picture from pixel (u·stride, v·stride) on.
        input: the pictures.
        stride: f, the network's output stride.

    Shape:
        N×C×H×W or C×H×W → N×K×H'×W' or K×H'×W', H' = H − R + 1 for a network that sees R×R pixels and does not pad.

    Raises:
        TypeError: the input is not a tensor of numbers, or stride is not a whole number.
        ValueError: the maps of the shifted pictures do not interlace: the network's stride is another, or it rounds up.

    Source:
        Sermanet et al., ICLR 2014, section 3.3; Long, Shelhamer & Darrell, CVPR 2015, section 3.2.
    """
    x, single = batched(input, "shift_and_stitch")
    maps = shifted_maps(network, x, stride)
    H, W = stitched_size(maps)
    dense = maps[0][0].new_zeros(*maps[0][0].shape[:2], H, W)  # N, K, H', W'
    for top, row in enumerate(maps):
        for left, scores in enumerate(row):
            dense[:, :, top::stride, left::stride] = scores
    return dense[0] if single else dense


def shifted_maps(network: Callable[[Tensor], Tensor], x: Tensor, stride: int) -> list[list[Tensor]]:
    """The network's scores on each shift of the picture: maps[down][right], each N×K×h×w."""
    f = whole(stride, "stride", "shift_and_stitch", 1)
    if min(x.shape[2:]) < f:
        raise ValueError(
            f"shift_and_stitch got a picture of shape {tuple(x.shape)} and stride={f}; it is at least as large"
        )
    return [[network(x[:, :, top:, left:]) for left in range(f)] for top in range(f)]


def stitched_size(maps: list[list[Tensor]]) -> tuple[int, int]:
    """The size of the dense map, if the maps interlace to one."""
    f = len(maps)
    H, W = sum(row[0].shape[2] for row in maps), sum(scores.shape[3] for scores in maps[0])
    for top, row in enumerate(maps):
        for left, scores in enumerate(row):
            expected = -(-(H - top) // f), -(-(W - left) // f)
            if tuple(scores.shape[2:]) != expected:
                raise ValueError(
                    f"shift_and_stitch got a map of {tuple(scores.shape[2:])} for shift ({top}, {left}), where "
                    f"{expected} would interlace; is {f} the network's output stride, and does it round sizes down?"
                )
    return H, W
