"""Chapter 05: U-Net's weights for the gaps between touching cells."""

from __future__ import annotations

import torch

from segkit.grading.exercise import Exercise, does, given, gives, mistake, register, stops
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

_CATALOGUE = (
    mistake(
        "second-pixel",
        "d2 is the distance to the second nearest pixel, most often one of the same cell. It is the distance to "
        "the second nearest cell: measure to each cell first, then take the two smallest.",
        does(second_pixel),
        does(lambda m, w0, s: second_pixel(m, w0, s) if len(ids(m)) > 1 else weight_map(m, w0, s)),
    ),
    mistake(
        "one-distance-only",
        "Only one of the two distances is in the exponent. Is the other forgotten, or is the background, id 0, counted "
        "as a cell, so that d1 is 0 all over it? A gap is narrow when d1 + d2, measured to two cells, is small.",
        exp(lambda a, b, w, s: bell(a, 0, w, s)),
        exp(lambda a, b, w, s: bell(b, 0, w, s)),
        exp(lambda a, b, w, s: torch.where(b < FAR, bell(a, 0, w, s), 0.0)),
        exp(lambda a, b, w, s: bell(a, torch.where(b < FAR, a, FAR), w, s)),
    ),
    mistake(
        "squares-added",
        "You square d1 and d2 and then add. The sum is squared: (d1 + d2)².",
        exp(lambda a, b, w, s: w * torch.exp(-(a**2 + b**2) / (2 * s**2))),
    ),
    mistake(
        "difference",
        "d1 and d2 are subtracted or multiplied. Their sum is the width of the gap.",
        exp(lambda a, b, w, s: bell(a, -b, w, s)),
        exp(lambda a, b, w, s: w * torch.exp(-(a * b) / (2 * s**2))),
        exp(lambda a, b, w, s: w * torch.exp(-((a * b) ** 2) / (2 * s**2))),
        exp(lambda a, b, w, s: torch.where(b < FAR, bell(a, -b, w, s), 0.0)),
    ),
    mistake(
        "not-squared",
        "The exponent is not squared: it is −(d1 + d2)² / (2σ²).",
        exp(lambda a, b, w, s: w * torch.exp(-(a + b) / (2 * s**2))),
        exp(lambda a, b, w, s: w * torch.exp(-(a + b) / (2 * s))),
        exp(lambda a, b, w, s: w * torch.exp(-(a + b) / s)),
    ),
    mistake(
        "wrong-width",
        "The bell has another width than asked for: the exponent is divided by 2σ², with σ squared and the 2 outside.",
        given(lambda m, w0, s: (m, w0, s / 2**0.5)),
        given(lambda m, w0, s: (m, w0, s**0.5)),
        given(lambda m, w0, s: (m, w0, (s / 2) ** 0.5)),
        given(lambda m, w0, s: (m, w0, s * 2**0.5)),
        given(lambda m, w0, s: (m, w0, 1 / s)),
    ),
    mistake(
        "mean-distance",
        "You take the mean of the two distances. Their sum stands in the exponent.",
        given(lambda m, w0, s: (m, w0, 2 * s)),
    ),
    mistake(
        "sign-forgotten",
        "The minus in the exponent is missing: far from all cells the weight grows beyond all bounds.",
        exp(lambda a, b, w, s: torch.where(b < FAR, w * torch.exp((a + b) ** 2 / (2 * s**2)), 0.0)),
        exp(lambda a, b, w, s: w * torch.exp((a + b) ** 2 / (2 * s**2))),
    ),
    mistake(
        "cells-weighted-too",
        "Pixels inside cells get the extra weight as well. It is for the background, which has to be learnt between "
        "cells; on cells the weight is 1.",
        does(everywhere),
        does(lambda m, w0, s: 1 + torch.where(m != 0, everywhere(m, w0, s) - 1, 0.0)),
    ),
    mistake(
        "one-forgotten",
        "Somewhere the weight is not at least 1: the class weight 1 is added everywhere, on cells and background.",
        gives(lambda r, *a: r - 1),
        gives(lambda r, m, *a: r - 1 if len(ids(m)) > 1 else r),
        gives(lambda r, m, *a: r - (m != 0).to(r.dtype) if len(ids(m)) > 1 else r),
        gives(lambda r, m, *a: r - (m != 0).to(r.dtype)),
        gives(lambda r, m, *a: r - (m == 0).to(r.dtype)),
        gives(lambda r, m, *a: r - (m == 0).to(r.dtype) if len(ids(m)) > 1 else r),
        does(lambda m, w0, s: everywhere(m, w0, s) - 1),
    ),
    mistake(
        "classes-balanced",
        "You weigh the two classes by how often they occur, as the paper may. Here the class weight is 1.",
        does(balanced),
    ),
    mistake(
        "one-times-w0",
        "`w0` multiplies the 1 as well. It belongs to the bell alone.",
        gives(lambda r, m, w0, s: w0 + r - 1),
        gives(lambda r, m, w0, s: w0 + r - 1 if len(ids(m)) > 1 else r),
        does(lambda m, w0, s: w0 * weight_map(m, 1.0, s)),
    ),
    mistake(
        "w0-fixed",
        "`w0` makes no difference in your function, or is 1.",
        given(lambda m, w0, s: (m, 10.0, s)),
        given(lambda m, w0, s: (m, 1.0, s)),
    ),
    mistake(
        "sigma-fixed",
        "`sigma` makes no difference in your function.",
        given(lambda m, w0, s: (m, w0, 5.0)),
        given(lambda m, w0, s: (m, w0, 1.0)),
    ),
    mistake(
        "arguments-exchanged",
        "w0 and sigma have changed places.",
        given(lambda m, w0, s: (m, s, w0)),
    ),
    mistake(
        "other-distance",
        "The distance is not Euclidean: you count steps, straight or diagonal, instead of √(Δrow² + Δcolumn²).",
        does(lambda m, w0, s: weigh(m, distances(m, ids(m), 1.0), w0, s)),
        does(lambda m, w0, s: weigh(m, distances(m, ids(m), FAR), w0, s)),
        measured(lambda m, d: d**2),
    ),
    mistake(
        "distance-shifted",
        "Your distances are off by a part of a pixel or by one. Measure from the middle of a pixel to the middle of "
        "the nearest pixel of the cell: next to a cell it is 1.",
        measured(lambda m, d: d - 1),
        measured(lambda m, d: d - 0.5),
        measured(lambda m, d: d + 1),
    ),
    mistake(
        "distance-to-centre",
        "You measure to the middle of each cell. The nearest pixel of the cell counts, however large the cell is.",
        does(lambda m, w0, s: weigh(m, to_one_point(m, lambda p: p.mean(0)), w0, s)),
        does(lambda m, w0, s: weigh(m, to_one_point(m, lambda p: (p.amin(0) + p.amax(0)) / 2), w0, s)),
    ),
    mistake(
        "first-pixel-of-cell",
        "You measure to one pixel of each cell, the first or the farthest. The nearest one counts.",
        does(lambda m, w0, s: weigh(m, to_one_point(m, lambda p: p[0]), w0, s)),
        does(lambda m, w0, s: weigh(m, to_one_point(m, lambda p: p[-1]), w0, s)),
    ),
    mistake(
        "farthest-cells",
        "You take the wrong ones of the sorted distances: the two smallest count.",
        does(two_farthest),
        exp(bell, (1, 2)),
        exp(bell, (0, 2)),
        does(lambda m, w0, s: weigh(m, distances(m, ids(m)), w0, s, bell, (0, max(len(ids(m)) - 1, 1)))),
    ),
    mistake(
        "first-two-cells",
        "You always measure to the first two ids. The two cells nearest to the pixel count: sort the distances at each "
        "pixel.",
        does(first_two),
    ),
    mistake(
        "distance-inverted",
        "On the background all your distances are 0: `distance_transform_edt` measures from each True to the nearest "
        "False. Give it `instances != i`.",
        does(lambda m, w0, s: 1 + w0 * (m == 0) * float(len(ids(m)) > 1)),
    ),
    mistake(
        "bytes-wrap",
        "Squares of coordinates do not fit into uint8: 16² is 0 there. Compute the distances in floating-point "
        "numbers, whatever type the ids have.",
        does(in_bytes),
    ),
    mistake(
        "cells-merged",
        "Cells that touch are taken for one. Each id is a cell of its own: go through the ids, not through connected "
        "regions.",
        given(lambda m, w0, s: (merged(m, False), w0, s)),
        given(lambda m, w0, s: (merged(m, True), w0, s)),
    ),
    mistake(
        "pieces-apart",
        "The pieces of one cell are taken for several cells. All pixels with one id are one cell.",
        given(lambda m, w0, s: (split(m), w0, s)),
    ),
    mistake(
        "normalised",
        "The whole map is divided by its mean, sum or largest value. It stays as it is.",
        gives(lambda r, *a: r / r.mean()),
        gives(lambda r, *a: r / r.max()),
        gives(lambda r, *a: r / r.sum()),
    ),
    mistake(
        "ids-counted-up",
        "You go through the ids 1 … max, or 1 … number of cells. Ids may be missing: ask the map which occur "
        "(`instances.unique()`).",
        stops(up_to_max),
        does(up_to_max_transformed),
        does(lambda m, w0, s: weigh(m, distances(m, [i for i in ids(m) if i <= len(ids(m))]), w0, s)),
    ),
    mistake(
        "few-cells",
        "With fewer than two cells there is no gap: the weight is 1 everywhere. Yours stops, or adds something.",
        needs(2),
        needs(1),
        few(0.0),
        few(None),
        few(0.0, 0.0),
        few(FAR, 0.0),
        gives(lambda r, m, *a: r - 1 if len(ids(m)) < 2 else r),
        gives(lambda r, m, *a: r * float("nan") if len(ids(m)) < 2 else r),
        gives(lambda r, m, *a: torch.where((m == 0) & (len(ids(m)) < 2), float("nan"), r)),
    ),
)

register(
    Exercise(
        name="unet_weight_map",
        signature="unet_weight_map(instances, w0=10.0, sigma=5.0)",
        text=(
            "U-Net's weights (equation 2 of the paper, with class weight 1). instances is H×W, of any integer type:\n"
            "0 is background, every other id that occurs is one cell (ids may be missing, a cell may be in pieces,\n"
            "cells may touch). Return H×W numbers: 1 everywhere, and on the background w0·exp(−(d1 + d2)² / (2σ²))\n"
            "more. d1 and d2 are the distances to the nearest and to the second nearest cell; the distance to a cell\n"
            "is the Euclidean distance, in pixels from middle to middle, to its nearest pixel. Two cells can be\n"
            "equally far. With fewer than two cells the weight is 1 everywhere."
        ),
        reference=weight_map,
        cases=weight_cases,
        facts=weight_facts,
        mistakes=_CATALOGUE,
    )
)
