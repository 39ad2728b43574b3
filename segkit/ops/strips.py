"""A picture as strips: rows laid end to end with zeros between them, so that to move the picture is to start elsewhere.

What lies i rows down and j columns to the right is i·pitch + j places further on, for every pixel alike. With padding 1
a picture of two columns has the pitch 3, and the taps of a 3×3 kernel read from the places 0, 1, 2, 3, 4, 5, …:

    picture    the strip                      tap (0, 0)    reads from place 0 on
    a b        0 0 0   0 a b   0 c d   0 …    tap (0, 1)    from place 1
    c d                                       tap (1, 0)    from place 3

With a stride s there are s·s strips. The tap in row i of the kernel reads rows u·s + i·dilation, and those are number
u + (i·dilation) div s of the rows with remainder (i·dilation) mod s. So deal the rows out by their remainders, and the
columns too: each tap reads one strip, and reads it without a stride. (At stride 2 and an even rate all taps read the
same one of the four strips: three pixels in four are never looked at.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from segkit.ops.patches import Pair

Pad = tuple[int, int, int, int]  # left, right, top, bottom as in F.pad; a negative number cuts off


@dataclass(frozen=True)
class Lane:
    """The rows (or columns) of a picture that leave one remainder; in their strip they are neighbours.

    Args:
        pixels: which they are in the picture.
        first: the cell in which the first of them stands; before it lies padding.
        count: how many are read.
        end: how many cells are read, those of padding included.
    """

    pixels: slice
    first: int
    count: int
    end: int


@dataclass(frozen=True)
class Tap:
    """One number of the kernel, and what it reads.

    Args:
        place: in the kernel, row after row.
        strip: which strip it reads.
        start, length: the outputs, rows end to end, that see any pixel in this tap.
        shift: from an output to the place in the strip.
    """

    place: int
    strip: int
    start: int
    length: int
    shift: int


@dataclass(frozen=True)
class Plan:
    """Where everything lies in a convolution of one plane with one kernel.

    Args:
        picture, kernel, size: rows and columns of the picture, the kernel, the output.
        pitch: from one row to the next, in the strips and in the outputs.
        length: numbers in each strip.
        pixels: of each strip, the rows and columns of the picture that lie in it.
        cells: where in the strip they lie: the first place, how many rows, how many columns.
        taps: those that see any pixel at all.
    """

    picture: Pair
    kernel: Pair
    size: Pair
    pitch: int
    length: int
    pixels: list[tuple[slice, slice]]
    cells: list[tuple[int, int, int]]
    taps: list[Tap]


@lru_cache(maxsize=256)
def plan_strips(picture: Pair, kernel: Pair, pad: Pad, stride: Pair, dilation: Pair) -> Plan:
    """The plan for these sizes.

    Args:
        picture, kernel: rows and columns.
        pad: zeros to the left, right, top and bottom; a negative number cuts off.
        stride, dilation: for rows and columns.
    """
    left, right, top, bottom = pad
    h, downs, rows = _lanes(picture[0], kernel[0], top + bottom, top, stride[0], dilation[0])
    w, acrosses, columns = _lanes(picture[1], kernel[1], left + right, left, stride[1], dilation[1])
    pitch = max(w, *(max(lane.first + lane.count, lane.end - lane.first) for lane in columns.values()))
    strips = [(a, b) for a in rows for b in columns]
    taps = []
    for i, (a, down) in enumerate(downs):
        first, last = _seeing(rows[a], down, h)
        for j, (b, across) in enumerate(acrosses):
            near, far = _seeing(columns[b], across, w)
            if first < last and near < far:
                place, shift = i * kernel[1] + j, down * pitch + across
                taps.append(Tap(place, strips.index((a, b)), first * pitch, (last - first) * pitch, shift))
    cells = [(rows[a].first * pitch + columns[b].first, rows[a].count, columns[b].count) for a, b in strips]
    ends = [place + height * pitch for place, height, _ in cells]
    length = max(ends + [tap.start + tap.length + tap.shift for tap in taps])
    pixels = [(rows[a].pixels, columns[b].pixels) for a, b in strips]
    return Plan(picture, kernel, (h, w), pitch, length, pixels, cells, taps)


def _lanes(
    n: int, kernel: int, pad: int, before: int, stride: int, dilation: int
) -> tuple[int, list[tuple[int, int]], dict[int, Lane]]:
    """Of one axis: the outputs; for each tap the remainder and the cells it is ahead; the lane of each remainder."""
    outputs = (n + pad - dilation * (kernel - 1) - 1) // stride + 1
    taps = [(tap * dilation % stride, tap * dilation // stride) for tap in range(kernel)]
    lanes = {}
    for remainder in dict(taps):
        start = max(0, -before)  # what is cut off is not read
        pixel = start + (remainder - before - start) % stride
        first = (pixel + before) // stride
        end = outputs + max(ahead for other, ahead in taps if other == remainder)
        count = max(0, min(-(-(n - pixel) // stride), end - first))
        lanes[remainder] = Lane(slice(pixel, pixel + count * stride, stride), first, count, end)
    return outputs, taps, lanes


def _seeing(lane: Lane, ahead: int, outputs: int) -> tuple[int, int]:
    """The first output that sees a pixel in this tap, and the first that does not any more."""
    return max(0, lane.first - ahead), min(outputs, lane.first + lane.count - ahead)
