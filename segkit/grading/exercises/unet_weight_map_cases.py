"""What `unet_weight_map` is tried on, and what each case is about."""

from __future__ import annotations

import torch
from scipy import ndimage
from torch import Tensor

from segkit.grading.exercise import Case
from segkit.grading.exercises.case_tensors import noncontiguous
from segkit.grading.exercises.unet_weight_map_variants import ids


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
PIECES = _drawn("1.....1.", "........", "...2....", "........", "3.....2.")


def weight_cases() -> list[Case]:
    alone = _drawn("......", ".11...", ".11...", "......")
    return [
        Case((PAIR, 10.0, 2.0), "plain"),
        Case((BOXES, 10.0, 2.0), "plain"),
        Case((BOXES.T.contiguous(), 10.0, 2.0), "plain"),
        Case((LARGE, 10.0, 3.0), "many cells"),
        Case((LARGE.T.flip(1).contiguous(), 10.0, 2.0), "many cells"),
        Case((BOXES, 4.0, 1.5), "w0 and sigma"),
        Case((BOXES, 25.0, 4.0), "w0 and sigma"),
        Case((PAIR, 1.0, 8.0), "w0 and sigma"),
        Case((TOUCHING, 10.0, 2.0), "touching cells"),
        Case((_drawn("1122", "1122", "3344"), 10.0, 2.0), "touching cells"),
        Case((GAPS, 10.0, 3.0), "any ids"),
        Case((_drawn(*["..3..9", "..3..9", "......"]) * 100, 8.0, 2.0), "any ids"),
        Case((PIECES, 10.0, 3.0), "cells in pieces"),
        Case((alone, 10.0, 3.0), "one cell"),
        Case((torch.ones(2, 3, dtype=torch.int64), 10.0, 3.0), "one cell"),
        Case((torch.zeros(3, 4, dtype=torch.int64), 10.0, 3.0), "no cells"),
        Case((BOXES.to(torch.uint8), 10.0, 2.0), "label types"),
        Case((_drawn("1" + "." * 18 + "2").to(torch.uint8), 10.0, 12.0), "label types"),
        Case((GAPS.to(torch.int32), 10.0, 2.0), "label types"),
        Case((noncontiguous(LARGE[:, :8]), 10.0, 2.0), "memory layout"),
    ]


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
