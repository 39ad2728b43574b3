"""Each claim of chapter 14 holds, and its assert fails when what it depends on is taken away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.course.claims import put, recorded, refuted, run


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """The chapter works on one thread; what follows does not have to."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_fine_maps_move_the_bytes() -> None:
    words = "few weights, much of the traffic"
    run("14", words)
    refuted("14", words, fine=lambda old: {**old, "ESNet": old["ESNet"][[2, 1, 2]]})
    refuted("14", words, fine=lambda old: {**old, "DDRNet": old["DDRNet"][[0, 1, 0]]})
    refuted("14", words, fine=lambda old: {**old, "BiSeNet": old["BiSeNet"][[0, 2, 1]]})


def test_fine_maps_take_the_time() -> None:
    words = "the fine end takes much of the time"
    run("14", words)
    refuted("14", words, timed=lambda old: {name: s[[3, 1, 2, 3]] for name, s in old.items()})
    refuted("14", words, timed=lambda old: {name: s[[0, 1, 2, 0]] for name, s in old.items()})
    refuted("14", words, timed=lambda old: {name: s[[0, 0, 2, 3]] for name, s in old.items()})


def test_the_first_layers_decide() -> None:
    words = "the first layers decide the milliseconds"
    run("14", words)
    refuted("14", words, ms=lambda old: {**old, "late": old["early"]})
    refuted("14", words, bills=lambda old: {**old, "late": old["late"].of("Conv2d")})


def test_a_pyramid_of_four_and_of_five() -> None:
    words = "the paper's two figures"
    run("14", words)
    refuted("14", words, fewer=lambda old: {**old, 4: old[5]})
    refuted("14", words, spans=lambda old: {**old, 5: old[4]})


def test_fusion_brings_in_no_cell() -> None:
    words = "fusion brings in no new cell"
    run("14", words)
    refuted("14", words, cells=lambda old: {**old, "fused": 45})
    refuted("14", words, each=lambda old: {**old, "fused": old["alone"]})


def test_released_fusion_leaves_four_grids() -> None:
    words = "released: neighbours still share nothing"
    run("14", words)
    refuted("14", words, common=lambda old: {**old, "fused": old["all five fused"]})
    refuted("14", words, common=lambda old: {**old, "all five fused": old["fused"]})


def test_groups_save_seven_times() -> None:
    words = "seven times fewer"
    run("14", words)
    refuted("14", words, LightPyramid=lambda old: lambda channels: torch.nn.Conv2d(channels, channels, 3))


def test_the_spatial_path_knows_where() -> None:
    words = "it knows where, not what"
    run("14", words)
    refuted("14", words, share=lambda old: {**old, ("BiSeNet", "spatial path"): old["BiSeNet", "context path"]})
    refuted("14", words, gradient_footprint=lambda old: lambda *a, **k: torch.ones(96, 96, dtype=torch.bool))


def test_without_the_exchange_nothing_is_heard() -> None:
    words = "switched off, the fine branch hears nothing"
    run("14", words)
    refuted("14", words, hears=lambda old: {**old, False: old[True]})
    refuted("14", words, hears=lambda old: {**old, True: old[False]})
    refuted("14", words, with_=lambda old: old.inside("fine"))


def test_dfanets_printed_count_cannot_be() -> None:
    words = "a quarter of what is printed"
    run("14", words)
    refuted("14", words, counts=lambda old: {**old, 3: old[2]})


def test_a_flow_of_zero_is_bilinear() -> None:
    words = "zero flow is bilinear"
    run("14", words)
    refuted("14", words, still=lambda old: old + 0.01)
    refuted("14", words, right=lambda old: 2 * old)


def test_a_flow_can_sharpen_edges() -> None:
    words = "it is worth looking elsewhere"
    run("14", words)
    refuted("14", words, correct=lambda old: {**old, "flow": old["bilinear"]})
    refuted("14", words, warp=lambda old: lambda coarse, flow: old(coarse, 0 * flow))


def test_expected_latency_is_the_enumeration() -> None:
    words = "expected latency is the enumeration"
    run("14", words)
    refuted("14", words, expected=lambda old: lambda p, q: old(p, [q[0], q[2], q[1], q[3]]))
    refuted("14", words, every=lambda old: old[:-1])


def test_the_table_tells_the_network() -> None:
    words = "the parts tell the whole"
    run("14", words)
    refuted("14", words, promised=lambda old: old[::-1])


def test_what_the_switches_bring() -> None:
    words = "what is claimed of these switches was measured"
    found = run("14", words)
    for claim in found["paths"].claims:
        refuted("14", words, results=recorded(swift_paths=put(claim["better"], claim["worse"])))


def test_milliseconds_in_the_loss_and_a_teacher() -> None:
    words = "milliseconds in the loss, and a teacher: as claimed"
    told = run("14", words)
    for study in (told["found"], told["lessons"]):
        for claim in study.claims:
            change = {study.found["experiment"]: put(claim["better"], claim["worse"])}
            refuted("14", words, results=recorded(**change))
    chance = put("found, λ = 0.05", "random 1, as fast as λ = 0.05")
    refuted("14", words, results=recorded(search=chance))
