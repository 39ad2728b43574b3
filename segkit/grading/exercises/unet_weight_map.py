"""Chapter 05: U-Net's weights for the gaps between touching cells."""

from __future__ import annotations

import torch
from scipy import ndimage
from torch import Tensor

from segkit.grading.exercise import Case, Exercise, catalogue
from segkit.grading.exercises.case_tensors import grouped
from segkit.grading.exercises.unet_weight_map_ways import WAYS, ids, weight_map

TASK = """U-Net's weights (equation 2 of the paper, with class weight 1). instances is H×W, of any integer type:
0 is background, every other id that occurs is one cell (ids may be missing, a cell may be in pieces,
cells may touch). Return H×W numbers: 1 everywhere, and on the background w0·exp(−(d1 + d2)² / (2σ²))
more. d1 and d2 are the distances to the nearest and to the second nearest cell; the distance to a cell
is the Euclidean distance, in pixels from middle to middle, to its nearest pixel. Two cells can be
equally far. With fewer than two cells the weight is 1 everywhere."""


def _drawn(*rows: str) -> Tensor:
    return torch.tensor([[0 if letter == "." else int(letter, 36) for letter in row] for row in rows])


PAIR = _drawn("1...2")
BOXES = _drawn(".......", ".11..2.", ".11..2.", ".......", "....22.")
LARGE = _drawn(
    "...........22.", ".1111......22.", ".1111......22.", ".11111..3.....", "..1111........", "..........444.",
    ".......44444..", "......444.....", ".55..44.....6.", ".55.........66", "..............",
)  # fmt: skip
TOUCHING = _drawn("1122....", "1122....", ".12...3.", "........", "....4...")
GAPS = _drawn("7....2..", "77...2..", "........", "...e....")
WITH_255 = torch.tensor([[1, 0, 0, 0, 255], [1, 0, 7, 0, 0]])
PIECES = _drawn("1.....1.", "........", "...2....", "........", "3.....2.")


def weight_cases() -> list[Case]:
    alone, line = _drawn("......", ".11...", ".11...", "......"), _drawn("1" + "." * 18 + "2")
    one, none = torch.ones(2, 3, dtype=torch.int64), torch.zeros(3, 4, dtype=torch.int64)
    return grouped(
        ("plain", (PAIR, 10.0, 2.0), (BOXES, 10.0, 2.0), (BOXES.T.contiguous(), 10.0, 2.0)),
        ("many cells", (LARGE, 10.0, 3.0), (LARGE.T.flip(1).contiguous(), 10.0, 2.0)),
        ("w0 and sigma", (BOXES, 4.0, 1.5), (BOXES, 25.0, 4.0), (PAIR, 1.0, 8.0)),
        ("touching cells", (TOUCHING, 10.0, 2.0), (_drawn("1122", "1122", "3344"), 10.0, 2.0)),
        ("any ids", (GAPS, 10.0, 3.0), (_drawn(*["..3..9", "..3..9", "......"]) * 100, 8.0, 2.0)),
        ("id 255", (WITH_255, 10.0, 2.0), (WITH_255.to(torch.uint8), 10.0, 2.0)),
        ("cells in pieces", (PIECES, 10.0, 3.0)),
        ("one cell", (alone, 10.0, 3.0), (one, 10.0, 3.0)),
        ("no cells", (none, 10.0, 3.0)),
        ("label types", (BOXES.to(torch.uint8), 10.0, 2.0), (line.to(torch.uint8), 10.0, 12.0)),
        ("label types", (GAPS.to(torch.int32), 10.0, 2.0)),
        ("memory layout", (LARGE[:, :8], 10.0, 2.0)),
    )


def weight_facts(m: Tensor, w0: float, sigma: float) -> dict[str, bool]:
    cells = ids(m)
    pieces = sum(ndimage.label((m == i).numpy())[1] for i in cells)
    return {
        "there are fewer than two cells": len(cells) < 2,
        "there are no cells": not cells,
        "there are more than two cells": len(cells) > 2,
        "the ids are not 1, 2, 3, …": bool(cells) and cells != list(range(1, len(cells) + 1)),
        "two cells touch": len(cells) > ndimage.label((m > 0).numpy())[1],
        "a cell is in pieces": pieces > len(cells),
        "there is no background": bool((m != 0).all()),
        "height and width differ": m.shape[0] != m.shape[1],
        "w0 is not 10": w0 != 10,
        "the labels are uint8": m.dtype == torch.uint8,
    }


MESSAGES = """
second-pixel: d2 is the distance to the second nearest pixel, most often one of the same cell. It is the distance to the
    second nearest cell: measure to each cell first, then take the two smallest.
one-distance-only: Only one of the two distances is in the exponent. Is the other forgotten, or is the background, id 0,
    counted as a cell, so that d1 is 0 all over it? A gap is narrow when d1 + d2, measured to two cells, is small.
squares-added: You square d1 and d2 and then add. The sum is squared: (d1 + d2)².
difference: d1 and d2 are subtracted or multiplied. Their sum is the width of the gap.
not-squared: The exponent is not squared: it is −(d1 + d2)² / (2σ²).
wrong-width: The bell has another width than asked for: divide by 2σ², in which only σ is squared.
mean-distance: You take the mean of the two distances. Their sum stands in the exponent.
sign-forgotten: The minus in the exponent is missing: far from all cells the weight grows beyond all bounds.
cells-weighted-too: Pixels inside cells get the extra weight as well. It is for the background, which has to be learned
    between cells; on cells the weight is 1.
one-forgotten: Somewhere the weight is not at least 1: the class weight 1 is added everywhere, on cells and background.
classes-balanced: You weight the two classes by how often they occur, as the paper may. Here the class weight is 1.
one-times-w0: `w0` multiplies the 1 as well. It belongs to the bell alone.
w0-fixed: `w0` makes no difference in your function, or is 1.
sigma-fixed: `sigma` makes no difference in your function.
arguments-exchanged: w0 and sigma have changed places.
other-distance: The distance is not Euclidean: you count steps, straight or diagonal, instead of √(Δrow² + Δcolumn²).
distance-shifted: Your distances are off by a part of a pixel or by one. Measure from the middle of a pixel to the
    middle of the nearest pixel of the cell: next to a cell it is 1.
distance-to-centre: You measure to the middle of each cell. The nearest pixel of the cell counts, however large the cell
    is.
first-pixel-of-cell: You measure to one pixel of each cell, the first or the farthest. The nearest one counts.
farthest-cells: You take the wrong two of the sorted distances: the two smallest count.
first-two-cells: You always measure to the first two ids. The two cells nearest to the pixel count: sort the distances
    at each pixel.
distance-inverted: On the background all your distances are 0: `distance_transform_edt` measures from each True to the
    nearest False. Give it `instances != i`.
bytes-wrap: Squares of coordinates do not fit into uint8: 16² is 0 there. Compute the distances in floating-point
    numbers, whatever type the ids have.
cells-merged: Cells that touch are taken for one. Each id is a cell of its own: go through the ids, not through
    connected regions.
pieces-apart: The pieces of one cell are taken for several cells. All pixels with one id are one cell.
normalised: The whole map is divided by its mean, sum or largest value. It stays as it is.
id-255-left-out: The cell with the id 255 is left out. Here 255 is an id like all others, not void.
ids-counted-up: You go through the ids 1 … max, or 1 … number of cells. Ids may be missing: ask the map which occur
    (`instances.unique()`).
few-cells: With fewer than two cells there is no gap: the weight is 1 everywhere. Yours stops, adds something, or gives
    0.
"""

EXERCISE = Exercise(
    "unet_weight_map(instances, w0=10.0, sigma=5.0)",
    TASK,
    weight_map,
    weight_cases,
    catalogue(MESSAGES, WAYS),
    facts=weight_facts,
    number="05.3",
    marks=7,
    finished=("unet_weight_map",),
)
