"""Chapter 05: U-Net's weights for the gaps between touching cells."""

from __future__ import annotations

import torch

from segkit.grading.exercise import Exercise, catalogue, does, given, gives, stops
from segkit.grading.exercises.unet_weight_map_cases import weight_cases, weight_facts
from segkit.grading.exercises.unet_weight_map_variants import (
    FAR,
    balanced,
    bell,
    distances,
    everywhere,
    exp,
    few,
    first_two,
    ids,
    in_bytes,
    measured,
    merged,
    needs,
    second_pixel,
    split,
    to_one_point,
    two_farthest,
    up_to_max,
    up_to_max_transformed,
    weigh,
    weight_map,
)  # fmt: skip

TASK = """U-Net's weights (equation 2 of the paper, with class weight 1). instances is H×W, of any integer type:
0 is background, every other id that occurs is one cell (ids may be missing, a cell may be in pieces,
cells may touch). Return H×W numbers: 1 everywhere, and on the background w0·exp(−(d1 + d2)² / (2σ²))
more. d1 and d2 are the distances to the nearest and to the second nearest cell; the distance to a cell
is the Euclidean distance, in pixels from middle to middle, to its nearest pixel. Two cells can be
equally far. With fewer than two cells the weight is 1 everywhere."""

MESSAGES = """
second-pixel: d2 is the distance to the second nearest pixel, most often one of the same cell. It is the distance to the
    second nearest cell: measure to each cell first, then take the two smallest.
one-distance-only: Only one of the two distances is in the exponent. Is the other forgotten, or is the background, id 0,
    counted as a cell, so that d1 is 0 all over it? A gap is narrow when d1 + d2, measured to two cells, is small.
squares-added: You square d1 and d2 and then add. The sum is squared: (d1 + d2)².
difference: d1 and d2 are subtracted or multiplied. Their sum is the width of the gap.
not-squared: The exponent is not squared: it is −(d1 + d2)² / (2σ²).
wrong-width: The bell has another width than asked for: the exponent is divided by 2σ², with σ squared and the 2
    outside.
mean-distance: You take the mean of the two distances. Their sum stands in the exponent.
sign-forgotten: The minus in the exponent is missing: far from all cells the weight grows beyond all bounds.
cells-weighted-too: Pixels inside cells get the extra weight as well. It is for the background, which has to be learnt
    between cells; on cells the weight is 1.
one-forgotten: Somewhere the weight is not at least 1: the class weight 1 is added everywhere, on cells and background.
classes-balanced: You weigh the two classes by how often they occur, as the paper may. Here the class weight is 1.
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
farthest-cells: You take the wrong ones of the sorted distances: the two smallest count.
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
ids-counted-up: You go through the ids 1 … max, or 1 … number of cells. Ids may be missing: ask the map which occur
    (`instances.unique()`).
few-cells: With fewer than two cells there is no gap: the weight is 1 everywhere. Yours stops, or adds something.
"""

WAYS = {
    "second-pixel": does(
        second_pixel, lambda m, w0, s: second_pixel(m, w0, s) if len(ids(m)) > 1 else weight_map(m, w0, s)
    ),
    "one-distance-only": exp(
        lambda a, b, w, s: bell(a, 0, w, s),
        lambda a, b, w, s: bell(b, 0, w, s),
        lambda a, b, w, s: torch.where(b < FAR, bell(a, 0, w, s), 0.0),
        lambda a, b, w, s: bell(a, torch.where(b < FAR, a, FAR), w, s),
    ),
    "squares-added": exp(lambda a, b, w, s: w * torch.exp(-(a**2 + b**2) / (2 * s**2))),
    "difference": exp(
        lambda a, b, w, s: bell(a, -b, w, s),
        lambda a, b, w, s: w * torch.exp(-(a * b) / (2 * s**2)),
        lambda a, b, w, s: w * torch.exp(-((a * b) ** 2) / (2 * s**2)),
        lambda a, b, w, s: torch.where(b < FAR, bell(a, -b, w, s), 0.0),
    ),
    "not-squared": exp(
        lambda a, b, w, s: w * torch.exp(-(a + b) / (2 * s**2)),
        lambda a, b, w, s: w * torch.exp(-(a + b) / (2 * s)),
        lambda a, b, w, s: w * torch.exp(-(a + b) / s),
    ),
    "wrong-width": given(
        lambda m, w0, s: (m, w0, s / 2**0.5),
        lambda m, w0, s: (m, w0, s**0.5),
        lambda m, w0, s: (m, w0, (s / 2) ** 0.5),
        lambda m, w0, s: (m, w0, s * 2**0.5),
        lambda m, w0, s: (m, w0, 1 / s),
    ),
    "mean-distance": given(lambda m, w0, s: (m, w0, 2 * s)),
    "sign-forgotten": exp(
        lambda a, b, w, s: torch.where(b < FAR, w * torch.exp((a + b) ** 2 / (2 * s**2)), 0.0),
        lambda a, b, w, s: w * torch.exp((a + b) ** 2 / (2 * s**2)),
    ),
    "cells-weighted-too": does(everywhere, lambda m, w0, s: 1 + torch.where(m != 0, everywhere(m, w0, s) - 1, 0.0)),
    "one-forgotten": gives(
        lambda r, *a: r - 1,
        lambda r, m, *a: r - 1 if len(ids(m)) > 1 else r,
        lambda r, m, *a: r - (m != 0).to(r.dtype) if len(ids(m)) > 1 else r,
        lambda r, m, *a: r - (m != 0).to(r.dtype),
        lambda r, m, *a: r - (m == 0).to(r.dtype),
        lambda r, m, *a: r - (m == 0).to(r.dtype) if len(ids(m)) > 1 else r,
    )
    + does(lambda m, w0, s: everywhere(m, w0, s) - 1),
    "classes-balanced": does(balanced),
    "one-times-w0": gives(lambda r, m, w0, s: w0 + r - 1, lambda r, m, w0, s: w0 + r - 1 if len(ids(m)) > 1 else r)
    + does(lambda m, w0, s: w0 * weight_map(m, 1.0, s)),
    "w0-fixed": given(lambda m, w0, s: (m, 10.0, s), lambda m, w0, s: (m, 1.0, s)),
    "sigma-fixed": given(lambda m, w0, s: (m, w0, 5.0), lambda m, w0, s: (m, w0, 1.0)),
    "arguments-exchanged": given(lambda m, w0, s: (m, s, w0)),
    "other-distance": does(
        lambda m, w0, s: weigh(m, distances(m, ids(m), 1.0), w0, s),
        lambda m, w0, s: weigh(m, distances(m, ids(m), FAR), w0, s),
    )
    + measured(lambda m, d: d**2),
    "distance-shifted": measured(lambda m, d: d - 1, lambda m, d: d - 0.5, lambda m, d: d + 1),
    "distance-to-centre": does(
        lambda m, w0, s: weigh(m, to_one_point(m, lambda p: p.mean(0)), w0, s),
        lambda m, w0, s: weigh(m, to_one_point(m, lambda p: (p.amin(0) + p.amax(0)) / 2), w0, s),
    ),
    "first-pixel-of-cell": does(
        lambda m, w0, s: weigh(m, to_one_point(m, lambda p: p[0]), w0, s),
        lambda m, w0, s: weigh(m, to_one_point(m, lambda p: p[-1]), w0, s),
    ),
    "farthest-cells": does(two_farthest)
    + exp(bell, places=(1, 2))
    + exp(bell, places=(0, 2))
    + does(lambda m, w0, s: weigh(m, distances(m, ids(m)), w0, s, bell, (0, max(len(ids(m)) - 1, 1)))),
    "first-two-cells": does(first_two),
    "distance-inverted": does(lambda m, w0, s: 1 + w0 * (m == 0) * float(len(ids(m)) > 1)),
    "bytes-wrap": does(in_bytes),
    "cells-merged": given(lambda m, w0, s: (merged(m, False), w0, s), lambda m, w0, s: (merged(m, True), w0, s)),
    "pieces-apart": given(lambda m, w0, s: (split(m), w0, s)),
    "normalised": gives(lambda r, *a: r / r.mean(), lambda r, *a: r / r.max(), lambda r, *a: r / r.sum()),
    "ids-counted-up": stops(up_to_max)
    + does(
        up_to_max_transformed, lambda m, w0, s: weigh(m, distances(m, [i for i in ids(m) if i <= len(ids(m))]), w0, s)
    ),
    "few-cells": needs(2, 1)
    + few(0.0, None)
    + few(0.0, FAR, none=0.0)
    + gives(
        lambda r, m, *a: r - 1 if len(ids(m)) < 2 else r,
        lambda r, m, *a: r * float("nan") if len(ids(m)) < 2 else r,
        lambda r, m, *a: torch.where((m == 0) & (len(ids(m)) < 2), float("nan"), r),
    ),
}

EXERCISE = Exercise(
    "unet_weight_map(instances, w0=10.0, sigma=5.0)",
    TASK,
    weight_map,
    weight_cases,
    catalogue(MESSAGES, WAYS),
    facts=weight_facts,
)
