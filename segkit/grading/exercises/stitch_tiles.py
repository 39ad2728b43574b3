"""Chapter 03: overlapping tiles of scores put together, each stamped with a window."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, Function, catalogue, does, given, gives
from segkit.grading.exercises.case_tensors import Args, Shape, grouped, numbers
from segkit.grading.exercises.common import FIRST_PICTURE

TASK = """Put overlapping tiles of scores together. tiles is T×K×h×w; corners is a list of T pairs (row, column),
where tile t's first row and column lie in the result; window is h×w, how much each place of a tile counts, never
below 0; size is (H, W). The result is K×H×W with the dtype of tiles: at each place the average of all tiles that
cover it, weighted by the window. Tiles may stick out on any side, also beyond the first row and column: what lies
outside is left out. Where no tile counts, the result is 0."""

Corners = list[tuple[int, int]]


def stitched(
    tiles: Tensor, corners: Corners, window: Tensor, size: tuple[int, int], *, add: bool = True, cut: bool = True,
    finish: Function = lambda total, weight, count: torch.where(weight > 0, total / weight, 0.0),
) -> Tensor:  # fmt: skip
    """Reference of `stitch_tiles`, with its steps replaced.

    Args:
        tiles, corners, window, size: as the task has them.
        add: whether tiles that overlap are added up, or the last one stays.
        cut: whether tiles that stick out are cut, or left out altogether.
        finish: the result, of the weighted sum K×H×W, the sum of the windows, and the number of tiles.
    """
    (_, k, h, w), (height, width) = tiles.shape, size
    total, weight, count = (tiles.new_zeros(planes, height, width) for planes in (k, 1, 1))
    for tile, (row, column) in zip(tiles, corners, strict=True):
        top, left = max(row, 0), max(column, 0)
        end, right = min(row + h, height), min(column + w, width)
        if end <= top or right <= left or (not cut and (end - top, right - left) != (h, w)):
            continue
        inside = (..., slice(top - row, end - row), slice(left - column, right - column))
        place = (..., slice(top, end), slice(left, right))
        for canvas, stamp in ((total, tile * window), (weight, window[None]), (count, torch.ones_like(window)[None])):
            canvas[place] = stamp[inside] + (canvas[place] if add else 0)
    return finish(total, weight, count)


def _call(
    seed: int, tiles: Shape, corners: Corners, size: tuple[int, int], flat: bool = False, least: float = 0.25,
    dtype: torch.dtype = torch.float32,
) -> Args:  # fmt: skip
    window = numbers(seed + 1, *tiles[2:]).abs() + least - 0.25
    values = torch.ones(tiles[2:]) if flat else window
    return numbers(seed, *tiles, dtype=dtype), corners, values.to(dtype), size


def _cases() -> list[Case]:
    grid = [(row, column) for row in (0, 2, 4) for column in (0, 3)]
    row = [(0, 0), (0, 2)]
    return grouped(
        ("plain", (1, (2, 1, 1, 3), row, (1, 5), True), (2, (6, 1, 4, 5), grid, (8, 8), True)),
        (
            "window",
            (3, (2, 1, 1, 3), row, (1, 5)),
            (4, (6, 1, 4, 5), grid, (8, 8)),
            (5, (6, 1, 4, 5), grid, (8, 8), 0, 0),
        ),
        ("more than two tiles at a place", (6, (3, 1, 2, 2), [(0, 0), (0, 0), (0, 1)], (2, 3))),
        ("classes", (7, (2, 2, 1, 2), [(0, 0), (0, 1)], (1, 3)), (8, (6, 5, 4, 5), grid, (8, 8))),
        ("tiles that stick out at the end", (9, (1, 1, 2, 2), [(0, 1)], (1, 2)), (10, (6, 2, 4, 5), grid, (7, 6))),
        ("tiles that stick out at the start", (11, (1, 1, 2, 2), [(-1, 0)], (1, 2))),
        ("tiles that stick out at the start", (12, (3, 2, 4, 4), [(-2, -1), (-1, 3), (2, 1)], (5, 6))),
        ("places without a tile", (13, (1, 1, 1, 1), [(0, 1)], (1, 2)), (14, (2, 3, 3, 2), [(0, 0), (4, 3)], (8, 5))),
        ("places without a tile", (15, (1, 2, 2, 3), [(9, 1)], (4, 5))),
        ("float64", (16, (6, 2, 4, 5), grid, (8, 8), False, 0.25, torch.float64)),
        ("memory layout", (17, (6, 2, 4, 5), grid, (8, 8))),
        of=_call,
    )


def _facts(tiles: Tensor, corners: Corners, window: Tensor, size: tuple[int, int]) -> dict[str, bool]:
    h, w = window.shape
    count = stitched(torch.ones_like(tiles[:, :1]), corners, torch.ones_like(window), size, finish=lambda t, w, n: n)
    return {
        "the window is not flat": bool(window.min() < window.max()),
        "a weight of the window is 0": bool((window == 0).any()),
        "tiles overlap": bool((count > 1).any()),
        "a tile sticks out at the end": any(r + h > size[0] or c + w > size[1] for r, c in corners),
        "a tile begins before the first row or column": any(min(corner) < 0 for corner in corners),
        "there is a place without a tile": bool((count == 0).any()),
        "there is more than one class": tiles.shape[1] > 1,
    }


def _finished(finish: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Function:
    return partial(stitched, finish=finish)


def _wrapped(tiles: Tensor, corners: Corners, window: Tensor, size: tuple[int, int]) -> Tensor:
    """What sticks out at the start comes in at the end, as Python's negative numbers do."""
    (_, k, h, w), (height, width) = tiles.shape, size
    total, weight = tiles.new_zeros(k, height, width), tiles.new_zeros(height, width)
    for tile, (row, column) in zip(tiles, corners, strict=True):
        for i in range(h):
            for j in range(w):
                if row + i < height and column + j < width:
                    total[:, row + i, column + j] += tile[:, i, j] * window[i, j]
                    weight[row + i, column + j] += window[i, j]
    return torch.where(weight > 0, total / weight, 0.0)


def _moved_inside(tiles: Tensor, corners: Corners, window: Tensor, size: tuple[int, int]) -> Args:
    return tiles, [(max(row, 0), max(column, 0)) for row, column in corners], window, size


def _total(total: Tensor, weight: Tensor, count: Tensor) -> Tensor:
    return total


def _with_epsilon(epsilon: float, total: Tensor, weight: Tensor, count: Tensor) -> Tensor:
    return total / (weight + epsilon)


def _window_not_in_the_tiles(tiles: Tensor, corners: Corners, window: Tensor, size: tuple[int, int]) -> Tensor:
    total = stitched(tiles, corners, torch.ones_like(window), size, finish=_total)
    weight = stitched(tiles, corners, window, size, finish=lambda total, weight, count: weight)
    return torch.nan_to_num(total / weight, posinf=0, neginf=0)


def _over_all(tiles: Tensor, corners: Corners, window: Tensor, size: tuple[int, int]) -> Tensor:
    return stitched(tiles, corners, window, size, finish=lambda total, weight, count: total / len(tiles))


MESSAGES = """
not-divided: Where tiles overlap you give their sum. Divide by the sum of the windows at each place.
overwritten: Where tiles overlap only the last one counts. All that cover a place are averaged.
divided-by-count: You divide by the number of tiles. Each tile counts by its window: divide by the sum of the windows.
window-ignored: `window` makes no difference in your function.
window-not-in-the-tiles: The window is in the sum that you divide by, and not in the tiles that you add.
averaged-over-all-tiles: You divide by the number of all tiles, whether they cover the place or not.
gaps-not-zero: Where no tile counts you divide 0 by 0. The result is 0 there.
small-weights-lost: Where the windows add up to less than 1, your result is too small. Only a sum of 0 needs care.
epsilon-too-large: A number is added to what you divide by, and it shows. Only a sum of 0 needs care.
rows-columns-exchanged: Corners are (row, column), and yours are read as (column, row).
size-exchanged: `size` is (height, width).
start-wraps-around: A tile that begins before the first row comes in at the last rows: a negative index counts from the
    end. Cut off what lies outside.
start-moved-inside: A tile that begins before the first row is moved inside. It stays where it is, and what lies outside
    is cut off.
sticking-out-skipped: Tiles that stick out are left out altogether. The part that lies inside counts.
first-class-only: Only the first class is put together.
window-transposed: Rows and columns of the window are exchanged.
"""

WAYS = {
    "not-divided": does(_finished(_total)),
    "overwritten": does(partial(stitched, add=False), partial(stitched, add=False, finish=_total)),
    "divided-by-count": does(
        _finished(lambda total, weight, count: total / count.clamp(min=1)),
        _finished(lambda total, weight, count: total / count),
    ),
    "window-ignored": given(lambda tiles, at, window, size: (tiles, at, torch.ones_like(window), size)),
    "window-not-in-the-tiles": does(_window_not_in_the_tiles),
    "averaged-over-all-tiles": does(_over_all),
    "gaps-not-zero": does(_finished(lambda total, weight, count: total / weight)),
    "small-weights-lost": does(_finished(lambda total, weight, count: total / weight.clamp(min=1))),
    "epsilon-too-large": does(
        *(_finished(partial(_with_epsilon, epsilon)) for epsilon in (1.0, 1e-2, 1e-3)),
    ),
    "rows-columns-exchanged": given(lambda t, at, *rest: (t, [(c, r) for r, c in at], *rest)),
    "size-exchanged": given(lambda t, at, window, size: (t, at, window, size[::-1])),
    "start-wraps-around": does(_wrapped),
    "start-moved-inside": given(_moved_inside),
    "sticking-out-skipped": does(partial(stitched, cut=False)),
    "first-class-only": FIRST_PICTURE + gives(lambda r, *a: r[0]),  # classes are dimension 0
    "window-transposed": given(lambda t, at, window, size: (t, at, window.T.expand(window.shape), size)),
}  # fmt: skip

EXERCISE = Exercise(
    "stitch_tiles(tiles, corners, window, size)",
    TASK,
    stitched,
    _cases,
    catalogue(MESSAGES, WAYS),
    facts=_facts,
    number="03.1",
    marks=6,
)
