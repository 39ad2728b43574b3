"""A photograph of any size in, its labels at that size out: resized, in tiles, refined, enlarged strip by strip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from segkit.checks import whole
from segkit.inference.network import Network, cell_stride
from segkit.inference.tiles import tiled
from segkit.memory import check_memory
from segkit.pictures import in_unit
from segkit.typed import typed

WHOLE = 2048 * 1024  # pixels up to which a picture goes through the network in one piece, unless a tile is given
TILE, OVERLAP = 1024, 192
_STRIP = 1 << 22  # scores that are enlarged at a time


@dataclass(frozen=True)
class Segmenter:
    """From a photograph to its labels.

    Args:
        network: gives scores N×K×H×W for pictures in 0–1 (`Normalised` makes one of a network that takes others).
        short_side: pixels that the shorter side is brought to for the network, the longer in proportion, both rounded
            down as torchvision does; None for the photograph's own size.
        tile: side of the tiles, pixels; 0 for the whole picture at once; None for tiles of 1024 where the picture has
            more than 2 million pixels. They overlap by 192 pixels, or by half their side where that is less.
        refine: from scores 1×K×h×w and the picture 1×3×h×w that they are of to better ones, such as a dense CRF.
    """

    network: Network
    short_side: int | None = None
    tile: int | None = None
    refine: Callable[[Tensor, Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if self.short_side is not None:
            whole(self.short_side, "short_side", "Segmenter", 1)
        if self.tile is not None:
            whole(self.tile, "tile", "Segmenter", 0)

    def __call__(self, image: Tensor, bar: str | None = None) -> Tensor:
        """The labels.

        Args:
            image: the photograph, floats in 0–1 or uint8.
            bar: a name to show a progress bar under, where there are several tiles; None for no bar.

        Shape:
            3×H×W → H×W, uint8.

        Raises:
            TypeError, ValueError: another type, shape or scale; as `tiled`.
        """
        if isinstance(image, Tensor) and (image.ndim != 3 or 0 in image.shape):
            raise ValueError(f"Segmenter got a picture of shape {tuple(image.shape)}; it takes one, 3×H×W")
        image = in_unit(image, "Segmenter")
        H, W = image.shape[-2:]
        small = to_short_side(image[None], self.short_side)  # 1, 3, h, w
        h, w = small.shape[-2:]
        tile = self.tile if self.tile is not None else TILE if h * w > WHOLE else 0
        cell = cell_stride(self.network)
        side, overlap = (tile, min(OVERLAP, tile // 2 // cell * cell)) if tile else (max(h, w, cell), 0)
        bar = bar if max(h, w) > side else None
        if (h, w) == (H, W) and self.refine is None:
            return tiled(self.network, small, side, overlap, bar=bar)[0]
        scores = tiled(self.network, small, side, overlap, scores=True, bar=bar)  # 1, K, h, w
        if self.refine is not None:
            scores = self.refine(scores, small)
        return labels_at(scores, H, W)[0]


@typed
def to_short_side(image: Tensor, short_side: int | None) -> Tensor:
    """The picture with its shorter side of that many pixels, averaged where it shrinks; None leaves it as it is.

    Shape:
        N×C×H×W, floats in 0–1 or uint8 → N×C×h×w with min(h, w) = short_side, floats.
    """
    image = in_unit(image, "to_short_side")
    if image.ndim != 4 or 0 in image.shape[1:]:
        raise ValueError(
            f"to_short_side got pictures of shape {tuple(image.shape)}; they are N×C×H×W, C, H and W at least 1"
        )
    H, W = image.shape[-2:]
    if short_side is not None:
        whole(short_side, "short_side", "to_short_side", 1)
    if short_side is None or short_side == min(H, W):
        return image
    size = [max(1, side * short_side // min(H, W)) for side in (H, W)]
    needed = image.shape[0] * image.shape[1] * size[0] * size[1] * image.element_size()
    check_memory(needed, f"to_short_side got short_side={short_side}: the picture", "take a smaller one")
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)


@typed
def labels_at(scores: Tensor, height: int, width: int) -> Tensor:
    """The labels of scores that are enlarged to a picture's size, without ever holding them at that size.

    The same as `interpolate(scores, (height, width), mode="bilinear").argmax(1)`. The order matters: labels that are
    enlarged have the blocks of the small map for an edge, and where two classes meet, a third can be in between.

    Shape:
        N×K×h×w → N×height×width, uint8, K ≤ 255.
    """
    height, width = (whole(n, name, "labels_at", 1) for name, n in (("height", height), ("width", width)))
    if scores.ndim != 4 or not scores.is_floating_point() or scores.shape[1] > 255 or 0 in scores.shape[1:]:
        raise ValueError(
            f"labels_at got scores of {scores.dtype} and shape {tuple(scores.shape)}; they are floating-point numbers "
            "N×K×h×w, h and w at least 1, with K up to 255: a label is one byte, and 255 is void"
        )
    if scores.isnan().any():
        raise ValueError("labels_at got scores with NaN; the network has diverged, it has no best class")
    N, K, h, w = scores.shape
    labels = torch.empty(N, height, width, dtype=torch.uint8, device=scores.device)
    if (h, w) == (height, width):
        return labels.copy_(scores.argmax(1))
    scores = scores.contiguous(
        memory_format=torch.channels_last
    )  # all scores of a pixel side by side: quick to compare
    wide = F.interpolate(scores, (h, width), mode="bilinear", align_corners=False)  # N, K, h, width
    place = ((torch.arange(height, device=scores.device) + 0.5) * h / height - 0.5).clamp(0, h - 1)
    above = place.floor().long()
    below, share = (above + 1).clamp(max=h - 1), (place - above).to(scores)[:, None]
    rows = max(1, _STRIP // (max(1, N) * K * width))
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        part = torch.lerp(wide[:, :, above[strip]], wide[:, :, below[strip]], share[strip])  # N, K, rows, width
        labels[:, strip] = part.argmax(1)
    return labels
