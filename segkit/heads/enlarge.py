"""From a map of scores to the picture: bilinear, with each cell where its encoder puts it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from segkit.encoders.encoder import Encoder
from segkit.engine import engine
from segkit.layers.enlarge import check_enlarged
from segkit.layers.enlarge import enlarge_from_corners as enlarge_from_corners  # its place for all that stands on heads


def to_picture(score: Tensor, encoder: Encoder, height: int, width: int, align_corners: bool = True) -> Tensor:
    """Enlarge a map of an encoder's last stride to the picture, by its geometry or as torchvision does.

    Args:
        score: the map.
        encoder: it knows the stride, and where the cells stand.
        height, width: of the picture.
        align_corners: True: each cell where the encoder puts it. False: the map is spread over the picture with
            half-pixel centres, as torchvision's networks do and were trained with: cell i of h then stands at pixel
            (i + ½)·height/h − ½, half a stride further in than a ResNet's own kernels are centred.

    Shape:
        N×K×h×w → N×K×H×W with H ≥ height, W ≥ width; the first rows and columns are the picture's.
    """
    if not isinstance(encoder, Encoder):
        raise TypeError(f"to_picture got a {type(encoder).__name__} as encoder; segkit.encoders.create makes one")
    return to_size(score, encoder.output_stride, height, width, encoder.corner_aligned, align_corners)


def to_size(
    x: Tensor, factor: int, height: int, width: int, corner_aligned: bool = True, align_corners: bool = True
) -> Tensor:
    """Enlarge a map to the size of one whose cells are `factor` times as close, or of the picture.

    Args:
        x: the map.
        factor: how many times closer.
        height, width: of the larger one.
        corner_aligned, align_corners: as in `enlarge` and `to_picture`.

    Shape:
        N×C×h×w → N×C×H×W with H ≥ height, W ≥ width; the first rows and columns are those of the larger map.
    """
    if align_corners:
        return enlarge(x, factor, corner_aligned)
    return engine().interpolate(x, (height, width), mode="bilinear", align_corners=False)


def enlarge(score: Tensor, stride: int, corner_aligned: bool = False) -> Tensor:
    """Enlarge a map `stride` times, bilinear.

    Args:
        score: the map.
        stride: pixels of the picture from one cell to the next.
        corner_aligned: where the cells stand, as an `Encoder` says: on pixel i·stride, or over the middle of their
            stride×stride pixels. The wrong choice moves everything by half a cell.

    Shape:
        N×K×h×w → N×K×H×W with H ≥ h·stride; the first rows and columns are the picture's.
    """
    if corner_aligned:
        return enlarge_from_corners(score, stride)
    check_enlarged(score, stride, "enlarge")
    return engine().interpolate(score, scale_factor=stride, mode="bilinear", align_corners=False)


def check_maps(maps: Sequence[Tensor], channels: Sequence[int], who: str, alike: bool = False) -> None:
    """Refuse maps that a head was not made for.

    Args:
        maps: what came.
        channels: of each map.
        who: the head, for the message.
        alike: whether they have one height and width.

    Raises:
        ValueError: another number of maps, other channels, batches that differ, or a map without a cell.
    """
    fit = len(maps) == len(channels) and all(m.ndim == 4 for m in maps)
    fit = fit and [m.shape[1] for m in maps] == list(channels)
    if fit and not torch.compiler.is_compiling():  # sizes may be symbols there
        fit = len({m.shape[:1] for m in maps}) == 1 and not any(0 in m.shape[2:] for m in maps)
        fit = fit and (not alike or len({m.shape[2:] for m in maps}) == 1)
    if not fit:
        raise ValueError(
            f"{who} got maps of shape {', '.join(str(tuple(m.shape)) for m in maps) or '(none)'}; it takes "
            f"{', '.join(f'N×{c}×h×w' for c in channels)}, h and w at least 1{', all of one size' if alike else ''}"
        )
