"""Each claim of chapter 07 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.course.claims import Change, put, refuted, run

PLAIN, PLACES, CRF = "plain", "plain + places alone", "plain + CRF"


def changed(change: Callable[[dict[str, Any]], None]) -> Change:
    """A recorded result after `change` was at it."""

    def put_in(result: Any) -> Any:
        found = copy.deepcopy(result.found)
        change(found)
        return type(result)(found)

    return put_in


def like(name: str, other: str) -> Change:
    """A recorded result in which one row is another's."""
    return changed(put(name, other))


def test_errors_lie_near_edges():
    words = "most errors must lie near an edge"
    run("07", words)
    refuted("07", words, logits=lambda old: [torch.rand_like(x) for x in old])  # a network that knows nothing
    refuted("07", words, shares=lambda s: {k: (pixels, pixels) for k, (_, pixels) in s.items()})


def test_mean_field_lowers_kl_only_with_kernels_that_attract():
    words = "mean field must lower KL at every step"
    run("07", words)
    refuted("07", words, WEIGHTS=lambda old: (0.0, 0.0))  # nobody listens
    refuted("07", words, WEIGHTS=lambda old: (-30.0, 0.0))  # repulsion: all move at once, and overshoot


def test_the_lattice_needs_its_scale():
    words = "which is why kernels are normalised"
    run("07", words)
    refuted("07", words, PermutohedralLattice=lambda lattice: lambda f: lattice(2.5 * f))  # a narrower Gaussian


def test_the_search_needs_pictures_and_a_choice():
    words = "the widths have to be searched for"
    run("07", words)

    def grey(scenes):
        four = [scenes[i] for i in range(4)]
        return [(torch.full_like(s.image, 0.5), s.labels) for s in four]

    refuted("07", words, val_set=grey)  # nothing to see
    refuted("07", words, GRID=lambda old: {"bilateral_sxy": (3, 10), "bilateral_srgb": (20,)})  # nothing to choose


def test_the_recorded_gain_needs_the_crf_and_its_bilateral_kernel():
    words = "and the bilateral kernel must do it"
    run("07", words)
    refuted("07", words, recorded=like(CRF, PLAIN))  # no CRF
    refuted("07", words, recorded=like(CRF, PLACES))  # a CRF that does not look at the picture


@pytest.mark.parametrize("change", ["order", "rise"])
def test_kl_falls_at_each_recorded_iteration(change):
    words = "on average over the scenes every step must lower KL"
    run("07", words)

    def worse(found):
        curve = found["extra"]["curves"][CRF][1]
        curve |= {"kl": curve["kl"][::-1]} if change == "order" else {"kl_largest_rise": 0.1}

    refuted("07", words, recorded=changed(worse))


def test_the_live_gain_needs_the_colours():
    words = "and it must be the colours"
    run("07", words)
    refuted("07", words, chosen=lambda found: {**found, "bilateral_srgb": 1e4})


def test_photographs_behind_a_real_network(data_root, monkeypatch):
    monkeypatch.setenv("SEGKIT_DATA", str(data_root))
    words = "three points at least, in every band"
    if not run("07", words)["triples"]:
        pytest.skip("no voc_samples with predictions in SEGKIT_DATA")
    refuted("07", words, triples=lambda found: [(image, guess, guess, target) for image, guess, _, target in found])


def test_table_2_needs_the_rate_and_the_channels():
    words = "the same view with nine weights per channel"
    run("07", words)
    refuted("07", words, DeepLab=lambda net: lambda k, rate, hidden: net(k, 4 if k == 3 else rate, hidden))
    refuted("07", words, DeepLab=lambda net: lambda k, rate, hidden: net(k, rate, 4096))


def moved(arm: str, by: dict[int, float], at: float = 1) -> Change:
    """The recorded fields with the mean IoU of one arm moved at a share of its steps, seed by seed."""

    def move(found: dict[str, Any]) -> None:
        for run_ in found["runs"]:
            if run_["arm"] == arm:
                run_["scores"]["mean_iou"][run_["at"].index(at)] += by[run_["seed"]]

    return changed(move)


@pytest.mark.parametrize("arm", ["3x3 rate 3, wide", "3x3 rate 3"])
def test_few_weights_must_do_the_work_of_many(arm):
    words = "few weights far apart must do the work of many"
    run("07", words)
    refuted("07", words, study=like(arm, "7x7 rate 1"))  # as many weights as the original
    for at in (0.5, 1):
        refuted("07", words, study=moved(arm, dict.fromkeys(range(5), -0.03), at))  # the view is not enough
    scattered = dict(enumerate((-0.1, 0.1, -0.1, 0.1, 0)))  # the same mean, and no seed to be trusted
    refuted("07", words, study=moved(arm, scattered))


def test_finer_maps_and_the_crf_add_up():
    words = "and the CRF adds to them"
    run("07", words)
    refuted("07", words, recorded=like("msc", PLAIN))
    refuted("07", words, recorded=like("msc + CRF", "msc"))


def test_what_learning_brings_takes_both():
    words = "and neither of the two alone"
    run("07", words)
    refuted("07", words, joint=like("both", "the network"))
    refuted("07", words, joint=like("both", "the CRF"))
    refuted("07", words, joint=like("both", "nothing"))
    refuted("07", words, joint=like("the CRF", "both"))  # if the CRF's numbers were enough
