"""Pictures larger than memory: overlapping tiles, blended smoothly, finished one strip of the picture after the other.

           left        right
  top    ┌────────┬──┬────────┐    Each tile is run by itself. Where tiles overlap, their scores are averaged with
         │ tile 1 │  │ tile 2 │    weights that go smoothly from one to the other and sum to 1 at every pixel.
         ├────────┼──┼────────┤ ←  What lies above the next row of tiles is finished: it is handed out, and its
  bottom └────────┴──┴────────┘    memory is used again. So only one row of tiles is ever held, not K×H×W scores.

Near its border a tile sees the zeros of the padding where the whole picture has pixels. How far that reaches is decided
by the network's effective receptive field rather than by the theoretical one, which often covers the whole tile. So the
outer quarter of an overlap is context only: it is computed, and weighs nothing. `seam_differences` measures what is
left of the seams. A network that pools over the whole picture pools over a tile here: no overlap makes up for that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from segkit.checks import pair, whole
from segkit.inference.network import Network, cell_stride, checked_pictures, evaluating, scored
from segkit.typed import typed

Span = tuple[int, int]  # first pixel, and the first one after the last


@typed
def spans(length: int, tile: int, overlap: int, stride: int) -> list[Span]:
    """Where tiles lie along one side: as few as fit, alike in length but for the last, each starting on a cell.

    Args:
        length: of the side, pixels.
        tile: the longest that a tile may be; they are as short as their number allows.
        overlap: what neighbours share at least, pixels; rounded up to a multiple of the stride.
        stride: every start is a multiple of it, and every end but the last, so that the cells of a tile are cells of
            the whole picture.

    Raises:
        ValueError: tiles that cannot move on: tile < stride, or overlap > tile − stride.
    """
    length, tile = whole(length, "length", "spans", 1), whole(tile, "tile", "spans", 1)
    overlap, stride = whole(overlap, "overlap", "spans", 0), whole(stride, "stride", "spans", 1)
    if tile < stride:
        raise ValueError(f"tile={tile} is smaller than the network's stride, {stride} pixels; give a multiple of it")
    given, overlap = overlap, stride * -(-overlap // stride)
    if overlap > tile - stride:
        raise ValueError(
            f"overlap={given} leaves a tile of {tile} no step of {stride} pixels, the network's stride; give an "
            f"overlap of at most {(tile // stride - 1) * stride}, or larger tiles"
        )
    if length <= tile:
        return [(0, length)]
    cells = -(-(length - overlap) // stride)  # to move over in all
    step = stride * -(-cells // -(-cells // ((tile - overlap) // stride)))
    return [(start, min(start + step + overlap, length)) for start in range(0, length - overlap, step)]


@typed
def blend(places: Sequence[Span]) -> list[Tensor]:
    """The weight of each tile at each of its pixels along one side.

    In the overlap of two tiles: a quarter where the first alone counts, a squared cosine down over the middle half
    (and for the other its squared sine up), a quarter where the second alone counts.

    Returns:
        one float32 vector a tile; at every pixel of the side the weights of all tiles sum to 1.
    """
    if not places:
        raise ValueError("blend got no places; give the tiles of one side, as `spans` lays them out")
    weights = [torch.ones(stop - start, dtype=torch.float64) for start, stop in places]
    for i in range(1, len(places)):
        shared = places[i - 1][1] - places[i][0]
        if shared > 0:
            along = (torch.arange(shared, dtype=torch.float64) + 0.5) / shared  # 0 to 1 through the overlap
            rise = torch.sin(torch.pi / 2 * (2 * along - 0.5).clamp(0, 1)) ** 2
            weights[i - 1][-shared:] *= 1 - rise
            weights[i][:shared] *= rise
    total = torch.zeros(places[-1][1], dtype=torch.float64)
    for (start, stop), weight in zip(places, weights, strict=True):
        total[start:stop] += weight
    return [(w / total[start:stop]).float() for (start, stop), w in zip(places, weights, strict=True)]


def tiled(
    network: Network,
    image: Tensor,
    tile: int | Sequence[int] = 1024,
    overlap: int | Sequence[int] = 192,
    *,
    scores: bool = False,
    stride: int | None = None,
    bar: str | None = None,
) -> Tensor:
    """The labels of pictures of any size, in little more memory than one row of tiles takes.

    Args:
        network: gives scores N×K×H×W; a module runs in evaluation mode and gets its mode back. Its device is where
            tiles go; the picture and the labels stay where the picture is.
        image: the pictures. One that a single tile covers is given to the network as it is: the answer is exactly that
            of the network alone.
        tile: the largest height and width of a tile, pixels; or one number for both. Tiles are as small as their number
            allows.
        overlap: what neighbouring tiles share at least, pixels; a quarter of it is each tile's border of context.
        scores: the blended scores in place of labels; these take the memory of the whole.
        stride: starts of tiles are multiples of it; None for the network's own (`cell_stride`).
        bar: a name to show a progress bar under; None for no bar.

    Shape:
        N×C×H×W → N×H×W, uint8; or with scores N×K×H×W, floating-point.

    Raises:
        ValueError: sizes that do not go together, more than 255 classes (255 is void), NaN or infinite scores, scores
            of another size than the tile. TypeError: a picture that is not floating-point.
    """
    H, W = checked_pictures(network, image, "tiled")
    out: Tensor | None = None
    for top, part in strips(network, image, tile, overlap, stride, bar):
        K = part.shape[1]
        if out is None:
            if K > 255 and not scores:
                raise ValueError(f"tiled got {K} classes; a label is one byte and 255 is void: take scores=True")
            shape, kind = ((K,), part.dtype) if scores else ((), torch.uint8)
            out = torch.empty((len(image), *shape, H, W), dtype=kind, device=image.device)
        out[..., top : top + part.shape[2], :] = part if scores else part.argmax(1)
    assert out is not None
    return out


def strips(
    network: Network,
    image: Tensor,
    tile: int | Sequence[int] = 1024,
    overlap: int | Sequence[int] = 192,
    stride: int | None = None,
    bar: str | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """The blended scores strip by strip, from the top: (first row, scores); the arguments are those of `tiled`.

    Shape:
        N×C×H×W → strips N×K×h×W whose heights h sum to H. A strip is overwritten when the next one is asked for.
    """
    H, W = checked_pictures(network, image, "tiled")
    (th, tw), (oh, ow) = pair(tile, "tile", "tiled", 1), pair(overlap, "overlap", "tiled", 0)
    step = cell_stride(network) if stride is None else whole(stride, "stride", "tiled", 1)
    rows, columns = spans(H, th, oh, step), spans(W, tw, ow, step)
    with tqdm(total=len(rows) * len(columns), desc=bar, unit="tile", disable=bar is None, leave=False) as progress:
        if len(rows) == len(columns) == 1:
            with evaluating(network):
                found = scored(network, image, "tiled")
            progress.update()
            yield 0, found
            return
        tall = max(bottom - top for top, bottom in rows)
        buffer: Tensor | None = None
        down, across = blend(rows), blend(columns)
        ends = [top for top, _ in rows[1:]] + [H]
        for (top, bottom), weight, end in zip(rows, down, ends, strict=True):
            for (left, right), other in zip(columns, across, strict=True):
                crop = image[..., top:bottom, left:right].contiguous(memory_format=torch.channels_last)
                with evaluating(network):
                    part = scored(network, crop, "tiled")  # N, K, h, w
                if buffer is None:
                    buffer = part.new_zeros(len(image), tall, W, part.shape[1]).permute(0, 3, 1, 2)  # N, K, tall, W
                window = torch.outer(weight, other).to(part)  # h, w
                buffer[..., : bottom - top, left:right].addcmul_(part, window)
                progress.update()
            assert buffer is not None
            yield top, buffer[..., : end - top, :]
            kept = bottom - end  # rows that the next tiles overlap
            buffer[..., :kept, :] = buffer[..., end - top : bottom - top, :].clone()
            buffer[..., kept:, :] = 0
