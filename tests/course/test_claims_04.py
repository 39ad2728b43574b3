"""Each claim of chapter 04 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import pytest
from torch import nn

from tests.course.claims import put, recorded, refuted, run


def test_a_classifier_keeps_its_scores():
    run("04", "larger = slid")

    def another(convolutionalise):
        def changed(classifier):
            slid = convolutionalise(classifier)
            first = next(m for m in slid[1:] if isinstance(m, nn.Conv2d))  # the old first linear layer
            first.weight.data = first.weight.data.flip(-1)
            return slid

        return changed

    refuted("04", "larger = slid", convolutionalise=another)


def test_sharing_computation_saves():
    run("04", "highly amortized")
    refuted("04", "highly amortized", one_pass=lambda shared: 100 * shared)  # as if nothing were shared
    refuted("04", "highly amortized", one_window=lambda macs: macs / 2)


@pytest.mark.parametrize("same", [("fcn16s", "fcn32s"), ("fcn8s", "fcn16s")])
def test_the_recorded_order_needs_every_skip(same):
    run("04", "every seed must agree")
    refuted("04", "every seed must agree", results=recorded(fcn_skips=put(*same)))


def test_thin_things_need_the_skips():
    words = "at stride 32 none of them is found"
    run("04", words)
    refuted("04", words, rows=lambda rows: {**rows, "fcn8s": rows["fcn32s"]})  # without what the skips bring
    refuted("04", words, rows=lambda rows: {**rows, "fcn32s": rows["fcn8s"]})  # if stride 32 saw them too


@pytest.mark.parametrize("kind", ["whole", "whole, weighted"])
def test_whole_pictures_win_only_if_they_learn_faster(kind):
    run("04", "First recorded step")
    patches = {"whole": "patches", "whole, weighted": "balanced patches"}[kind]
    refuted("04", "First recorded step", results=recorded(fcn_patches=put(kind, patches)))  # as slow as those


def test_sampled_pixels_must_not_win():
    def better(found):
        for row in found["runs"]:
            if row["arm"] == "whole, 25 % of pixels":
                row["scores"]["mean_iou"][-1] += 0.1

    refuted("04", "First recorded step", results=recorded(fcn_patches=better))
