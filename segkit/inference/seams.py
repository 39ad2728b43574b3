"""What tiles cost in quality: where their labels differ from those of the whole picture, and how far from a seam."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from segkit.checks import pair
from segkit.inference.network import Network, cell_stride, checked_pictures
from segkit.inference.tiles import Span, spans, tiled
from segkit.typed import typed


class Band(NamedTuple):
    """The pixels whose distance to the nearest seam is at least `near` and less than `far`, in pixels."""

    near: float
    far: float
    pixels: int
    differ: float  # share of them whose label is another one than without tiles, 0–1


@typed
def seam_differences(
    network: Network,
    image: Tensor,
    tile: int | Sequence[int],
    overlap: int | Sequence[int],
    edges: Sequence[float] = (0, 8, 16, 32, 64, 128, float("inf")),
) -> list[Band]:
    """The share of pixels whose label differs between `tiled` and the whole picture, by distance to the nearest seam.

    Args:
        network, image, tile, overlap: as for `tiled`; the whole picture must fit into memory once.
        edges: of the bands, pixels, increasing. A seam is the middle line of an overlap.

    Returns:
        one Band for each pair of neighbouring edges that has pixels; none where one tile covers the picture.
    """
    if len(edges) < 2 or any(b <= a for a, b in pairwise(edges)):
        raise ValueError(f"seam_differences got edges={edges!r}; give two or more, each larger than the one before")
    H, W = checked_pictures(network, image, "seam_differences")
    if not len(image):
        raise ValueError(
            f"seam_differences got pictures of shape {tuple(image.shape)}; give at least one to compare on"
        )
    stride = cell_stride(network)
    (th, tw), (oh, ow) = pair(tile, "tile", "seam_differences", 1), pair(overlap, "overlap", "seam_differences", 0)
    differ = tiled(network, image, (th, tw), (oh, ow)) != tiled(network, image, max(H, W, stride), 0)  # N, H, W
    far = torch.minimum(_to_seam(spans(H, th, oh, stride))[:, None], _to_seam(spans(W, tw, ow, stride)))  # H, W
    bands = []
    for near, until in pairwise(edges):
        inside = (far >= near) & (far < until)
        if inside.any():
            share = float(differ[:, inside].double().mean())
            bands.append(Band(float(near), float(until), int(inside.sum()) * len(image), share))
    return bands


def _to_seam(places: Sequence[Span]) -> Tensor:
    """Distance of the middle of each pixel of a side to the nearest middle of an overlap; infinite without one."""
    middle = torch.arange(places[-1][1]) + 0.5
    far = torch.full_like(middle, torch.inf)
    for (_, stop), (start, _) in pairwise(places):
        far = torch.minimum(far, (middle - (start + stop) / 2).abs())
    return far
