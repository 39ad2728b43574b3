"""Each claim of chapter 15 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.course.claims import COURSE, put, recorded, refuted, run

STUDIES = ("fine_exchange", "fine_points", "fine_scales", "fine_edges")
needs = {
    name: pytest.mark.skipif(not (COURSE / "results" / f"{name}.json").is_file(), reason=f"{name} is not recorded yet")
    for name in STUDIES
}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The chapter works on one thread; what follows does not have to."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_perfect_cells_lose_their_outlines() -> None:
    words = "perfect cells, and most of the rims are gone"
    run("15", words)
    refuted("15", words, again=lambda old: lambda labels, stride: old(labels, min(stride, 2)))
    refuted("15", words, lost=lambda old: {**old, 4: (old[4][0], old[4][0])})


def test_one_mistake_has_one_score() -> None:
    words = "one mistake, one score"
    run("15", words)
    refuted("15", words, boundary_iou=lambda old: lambda *maps, **o: old(*maps, **{**o, "width": 64}))
    refuted("15", words, moved_by_two=lambda old: {**old, 90: (old[20][0], old[90][1])})


def test_with_an_exchange_everybody_hears_everybody() -> None:
    words = "everybody hears everybody"
    run("15", words)
    refuted("15", words, heard=lambda old: {**old, False: old[True]})
    refuted("15", words, heard=lambda old: {**old, True: old[False]})


def test_every_branch_costs_the_same() -> None:
    words = "the same arithmetic at every stride"
    run("15", words)
    refuted("15", words, branch=lambda old: [*old[:3], old[2]])
    refuted("15", words, told=lambda old: old[::-1])


def test_the_networks_have_the_released_sizes() -> None:
    words = "the released sizes"
    run("15", words)
    refuted("15", words, millions=lambda old: {**old, "W48 + OCR": old["W48"]})
    refuted("15", words, bill=lambda old: old.inside("encoder.stage4"))


def test_four_weighted_pixels_are_grid_sample() -> None:
    words = "in value and in gradient"
    run("15", words)
    refuted("15", words, to_pixels=lambda old: lambda place, n, corners: old(place, n, True))
    refuted("15", words, inside=lambda old: lambda *a: old(*a[:2], a[2].replace("reflection", "border"), a[3]))


def test_a_coarse_map_knows_where_it_is_wrong() -> None:
    words = "few points, most of the edges"
    run("15", words)
    refuted("15", words, uncertainty=lambda old: lambda scores: -old(scores))
    refuted("15", words, reached=lambda old: {**old, ("anywhere", 1024): old["uncertain", 1024]})


def test_all_points_are_the_dense_head() -> None:
    words = "all points are the dense head"
    run("15", words)
    refuted("15", words, dense=lambda old: old + 1e-6)
    refuted("15", words, few=lambda old: 2 * old)


def test_attention_selects_a_size() -> None:
    words = "α selects a size"
    run("15", words)
    refuted("15", words, single=lambda old: {**old, 0.5: old[1.0]})
    refuted("15", words, said=lambda old: {**old, 0.5: (old[0.0] + old[1.0]) / 2})


def test_body_and_edge_add_up() -> None:
    words = "body and edge add up"
    run("15", words)
    refuted("15", words, edge=lambda old: 0.9 * old)
    refuted("15", words, still=lambda old: old.roll(1, -1))
    refuted("15", words, corner=lambda old: 1.0)


def test_a_flow_clears_the_body() -> None:
    words = "the body is pure"
    run("15", words)
    refuted("15", words, mixed=lambda old: {**old, "body": old["before"]})
    refuted("15", words, edge=lambda old: old + 0.1)


def test_a_balanced_loss_cannot_be_won_by_silence() -> None:
    words = "nothing is won by never seeing an edge"
    run("15", words)
    refuted("15", words, best_guess=lambda old: {**old, True: old[False]})
    refuted("15", words, best_guess=lambda old: {**old, False: old[True]})


@needs["fine_scales"]
def test_large_things_believe_the_small_picture() -> None:
    words = "large things believe the small picture a little more"
    run("15", words)
    turned = {"small": "large", "large": "small"}
    refuted("15", words, belief=lambda old: {"alpha_0.5": {turned.get(k, k): v for k, v in old["alpha_0.5"].items()}})


@needs["fine_exchange"]
@needs["fine_points"]
@needs["fine_scales"]
@needs["fine_edges"]
def test_what_the_ideas_bring() -> None:
    words = "what is claimed of these ideas was measured"
    found = run("15", words)
    stated = {study.found["experiment"]: study.claims for study, _ in found["stated"]}
    for name, claims in stated.items():
        refuted("15", words, results=recorded(**{name: put(claims[0]["better"], claims[0]["worse"])}))
