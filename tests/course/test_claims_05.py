"""Each claim of chapter 05 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import pytest
import torch

from tests.course.claims import put, recorded, refuted, run


def test_pooling_forgets_where():
    words = "only the indices bring both lines back"
    run("05", words)
    refuted("05", words, lines=lambda lines: torch.cat([lines[:1], lines[1:].roll(2, -1)]))  # another window
    refuted("05", words, where=lambda where: where // 2 * 2)  # every maximum in the left column: the place is lost


@pytest.mark.parametrize(
    ("target", "source"),
    [("indices", "bilinear"), ("indices", "bed of nails"), ("concatenation", "indices"), ("bilinear", "indices"),
     ("bed of nails", "indices")],
)  # fmt: skip
def test_the_recorded_decoders_need_what_they_know(target, source):
    words = "what knows more must draw better edges"
    run("05", words)
    refuted("05", words, results=recorded(decoders=put(target, source)))


def test_the_shipped_decoders_differ_in_the_indices():
    words = "the shipped networks must differ near edges"
    run("05", words)
    refuted("05", words, shipped=lambda two: {"bilinear": two["bilinear"], "indices": two["bilinear"]})
    refuted("05", words, shipped=lambda two: {"bilinear": two["indices"], "indices": two["bilinear"]})


def test_two_bits_bring_every_value_back():
    words = "2 bits a window must be enough"
    run("05", words)

    def without_rows(pack):
        return lambda index, width: pack(index % width, width)

    def a_byte_each(pack):
        return lambda index, width: pack(index, width).repeat(4)

    refuted("05", words, pack=without_rows)  # one bit: the column alone
    refuted("05", words, pack=a_byte_each)


@pytest.mark.parametrize("always", ["same", "valid"])
def test_tiles_fit_only_without_padding(always):
    words = "padding must be felt, or the test shows nothing"
    run("05", words)

    def one_kind(create):
        return lambda name, *args, padding="valid", **options: create(name, *args, padding=always, **options)

    refuted("05", words, create=one_kind)


def test_two_dozen_pictures_teach_only_who_learns():
    class Idle:
        def __init__(self, *args, **options):
            pass

        def fit(self):
            return []

    refuted("05", "two dozen pictures must teach it something", Trainer=lambda trainer: Idle)


FEW = "24 pictures, {}".format


@pytest.mark.parametrize(
    ("target", "source"),
    [("both", "elastic"), ("elastic", "both"), ("map", "neither"), ("both", "map"), ("neither", "both")],
)
def test_each_part_finds_more_cells(target, source):
    words = "both parts together must find more cells"
    run("05", words)
    refuted("05", words, results=recorded(cells=put(FEW(target), FEW(source))))


@pytest.mark.parametrize(("target", "source"), [("3 pictures, both", FEW("both")), (FEW("both"), "3 pictures, both")])
def test_two_dozen_pictures_merge_less_than_three(target, source):
    words = "three pictures leave more cells together"
    run("05", words)
    refuted("05", words, results=recorded(cells=put(target, source)))


def test_the_shipped_networks_differ_in_the_map():
    words = 'totals["weighted"]["merges"]'
    run("05", words)
    refuted("05", words, trained=lambda two: {"plain": two["plain"], "weighted": two["plain"]})
    refuted("05", words, trained=lambda two: {"plain": two["weighted"], "weighted": two["weighted"]})


@pytest.mark.parametrize("data", ["cells_nuclei", "cells_isbi2012"])
def test_the_map_keeps_real_cells_apart(data):
    words = "the map must keep real cells apart"
    run("05", words)
    refuted("05", words, results=recorded(**{data: put(FEW("both"), FEW("elastic"))}))
    refuted("05", words, results=recorded(**{data: put(FEW("map"), FEW("neither"))}))


@pytest.mark.parametrize("part", ["neither", "elastic", "map"])
def test_two_slices_need_both_parts(part):
    words = "two slices need both parts"
    run("05", words)
    refuted("05", words, results=recorded(cells_isbi2012=put("2 pictures, both", f"2 pictures, {part}")))


CLOSE = "on simple data FCN-8s is close"


def test_the_advice_needs_its_differences():
    run("05", CLOSE)
    for kind in ("membranes, 24 pictures", "three large classes"):
        refuted("05", CLOSE, results=recorded(advice=put(f"{kind}: U-Net", f"{kind}: FCN-8s")))
    refuted("05", CLOSE, results=recorded(lineage=put("U-Net", "SegNet")))


def test_far_behind_is_not_close():
    def further_behind(found):
        for row in found["runs"]:
            if row["arm"] == "three large classes: FCN-8s":
                row["scores"]["mean_iou"] = [v - 0.1 for v in row["scores"]["mean_iou"]]

    refuted("05", CLOSE, results=recorded(advice=further_behind))
