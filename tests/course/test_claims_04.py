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


@pytest.mark.parametrize("gains", [{16: 0.04, 8: 0.04}, {16: 0.04}, {8: 0.04}, {}])
def test_it_is_the_skip_and_not_the_further_training(gains):
    def train_on(network):  # in place of minutes of training
        names = [name for name, _ in network.named_children()]
        return 0.38 + gains.get(16, 0) * ("score_pool4" in names) + gains.get(8, 0) * ("score_pool3" in names)

    check = run if len(gains) == 2 else refuted
    check("04", "pool4 must bring", train_on=lambda old: train_on)


def test_networks_at_chance_prove_nothing():
    def train_on(network):
        return 0.16 + 0.03 * len([name for name, _ in network.named_children() if name.startswith("score_pool")])

    refuted("04", "pool4 must bring", train_on=lambda old: train_on)


@pytest.mark.parametrize("same", [("FCN-16s", "FCN-32s"), ("FCN-8s", "FCN-16s")])
def test_the_recorded_order_needs_every_skip(same):
    run("04", "SHOWN = {")
    refuted("04", "SHOWN = {", results=recorded(lineage=put(*same)))


def test_the_recorded_order_needs_every_seed():
    def slip(found):
        row = next(r for r in found["runs"] if (r["arm"], r["seed"]) == ("FCN-8s", 1))
        row["scores"]["mean_iou"][-1] -= 0.05

    refuted("04", "SHOWN = {", results=recorded(lineage=slip))


def test_thin_things_gain_most():
    words = "from FCN-32s to FCN-8s: "
    run("04", words)
    refuted("04", words, results=recorded(lineage=put("FCN-8s", "FCN-32s")))  # without what the skips bring

    def large_too(found):
        for row in found["runs"]:
            if row["arm"] == "FCN-32s":
                row["scores"]["ambiguous_iou"][-1] /= 2

    refuted("04", words, results=recorded(lineage=large_too))


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
