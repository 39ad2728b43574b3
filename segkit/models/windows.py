"""Windows of a picture, and which cells of a map belong to each: how one map serves many regions.

picture, pixels  0 . . . . . . . . . . . . . . . . . . . . .      stride 8, window [5, 20)
cells            0 . . . . . . . 1 . . . . . . . 2 . . . . .      cells 1 and 2 stand on pixels 8 and 16, inside it
"""

from __future__ import annotations

Box = tuple[int, int, int, int]  # top, left, bottom, right, in pixels; bottom and right just outside


def cells_inside(begin: int, end: int, stride: int, cells: int) -> slice:
    """The cells of one axis that stand inside a window.

    Args:
        begin, end: the window's first pixel, and the first one after it.
        stride: cell i stands on pixel i·stride.
        cells: of the whole map.

    Returns:
        ⌈begin/stride⌉ to ⌊(end − 1)/stride⌋, both included; the cell nearest to the window's middle where none is
        inside. The window that is the whole picture has all cells.

    Source:
        SPPNet (arXiv 1406.4729), appendix A: from ⌊x/S⌋ + 1 for a left or top edge at x to ⌈x/S⌉ − 1 for a right or
        bottom one, where x are edges between pixels: half a pixel before `begin`, half a pixel before `end`.
    """
    first, last = -(-begin // stride), min((end - 1) // stride, cells - 1)
    if first > last:
        first = last = min(round((begin + end - 1) / 2 / stride), cells - 1)
    return slice(first, last + 1)


def five_views(height: int, width: int, size: tuple[int, int]) -> list[Box]:
    """The windows of a given size in the corners and the middle of a picture.

    Raises:
        ValueError: the picture is smaller than a view.
    """
    down, right = height - size[0], width - size[1]
    if down < 0 or right < 0:
        raise ValueError(
            f"views of {size[0]}×{size[1]} do not fit a picture of {height}×{width}; enlarge the picture, or give a "
            "smaller size"
        )
    places = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    return [(y, x, y + size[0], x + size[1]) for y, x in places]
